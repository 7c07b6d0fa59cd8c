"""Which change days are covered by unfinished runs: these are not requested again meanwhile."""

from datetime import date

import dagster as dg

from crime_assets.defs.names import Names
from crime_assets.defs.partitions import days_in_tags
from crime_assets.streams.pull import days_between

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
"""States of a run that may still succeed."""
# Stopping `dagster dev` cancels its runs; their days must still be retried.
WITHOUT_SUCCESS = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
"""Final states of a run that has to be retried."""


def days_at_work(names: Names, instance: dg.DagsterInstance) -> set[date]:
    """All days of the city's unfinished runs of any job. A run that died counts until run monitoring ends it."""
    runs = instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))
    covered = (days_in_tags(run.tags) for run in runs if names.has(run))
    return {day for days in covered if days is not None for day in days_between(*days)}
