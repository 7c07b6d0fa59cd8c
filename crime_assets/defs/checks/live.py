"""What must hold for live reports: their consumer keeps up, and lake, alerts and warehouse tell of the same reports."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import dagster as dg

from crime_assets.defs.checks import verdicts
from crime_assets.defs.checks.verdicts import Verdict
from crime_assets.defs.names import Names
from crime_assets.incidents.status import read_status
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.records import reports
from crime_assets.profiles import Profile
from crime_assets.profiles.live import LiveReports

LAG = "lag"
_LATELY = timedelta(days=7)
_UNDELIVERED = timedelta(minutes=10)
"""Reports wait for a minute to be delivered, and alerts do not."""
_COMPARED = 1_000


def build(names: Names, *, has_alerts: bool, has_warehouse: bool) -> list[dg.AssetChecksDefinition]:
    """All checks; `has_alerts` if a consumer raises them, `has_warehouse` if reports are loaded into one."""
    of_road = [_lag(names), _no_alert(names)] if has_alerts else [_objects_whole(names)]
    return [_one_row(names), *of_road, *([_warehouse(names)] if has_warehouse else [])]


def severity(verdict: Verdict, *, is_blocking: bool = False) -> dg.AssetCheckSeverity:
    """How bad it is that a verdict was not passed."""
    return dg.AssetCheckSeverity.ERROR if is_blocking or verdict.is_error else dg.AssetCheckSeverity.WARN


def _lag(names: Names) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=names.key("fir_stream"), name=LAG, description="The consumer of the stream runs, and is not far behind."
    )
    def lag(profile: dg.ResourceParam[Profile]) -> dg.AssetCheckResult:
        live = LiveReports(profile)
        return _result(verdicts.stream_lag(read_status(live.store, live.name), profile.clock()))

    return lag


def _one_row(names: Names) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=names.key("fir_history"), name="one_row_per_fir", blocking=True, description="No report is there twice."
    )
    def one_row_per_fir(lake: dg.ResourceParam[Lake]) -> dg.AssetCheckResult:
        return _result(verdicts.one_row_per_fir(*reports.rows_and_reports(lake)), is_blocking=True)

    return one_row_per_fir


def _objects_whole(names: Names) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=names.key("fir_deliveries"),
        name="objects_whole",
        description="No object that Firehose wrote is left out because it cannot be read to its end.",
    )
    def objects_whole(profile: dg.ResourceParam[Profile]) -> dg.AssetCheckResult:
        firehose = LiveReports(profile).firehose
        return _result(verdicts.objects_whole(firehose.damaged() if firehose else []))

    return objects_whole


def _no_alert(names: Names) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=names.key("fir_alerts"),
        name="no_alert_without_events",
        description="Each report that an alert of the last seven days names is in the history; the last ten minutes, "
        "of which reports may not be delivered yet, are left out.",
    )
    def no_alert_without_events(
        profile: dg.ResourceParam[Profile], lake: dg.ResourceParam[Lake]
    ) -> dg.AssetCheckResult:
        now = profile.clock()
        raised, without = reports.alerts_without_events(lake, now - _LATELY, now - _UNDELIVERED)
        return _result(verdicts.no_alert_without_events(raised, without))

    return no_alert_without_events


def _warehouse(names: Names) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=names.key("fir_warehouse"),
        name="warehouse_equals_history",
        description="Lake and warehouse have the same reports: by months, and the 1,000 newest field by field.",
    )
    def warehouse_equals_history(
        profile: dg.ResourceParam[Profile], lake: dg.ResourceParam[Lake]
    ) -> dg.AssetCheckResult:
        warehouse = LiveReports(profile).warehouse()
        warehouse.prepare()
        newest = warehouse.newest(_COMPARED)
        unlike = reports.unlike(lake, newest)
        figures = warehouse.figures()
        return _result(verdicts.warehouse_equals_history(reports.month_figures(lake), figures, unlike, len(newest)))

    return warehouse_equals_history


def _result(verdict: Verdict, *, is_blocking: bool = False) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=verdict.passed,
        severity=severity(verdict, is_blocking=is_blocking),
        description=verdict.sentence,
        metadata=dict[str, Any](verdict.figures),
    )
