"""The comment lines that a file of sql/ begins with: what it is about, and more behind tags such as `@column`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from crime_assets.core.errors import UsageError


class Headed(NamedTuple):
    """A file, taken apart; texts of the header are on one line each."""

    description: str
    """What comes before the first tag."""
    tags: dict[str, list[str]]
    """Every tag that there may be → the texts after it, in their order."""
    statement: str
    """All that follows the header."""


def headed(text: str, tags: Sequence[str], says: str) -> Headed:
    """The text of a file by its tags. UsageError if it has no description, which says what the file `says`."""
    lines = text.splitlines()
    length = next((n for n, line in enumerate(lines) if not line.startswith("--")), len(lines))
    header = " ".join(line.removeprefix("--").strip() for line in lines[:length])
    description, *rest = re.split(rf"(?:^|\s)@({'|'.join(tags)})\b", header)
    if not description.strip():
        raise UsageError(f"The file must begin with comment lines that say what it {says}.")
    found: dict[str, list[str]] = {tag: [] for tag in tags}
    for tag, said in zip(rest[::2], rest[1::2], strict=True):
        found[tag].append(" ".join(said.split()))
    return Headed(" ".join(description.split()), found, "\n".join(lines[length:]).strip())
