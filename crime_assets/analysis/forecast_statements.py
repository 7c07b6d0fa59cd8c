"""The files of sql/forecasts: three statements that forecasts are made of. What is done with the rows is not here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from crime_assets.analysis.forecasts import RELEASE, targets
from crime_assets.core.insights import Insight, load_insights
from crime_assets.core.sql import SQL_DIRECTORY
from crime_assets.sources.cities import City


@dataclass(frozen=True)
class Statements:
    """Statements for an engine's `insight`, each asked as of a change day."""

    events: Insight
    """Index crimes by day, place and target, and since when each could be known; in no order."""
    completeness: Insight
    """Of the lags 0 to 90, in order: which share of a day's records is known after so many days."""
    cells_seen: Insight
    """Where records lie, up to the last complete day; in no order."""

    @property
    def release(self) -> str:
        """A digest of 16 hex digits of the statements and the method: another where anything is computed otherwise."""
        definitions = [one.definition for one in (self.events, self.completeness, self.cells_seen)]
        return sha256(f"{RELEASE} {definitions}".encode()).hexdigest()[:16]


@lru_cache
def load_forecasts() -> Statements:
    """The files of sql/forecasts. Cached: parsing them takes longer than asking some of them.

    Raises UsageError if one is not as it should be, or asks for what no forecast may know.
    """
    found = {one.name: one for one in load_insights(SQL_DIRECTORY / "forecasts", leading=("as_of_day",))}
    for one in found.values():
        # With the parts that it reads.
        targets.check(one.statement)
    return Statements(found["events"], found["completeness"], found["cells_seen"])


def statements_of(city: City) -> Statements:
    """The same for a city: of records that it does not count, none."""
    whole = load_forecasts()
    return Statements(
        *(one.counting_only(city.counted) for one in (whole.events, whole.completeness, whole.cells_seen))
    )
