"""Jobs: named pieces of the graph that a schedule, a sensor or a person starts."""

from __future__ import annotations

import dagster as dg

LOAD_HISTORY = "load_history"
PULL = "pull_change_day"
MERGE = "merge_change_day"
RUN = "run_change_day"
BACKFILL = "backfill_change_days"
RECONCILE = "reconcile_with_source"
UPKEEP = "upkeep"
BOUNDARIES = "fetch_boundaries"
CITIES = "count_city_months"

_PULLED = dg.AssetSelection.assets("raw_crime_batches")
_MERGED = dg.AssetSelection.assets("crime_deliveries", "crimes")
_BOUNDARIES = dg.AssetSelection.assets("boundaries")


def build(*, has_cities: bool = False) -> dg.Definitions:
    """All jobs; `has_cities` if the city is counted for comparisons."""
    history = dg.AssetSelection.assets("crime_history")
    upkeep = dg.AssetSelection.groups("upkeep")
    reconciliation = dg.AssetSelection.assets("crime_reconciliation")
    # No day depends on the portal's maps, so an error in them must not stop a day.
    everything_daily = _PULLED | _MERGED | (dg.AssetSelection.groups("insights", "publishing") - _BOUNDARIES)
    jobs = [
        dg.define_asset_job(LOAD_HISTORY, history, description="Load the source's history, once."),
        dg.define_asset_job(PULL, _PULLED, description="Pull one change day."),
        dg.define_asset_job(MERGE, _MERGED, description="Check what landed for a change day and merge it."),
        dg.define_asset_job(
            BACKFILL, _PULLED | _MERGED, description="Change days from feed to crimes, without insights."
        ),
        dg.define_asset_job(RUN, everything_daily, description="One change day from feed to dashboard."),
        dg.define_asset_job(RECONCILE, reconciliation, description="Compare the lake with its source."),
        dg.define_asset_job(UPKEEP, upkeep, description="Keep the tables small and fast to read."),
        dg.define_asset_job(BOUNDARIES, _BOUNDARIES, description="Fetch the shapes of the city's areas, for maps."),
    ]
    if has_cities:
        jobs.append(
            dg.define_asset_job(
                CITIES, dg.AssetSelection.assets("city_months"), description="Count what may be compared across cities."
            )
        )
    return dg.Definitions(jobs=jobs)
