"""lake → what people may see of it by the policy: only where there is one."""

from collections.abc import Sequence
from datetime import timedelta

import dagster as dg

from crime_assets.core.insights import Insight
from crime_assets.defs.assets.common import FOLLOWS, OWNERS, POOL, TOGETHER, access_of
from crime_assets.defs.names import Names
from crime_assets.profiles import Profile

GROUP = "publishing"
_LATELY = timedelta(days=7)


def build(
    names: Names, days: dg.DailyPartitionsDefinition, insights: Sequence[Insight], *, is_on_aws: bool
) -> list[dg.AssetsDefinition]:
    """The asset of the local profile, or that of the aws profile."""
    return [_governed_crimes(names, days) if is_on_aws else _governed_gates(names, days, insights)]


def _governed_gates(
    names: Names, days: dg.DailyPartitionsDefinition, insights: Sequence[Insight]
) -> dg.AssetsDefinition:
    @dg.asset(
        key_prefix=names.prefix,
        deps=names.keys(*(insight.table for insight in insights)),
        partitions_def=days,
        backfill_policy=TOGETHER,
        automation_condition=FOLLOWS,
        group_name=GROUP,
        kinds={"duckdb", "file"},
        owners=OWNERS,
        pool=POOL,
    )
    def governed_gates(profile: dg.ResourceParam[Profile]) -> dg.MaterializeResult[None]:
        """Gates and pages of the lake as it is now, so that nobody waits: for those who asked in the last seven days.

        If nobody did, for all principals. What is of older states of the lake, or for nobody any more, is removed.
        """
        from crime_assets.governance.upkeep import keep_gates, scopes_of
        from crime_assets.publishing.governed.extracts import keep_pages

        access = access_of(profile)
        done = keep_gates(access, (profile.clock() - _LATELY).date(), profile.today)
        known = scopes_of(access, access.policy(), profile.today).values()
        keep_pages(profile, access.gates, done.made, list(known))
        made = [" ".join([scope.role, *scope.districts]) for scope in done.made]
        return dg.MaterializeResult(metadata={"scopes": dg.MetadataValue.json(made), "removed": len(done.removed)})

    return governed_gates


def _governed_crimes(names: Names, days: dg.DailyPartitionsDefinition) -> dg.AssetsDefinition:
    @dg.asset(
        key_prefix=names.prefix,
        deps=names.keys("crimes"),
        partitions_def=days,
        backfill_policy=TOGETHER,
        automation_condition=FOLLOWS,
        group_name=GROUP,
        kinds={"duckdb", "iceberg"},
        owners=OWNERS,
        pool=POOL,
    )
    def governed_crimes(profile: dg.ResourceParam[Profile]) -> dg.MaterializeResult[None]:
        """One masked table of crimes for each role that masks, of the lake as it is now: Lake Formation cannot mask.

        Months that are the same already are not written again.
        """
        from crime_assets.governance.governed import write_governed

        done = write_governed(profile.lake, profile.city, access_of(profile).policy(), profile.mask_key)
        told = {name: f"{one.rows:,} rows, {one.replaced} parts replaced" for name, one in done.items()}
        return dg.MaterializeResult(metadata={"tables": dg.MetadataValue.json(told)})

    return governed_crimes
