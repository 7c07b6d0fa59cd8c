"""The command `reconcile`: compares the lake with its source now, and prints what was found and done."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

import dagster as dg

from crime_assets.cli.runner import execute, prepare_home
from crime_assets.cli.status import begun
from crime_assets.core.errors import CrimeAssetsError
from crime_assets.definitions import build_defs
from crime_assets.defs.assets.crime_reconciliation import NOT_SEEN
from crime_assets.defs.automation.jobs import RECONCILE
from crime_assets.defs.names import Names
from crime_assets.defs.progress import say
from crime_assets.profiles import Profile
from crime_assets.streams.holes import missing_days, named
from crime_assets.streams.inventory import merged_days

_ASSET = "crime_reconciliation"


def reconcile(profile: Profile, most_removed: int | None, most_pulled: int | None) -> int:
    """Run the weekly reconciliation in this process, with these limits; returns the exit code."""
    begun(profile)
    days = merged_days(profile.landing, profile.city.name)
    if not days:
        raise CrimeAssetsError("The lake has no change day to compare yet: run `crime-assets run` first.")
    limits = {"most_removed": most_removed, "most_pulled": most_pulled}
    config = {name: limit for name, limit in limits.items() if limit is not None}
    with closing(profile.engine), profile.lake.writing(wait_seconds=0):
        prepare_home(profile)
        say(f"Comparing {profile.lake.name} with its source, changes up to {days[-1]} ({profile.feed.name} feed)")
        with dg.DagsterInstance.get() as instance:
            definitions, step = build_defs(profile), Names.of(profile).step(_ASSET)
            result = execute(profile, definitions, RECONCILE, instance, ops={step: {"config": config}})
    (made,) = result.asset_materializations_for_node(step)
    _report({name: int(value.value) for name, value in made.metadata.items() if isinstance(value.value, int)})
    if missing := missing_days(profile.landing, profile.city.name, profile.first_change_day, days[-1]):
        print(f"Change days that were never merged: {len(missing):,} ({named(missing)}). Run `crime-assets run`.")
    return 0


def _report(counts: Mapping[str, int]) -> None:
    print(
        f"\nCompared: {counts['rows_compared']:,} rows in {counts['months_compared']:,} months; "
        f"{counts['months_that_differ']:,} months differ.\n"
        f"Pulled: {counts['missing_pulled']:,} records that the lake lacked or had in an older version; "
        f"{counts['rows_inserted']:,} rows are new, {counts['rows_replaced']:,} replaced.\n"
        f"Removed: {counts['removed']:,} rows that the source no longer has."
    )
    if counts["newer_here"]:
        print(
            f"Kept: {counts['newer_here']:,} rows whose change stamp is newer than the source's: it has gone back to "
            "older versions."
        )
    print(NOT_SEEN)
