"""history → crimes: all that the source held before the lake's first change day, loaded once."""

from dataclasses import asdict
from datetime import timedelta

import dagster as dg

from crime_assets.defs.assets.common import OWNERS, POOL, preview_of, rows_shown, table_schema
from crime_assets.defs.names import Names
from crime_assets.defs.work import Work
from crime_assets.engines import Engine
from crime_assets.lakehouse.schema import CRIMES, published
from crime_assets.lakehouse.writing.reload import reload_history
from crime_assets.profiles import Profile
from crime_assets.profiles.clock import check_clock
from crime_assets.sources.cities import City
from crime_assets.sources.feeds import Feed


class HistoryConfig(dg.Config):
    """What a person can ask for: `anew` loads the history again although it was loaded before."""

    anew: bool = False


def build(names: Names, city: City) -> dg.AssetsDefinition:
    """The asset `crime_history`."""

    @dg.asset(
        key_prefix=names.prefix,
        group_name="lake",
        kinds={"python", "iceberg"},
        owners=OWNERS,
        pool=POOL,
        metadata={"dagster/column_schema": table_schema((c.name, c.type, c.doc) for c in published(CRIMES, city))},
    )
    def crime_history(
        context: dg.AssetExecutionContext,
        config: HistoryConfig,
        profile: dg.ResourceParam[Profile],
        feed: dg.ResourceParam[Feed],
        engine: dg.ResourceParam[Engine],
        work: dg.ResourceParam[Work],
    ) -> dg.MaterializeResult[None]:
        """Everything the source holds with a change stamp before the lake's first change day, one row per crime.

        Loaded once: materializing it again changes nothing, unless `anew` is set. Later days are partitions of the
        other assets.
        """
        check_clock(profile)
        first = profile.first_change_day
        profile.begin(first)
        if config.anew:
            return dg.MaterializeResult(
                metadata=asdict(reload_history(profile.lake, profile.city, feed, context.run.run_id))
            )
        result = work.history(context, feed, first)
        newest = engine.measure("newest_rows", first - timedelta(days=1))
        # A load that found the history already loaded counted nothing.
        counts = {"dagster/row_count": result.rows} if result.loaded else {}
        return dg.MaterializeResult(
            metadata={
                **counts,
                "loaded_now": result.loaded,
                "records_read": result.records,
                "older_versions_left_out": result.duplicates,
                "quarantined": result.quarantined,
                "before": first.isoformat(),
                "snapshot": str(result.snapshot_id or ""),
                **rows_shown(profile, {"preview": preview_of(newest)}),
            }
        )

    return crime_history
