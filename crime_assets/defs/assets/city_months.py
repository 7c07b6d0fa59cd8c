"""crimes → what may be compared across cities: the table `cities.city_months`, of which a city makes its own part."""

import dagster as dg

from crime_assets.defs.assets.common import FOLLOWS, OWNERS, POOL, TOGETHER, table_schema
from crime_assets.defs.names import Names
from crime_assets.defs.work.steps import count_months
from crime_assets.lakehouse.records.across import SCHEMA, TABLE
from crime_assets.lakehouse.schema import CITY_MONTHS
from crime_assets.profiles import Profile
from crime_assets.sources.cities import City

GROUP = "cities"


def build(names: Names, days: dg.DailyPartitionsDefinition, city: City) -> dg.AssetsDefinition:
    """The asset of a city's part. Its days are those on which the crimes that it counts changed."""

    @dg.asset(
        key_prefix=names.prefix,
        deps=names.keys("crimes"),
        partitions_def=days,
        backfill_policy=TOGETHER,
        automation_condition=FOLLOWS,
        group_name=GROUP,
        kinds={"iceberg", "duckdb"},
        owners=OWNERS,
        pool=POOL,
        metadata={
            "dagster/column_schema": table_schema((one.name, one.type, one.doc) for one in CITY_MONTHS),
            "dagster/table_name": f"{SCHEMA}.{TABLE}",
        },
    )
    def city_months(
        context: dg.AssetExecutionContext, profile: dg.ResourceParam[Profile]
    ) -> dg.MaterializeResult[None]:
        """Incidents by month and offense, as all cities count them, and what of it may be compared.

        Only the city's own part is replaced; parts of other cities in the lake are made if they have none yet.
        """
        parts = count_months(profile)
        for name, part in parts.items():
            if part.refused:
                context.log.warning(f"The part of {name} cannot be made: {part.refused}")
        own = parts[city.name]
        made = [name for name, part in parts.items() if part.changed]
        return dg.MaterializeResult(
            metadata={"dagster/row_count": own.rows, "changed": own.changed, "made": ", ".join(made) or "none"}
        )

    return city_months
