"""deliveries → crimes: one Iceberg row per crime."""

import dagster as dg

from crime_assets.defs.assets.common import (
    OWNERS,
    POOL,
    TOGETHER,
    column_lineage,
    days_of,
    preview_of,
    rows_shown,
    table_schema,
)
from crime_assets.defs.names import Names
from crime_assets.defs.work import Work
from crime_assets.engines import Engine
from crime_assets.lakehouse.reconciliation.following import record_gone, remove_gone
from crime_assets.lakehouse.schema import COMPUTED_FROM, CRIMES, published
from crime_assets.profiles import Profile
from crime_assets.sources.cities import City, alternatives
from crime_assets.streams import LandingStore

_DAYS_SHOWN = 7
"""The newest days of a range, this many, get a preview: previews of a whole year would take longer than the merge."""


def build(names: Names, days: dg.DailyPartitionsDefinition, city: City) -> dg.AssetsDefinition:
    """The asset `crimes`."""
    lineage = column_lineage(names.key("crime_deliveries"), _sources(city))

    @dg.asset(
        key_prefix=names.prefix,
        deps=names.keys("crime_deliveries", "crime_history"),
        partitions_def=days,
        backfill_policy=TOGETHER,
        group_name="lake",
        kinds={"python", "iceberg", "duckdb"},
        owners=OWNERS,
        pool=POOL,
        metadata={
            "dagster/column_schema": table_schema((c.name, c.type, c.doc) for c in published(CRIMES, city)),
            "dagster/table_name": f"{city.name}.crimes",
        },
    )
    def crimes(
        context: dg.AssetExecutionContext,
        profile: dg.ResourceParam[Profile],
        engine: dg.ResourceParam[Engine],
        work: dg.ResourceParam[Work],
        landing: dg.ResourceParam[LandingStore],
    ) -> dg.MaterializeResult[None]:
        """One row per crime: the newest version the city published. What cannot be typed goes to quarantine.

        A range of days is merged as one set. Merging what is there already changes nothing and makes no snapshot.
        """
        asked = days_of(context)
        record_gone(profile.lake, profile.city, landing, asked, profile.clock())
        result = work.merge(context, asked)
        marks = {"run-id": context.run.run_id}
        removed = remove_gone(profile.lake, profile.city, landing, asked, profile.clock(), marks)
        for day in asked[-_DAYS_SHOWN:]:
            shown = rows_shown(profile, {"preview": preview_of(engine.measure("newest_rows", day))})
            context.add_asset_metadata(shown, partition_key=day.isoformat())
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": result.rows - removed,
                "rows_delivered": result.delivered,
                "rows_inserted": result.inserted,
                "rows_replaced": result.replaced,
                "versions_superseded": result.superseded,
                "rows_quarantined": result.quarantined,
                "rows_removed": result.removed + removed,
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
    for column in published(CRIMES, city):
        fields: list[str] = []
        for name in COMPUTED_FROM.get(column.name, (column.name,)):
            fields += [field for joined in alternatives(city.columns.get(name)) for field in joined]
        sources[column.name] = fields
    sources["record_md5"], sources["ingested_at"] = ["_md5"], ["_pulled_at"]
    return sources
