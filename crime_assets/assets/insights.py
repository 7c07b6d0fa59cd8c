"""crimes → insights: one asset for each file of sql/insights."""

import dagster as dg
import pyarrow as pa

from crime_assets.assets.common import OWNERS, PREVIEW_ROWS, TOGETHER, column_lineage, days_of, preview_of, table_schema
from crime_assets.cities import City
from crime_assets.core.sql import Insight
from crime_assets.engines import Engine
from crime_assets.lakehouse.insights import replace_days, stale_days
from crime_assets.lakehouse.lake import Lake

FOLLOWS_CRIMES = (
    dg.AutomationCondition.eager().without(dg.AutomationCondition.in_latest_time_window())
    & dg.AutomationCondition.all_deps_blocking_checks_passed()
)
"""Every day that `crimes` gains is computed, late ones too, unless a blocking check stands against it."""


def build(insight: Insight, days: dg.DailyPartitionsDefinition, city: City) -> dg.AssetsDefinition:
    """The asset of one insight."""
    lineage = column_lineage("crimes", {column.name: column.sources for column in insight.columns if column.sources})

    @dg.asset(
        name=insight.table,
        description=insight.description,
        deps=["crimes"],
        partitions_def=days,
        backfill_policy=TOGETHER,
        automation_condition=FOLLOWS_CRIMES,
        group_name="insights",
        kinds={"sql", "iceberg"},
        owners=OWNERS,
        metadata={
            "dagster/column_schema": table_schema((column.name, "", column.doc) for column in insight.columns),
            "dagster/table_name": f"{city.name}.{insight.table}",
            "sql": dg.MetadataValue.md(f"```sql\n{insight.statement}\n```"),
        },
    )
    def insight_asset(
        context: dg.AssetExecutionContext,
        city: dg.ResourceParam[City],
        lake: dg.ResourceParam[Lake],
        engine: dg.ResourceParam[Engine],
    ) -> dg.MaterializeResult[None]:
        asked = days_of(context)
        # As one: a merge in between would be marked as known to results that were computed before it.
        with lake.writing():
            later = [day for day in stale_days(lake, city, insight) if day not in asked]
            results = {day: engine.insight(insight, day) for day in sorted([*asked, *later])}
            changed = replace_days(lake, city, insight, results)
        for day in asked:
            context.add_asset_metadata(_described(results[day], day in changed), partition_key=day.isoformat())
        # Days that a late change made stale are computed with it; they are recorded like those that were asked for.
        for day in later:
            metadata = _described(results[day], day in changed)
            context.log_event(
                dg.AssetMaterialization(asset_key=insight.table, partition=day.isoformat(), metadata=metadata)
            )
        return dg.MaterializeResult(
            metadata={
                "dagster/column_lineage": lineage,
                "dagster/column_schema": table_schema(
                    (column.name, str(results[asked[0]].schema.field(column.name).type), column.doc)
                    for column in insight.columns
                ),
            }
        )

    return insight_asset


def _described(rows: pa.Table, changed: bool) -> dict[str, dg.MetadataValue]:
    return {
        "dagster/partition_row_count": dg.MetadataValue.int(rows.num_rows),
        "changed": dg.MetadataValue.bool(changed),
        "preview": preview_of(rows.slice(0, PREVIEW_ROWS).to_pylist()),
    }
