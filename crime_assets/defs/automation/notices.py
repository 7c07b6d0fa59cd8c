"""Sending notices: sensors that announce runs of the daemon, and `announce_run` for runs of the command.

The outcome of a run is read from Dagster's records, so nothing has to be passed from step to step.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.storage.tags import WILL_RETRY_TAG
from dagster_shared.error import SerializableErrorInfo

from crime_assets.cloud.migration_notices import MigrationReport
from crime_assets.cloud.notices import DayReport, Notices, Report
from crime_assets.core.errors import CrimeAssetsError
from crime_assets.defs.automation import jobs
from crime_assets.defs.names import Names
from crime_assets.defs.partitions import days_in_tags
from crime_assets.profiles import Profile
from crime_assets.streams.inventory import merged_days

ANNOUNCED_TAG = "crime-assets/announced"
SUCCEEDED = "announce_success"
FAILED = "announce_failure"
MERGING = (jobs.RUN, jobs.MERGE, jobs.BACKFILL)
"""Jobs that end with a day in `crimes`: their success is the day's success. Failures of all jobs are announced."""

_READ = {
    dg.DagsterEventType.ASSET_MATERIALIZATION,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.STEP_FAILURE,
}
_OURS = re.compile(r"crime_assets\.[\w.]+: (?P<sentence>.+)", re.DOTALL)


def build(names: Names, notices: Notices | None, *, has_legacy: bool = False) -> list[dg.SensorDefinition]:
    """The sensors for success and failure, on by default; none if nobody is to be notified.

    `has_legacy` if a legacy database is migrated, whose success is announced too.
    """
    if notices is None:
        return []
    return [_on_success(names, notices, has_legacy=has_legacy), _on_failure(notices)]


def announce_run(
    instance: dg.DagsterInstance, run_id: str, profile: Profile, notices: Notices, warn: Callable[[str], None]
) -> None:
    """Announce the outcome of a finished run once; a second call does nothing. `warn` gets what could not be sent.

    Sensors of a daemon see only runs that were started through it, so the command announces its own.
    """
    run = instance.get_run_by_id(run_id)
    if run is None or ANNOUNCED_TAG in run.tags:
        return
    notices.announce(report_of(instance, run_id, profile), warn)
    instance.add_run_tags(run_id, {ANNOUNCED_TAG: "true"})


def report_of(instance: dg.DagsterInstance, run_id: str, profile: Profile) -> Report:
    """The outcome of a finished run, from its records. CrimeAssetsError if there is no such run."""
    record = instance.get_run_record_by_id(run_id)
    if record is None:
        raise CrimeAssetsError(f"Dagster has no run {run_id}: check that DAGSTER_HOME is the one it was started in.")
    events = [entry.dagster_event for entry in instance.all_logs(run_id, of_type=_READ) if entry.dagster_event]
    ended = _Ended(
        profile.city.name,
        run_id,
        record.dagster_run.status == dg.DagsterRunStatus.SUCCESS,
        datetime.fromtimestamp(record.end_time, UTC) if record.end_time else profile.clock(),
        record.end_time - record.start_time if record.end_time and record.start_time else None,
    )
    if record.dagster_run.job_name == jobs.MIGRATE:
        return _migration_report(ended, events)
    return _day_report(ended, record.dagster_run, events, profile)


@dataclass(frozen=True)
class _Ended:
    """What is known of every run that has ended."""

    city: str
    run_id: str
    succeeded: bool
    ended_at: datetime
    duration_seconds: float | None


def _day_report(ended: _Ended, run: dg.DagsterRun, events: list[dg.DagsterEvent], profile: Profile) -> DayReport:
    first, last = days_in_tags(run.tags) or (None, None)
    made = _metadata(events)
    # A range of days is merged as one set: each of its days is recorded with the counts of the whole set.
    merged = made["crimes"][-1] if made["crimes"] else {}
    deliveries = made["crime_deliveries"]
    return DayReport(
        **vars(ended),
        first_day=first,
        last_day=last,
        will_retry=not ended.succeeded and run.tags.get(WILL_RETRY_TAG) == "true",
        records_delivered=_total(deliveries, "dagster/partition_row_count"),
        objects=_total(deliveries, "objects"),
        bytes_delivered=_total(deliveries, "bytes"),
        rows_inserted=merged.get("rows_inserted"),
        rows_replaced=merged.get("rows_replaced"),
        rows_quarantined=merged.get("rows_quarantined"),
        rows_total=merged.get("dagster/row_count"),
        lag_days=_lag(profile),
        failed_checks=tuple(check.check_name for check in _checks(events) if not check.passed),
        error="" if ended.succeeded else _sentence(run.job_name, events),
    )


