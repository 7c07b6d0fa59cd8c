"""deliveries → crimes: one Iceberg row per crime."""

import dagster as dg

from crime_assets.assets.common import OWNERS, TOGETHER, column_lineage, days_of, preview_of, table_schema
from crime_assets.cities import City
from crime_assets.core.errors import CrimeAssetsError
from crime_assets.engines import Engine
from crime_assets.lakehouse.history import history_before
from crime_assets.lakehouse.lake import Lake
from crime_assets.lakehouse.merge import merge_deliveries
from crime_assets.lakehouse.schema import COMPUTED_FROM, CRIMES
from crime_assets.streams import LandingStore
from crime_assets.streams.inventory import contents_of, read_inventory, record_merged

_DAYS_SHOWN = 7
"""Days of a range that get a preview, the newest: to show a year's days would take longer than to merge them."""


def build(days: dg.DailyPartitionsDefinition, city: City) -> dg.AssetsDefinition:
    """The asset `crimes`."""
    lineage = column_lineage("crime_deliveries", _sources(city))

    @dg.asset(
        deps=["crime_deliveries", "crime_history"],
        partitions_def=days,
        backfill_policy=TOGETHER,
        group_name="lake",
        kinds={"python", "iceberg", "duckdb"},
        owners=OWNERS,
        metadata={
            "dagster/column_schema": table_schema((c.name, c.type, c.doc) for c in CRIMES),
            "dagster/table_name": f"{city.name}.crimes",
        },
    )
    def crimes(
        context: dg.AssetExecutionContext,
        city: dg.ResourceParam[City],
        landing: dg.ResourceParam[LandingStore],
        lake: dg.ResourceParam[Lake],
        engine: dg.ResourceParam[Engine],
    ) -> dg.MaterializeResult[None]:
        """One row per crime: the newest version the city published. What cannot be typed goes to quarantine.

        A range of days is merged as one set. Merging what is there already changes nothing and makes no snapshot.
        """
        if history_before(lake, city) is None:
            raise CrimeAssetsError(
                "The lake has no history yet: materialize crime_history once, then run this day again."
            )
        inventories = {day: read_inventory(landing, city.name, day) for day in days_of(context)}
        found = {day: inventory for day, inventory in inventories.items() if inventory is not None}
        if missing := sorted(inventories.keys() - found.keys()):
            raise CrimeAssetsError(f"Nobody looked what landed on {missing[0]}: materialize crime_deliveries first.")
        contents = contents_of(landing, city.name, found)
        marks = {"run-id": context.run.run_id, "change-days": f"{min(found)}/{max(found)}"}
        result = merge_deliveries(lake, city, contents, marks)
        record_merged(landing, city.name, found)
        for day in sorted(found)[-_DAYS_SHOWN:]:
            context.add_asset_metadata(
                {"preview": preview_of(engine.measure("newest_rows", day))}, partition_key=day.isoformat()
            )
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": result.rows,
                "rows_delivered": result.delivered,
                "rows_inserted": result.inserted,
                "rows_replaced": result.replaced,
                "versions_superseded": result.superseded,
                "rows_quarantined": result.quarantined,
                "files_rewritten": result.files_removed,
                "files_written": result.files_added,
                "files_skipped": result.files_skipped,
                "bytes_written": result.bytes_rewritten,
                "snapshot": str(result.snapshot_id or ""),
                "dagster/column_lineage": lineage,
            }
        )

    return crimes


def _sources(city: City) -> dict[str, list[str]]:
    """Column of crimes → source fields it is computed from."""
    sources = {}
    for column in CRIMES:
        fields: list[str] = []
        for name in COMPUTED_FROM.get(column.name, (column.name,)):
            source = city.columns.get(name, ())
            fields += [source] if isinstance(source, str) else source
        sources[column.name] = fields
    sources["record_md5"], sources["ingested_at"] = ["_md5"], ["_pulled_at"]
    return sources
