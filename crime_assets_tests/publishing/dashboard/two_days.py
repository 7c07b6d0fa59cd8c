"""The small city on two as-of days: what a person reads, compares and takes away, without running the graph."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from crime_assets.core.insights import all_insights
from crime_assets.defs.work.steps import compute
from crime_assets.profiles import Profile
from crime_assets.publishing.extract import write_extracts
from crime_assets_tests.build import envelope, export_profile
from crime_assets_tests.lakehouse.lakes import merge
from crime_assets_tests.publishing.dashboard.city import DAY, crimes_of_the_city

DAY_BEFORE = DAY - timedelta(days=1)
_INSIGHTS = tuple(
    insight for insight in all_insights() if insight.name in ("compstat", "early_warning", "reporting_delay")
)


def lake_of_two_days(place: Path, crimes: int = 2_400, *, without_place: int = 0) -> Profile:
    """A lake with the extracts of DAY_BEFORE and DAY; each record was published on the day that it was last changed.

    The first records `without_place` say no district, beat or area.
    """
    found = export_profile(place / "lake", "none.csv")
    found.begin(DAY_BEFORE)
    records = crimes_of_the_city(crimes)
    for nowhere in records[:without_place]:
        nowhere |= {"district": None, "beat": None, "community_area": None}
    merge(found.lake, *(envelope(record, str(record["updated_on"])[:10]) for record in records))
    for day in (DAY_BEFORE, DAY):
        for insight in _INSIGHTS:
            compute(found, found.engine, insight, [day])
        write_extracts(found.lake, found.landing, found.engine, found.city, _INSIGHTS, [day])
    return found
