"""Expiry: old snapshots of a table are kept for a while, then expired. Removal of orphans then deletes their files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from crime_assets.core.errors import LakeBusy
from crime_assets.core.insights import Insight
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.tables import StalePlan
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.upkeep.kept import loaded
from crime_assets.lakehouse.writing.insights import NONE_SEEN, SEEN
from crime_assets.sources.cities import City

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

_ALWAYS = datetime.max.replace(tzinfo=UTC)
"""Later than any snapshot."""


@dataclass(frozen=True)
class Expired:
    """The outcome for a table's snapshots; `kept_for` are the insights for which more snapshots were kept."""

    snapshots_removed: int
    kept_for: tuple[str, ...]


def expire(lake: Lake, city: City, insights: Sequence[Insight], before: datetime) -> dict[str, Expired]:
    """Expire the snapshots that were replaced before `before`: every later moment can still be queried.

    The current snapshot stays. In `crimes` and `crimes_superseded` all snapshots stay from the one that an insight
    knew when it was last computed: without them, all its days would have to be computed again. Of masked tables only
    the current snapshot stays: nobody may look back in them. LakeBusy if another writer changes a table meanwhile.
    """
    with lake.writing():
        known = _known(lake, city, insights)
        return {
            one.told: _expire(table, known.get(one.told, {}), _ALWAYS if one.is_masked else before)
            for one, table in loaded(lake, city.name)
        }


def _known(lake: Lake, city: City, insights: Sequence[Insight]) -> dict[str, dict[str, str]]:
    """Table → insight → the snapshot of the table that the insight knew."""
    known: dict[str, dict[str, str]] = {name: {} for name in SEEN.values()}
    for insight in insights:
        table = tables.load(lake, city.name, insight.table)
        if table is not None and (snapshot := table.current_snapshot()) is not None:
            for mark, name in SEEN.items():
                if seen := tables.snapshot_property(snapshot, mark):
                    known[name][insight.table] = seen
    return known


def _expire(table: Table, known: Mapping[str, str], before: datetime) -> Expired:
    from pyiceberg.table.snapshots import ancestors_of

    past = list(ancestors_of(table.current_snapshot(), table.metadata))
    if not past:
        return Expired(0, ())
    places = {str(snapshot.snapshot_id): place for place, snapshot in enumerate(past)} | {NONE_SEEN: len(past) - 1}
    oldest = _oldest(past, before)
    kept_for = [insight for insight, seen in known.items() if places.get(seen, 0) > oldest]
    oldest = max([oldest, *(places.get(seen, 0) for seen in known.values())])
    gone = [snapshot.snapshot_id for snapshot in past[oldest + 1 :]]
    if gone:
        try:
            tables.drop_snapshots(table, gone)
        except StalePlan as error:
            name = ".".join(table.name())
            raise LakeBusy(
                f"Another writer changed {name} while its snapshots were being checked: run again."
            ) from error
    return Expired(len(gone), tuple(sorted(kept_for)))


def _oldest(past: Sequence[Snapshot], before: datetime) -> int:
    """The position of the snapshot that was current at `before`, counted from the newest."""
    moment = before.timestamp() * 1000
    replaced = [place for place, newer in enumerate(past, start=1) if newer.timestamp_ms >= moment]
    return min(max([0, *replaced]), len(past) - 1)
