"""insights → what people look at: the dashboard's extract."""

from collections.abc import Sequence

import dagster as dg

from crime_assets.assets.common import FOLLOWS, OWNERS, TOGETHER, days_of
from crime_assets.core import keys
from crime_assets.core.insights import Insight
from crime_assets.engines import Engine
from crime_assets.profiles import Profile
from crime_assets.publishing.extract import days as extracted_days
from crime_assets.publishing.extract import write_extract

GROUP = "publishing"


def build(days: dg.DailyPartitionsDefinition, insights: Sequence[Insight]) -> list[dg.AssetsDefinition]:
    """The assets that leave the lake."""

    @dg.asset(
        deps=[insight.table for insight in insights],
        partitions_def=days,
        backfill_policy=TOGETHER,
        automation_condition=FOLLOWS,
        group_name=GROUP,
        kinds={"duckdb", "file"},
        owners=OWNERS,
    )
    def dashboard_extract(
        context: dg.AssetExecutionContext, profile: dg.ResourceParam[Profile], engine: dg.ResourceParam[Engine]
    ) -> None:
        """What the dashboard shows of an as-of day, in one file, so that no one who looks waits for the lake.

        A late change alters what was known on later days too: their extracts are made again.
        """
        asked = days_of(context)
        later = [day for day in extracted_days(profile.landing, profile.city) if day > asked[0]]
        for day in sorted({*asked, *later}):
            rows = write_extract(profile.lake, profile.landing, engine, profile.city, tuple(insights), day)
            if day in asked:
                context.add_asset_metadata(
                    {
                        "file": profile.landing.location(keys.extract(profile.city.name, day)),
                        "rows": dg.MetadataValue.json(rows),
                    },
                    partition_key=day.isoformat(),
                )

    return [dashboard_extract]
