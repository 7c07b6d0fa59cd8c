"""What shows only at the end of a CSV file: that it was cut off, has another encoding, or is not such a file at all.

A file may end without a line end. Then only its last line, compared with the lines above, shows whether it was cut
off; a file that ends with a line end does not show it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from crime_assets.sources.feeds.csv_dialect import NOT_UTF8, CsvError, CutOffError

_FEWEST_LINES = 3
"""Fewest lines in another encoding that are no accident."""
_FEWEST_VALUES = 3
_MOST_REASONS = 100
_ESCAPED = re.compile(r"\\x([0-9a-f]{2})")
# The bytes of letters, quotation marks and the like beyond ASCII in Windows-1252 and Latin-1.
_ONE_BYTE = frozenset(f"{byte:02x}" for byte in (*range(0xC0, 0x100), *b"\x85\x8a\x8c\x8e\x91\x92\x93\x94\x96\x97\x9a"))
_ONE_BYTE_TOO = frozenset(f"{byte:02x}" for byte in b"\x9c\x9e\x9f\xa0\xaa\xab\xb0\xba\xbb")


def cut_off(where: str, line: bytes, remedy: str = "fetch it again") -> CutOffError:
    """The error for a file that ends in the middle of this line; `where` continues "it ends"."""
    text = line[-40:].decode(errors="replace")
    shown = "".join(sign if sign.isprintable() else " " for sign in text).strip()
    return CutOffError(f"it ends {where} (…{shown})", remedy)


def check_line(line: bytes) -> None:
    """CutOffError if the bytes of a last line without a line end show that more should follow."""
    if line.endswith(b"\r"):
        raise cut_off("between the two signs of a line end", line[:-1])
    if b"\0" in line:
        raise cut_off("in NUL bytes, as an interrupted download does", line)
    try:
        line.decode()
    except UnicodeDecodeError as error:
        if error.end == len(line) and error.reason == "unexpected end of data":
            raise cut_off("inside a character", line) from error


def check_last_value(line: bytes, value: str | None, above: Sequence[str | None]) -> None:
    """CutOffError if the last field of a last line without a line end looks like the beginning of a longer value.

    `value` is the field's value, `above` its values in lines above; None is an empty field.
    """
    known = {other for other in above if other}
    if line.endswith(b'"') or value in known:
        return
    if value is None:
        is_cut = sum(other is None for other in above) * 2 <= len(above)
    else:
        is_cut = (
            any(other.startswith(value) for other in known)
            or len(value) < min(map(len, known), default=0)
            or _misses_end(value, known)
        )
    if is_cut:
        remedy = "fetch it again, or end its last line if it is whole"
        raise cut_off("with a last field that seems cut off, and without a line end", line, remedy)


def _misses_end(value: str, known: set[str]) -> bool:
    """Whether all known values end with the same character, such as a bracket, and this one does not."""
    ends = {other[-1] for other in known if not other[-1].isdigit()} if len(known) >= _FEWEST_VALUES else set()
    return len(ends) == 1 and all(other[-1] in ends for other in known) and value[-1] not in ends


@dataclass
class Tally:
    """Counts what the lines of a file were."""

    records: int = 0
    has_utf8: bool = False
    """Whether there is a letter beyond ASCII in UTF-8."""
    _reasons: Counter[str] = field(default_factory=Counter)
    _one_byte: list[str] = field(default_factory=list)
    _others: int = 0

    def add_damaged(self, reason: str, line: str) -> None:
        """Count a damaged line; bytes that are not text are escaped as in `\\xff`."""
        if len(self._reasons) < _MOST_REASONS:
            self._reasons[reason] += 1
        if reason == NOT_UTF8:
            if set(_ESCAPED.findall(line)) <= _ONE_BYTE | _ONE_BYTE_TOO:
                self._one_byte = [*self._one_byte, line][:_FEWEST_LINES]
            else:
                self._others += 1

    def check(self) -> None:
        """CsvError if the file as a whole is something other than it seemed."""
        if len(self._one_byte) == _FEWEST_LINES and not self._others and not self.has_utf8:
            match = _ESCAPED.search(self._one_byte[0])
            at = match.start() if match else 0
            shown = self._one_byte[0][max(at - 10, 0) : at + 14]
            raise CsvError(
                f"it is not in UTF-8 but seems to be in Windows-1252 or Latin-1 (…{shown}…)", "save it as UTF-8"
            )
        if self._reasons and not self.records:
            reason, _ = self._reasons.most_common(1)[0]
            raise CsvError(f"none of its lines is a record ({reason})")
