"""Values as text for the tables that people read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from crime_assets.analysis.small_numbers import HIDDEN
from crime_assets.publishing.charts.key import NOT_SHOWN
from crime_assets.publishing.charts.scales import number

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


def is_hidden(row: Mapping[str, Any], key: str) -> bool:
    """Whether a value of a row must not be seen."""
    return key in str(row.get(HIDDEN) or "").split(", ")


def shown(row: Mapping[str, Any], key: str, form: Callable[[Any], str]) -> str:
    """A value of a row as `form` writes it, or why there is none."""
    if row.get(key) is not None:
        return form(row[key])
    return NOT_SHOWN if is_hidden(row, key) else NOTHING


def counted(row: Mapping[str, Any], key: str) -> str:
    """A number of a row, or why there is none."""
    return shown(row, key, lambda value: number(float(value)))


def signed(value: float, digits: int = 0) -> str:
    """A change, with its sign."""
    return f"{value:+,.{digits}f}"


def percent(value: float) -> str:
    """A share."""
    return f"{value:.1%}"
