"""Reports made directly as rows, and rules asked over tallies of them, tick by tick, in memory.

Rows are what reading makes of messages; here their numbers are computed anew, for the zone of India.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import count, pairwise
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crime_assets.core.sql import statement
from crime_assets.incidents.contract import ARRIVED, event_id
from crime_assets.incidents.limits import most_by_chance
from crime_assets.incidents.rules import Rule, all_rules
from crime_assets.incidents.tallies import Tallies as Counted

OFFSET = 19_800
"""Seconds by which the zone's clock is ahead of UTC."""
DAY_0 = 20_000
"""A day long after 1970, number 0 of `moment`."""

_numbers = count(1)


class Raised(NamedTuple):
    """A revision of an alert."""

    rule: str
    subject: str
    window_number: int
    revision: int


def moment(day: int, hour: float = 0, seconds: float = 0) -> float:
    """Seconds since 1970 (UTC) of an hour of a day, counted from DAY_0, on the zone's clock."""
    return float((DAY_0 + day) * 86_400 - OFFSET + hour * 3_600 + seconds)


def reports(n: int = 1, **given: Any) -> pa.Table:
    """`n` reports as ARRIVED: `given` has a value, or one for each, of any of its columns; the others have defaults.

    `refs` are those of vehicles, for all reports. By default a report arrives 30 seconds after it is registered at noon
    of DAY_0, is a theft with a place, of station SX/101/1, and is a FIR of its own.
    """
    columns = {name: given.pop(name, default) for name, default in _defaults(n).items()}
    if refs := given.pop("refs", ()):
        columns["vehicles"] = json.dumps([{"ref": ref, "role": "seen"} for ref in refs])
    values = {name: np.broadcast_to(np.asarray(value, object), n) for name, value in {**columns, **given}.items()}
    registered = values["registered_s"].astype(float)
    arrived = values["arrived_s"] = np.where(
        values["arrived_s"] == None,  # noqa: E711 (element by element)
        registered + 30,
        values["arrived_s"],
    ).astype(float)
    return pa.table({**_plain(values), **_counted(values, registered, arrived)}).select(ARRIVED.names).cast(ARRIVED)


def _defaults(n: int) -> dict[str, Any]:
    first = next(_numbers) * 1_000_000
    return {
        "fir_id": [f"SX/101/1/2024/{first + number}" for number in range(n)],
        "registered_s": moment(0, 12),
        "arrived_s": None,
        "kind": "registered",
        "version": None,
        "state": "SX",
        "district": "101",
        "police_station": "1",
        "major_head": "theft",
        "lat_milli": 28_600,
        "lon_milli": 77_200,
        "complainant_ref": None,
        "occurred_day": None,
        "vehicles": None,
        "is_sensitive": False,
        "shard": "a",
    }


def _plain(values: dict[str, np.ndarray]) -> dict[str, pa.Array]:
    """Columns as given: without what sensitive reports lack, NULL where nothing is given."""
    n = len(values["fir_id"])
    version = [
        (1 if kind == "registered" else 2) if version is None else version
        for kind, version in zip(values["kind"], values["version"], strict=True)
    ]
    made = {**values, "version": version, "event_id": [*map(event_id, values["fir_id"], version)]}
    for name in ("police_station", "lat_milli", "lon_milli", "complainant_ref"):
        made[name] = np.where(values["is_sensitive"], None, values[name])
    made["md5"] = made["event_id"]
    return {
        field.name: pa.array(list(made[field.name]), field.type) if field.name in made else pa.nulls(n, field.type)
        for field in ARRIVED
        if field.name not in {"registered_s", "arrived_s", "occurred_day", "sequence"}
    }


