"""Verdicts as Dagster sees them, and the days a check speaks of."""

from __future__ import annotations

from datetime import date

import dagster as dg

from crime_assets.assets.common import days_of
from crime_assets.checks.verdicts import Verdict
from crime_assets.cities import City
from crime_assets.core.errors import CrimeAssetsError
from crime_assets.streams import LandingStore
from crime_assets.streams.inventory import merged_days


def result(asset: str, name: str, verdict: Verdict, *, blocking: bool = False) -> dg.AssetCheckResult:
    """A check result; one that does not block only warns."""
    severity = dg.AssetCheckSeverity.ERROR if blocking else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=name,
        passed=verdict.passed,
        severity=severity,
        description=verdict.sentence,
        metadata=dict(verdict.figures),
    )


def days_checked(context: dg.AssetCheckExecutionContext, landing: LandingStore, city: City) -> list[date]:
    """The change days of the run; where checks are run on their own, the last one merged."""
    if context.has_partition_key or context.run.tags.get("dagster/asset_partition_range_start"):
        return days_of(context)
    days = merged_days(landing, city.name)
    if not days:
        raise CrimeAssetsError("No change day was merged yet: materialize the assets of one first.")
    return days[-1:]
