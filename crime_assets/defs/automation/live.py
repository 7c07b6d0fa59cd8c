"""What is added where there is a stream of live reports: it is watched, and loaded as deliveries land."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import dagster as dg

from crime_assets.defs.assets import live as assets
from crime_assets.defs.automation.at_work import UNFINISHED, WITHOUT_SUCCESS
from crime_assets.defs.checks import live as checks
from crime_assets.defs.checks import verdicts
from crime_assets.defs.names import Names
from crime_assets.incidents.status import read_epoch, read_status
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.writing.fir import landed
from crime_assets.profiles import Profile
from crime_assets.profiles.live import LiveReports

LOAD = "load_fir"
EXPIRE = "expire_fir"
LANDED_TAG = "crime-assets/fir-landed"
ATTEMPTS = 3
"""Runs that may end without success for the same deliveries; after that they are tried once an hour."""
_AGAIN_AFTER = timedelta(hours=1)
_REPEATED_AFTER = timedelta(minutes=5)
"""A lag that stays the same is told again after so long: each tick would fill Dagster's records with what is known."""
_ON = dg.DefaultSensorStatus.RUNNING


def build(names: Names, profile: Profile) -> dg.Definitions:
    """The assets, checks, jobs and sensors, which are on by default. UsageError if a setting of the stream is wrong."""
    live = LiveReports(profile)
    has_alerts, has_warehouse = live.firehose is None, bool(profile.settings.warehouse)
    made = ["fir_deliveries", "fir_history", *["fir_alerts"] * has_alerts, *["fir_warehouse"] * has_warehouse]
    return dg.Definitions(
        assets=[
            assets.stream(names),
            *assets.build(names, has_alerts=has_alerts, has_warehouse=has_warehouse),
        ],
        asset_checks=checks.build(names, has_alerts=has_alerts, has_warehouse=has_warehouse),
        jobs=[
            dg.define_asset_job(
                LOAD,
                dg.AssetSelection.assets(*names.keys(*made)),
                description="Load what was delivered of live reports.",
                tags=names.tags,
            ),
            dg.define_asset_job(
                EXPIRE,
                dg.AssetSelection.assets(names.key("fir_expiry")),
                description="Remove what is old of live reports.",
                tags=names.tags,
            ),
        ],
        schedules=[
            dg.ScheduleDefinition(
                name=f"{EXPIRE}_nightly",
                job_name=EXPIRE,
                cron_schedule="30 4 * * *",
                execution_timezone=live.calendar.zone,
                default_status=dg.DefaultScheduleStatus.RUNNING,
                description="Removes what is old of live reports, at 04:30 on the stream's clock.",
            )
        ],
        sensors=[*([_stream_lag(names)] if has_alerts else []), _deliveries_landed(names)],
    )


def _stream_lag(names: Names) -> dg.SensorDefinition:
    @dg.sensor(
        name="stream_lag",
        minimum_interval_seconds=30,
        default_status=_ON,
        description="Tells how far the consumer of live reports is behind: at once if that changes, else now and then.",
    )
    def stream_lag(
        context: dg.SensorEvaluationContext, profile: dg.ResourceParam[Profile]
    ) -> dg.SensorResult | dg.SkipReason:
        live, now = LiveReports(profile), profile.clock()
        status = read_status(live.store, live.name)
        if status is None:
            return dg.SkipReason("Nothing has read the stream yet: start `crime-assets stream run`.")
        verdict = verdicts.stream_lag(status, now)
        severity = checks.severity(verdict)
        state = "passed" if verdict.passed else severity.value
        before, _, at = (context.cursor or "").partition(" ")
        if state == before and now - datetime.fromisoformat(at) < _REPEATED_AFTER:
            return dg.SkipReason(verdict.sentence)
        key, figures = names.key(assets.STREAM), dict[str, Any](verdict.figures)
        counts = {"reports": status.reports, "alerts": status.alerts, "quarantined": status.quarantined}
        return dg.SensorResult(
            asset_events=[
                dg.AssetObservation(key, metadata={**figures, **counts, "epoch": status.epoch}),
                dg.AssetCheckEvaluation(
                    asset_key=key,
                    check_name=checks.LAG,
                    passed=verdict.passed,
                    severity=severity,
                    description=verdict.sentence,
                    metadata=figures,
                ),
            ],
            cursor=f"{state} {now.isoformat()}",
        )

    return stream_lag


def _deliveries_landed(names: Names) -> dg.SensorDefinition:
    @dg.sensor(
        job_name=LOAD,
        minimum_interval_seconds=60,
        default_status=_ON,
        description="Loads deliveries of live reports that no run has loaded yet.",
    )
    def fir_deliveries_landed(
        context: dg.SensorEvaluationContext, profile: dg.ResourceParam[Profile], lake: dg.ResourceParam[Lake]
    ) -> dg.RunRequest | dg.SkipReason:
        live = LiveReports(profile)
        epoch = read_epoch(live.store, live.name)
        _, last = landed(lake, live.store, live.name, epoch) if epoch else (0, 0)
        if live.firehose:
            # The run makes deliveries of them.
            last += len(live.firehose.waiting())
        if not last:
            return dg.SkipReason("Nothing was delivered yet.")
        return _request(names, context.instance, f"{epoch}-{last}", profile.clock())

    return fir_deliveries_landed


def _request(names: Names, instance: dg.DagsterInstance, state: str, now: datetime) -> dg.RunRequest | dg.SkipReason:
    """A run for what has landed, unless one has loaded it, is at work, or has failed lately and often."""
    tags = {LANDED_TAG: state, **names.tags}
    if instance.get_runs_count(dg.RunsFilter(tags=tags, statuses=[dg.DagsterRunStatus.SUCCESS])):
        return dg.SkipReason(f"All deliveries were loaded ({state}).")
    if any(names.has(run) for run in instance.get_runs(dg.RunsFilter(job_name=LOAD, statuses=UNFINISHED))):
        return dg.SkipReason("A run is loading deliveries.")
    tried = instance.get_runs_count(dg.RunsFilter(tags=tags, statuses=WITHOUT_SUCCESS))
    lately = dg.RunsFilter(tags=tags, statuses=WITHOUT_SUCCESS, created_after=now - _AGAIN_AFTER)
    if tried >= ATTEMPTS and instance.get_runs_count(lately):
        return dg.SkipReason(f"{tried} runs ended without success ({state}); the next is in an hour: see their errors.")
    # A run key fires only once, so each attempt has its own.
    return dg.RunRequest(run_key=f"{state}-{tried}", tags=tags)
