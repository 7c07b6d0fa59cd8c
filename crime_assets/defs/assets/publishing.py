"""insights → what people look at: the dashboard's extract, and the briefing."""

import re
from collections.abc import Sequence

import dagster as dg

from crime_assets.core import keys
from crime_assets.core.errors import CrimeAssetsError
from crime_assets.core.insights import Insight
from crime_assets.defs.assets.common import FOLLOWS, OWNERS, POOL, TOGETHER, days_of
from crime_assets.defs.names import Names
from crime_assets.engines import Engine
from crime_assets.profiles import Profile
from crime_assets.publishing.briefing.changes import Told
from crime_assets.publishing.briefing.writing import days_to_write, write_briefing, written_days
from crime_assets.publishing.extract import KEPT_DAYS, write_extracts
from crime_assets.publishing.forecasts import Forecasts
from crime_assets.publishing.reading import Extracts
from crime_assets.publishing.renewal import days_to_extract, remember_release

GROUP = "publishing"


def build(names: Names, days: dg.DailyPartitionsDefinition, insights: Sequence[Insight]) -> list[dg.AssetsDefinition]:
    """The assets that leave the lake."""

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
    def dashboard_extract(
        context: dg.AssetExecutionContext, profile: dg.ResourceParam[Profile], engine: dg.ResourceParam[Engine]
    ) -> None:
        """What the dashboard shows for an as-of day, in one file, so that nobody waits for the lake.

        A late change also alters what was known on later days: their extracts are made again. Only the extracts of
        the last days are kept.
        """
        asked = days_of(context)
        lake, landing, city, told = profile.lake, profile.landing, profile.city, tuple(insights)
        to_make = days_to_extract(lake, landing, city, told, asked)
        for day in sorted({*asked} - {*to_make}):
            sentence = f"not made: there are extracts of {KEPT_DAYS} later days, and no more are kept"
            context.add_asset_metadata({"file": sentence}, partition_key=day.isoformat())
        for day, rows in write_extracts(lake, landing, engine, city, told, to_make).items():
            if day in asked:
                context.add_asset_metadata(
                    {
                        "file": landing.location(keys.extract(city.name, day)),
                        "rows": dg.MetadataValue.json(rows),
                    },
                    partition_key=day.isoformat(),
                )

        remember_release(lake, landing, city, told)

    @dg.asset(
        key_prefix=names.prefix,
        deps=names.keys("dashboard_extract"),
        partitions_def=days,
        backfill_policy=TOGETHER,
        automation_condition=FOLLOWS,
        group_name=GROUP,
        kinds={"html", "pdf", "file"},
        owners=OWNERS,
    )
    def daily_briefing(context: dg.AssetExecutionContext, profile: dg.ResourceParam[Profile]) -> None:
        """What changed as of a day, on one page of HTML and of PDF that needs no network to be read.

        If the extracts of later days were made again, so are their briefings. If a PDF cannot be made, there is only
        the page.
        """
        asked = days_of(context)
        landing, city = profile.landing, profile.city.name
        extracts = Extracts(landing, profile.lake.staging / "briefing")
        forecasts = Forecasts(landing, profile.lake.staging / "briefing")
        refused = {}
        for day in days_to_write(asked, extracts.days(city), written_days(landing, city)):
            try:
                # Where there is a policy, there are commanders who know the counts of their district.
                insiders = profile.settings.policy is not None
                threshold = profile.settings.small_numbers
                extract = extracts.of(city, day)
                written = write_briefing(landing, extract, threshold, forecasts=forecasts, insiders=insiders)
            except CrimeAssetsError as error:
                # A day whose briefing cannot be made must not stop the others.
                refused[day] = error
                continue
            if written.lacking:
                context.log.warning(f"The briefing of {day} has no PDF: {written.lacking}")
            if day in asked:
                files = {kind: landing.location(keys.briefing(city, day, kind)) for kind in written.sizes}
                lacking = {"pdf": written.lacking} if written.lacking else {}
                context.add_asset_metadata(
                    {
                        "told": _in_markdown(written.told),
                        **files,
                        **lacking,
                        "bytes": dg.MetadataValue.json(written.sizes),
                    },
                    partition_key=day.isoformat(),
                )
        if refused:
            missing = ", ".join(map(str, refused))
            raise CrimeAssetsError(f"There is no new briefing of {missing}. {next(iter(refused.values()))}")

    return [dashboard_extract, daily_briefing]


def _in_markdown(told: Told) -> dg.MarkdownMetadataValue:
    """The findings as a Markdown list; their words stay plain text, whatever the feed put into them."""
    lines = [f"1. **{_plain(change.title)}** {_plain(change.sentence)}" for change in told.changes]
    return dg.MetadataValue.md("\n".join([*lines, "", _plain(told.closing)]))


def _plain(text: str) -> str:
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", " ".join(text.split()))
