"""Jobs: named pieces of the graph that a schedule, a sensor or a person starts."""

from __future__ import annotations

import dagster as dg

from crime_assets.defs.names import Names

LOAD_HISTORY = "load_history"
PULL = "pull_change_day"
MERGE = "merge_change_day"
RUN = "run_change_day"
BACKFILL = "backfill_change_days"
RECONCILE = "reconcile_with_source"
UPKEEP = "upkeep"
BOUNDARIES = "fetch_boundaries"
CITIES = "count_city_months"
FORECAST = "forecast"
MIGRATE = "migrate_legacy"


def build(
    names: Names, *, has_cities: bool = False, has_forecasts: bool = False, has_legacy: bool = False
) -> dg.Definitions:
    """All jobs; `has_cities` if the city is counted for comparisons, `has_forecasts` if forecasts are made for it.

    `has_legacy` if a legacy database is migrated.
    """
    history, pulled, reconciliation, boundaries = (
        dg.AssetSelection.assets(key)
        for key in names.keys("crime_history", "raw_crime_batches", "crime_reconciliation", "boundaries")
    )
    merged = dg.AssetSelection.assets(*names.keys("crime_deliveries", "crimes"))
    # No day depends on the portal's maps, so an error in them must not stop a day.
    everything_daily = pulled | merged | (dg.AssetSelection.groups("insights", "publishing") - boundaries)
    found = {
        LOAD_HISTORY: (history, "Load the source's history, once."),
        PULL: (pulled, "Pull one change day."),
        MERGE: (merged, "Check what landed for a change day and merge it."),
        BACKFILL: (pulled | merged, "Change days from feed to crimes, without insights."),
        RUN: (everything_daily, "One change day from feed to dashboard."),
        RECONCILE: (reconciliation, "Compare the lake with its source."),
        UPKEEP: (dg.AssetSelection.groups("upkeep"), "Keep the tables small and fast to read."),
        BOUNDARIES: (boundaries, "Fetch the shapes of the city's areas, for maps."),
    }
    if has_forecasts:
        found[FORECAST] = (dg.AssetSelection.groups("forecasts"), "Score past forecasts, and make those of a Sunday.")
    if has_cities:
        months = dg.AssetSelection.assets(names.key("city_months"))
        found[CITIES] = (months, "Count what may be compared across cities.")
    if has_legacy:
        migrated = dg.AssetSelection.assets(*names.keys("legacy_documents", "legacy_export"))
        found[MIGRATE] = (migrated, "Bring documents of the legacy database up to date, verify and export them.")
    return dg.Definitions(
        jobs=[
            dg.define_asset_job(name, selection, description=description, tags=names.tags)
            for name, (selection, description) in found.items()
        ]
    )
