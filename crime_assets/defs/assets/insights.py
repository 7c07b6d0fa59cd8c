"""crimes → insights: one asset for each file of sql/insights."""

import dagster as dg

from crime_assets.core.insights import Insight
from crime_assets.defs.assets.common import (
    FOLLOWS,
    OWNERS,
    POOL,
    TOGETHER,
    chart_of,
    column_lineage,
    days_of,
    preview_of,
    rows_shown,
    table_schema,
)
from crime_assets.defs.names import Names
from crime_assets.defs.work import Work
from crime_assets.defs.work.steps import InsightDay
from crime_assets.engines import Engine
from crime_assets.profiles import Profile
from crime_assets.sources.cities import City


def build(names: Names, insight: Insight, days: dg.DailyPartitionsDefinition, city: City) -> dg.AssetsDefinition:
    """The asset of one insight."""
    computed = {column.name: column.sources for column in insight.columns if column.sources}
    lineage = column_lineage(names.key("crimes"), computed)

    @dg.asset(
        name=insight.table,
        key_prefix=names.prefix,
        description=insight.description,
        deps=names.keys("crimes"),
        partitions_def=days,
        backfill_policy=TOGETHER,
        automation_condition=FOLLOWS,
        group_name="insights",
        kinds={"sql", "iceberg", *(["python"] if insight.python else [])},
        owners=OWNERS,
        pool=POOL,
        metadata={
            "dagster/column_schema": table_schema((column.name, "", column.doc) for column in insight.columns),
            "dagster/table_name": f"{city.name}.{insight.table}",
            "sql": dg.MetadataValue.md(f"```sql\n{insight.statement}\n```"),
        },
    )
    def insight_asset(
        context: dg.AssetExecutionContext,
        profile: dg.ResourceParam[Profile],
        engine: dg.ResourceParam[Engine],
        work: dg.ResourceParam[Work],
    ) -> dg.MaterializeResult[None]:
        asked = days_of(context)
        result = work.insight(context, engine, insight, asked)
        for found in result.days:
            key = found.day.isoformat()
            if found.day in asked:
                context.add_asset_metadata(_described(profile, found), partition_key=key)
            else:
                # A late change made these days stale, so they were computed too: recorded like requested ones.
                stale = dg.AssetMaterialization(
                    asset_key=context.asset_key, partition=key, metadata=_described(profile, found)
                )
                context.log_event(stale)
        return dg.MaterializeResult(
            metadata={
                **result.spent,
                "dagster/column_lineage": lineage,
                "dagster/column_schema": table_schema(
                    (column.name, result.types[column.name], column.doc) for column in insight.columns
                ),
            }
        )

    return insight_asset


def _described(profile: Profile, found: InsightDay) -> dict[str, dg.MetadataValue]:
    chart = {"chart": chart_of(found.chart)} if found.chart else {}
    return {
        **rows_shown(profile, {**chart, "preview": preview_of(found.preview)}),
        "dagster/partition_row_count": dg.MetadataValue.int(found.rows),
        "changed": dg.MetadataValue.bool(found.changed),
    }
