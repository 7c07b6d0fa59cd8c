"""insights → what people look at: the dashboard's extract, and the briefing."""

import re
from collections.abc import Sequence

import dagster as dg

from crime_assets.assets.common import FOLLOWS, OWNERS, POOL, TOGETHER, days_of
from crime_assets.briefing.changes import Told
from crime_assets.briefing.writing import days_to_write, write_briefing
from crime_assets.core import keys
from crime_assets.core.insights import Insight
from crime_assets.engines import Engine
from crime_assets.profiles import Profile
from crime_assets.publishing.extract import days as extracted_days
from crime_assets.publishing.extract import write_extract
from crime_assets.publishing.reading import Extracts

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
        pool=POOL,
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

    @dg.asset(
        deps=["dashboard_extract"],
        partitions_def=days,
        backfill_policy=TOGETHER,
        automation_condition=FOLLOWS,
        group_name=GROUP,
        kinds={"html", "pdf", "file"},
        owners=OWNERS,
    )
    def daily_briefing(context: dg.AssetExecutionContext, profile: dg.ResourceParam[Profile]) -> None:
        """What changed as of a day, on one page of HTML and of PDF that needs no network to be read.

        Later days whose extracts were made again are told again too.
        """
        asked = days_of(context)
        landing, city = profile.landing, profile.city.name
        extracts = Extracts(landing, profile.lake.staging / "briefing")
        for day in days_to_write(asked, extracts.days(city)):
            written = write_briefing(landing, extracts.of(city, day), profile.settings.small_numbers)
            if day in asked:
                files = {kind: landing.location(keys.briefing(city, day, kind)) for kind in written.sizes}
                context.add_asset_metadata(
                    {"told": _in_markdown(written.told), **files, "bytes": dg.MetadataValue.json(written.sizes)},
                    partition_key=day.isoformat(),
                )

    return [dashboard_extract, daily_briefing]


def _in_markdown(told: Told) -> dg.MarkdownMetadataValue:
    """The findings as a list; what they say is text, whatever the feed put into it."""
    lines = [f"1. **{_plain(change.title)}** {_plain(change.sentence)}" for change in told.changes]
    return dg.MetadataValue.md("\n".join([*lines, "", _plain(told.closing)]))


def _plain(text: str) -> str:
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", " ".join(text.split()))