def _counted(values: dict[str, np.ndarray], registered: np.ndarray, arrived: np.ndarray) -> dict[str, pa.Array]:
    """The columns of numbers, from the two times."""
    is_ahead = registered > arrived + 300
    believed = np.where(is_ahead, arrived, registered)
    local = np.floor(believed).astype(int) + OFFSET
    block = local // 21_600
    late = arrived - believed
    is_admitted = late <= 3_600
    day = local // 86_400
    occurred = [own if own is not None else of for own, of in zip(values["occurred_day"], day, strict=True)]
    places = {
        f"block_{axis}": [
            None if value is None or hidden else value // 5
            for value, hidden in zip(values[f"{axis}_milli"], values["is_sensitive"], strict=True)
        ]
        for axis in ("lat", "lon")
    }
    station = [
        None if hidden else "/".join(parts)
        for hidden, *parts in zip(
            values["is_sensitive"], values["state"], values["district"], values["police_station"], strict=True
        )
    ]
    return {
        **{name: pa.array(value, pa.int32()) for name, value in places.items()},
        "station": pa.array(station, pa.string()),
        "registered_s": pa.array(believed),
        "claimed_s": pa.array(registered),
        "arrived_s": pa.array(arrived),
        "hour_number": pa.array(local // 3_600),
        "block_number": pa.array(block),
        "day_number": pa.array(day),
        "occurred_day": pa.array(occurred, pa.int32()),
        "is_admitted": pa.array(is_admitted),
        "is_counted": pa.array(is_admitted & (values["kind"] == "registered")),
        "is_in_time": pa.array(arrived <= (block + 1) * 21_600 - OFFSET + 600),
        "is_known": pa.array(late <= 7 * 86_400),
        "is_ahead": pa.array(is_ahead),
        "sequence": pa.array([f"{number:012d}" for number in range(len(local))]),
    }


class Tallies:
    """The tallies of a stream with these shards, and what the rules have raised over them."""

    def __init__(
        self,
        watch: Iterable[tuple[str, float, float]] = (),
        shards: Sequence[str] = ("a",),
        rules: Sequence[Rule] | None = None,
    ) -> None:
        """`watch`: vehicles with the seconds from and before which they are on the list."""
        self.rules = all_rules() if rules is None else rules
        self.raised: set[Raised] = set()
        self._progress = dict.fromkeys(shards, float("-inf"))
        self._closed: int | None = None
        self.con = con = duckdb.connect(config={"threads": 1})
        con.execute(statement("live", "state"))
        con.register("limit_rows", _limits())
        con.execute("INSERT INTO limits SELECT * FROM limit_rows")
        for one in watch:
            con.execute("INSERT INTO watch_list VALUES (?, ?, ?, '')", one)
        self._counted = Counted(con, self.rules)
        self._add(ARRIVED.empty_table())

    def tick(self, arrived: pa.Table) -> set[Raised]:
        """Adds rows of ARRIVED; what the rules give then, that they have not given before."""
        self._add(arrived)
        before = self._closed
        closed = self._close(arrived)
        self._counted.ask(closed, is_closing=self._closed != before)
        rows = self.con.execute("SELECT rule, subject, window_number, revision FROM raised").fetchall()
        given = {Raised(*row) for row in rows}
        new = given - self.raised
        self.raised |= new
        return new

    def ask(self, rule: Rule, closed: tuple[int, int] | None = None) -> list[tuple[Any, ...]]:
        """The rows of a rule over the tallies as they are."""
        return self.con.execute(rule.query("duckdb", closed)).fetchall()

    def _add(self, arrived: pa.Table) -> None:
        self.con.register("arrived", arrived)
        self._counted.add()

    def _close(self, arrived: pa.Table) -> tuple[int, int] | None:
        """The blocks that closed, from the first that has a report; if none did, the last that has, twice."""
        newest = arrived.group_by("shard").aggregate([("arrived_s", "max")]).to_pylist()
        for row in newest:
            self._progress[row["shard"]] = max(self._progress[row["shard"]], row["arrived_s_max"])
        watermark = min(self._progress.values())
        if watermark == float("-inf"):
            return None
        # The last block that ended more than ten minutes before.
        last = int(-(-(watermark + OFFSET - 600) // 21_600)) - 2
        if self._closed is None:
            ((first,),) = self.con.execute("SELECT MIN(block_number) FROM blocks").fetchall()
            if first is None:
                return None
            self._closed = first - 1
        if last < self._closed or last < 0:
            return None
        closed = (min(self._closed + 1, last), last)
        self._closed = last
        return closed


@cache
def _limits() -> pa.Table:
    """Fewer than a stream has, as they are put into every one of hundreds of tallies."""
    return most_by_chance(before=1_000)


def raised_by(arrived: pa.Table, cuts: Iterable[int] = (), **of: Any) -> set[Raised]:
    """What the rules raise over rows, in the order in which they arrived, with ticks cut after so many rows."""
    ordered = arrived.take(pc.sort_indices(arrived, [("arrived_s", "ascending")]))
    tallies = Tallies(**of)
    edges = sorted({0, *(cut for cut in cuts if cut < len(ordered)), len(ordered)})
    for begin, end in pairwise(edges):
        tallies.tick(ordered.slice(begin, end - begin))
    return tallies.raised
