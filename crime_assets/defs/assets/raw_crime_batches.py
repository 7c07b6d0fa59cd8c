"""feed → batches: the daily pull of what the city changed."""

from collections.abc import Iterable

import dagster as dg

from crime_assets.defs.assets.common import OWNERS, TOGETHER, days_of, preview
from crime_assets.defs.names import Names
from crime_assets.lakehouse.reconciliation.following import newly_published, note_gone
from crime_assets.lakehouse.writing.settling import check_total
from crime_assets.profiles import Profile
from crime_assets.sources.cities import City
from crime_assets.sources.feeds import PublishedFeed, Record, StampedFeed
from crime_assets.streams import LandingStore, Stream
from crime_assets.streams.pull import LOOK_BACK, pull


def build(names: Names, days: dg.DailyPartitionsDefinition, city: City) -> dg.AssetsDefinition:
    """The asset `raw_crime_batches`."""

    @dg.asset(
        key_prefix=names.prefix,
        partitions_def=days,
        backfill_policy=TOGETHER,
        group_name="pull",
        kinds={"python", city.portal},
        owners=OWNERS,
    )
    def raw_crime_batches(
        context: dg.AssetExecutionContext,
        profile: dg.ResourceParam[Profile],
        feed: dg.ResourceParam[StampedFeed | PublishedFeed],
        landing: dg.ResourceParam[LandingStore],
        stream: dg.ResourceParam[Stream],
    ) -> dg.MaterializeResult[None]:
        """What the city changed on a day, put to the stream in batches of at most 200 records, with a manifest.

        The pull also looks two days back, for stamps that appear late. A record version that landed before is not
        delivered again. An export with far fewer records than the lake is refused. Where records have no stamps, all
        that the city publishes is compared with the lake, and what differs counts as changed on the newest day.
        """
        city, change_days = profile.city, days_of(context)
        first, last = change_days[0], change_days[-1]
        records: Iterable[Record]
        if isinstance(feed, PublishedFeed):
            found = newly_published(profile.lake, city, feed, last)
            records, undated = found.missing, found.undated
            note_gone(landing, city, last, found.gone)
        else:
            check_total(profile.lake, city, feed)
            records, undated = feed.changes(first - LOOK_BACK, last), feed.undated()
        now, complete_to = profile.clock(), feed.latest_day()
        pulls = pull(records, feed.columns(), city, first, last, landing, stream, now, undated, complete_to)
        for day, result in pulls.items():
            context.add_asset_metadata(
                {
                    "dagster/partition_row_count": result.new,
                    "batches": len(result.batches),
                    "pulled": result.pulled,
                    "repeated_by_the_source": result.repeated,
                    "landed_before": result.landed_before,
                    "preview": preview(
                        ["batch", "records"], [(name, len(digests)) for name, digests in result.batches.items()]
                    ),
                },
                partition_key=day.isoformat(),
            )
        return dg.MaterializeResult(metadata={"feed": feed.name, "source": city.source_page})

    return raw_crime_batches
