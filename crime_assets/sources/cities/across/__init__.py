"""What must be known of a city before its figures stand beside those of another, as data: a `Comparison` for each.

What is the same for every city, such as which offenses may be compared at all, is not here but in `analysis.across`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Population:
    """Residents, as counted in a year by somebody."""

    residents: int
    year: int
    source: str


@dataclass(frozen=True)
class Series:
    """Months whose figures mean the same: counted by one scheme, in one dataset. Figures of two are no trend."""

    scheme: str
    since: date
    """Its first day, the first of a month."""
    fewest: int
    """Fewer records than this no month has had: a lake with fewer holds only some of them."""
    until: date | None = None
    """Its last day, the last of a month; None if it goes on."""

    def has(self, month: date, scheme: str) -> bool:
        """Whether a month of a scheme, given by its first day, is in it."""
        return scheme == self.scheme and self.since <= month and (self.until is None or month <= self.until)


@dataclass(frozen=True)
class Break:
    """From this month on an offense, one of the 14 words, is another thing than before."""

    offense: str
    since: date
    reason: str


@dataclass(frozen=True)
class Comparison:
    """What a city's rows are, and what of them may be compared."""

    unit: str
    """What a row is, in a few words."""
    note: str
    """What to know when its figures stand beside those of another city."""
    area_kind: str
    """What `district` is."""
    population: Population
    scheme: str
    """SQL in the Athena dialect, over the columns of crimes, that gives the scheme of a row; a name in quotes, if there
    is only one."""
    series: tuple[Series, ...]
    """In order, those of one scheme without a month in two of them."""
    between: str
    """Why months of no series are in none."""
    breaks: tuple[Break, ...] = ()


def census_2020(residents: int) -> Population:
    """As counted by the census of the United States on 1 April 2020."""
    return Population(residents, 2020, "US Census 2020")
