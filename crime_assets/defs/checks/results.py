"""Verdicts as Dagster check results, and the days that a check is about."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import date
from typing import Any, TypeAlias

import dagster as dg

from crime_assets.core.errors import CrimeAssetsError
from crime_assets.defs.assets.common import days_of
from crime_assets.defs.checks.verdicts import Verdict
from crime_assets.profiles import Profile
from crime_assets.publishing.quality import Said, keep
from crime_assets.sources.cities import City
from crime_assets.streams import LandingStore
from crime_assets.streams.inventory import merged_days

ERROR = dg.AssetCheckSeverity.ERROR
Results: TypeAlias = Iterator[dg.Output[None] | dg.AssetCheckEvaluation]


def results(
    context: dg.AssetCheckExecutionContext,
    profile: Profile,
    asset: str,
    found: Mapping[str, Verdict],
    existing: Collection[str] | None = None,
) -> Results:
    """The results of the checks that the run asks for; all except the blocking ones normally only warn.

    They are also kept for the dashboard and the briefing; `existing` are the checks of the asset, if not all are in
    `found`.
    """
    asked = [spec for spec in context.check_specs if spec.key in context.selected_asset_check_keys]
    now = profile.clock().isoformat(timespec="seconds")
    keep(
        profile.landing,
        profile.city.name,
        asset,
        [Said(one.name, found[one.name].passed, one.blocking, found[one.name].sentence, now) for one in asked],
        existing=found if existing is None else existing,
    )
    for spec in asked:
        verdict = found[spec.name]
        # For each AssetCheckResult, Dagster would look up a materialization of the asset: half of the step's time.
        yield dg.Output(None, output_name=spec.get_python_identifier())
        yield dg.AssetCheckEvaluation(
            asset_key=spec.asset_key,
            check_name=spec.name,
            passed=verdict.passed,
            severity=ERROR if spec.blocking or verdict.is_error else dg.AssetCheckSeverity.WARN,
            description=verdict.sentence,
            metadata=dict[str, Any](verdict.figures),
            blocking=spec.blocking,
        )


def has_days(context: dg.AssetCheckExecutionContext) -> bool:
    """Whether the run has change days; checks run on their own have none."""
    return context.has_partition_key or "dagster/asset_partition_range_start" in context.run.tags


def days_checked(context: dg.AssetCheckExecutionContext, landing: LandingStore, city: City) -> list[date]:
    """The change days of the run; for checks run on their own, the last one merged."""
    if has_days(context):
        return days_of(context)
    days = merged_days(landing, city.name)
    if not days:
        raise CrimeAssetsError("No change day has been merged yet: materialize the assets of one first.")
    return days[-1:]
