"""Jobs: named pieces of the graph that a schedule, a sensor or a person starts."""

from __future__ import annotations

import dagster as dg

LOAD_HISTORY = "load_history"
PULL = "pull_change_day"
MERGE = "merge_change_day"
RUN = "run_change_day"

_PULLED = dg.AssetSelection.assets("raw_crime_batches")
_MERGED = dg.AssetSelection.assets("crime_deliveries", "crimes")


def build() -> dg.Definitions:
    """All jobs."""
    history = dg.AssetSelection.assets("crime_history")
    everything_daily = dg.AssetSelection.all() - history
    jobs = [
        dg.define_asset_job(LOAD_HISTORY, history, description="Load the source's history, once."),
        dg.define_asset_job(PULL, _PULLED, description="Pull one change day."),
        dg.define_asset_job(MERGE, _MERGED, description="Check what landed of a change day and merge it."),
        dg.define_asset_job(RUN, everything_daily, description="One change day from feed to insights."),
    ]
    return dg.Definitions(jobs=jobs)
