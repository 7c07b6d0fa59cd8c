"""batches → deliveries: what has landed for a change day, compared with the manifest."""

import dagster as dg

from crime_assets.defs.assets.common import OWNERS, TOGETHER, days_of, preview, table_schema
from crime_assets.defs.names import Names
from crime_assets.profiles import Profile
from crime_assets.sources.cities import City
from crime_assets.streams import LandingStore, Stream
from crime_assets.streams.inventory import take_inventories
from crime_assets.streams.waiting import wait_for_missing

_ENVELOPE = (
    ("_city", "text", "The city the record is of."),
    ("_change_day", "text", "The change day that was pulled."),
    ("_batch", "text", "The batch it was put to the stream in."),
    ("_pulled_at", "text", "Time of the pull, UTC."),
    ("_md5", "text", "Digest of the source's own fields."),
)


def build(names: Names, days: dg.DailyPartitionsDefinition, city: City) -> dg.AssetsDefinition:
    """The asset `crime_deliveries`."""
    columns = [(name, kind, "As the source published it.") for name, kind in city.source_columns.items()]

    @dg.asset(
        key_prefix=names.prefix,
        deps=names.keys("raw_crime_batches"),
        partitions_def=days,
        backfill_policy=TOGETHER,
        group_name="pull",
        kinds={"python", "json"},
        owners=OWNERS,
        metadata={"dagster/column_schema": table_schema([*columns, *_ENVELOPE])},
    )
    def crime_deliveries(
        context: dg.AssetExecutionContext,
        profile: dg.ResourceParam[Profile],
        city: dg.ResourceParam[City],
        landing: dg.ResourceParam[LandingStore],
        stream: dg.ResourceParam[Stream],
    ) -> None:
        """The objects of a change day in the landing store: gzip NDJSON, one line a record, as delivered.

        Waits for records that the stream has taken and not yet written; then `delivery_complete` says what is missing.
        """
        first_look = take_inventories(landing, city.name, days_of(context))
        inventories = wait_for_missing(
            landing, city.name, first_look, stream.patience_seconds, tell=context.log.info, clock=profile.clock
        )
        for day, inventory in inventories.items():
            context.add_asset_metadata(
                {
                    "dagster/partition_row_count": inventory.records,
                    "objects": len(inventory.items),
                    "bytes": sum(item.size for item in inventory.items),
                    "different_records": inventory.distinct,
                    "preview": preview(
                        ["object", "records", "bytes", "damage"],
                        [(item.key, item.records, item.size, item.damage) for item in inventory.items],
                    ),
                },
                partition_key=day.isoformat(),
            )

    return crime_deliveries
