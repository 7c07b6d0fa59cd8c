"""What each step does, in the process that does it. Knows nothing about Dagster: a job has none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from crime_assets.analysis.across import Held, judged
from crime_assets.analysis.statistics import finished
from crime_assets.core.errors import CrimeAssetsError
from crime_assets.core.insights import Insight
from crime_assets.engines import Engine, for_days
from crime_assets.lakehouse.iceberg.tables import StalePlan
from crime_assets.lakehouse.records import across
from crime_assets.lakehouse.writing import city_months
from crime_assets.lakehouse.writing.history import HistoryResult, history_before
from crime_assets.lakehouse.writing.insights import busy, look_at, replace_days, stale_days
from crime_assets.lakehouse.writing.merge import MergeResult
from crime_assets.profiles import Profile
from crime_assets.publishing.charts.small import small_chart
from crime_assets.publishing.extract import days as extracted_days
from crime_assets.sources import cities
from crime_assets.sources.cities import City
from crime_assets.sources.feeds import Feed
from crime_assets.streams.inventory import Inventory, read_inventory, record_merged

_PREVIEW_ROWS = 10
_PLANS = 5


@dataclass(frozen=True)
class InsightDay:
    """One as-of day of an insight; `preview` are its first rows, ten at most, `chart` is SVG or empty."""

    day: date
    rows: int
    changed: bool
    preview: Sequence[Mapping[str, object]]
    chart: str


@dataclass(frozen=True)
class InsightResult:
    """The days that were computed, in order: more than requested if late changes had made others stale.

    `types` are the columns' Arrow type names, `spent` is what the engine says the queries cost.
    """

    days: Sequence[InsightDay]
    types: Mapping[str, str]
    spent: Mapping[str, int | float]


def load_history(profile: Profile, feed: Feed, before: date, run_id: str) -> HistoryResult:
    """Load all that the source holds with a change stamp before `before`, once."""
    return profile.writer.load_history(feed, before, run_id)


def inventories_of(profile: Profile, days: Sequence[date]) -> dict[date, Inventory]:
    """What there is to merge for these days. CrimeAssetsError if the lake or one of the days is not ready."""
    if history_before(profile.lake, profile.city) is None:
        raise CrimeAssetsError("The lake has no history yet: materialize crime_history once, then run this day again.")
    inventories = {day: read_inventory(profile.landing, profile.city.name, day) for day in days}
    found = {day: inventory for day, inventory in inventories.items() if inventory is not None}
    if missing := sorted(inventories.keys() - found.keys()):
        raise CrimeAssetsError(
            f"The deliveries of {missing[0]} have not been checked: materialize crime_deliveries first."
        )
    return found


def merge(profile: Profile, days: Sequence[date], run_id: str) -> MergeResult:
    """Merge what has landed for these days as one set, and record that the lake has it."""
    found = inventories_of(profile, days)
    marks = {"run-id": run_id, "change-days": f"{min(found)}/{max(found)}"}
    result = profile.writer.merge(found, marks)
    record_merged(profile.landing, profile.city.name, found)
    return result


def compute(profile: Profile, engine: Engine, insight: Insight, days: Sequence[date]) -> InsightResult:
    """Compute an insight for these as-of days and those that have become stale, and write it to its table.

    LakeBusy if other writers keep changing that table.
    """
    engine.spent()  # What was spent before belongs to other insights.
    for _ in range(_PLANS):
        try:
            results, changed = _replace(profile, engine, insight, days)
        except StalePlan:
            # Another machine computed days meanwhile, perhaps from a newer state of the lake than this one has seen.
            continue
        return InsightResult(
            [
                InsightDay(
                    day,
                    rows.num_rows,
                    day in changed,
                    rows.slice(0, _PREVIEW_ROWS).to_pylist(),
                    small_chart(insight.chart, rows) if insight.chart else "",
                )
                for day, rows in results.items()
            ],
            {field.name: str(field.type) for field in results[days[0]].schema},
            dict(engine.spent()),
        )
    raise busy(profile.city, insight)


def _replace(
    profile: Profile, engine: Engine, insight: Insight, days: Sequence[date]
) -> tuple[dict[date, pa.Table], list[date]]:
    """The rows of all days that had to be computed, in order, and the days whose rows changed."""
    lake, city = profile.lake, profile.city
    # In one piece: otherwise a merge in between would be marked as known to results computed before it.
    with lake.writing():
        known = look_at(lake, city, insight)
        # An extract needs all insights of its day: a table that was lost, or is new, gets the days of those kept.
        computed = sorted({*days, *stale_days(lake, city, insight, extracted_days(profile.landing, city))})
        results = for_days(engine, computed, lambda day: finished(insight, engine.insight(insight, day)))
        return results, replace_days(lake, city, insight, results, known)


@dataclass(frozen=True)
class CityPart:
    """A city's part of the table `city_months`: its rows, whether they changed, or why it could not be made."""

    rows: int = 0
    changed: bool = False
    refused: str = ""


def count_months(profile: Profile) -> dict[str, CityPart]:
    """Make the part of the profile's city, and those of other cities in the lake that have none yet.

    What is wrong with another city does not stop this one.
    """
    lake = profile.lake
    found = {profile.city.name: _counted(profile, profile.city)}
    for name in sorted((lake.cities & {*cities.names()}) - city_months.parts(lake) - {profile.city.name}):
        try:
            found[name] = _counted(profile, cities.get(name))
        except CrimeAssetsError as error:
            found[name] = CityPart(refused=str(error))
    return found


def _counted(profile: Profile, city: City) -> CityPart:
    """Make a city's part, unless it was made of the same crimes in the same way."""
    lake = profile.lake
    state = lake.city(city.name)
    with lake.writing():
        known = city_months.look_at(lake, city, across.definition(city))
        if known.is_current:
            return CityPart(known.rows)
        with across.counting(lake, city) as con:
            if con is None:
                return CityPart()
            months, held = (across.counted(con, name, city) for name in ("months", "held"))
        newest = max((row["newest_change_day"] for row in held), default=date.min)
        is_simulated = state is not None and state.feed == "sample"
        rows = judged(city, Held(months, held, city.last_complete_day(newest), is_simulated)) if held else []
        return CityPart(len(rows), city_months.replace_part(lake, city, rows, known))
