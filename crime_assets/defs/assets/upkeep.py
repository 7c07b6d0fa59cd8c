"""lake → lake: compaction, expiry, removal of orphans, in this order. None of them changes a row of a table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta

import dagster as dg
from pydantic import Field

from crime_assets.core.insights import Insight
from crime_assets.defs.assets.common import OWNERS, POOL
from crime_assets.defs.names import Names
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.upkeep.compaction import Compacted, compact
from crime_assets.lakehouse.upkeep.expiry import Expired, expire
from crime_assets.lakehouse.upkeep.orphans import Removed, remove_orphans
from crime_assets.lakehouse.upkeep.sizes import TableSize, table_sizes
from crime_assets.profiles import Profile

GROUP = "upkeep"


class ExpiryConfig(dg.Config):
    """How long past states of the tables are kept."""

    retention_days: float = Field(default=30.0, ge=0.0, description="Days for which a replaced snapshot is kept.")


class OrphansConfig(dg.Config):
    """How old a file must be to count as left over rather than as being written."""

    grace_hours: float = Field(default=24.0, ge=1.0, description="Hours since a file was last written to.")


def build(names: Names, insights: Sequence[Insight]) -> list[dg.AssetsDefinition]:
    """The three assets, one after another."""

    @dg.asset(key_prefix=names.prefix, group_name=GROUP, kinds={"iceberg", "duckdb"}, owners=OWNERS, pool=POOL)
    def lake_compaction(profile: dg.ResourceParam[Profile], lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult[None]:
        """Combines small data files of a table, and its manifests, where there are too many. No row changes.

        Insights that were computed before stay valid.
        """
        return _kept_up(lake, profile.city.name, lambda: compact(lake, profile.city))

    @dg.asset(
        key_prefix=names.prefix,
        deps=[lake_compaction],
        group_name=GROUP,
        kinds={"iceberg"},
        owners=OWNERS,
        pool=POOL,
    )
    def lake_expiry(
        config: ExpiryConfig, profile: dg.ResourceParam[Profile], lake: dg.ResourceParam[Lake]
    ) -> dg.MaterializeResult[None]:
        """Expires snapshots that were replaced longer ago than the retention; current snapshots stay.

        Snapshots that an insight needs to tell which of its days have changed stay too: `kept_for` names the insight.
        """
        before = profile.clock() - timedelta(days=config.retention_days)
        return _kept_up(lake, profile.city.name, lambda: expire(lake, profile.city, insights, before))

    @dg.asset(
        key_prefix=names.prefix,
        deps=[lake_expiry],
        group_name=GROUP,
        kinds={"iceberg", "file"},
        owners=OWNERS,
        pool=POOL,
    )
    def lake_orphans(
        config: OrphansConfig, profile: dg.ResourceParam[Profile], lake: dg.ResourceParam[Lake]
    ) -> dg.MaterializeResult[None]:
        """Removes files that nothing needs: of expired snapshots, of killed processes, of finished loads.

        Never a file younger than the grace period, in a snapshot, or of a history load that will continue.
        """
        before = profile.clock() - timedelta(hours=config.grace_hours)
        return _kept_up(lake, profile.city.name, lambda: remove_orphans(lake, profile.city, before))

    return [lake_compaction, lake_expiry, lake_orphans]


def _kept_up(
    lake: Lake, city: str, step: Callable[[], Mapping[str, Compacted | Expired | Removed]]
) -> dg.MaterializeResult[None]:
    """Do the step, and report what it did and the sizes of the tables before and after."""
    with lake.writing():
        before = table_sizes(lake, city)
        done = {name: asdict(result) for name, result in step().items()}
        after = table_sizes(lake, city)
    totals: dict[str, int] = {}
    for result in done.values():
        for name, value in result.items():
            if isinstance(value, int):
                totals[name] = totals.get(name, 0) + value
    return dg.MaterializeResult(
        metadata={
            **totals,
            **{f"{name}_before": value for name, value in _summed(before).items()},
            **{f"{name}_after": value for name, value in _summed(after).items()},
            "done": _table([{"where": name, **result} for name, result in done.items()]),
            "sizes": _table([{"table": name, **_change(size, after[name])} for name, size in before.items()]),
        }
    )


def _summed(sizes: Mapping[str, TableSize]) -> dict[str, int]:
    fields = TableSize.__dataclass_fields__
    return {name: sum(getattr(size, name) for size in sizes.values()) for name in fields}


def _change(before: TableSize, after: TableSize) -> dict[str, str]:
    was, now = asdict(before), asdict(after)
    return {name: f"{was[name]:,}" if was[name] == now[name] else f"{was[name]:,} → {now[name]:,}" for name in was}


def _table(rows: Sequence[Mapping[str, object]]) -> dg.TableMetadataValue | str:
    """All rows, one per table; Dagster does not allow empty tables."""
    records = [
        dg.TableRecord({name: value if isinstance(value, int) else _text(value) for name, value in row.items()})
        for row in rows
    ]
    return dg.MetadataValue.table(records) if records else "nothing"


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
