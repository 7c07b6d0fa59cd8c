"""What the header of an insight promises about its rows, tag by tag. Holding rows against it is done elsewhere.

    @key district, offense_class     columns that, with as_of_day and period, tell each row from all others
    @period 28d, ytd     its periods, where they are not 28d, 365d and all
    @signed change, flag     numbers that may be negative; no others may
    @total crimes, arrests     counts of all records: over the table they are as many as `crimes` holds of the period
    @unsummed five_years_low: why     a count that is not the sum of its parts, or that several rows repeat
    @area unit: beat where unit_kind = beat     rows that are named areas, in a column that is not called like them

Key columns called `district`, `community_area` or `beat` are areas without saying so: each area with crimes has a row,
and so have crimes without an area. Counts called like one of FIGURES are never more than `crimes` holds, also if they
are no @total.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from crime_assets.core.errors import UsageError
from crime_assets.core.periods import PERIODS, USUAL

FIGURES = (
    "crimes",
    "arrests",
    "domestic_crimes",
    "violent_crimes",
    "property_crimes",
    "other_crimes",
    "unmapped_crimes",
    "index_crimes",
    "no_place",
)
"""Counts that sql/checks/recorded.sql makes of `crimes`: columns of insights with these names count the same."""
AREAS = ("district", "community_area", "beat")
"""The kinds of areas that it tells apart."""
TAGS = ("key", "period", "signed", "total", "unsummed", "area")

_NAMES = re.compile(r"[a-z0-9_]+(?:, [a-z0-9_]+)*")
_UNSUMMED = re.compile(r"(?P<names>[a-z0-9_]+(?:, [a-z0-9_]+)*): (?P<why>.+)")
_AREA = re.compile(r"(?P<column>[a-z0-9_]+): (?P<kind>[a-z_]+) where (?P<where>[a-z0-9_]+) = (?P<value>[^,=]+)")


@dataclass(frozen=True)
class Area:
    """A column with areas of one kind. If `where` is a column and a text: in the rows that have that text there."""

    column: str
    kind: str
    where: tuple[str, str] | None = None


@dataclass(frozen=True)
class Promises:
    """What the rows of an insight promise. `unsummed` has the column and the reason."""

    key: tuple[str, ...] = ()
    periods: tuple[str, ...] = USUAL
    signed: tuple[str, ...] = ()
    totals: tuple[str, ...] = ()
    unsummed: tuple[tuple[str, str], ...] = ()
    named_areas: tuple[Area, ...] = ()

    @property
    def areas(self) -> tuple[Area, ...]:
        """All columns with areas."""
        return (*(Area(name, name) for name in self.key if name in AREAS), *self.named_areas)

    def without(self, names: Collection[str]) -> Promises:
        """What is left if these columns are not in the table."""
        return replace(
            self,
            key=tuple(name for name in self.key if name not in names),
            signed=tuple(name for name in self.signed if name not in names),
            totals=tuple(name for name in self.totals if name not in names),
            unsummed=tuple(one for one in self.unsummed if one[0] not in names),
            named_areas=tuple(one for one in self.named_areas if not {one.column, *(one.where or ())[:1]} & {*names}),
        )

    def named(self) -> Iterator[str]:
        """The columns that it speaks of."""
        yield from (*self.key, *self.signed, *self.totals, *(name for name, _ in self.unsummed))
        for area in self.named_areas:
            yield from (area.column, *(area.where or ())[:1])


NOTHING = Promises()
"""What a header without these tags promises: one row a period, and no negative numbers."""


def promises_of(tags: Mapping[str, Sequence[str]]) -> Promises:
    """What these tags promise: tag → the texts after it. UsageError if one is not written as above."""
    found = Promises(
        key=_names("key", tags["key"]),
        periods=_names("period", tags["period"]) or USUAL,
        signed=_names("signed", tags["signed"]),
        totals=_names("total", tags["total"]),
        unsummed=tuple(pair for text in tags["unsummed"] for pair in _unsummed(text)),
        named_areas=tuple(_area(text) for text in tags["area"]),
    )
    _one_of("period", found.periods, PERIODS)
    _one_of("total", found.totals, FIGURES)
    _one_of("area", [area.kind for area in found.named_areas], AREAS)
    if both := sorted({*found.totals} & {name for name, _ in found.unsummed}):
        raise UsageError(f"The header calls {both[0]} both @total and @unsummed: keep the one that is true.")
    return found


def _names(tag: str, texts: Sequence[str]) -> tuple[str, ...]:
    found = (_matched(_NAMES, tag, text, "name, name").group() for text in texts)
    return tuple(name for names in found for name in names.split(", "))


def _unsummed(text: str) -> Iterator[tuple[str, str]]:
    match = _matched(_UNSUMMED, "unsummed", text, "name, name: why")
    yield from ((name, match["why"]) for name in match["names"].split(", "))


def _area(text: str) -> Area:
    match = _matched(_AREA, "area", text, "column: kind where column = value")
    return Area(match["column"], match["kind"], (match["where"], match["value"]))


def _matched(pattern: re.Pattern[str], tag: str, text: str, shape: str) -> re.Match[str]:
    match = pattern.fullmatch(text)
    if match is None:
        raise UsageError(f"The header line '@{tag} {text}' must read '@{tag} {shape}'.")
    return match


def _one_of(tag: str, said: Sequence[str], possible: Sequence[str]) -> None:
    for name in said:
        if name not in possible:
            raise UsageError(f"The header says @{tag} {name}: it can be {', '.join(possible)}.")