def _migration_report(ended: _Ended, events: list[dg.DagsterEvent]) -> MigrationReport:
    made = _metadata(events)
    documents = made["legacy_documents"][-1] if made["legacy_documents"] else {}
    found = [check.metadata["differences"].value for check in _checks(events) if "differences" in check.metadata]
    exports = [
        str(made.metadata["export"].value)
        for made in _materializations(events)
        if made.asset_key.path[-1] == "legacy_export"
    ]
    differences = found[-1] if found and isinstance(found[-1], int) else None
    error = "" if ended.succeeded else _sentence(jobs.MIGRATE, events)
    if differences:
        error = f"{differences:,} documents or values differ from the database: nothing was exported."
    return MigrationReport(
        **vars(ended),
        documents=documents.get("documents"),
        changes=documents.get("changes"),
        differences=differences,
        export=exports[-1] if exports else "",
        error=error,
    )


def _on_success(names: Names, notices: Notices, *, has_legacy: bool) -> dg.SensorDefinition:
    built = jobs.build(names, has_legacy=has_legacy).jobs or []
    announced = [job for job in built if job.name in {*MERGING, jobs.MIGRATE}]

    @dg.run_status_sensor(
        name=SUCCEEDED,
        run_status=dg.DagsterRunStatus.SUCCESS,
        monitored_jobs=announced,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Notifies the topic and the metrics about merged change days, and a migration.",
    )
    def announce_success(context: dg.RunStatusSensorContext, profile: dg.ResourceParam[Profile]) -> None:
        announce_run(context.instance, context.dagster_run.run_id, profile, notices, context.log.warning)

    return announce_success


def _on_failure(notices: Notices) -> dg.SensorDefinition:
    @dg.run_status_sensor(
        name=FAILED,
        run_status=dg.DagsterRunStatus.FAILURE,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Notifies the topic and the metrics about failed runs: pulls, merges, insights, upkeep.",
    )
    def announce_failure(context: dg.RunStatusSensorContext, profile: dg.ResourceParam[Profile]) -> None:
        announce_run(context.instance, context.dagster_run.run_id, profile, notices, context.log.warning)

    return announce_failure


def _metadata(events: Iterable[dg.DagsterEvent]) -> dict[str, list[Mapping[str, int]]]:
    """Asset, without a city before it → the whole numbers of each of its materializations, in order."""
    found: dict[str, list[Mapping[str, int]]] = defaultdict(list)
    for made in _materializations(events):
        numbers = {name: value.value for name, value in made.metadata.items() if isinstance(value.value, int)}
        found[made.asset_key.path[-1]].append(numbers)
    return found


def _materializations(events: Iterable[dg.DagsterEvent]) -> Iterator[dg.AssetMaterialization]:
    for event in events:
        if event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION:
            yield event.step_materialization_data.materialization


def _checks(events: Iterable[dg.DagsterEvent]) -> Iterator[dg.AssetCheckEvaluation]:
    for event in events:
        if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            yield event.asset_check_evaluation_data


def _total(made: Iterable[Mapping[str, int]], name: str) -> int | None:
    counts = [numbers[name] for numbers in made if name in numbers]
    return sum(counts) if counts else None


def _lag(profile: Profile) -> int | None:
    """None if nothing was merged, or if that cannot be found out: a notice of a failure must still be sent."""
    try:
        days = merged_days(profile.landing, profile.city.name)
    except CrimeAssetsError:
        return None
    return (profile.today - timedelta(days=1) - days[-1]).days if days else None


def _sentence(job: str, events: Iterable[dg.DagsterEvent]) -> str:
    """Why the run failed. Only our own sentences are sent: other errors can hold what nobody should read."""
    failures = [event for event in events if event.event_type == dg.DagsterEventType.STEP_FAILURE]
    for event in failures:
        for error in _causes(event.step_failure_data.error):
            if found := _OURS.match(error.message):
                return " ".join(found["sentence"].split())
    for event in failures:
        kinds = [error.cls_name for error in _causes(event.step_failure_data.error) if error.cls_name]
        return (
            f"The step {event.step_key} failed ({kinds[-1] if kinds else 'no error was kept'}): see the run in Dagster."
        )
    return f"A run of {job} ended before it could say why (its process may have been killed): see the run in Dagster."


def _causes(error: SerializableErrorInfo | None) -> Iterator[SerializableErrorInfo]:
    """The error and what led to it, nearest first."""
    while error is not None:
        yield error
        error = error.cause or error.context
