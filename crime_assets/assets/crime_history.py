"""history → crimes: all that the source held before the lake's first change day, loaded once."""

import dagster as dg

from crime_assets.assets.common import OWNERS
from crime_assets.cities import City
from crime_assets.feeds import Feed
from crime_assets.lakehouse.history import load_history
from crime_assets.lakehouse.lake import Lake
from crime_assets.profiles import Profile


@dg.asset(group_name="lake", kinds={"python", "iceberg"}, owners=OWNERS)
def crime_history(
    context: dg.AssetExecutionContext,
    profile: dg.ResourceParam[Profile],
    city: dg.ResourceParam[City],
    feed: dg.ResourceParam[Feed],
    lake: dg.ResourceParam[Lake],
) -> dg.MaterializeResult[None]:
    """Everything the source holds with a change stamp before the lake's first change day, one row per crime.

    Loaded once: materializing it again changes nothing. Days follow as partitions of the assets beside it.
    """
    first = profile.first_change_day
    profile.begin(first)
    result = load_history(lake, city, feed, first, context.run_id)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": result.rows,
            "loaded_now": result.loaded,
            "records_read": result.records,
            "older_versions_left_out": result.duplicates,
            "quarantined": result.quarantined,
            "before": first.isoformat(),
            "snapshot": str(result.snapshot_id or ""),
        }
    )
