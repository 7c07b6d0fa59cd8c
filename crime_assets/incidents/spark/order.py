"""Which files of a stream come next. Spark finds files by their age; a report's copies count by their order.

A shard's files are taken one after the other, and those of shards that follow another one when that one is over.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from crime_assets.incidents.sources import SLACK


@dataclass(frozen=True)
class Reached:
    """How far a shard was taken: its last file, when the newest report in it arrived, and whether it is over."""

    file: int = 0
    arrived: float | None = None
    is_ended: bool = False


@dataclass(frozen=True)
class Layout:
    """The shards that there are: each with those that it follows; and how many files those have that are closed."""

    parents: Mapping[str, Collection[str]]
    files: Mapping[str, int]


def taken(layout: Layout, reached: Mapping[str, Reached], found: Mapping[str, Collection[int]]) -> dict[str, int]:
    """Up to which file each shard can be taken, of the files that were found and not taken yet."""
    ends = {shard: reached.get(shard, Reached()).file for shard in layout.parents}
    is_moving = True
    while is_moving:
        is_moving = False
        for shard, parents in layout.parents.items():
            if all(_is_over(layout, ends, parent) for parent in parents):
                while ends[shard] + 1 in found.get(shard, ()):
                    ends[shard] += 1
                    is_moving = True
    return ends


def moved(
    layout: Layout, reached: Mapping[str, Reached], ends: Mapping[str, int], arrived: Mapping[str, float]
) -> dict[str, Reached]:
    """How far shards are, once they are taken up to these files, and the newest reports of these arrived then."""
    now: dict[str, Reached] = {}
    for shard, file in ends.items():
        before = reached.get(shard, Reached())
        newest = max((one for one in (before.arrived, arrived.get(shard)) if one is not None), default=None)
        now[shard] = Reached(file, newest, _is_over(layout, ends, shard))
    # What follows a shard arrived after all of it.
    for shard, one in list(now.items()):
        parents = [now[parent] for parent in layout.parents[shard] if parent in now]
        if one.arrived is None and parents and all(parent.is_ended for parent in parents):
            newest = max((parent.arrived for parent in parents if parent.arrived is not None), default=None)
            now[shard] = replace(one, arrived=newest)
    return now


def watermark(reached: Mapping[str, Reached]) -> float | None:
    """Up to when all shards are known that are not over; of those that are, if all are. None if one is unknown."""
    is_open = [one.arrived for one in reached.values() if not one.is_ended]
    told = is_open or [max((one.arrived or 0.0 for one in reached.values()), default=0.0)]
    known = [one for one in told if one is not None]
    return min(known) - SLACK if len(known) == len(told) else None


def _is_over(layout: Layout, ends: Mapping[str, int], shard: str) -> bool:
    return shard in layout.files and ends.get(shard, 0) >= layout.files[shard]
