"""Whether a block of CSV lines is plain, found from its bytes at once rather than line by line.

Plain lines hold one record each, if they have the right number of fields, and can be parsed together. The answer may
err on the safe side: `csv_lines` looks at each line of a block that is not plain, which takes longer.
"""

from __future__ import annotations

import numpy as np

from crime_assets.sources.feeds.csv_dialect import Dialect, not_text

_LINE_FEED, _QUOTE = b'\n"'


def is_plain(block: bytes, dialect: Dialect, longest_line: int) -> bool:
    """Whether no line of `block`, which ends with a line feed, is empty, damaged, too long or no record at all."""
    if b"\r" in block or not_text(block) or any(line in block for line in dialect.no_records):
        return False
    signs = np.frombuffer(block, np.uint8)
    at = np.flatnonzero((signs == _LINE_FEED) | (signs == _QUOTE))
    ends = np.flatnonzero(signs[at] == _LINE_FEED)
    # All lines have an even number of quotes if there is an even number before each line's end.
    quotes_before = ends - np.arange(len(ends))
    if (quotes_before & 1).any():
        return False
    lengths = np.diff(at[ends], prepend=-1) - 1
    return bool(lengths.min() > 0 and lengths.max() <= longest_line)
