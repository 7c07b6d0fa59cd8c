"""Values as text for the tables that people read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from crime_assets.publishing.charts.key import NOT_SHOWN
from crime_assets.publishing.charts.scales import number
from crime_assets.publishing.small_numbers import HIDDEN

NOTHING = "\N{EN DASH}"
"""Shown instead of a number that does not exist."""


@dataclass(frozen=True)
class Cited:
    """What a person copies of a figure: the sentences, and the address of its page, without the server."""

    text: str
    link: str


@dataclass(frozen=True)
class Cell:
    """A cell of a table: its text, whether it is a number, its link, its mark, and what can be copied of its row."""

    text: str
    is_number: bool = False
    link: str | None = None
    mark: str | None = None
    cited: Cited | None = None


def counted(row: Mapping[str, object], key: str) -> str:
    """A number of a row, or why there is none."""
    value = row.get(key)
    if value is None:
        return NOT_SHOWN if key in str(row.get(HIDDEN) or "").split(", ") else NOTHING
    return number(float(str(value)))


def signed(value: object, digits: int = 0) -> str:
    """A change, with its sign."""
    return NOTHING if value is None else f"{float(str(value)):+,.{digits}f}"
