"""Versions of records, merges that break off, and the contract of `crimes` as a plain model."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from crime_assets.core.envelopes import Envelope
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.tables import Change
from crime_assets.lakehouse.place.lake import Lake
from crime_assets_tests.build import envelope, record
from crime_assets_tests.lakehouse.lakes import quarantined, rows


def version(number: int, updated: str, occurred: str = "2024-01-05", pulled: str = "", **fields: object) -> Envelope:
    """A version of a record, pulled on the morning after its change unless told otherwise."""
    day = updated[:10]
    at = pulled or f"{date.fromisoformat(day) + timedelta(days=1)}T08:00:00"
    return envelope(record(number, updated, occurred, **fields), day, at)


def known(lake: Lake) -> dict[int, datetime]:
    return {row["id"]: row["updated_on"] for row in rows(lake)}


def random_versions(rng: random.Random, ids: int) -> list[Envelope]:
    """A few versions of each id: bulk stamps, ties, moves between months, and the same version pulled again."""
    lines: list[Envelope] = []
    for id in range(ids):
        stamps: list[str] = []
        for number in range(rng.randint(1, 5)):
            stamp = f"2024-01-{rng.randint(10, 16)}T{rng.choice(['00:00:00', '12:00:00', '23:59:59'])}.000"
            occurred = f"202{rng.choice('34')}-0{rng.randint(1, 2)}-05"
            pulled = f"2024-01-{rng.randint(17, 19)}T08:00:0{rng.randint(0, 3)}"
            lines.append(version(id, stamp, occurred, pulled, description=f"version {number}"))
            stamps.append(stamp)
        # Which pull of a version counts shows only against another version of the same stamp: no rule tells.
        for line in lines[-len(stamps) :]:
            if stamps.count(str(line.record["updated_on"])) == 1 and rng.random() < 0.3:
                lines.append(envelope(line.record, f"{line.change_day}", "2024-01-30T08:00:00"))
    return lines


def order(line: Envelope) -> tuple[str, datetime, str]:
    return str(line.record["updated_on"]), line.pulled_at, line.md5


def model(lines: list[Envelope]) -> dict[int, str]:
    """What the contract says `crimes` holds: id → digest of the version that wins."""
    winners: dict[int, Envelope] = {}
    for line in lines:
        id = int(str(line.record["id"]))
        if id not in winners or order(winners[id]) < order(line):
            winners[id] = line
    return {id: line.md5 for id, line in winners.items()}


def deliveries(rng: random.Random, lines: list[Envelope], parts: int) -> list[list[Envelope]]:
    """The lines in random order and portions, some of them delivered more than once."""
    repeated = [*lines, *rng.sample(lines, len(lines) // 3)]
    rng.shuffle(repeated)
    cuts = sorted(rng.sample(range(len(repeated)), parts - 1))
    return [repeated[start:end] for start, end in zip([0, *cuts], [*cuts, len(repeated)], strict=True)]


def without_time(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "ingested_at"} for row in found]


BEFORE = [version(1, "2024-01-20"), version(2, "2024-01-20", "2024-02-05"), version(3, "2024-01-20", "2024-03-05")]
DAY = [
    version(1, "2024-01-22", "2024-02-07"),
    version(2, "2024-01-21", "2024-02-05"),
    version(2, "2024-01-22", "2024-02-05"),
    version(4, "2024-01-22", "2024-04-05"),
    version(5, "2024-01-22", ward="W"),
    version(3, "2024-01-18", "2024-03-05"),
]
CURATED = ("crimes_quarantine", "crimes_superseded", "crimes")


class Crash(BaseException):
    """A process that is gone."""


def contents(lake: Lake) -> dict[str, Any]:
    found: dict[str, Any] = {name: rows(lake, name) for name in ("crimes", "crimes_superseded")}
    return {**found, "crimes_quarantine": quarantined(lake)}


def interrupted(name: str, when: str) -> Callable[[tables.Table, Change], int]:
    """tables.commit that dies before or after it commits to the table `name`."""
    commit = tables.commit

    def dying(table: tables.Table, change: Change) -> int:
        if table.name()[-1] != name:
            return commit(table, change)
        if when == "after":
            commit(table, change)
        raise Crash

    return dying
