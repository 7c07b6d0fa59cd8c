"""What a state has to publish, as tables of its DuckDB connection: which objects of which chain, and what is in them.

An object's content is made of committed rows alone, so it is the same however often it is made.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import duckdb

from crime_assets.incidents.chain import ALERTS, DELIVERIES, QUARANTINE
from crime_assets.incidents.contract import FIELDS, Quarantined
from crime_assets.incidents.lines import ALERT, Alerts, quarantined_line

_DELIVERY_BYTES, _DELIVERY_SECONDS = 4 << 20, 60.0
"""Lines wait for a delivery until they are so many bytes, or the first of them is so old."""
_TIMES = {field.name for field in FIELDS if field.type == "timestamptz"}
_LINE = ", ".join(
    f"{field.name} := "
    + (f"strftime({field.name}, '%Y-%m-%dT%H:%M:%S.%fZ')" if field.name in _TIMES else f"arrived.{field.name}")
    for field in FIELDS
)


@dataclass(frozen=True)
class Pending:
    """An object to be written."""

    chain: str
    number: int
    content: bytes


class Outbox:
    """Tables lines, bad, objects and told. Whoever has the connection keeps them in the tick's transaction."""

    def __init__(self, con: duckdb.DuckDBPyConnection, alerts: Alerts, clock: Callable[[], datetime]) -> None:
        self._con, self._alerts, self._clock = con, alerts, clock
        self._done: list[Pending] = []
        self._packer = ThreadPoolExecutor(1, "lines")
        self._packing: Future[bytes] | None = None
        self._lines = 0

    def load(self) -> None:
        """Look up how far the tables are: to be called at first, and after a transaction that was rolled back."""
        con = self._con
        last = dict(con.execute("SELECT chain, max(number) FROM objects GROUP BY chain").fetchall())
        self.numbers = {name: int(last.get(name, 0)) for name in (ALERTS, DELIVERIES, QUARANTINE)}
        ((self._delivered,),) = con.execute(
            "SELECT coalesce(max(last_tick), 0) FROM objects WHERE chain = 'deliveries'"
        ).fetchall()
        ((self._waiting,),) = con.execute(
            "SELECT coalesce(sum(bytes), 0) FROM lines WHERE tick > ?", [self._delivered]
        ).fetchall()
        self._waits_since: datetime | None = self._clock() if self._waiting else None

    def add_alerts(self, tick: int) -> None:
        """The alerts of a tick, which are in `alerts` under the number that comes next."""
        self._add_object(ALERTS, tick, tick)

    def pack_lines(self, tick: int) -> None:
        """Begin to pack the lines of new reports, for `add_lines`: that goes on beside what the connection is asked."""
        rows = self._con.execute(
            f"SELECT CAST(to_json(struct_pack({_LINE}, _shard := arrived.shard, _sequence := arrived.sequence, "
            "_tick := ?)) AS VARCHAR) FROM arrived SEMI JOIN new_reports USING (shard, sequence)",
            [tick],
        ).fetchall()
        self._packing = self._packer.submit(_packed, [line for (line,) in rows]) if rows else None
        self._lines = len(rows)

    def add_lines(self, tick: int, *, is_last: bool) -> None:
        """Put the lines that were packed into `lines`; into a delivery, if enough are waiting."""
        if self._packing:
            content = self._packing.result()
            row = [tick, content, self._lines, len(content)]
            self._con.execute("INSERT INTO lines VALUES (?, ?, ?, ?)", row)
            self._waiting += len(content)
            self._waits_since = self._waits_since or self._clock()
        is_due = is_last or self._waiting >= _DELIVERY_BYTES
        if self._waits_since and (is_due or (self._clock() - self._waits_since).total_seconds() >= _DELIVERY_SECONDS):
            self._add_object(DELIVERIES, self._delivered + 1, tick)
            self._delivered, self._waiting, self._waits_since = tick, 0, None

    def add_bad(self, tick: int, bad: Sequence[Quarantined]) -> None:
        """The messages of a tick that are no reports."""
        if bad:
            content = b"".join(quarantined_line(one, tick) for one in bad)
            self._con.execute("INSERT INTO bad VALUES (?, ?)", [tick, content])
            self._add_object(QUARANTINE, tick, tick)

    def unpublished(self) -> list[Pending]:
        """What has still to be written, in the order in which that is to be done."""
        rows = self._con.execute(
            "SELECT chain, number, first_tick, last_tick FROM objects WHERE NOT is_published "
            "ORDER BY list_position(['alerts', 'quarantine', 'deliveries'], chain), number"
        ).fetchall()
        done = {(one.chain, one.number) for one in self._done}
        return [
            Pending(chain, number, self._content(chain, number, *ticks))
            for chain, number, *ticks in rows
            if (chain, number) not in done
        ]

    def published(self, done: Sequence[Pending]) -> None:
        """These are written; `mark` is still to be called."""
        self._done += done

    @property
    def is_to_mark(self) -> bool:
        """Whether something was published that the tables do not know of."""
        return bool(self._done)

    def told(self) -> dict[str, int]:
        """Channel → number of the last object of alerts that it was told of."""
        return dict(self._con.execute("SELECT channel, number FROM told").fetchall())

    def mark(self, told: Mapping[str, int]) -> None:
        """Keep what was published and told of since the last transaction; `marked` says that this one is committed."""
        con = self._con
        for one in self._done:
            con.execute(
                "UPDATE objects SET is_published = true WHERE chain = ? AND number = ?", [one.chain, one.number]
            )
            table = {DELIVERIES: "lines", QUARANTINE: "bad"}.get(one.chain)
            if table:
                con.execute(
                    f"DELETE FROM {table} WHERE tick <= (SELECT last_tick FROM objects WHERE chain = ? AND number = ?)",
                    [one.chain, one.number],
                )
        for channel, number in told.items():
            con.execute("DELETE FROM told WHERE channel = ?", [channel])
            con.execute("INSERT INTO told VALUES (?, ?)", [channel, number])

    def marked(self) -> None:
        """What `mark` wrote is kept."""
        self._done = []

    def close(self) -> None:
        """Release what it has beside the connection."""
        self._packer.shutdown()

    def _add_object(self, chain: str, first: int, last: int) -> None:
        self.numbers[chain] += 1
        self._con.execute("INSERT INTO objects VALUES (?, ?, ?, ?, false)", [chain, self.numbers[chain], first, last])

    def _content(self, chain: str, number: int, first: int, last: int) -> bytes:
        con = self._con
        if chain == ALERTS:
            columns = ("alert_id", *ALERT, "event_ids", "raised_at")
            rows = con.execute(
                f"SELECT {', '.join(columns)} FROM alerts WHERE chain_number = ? ORDER BY line", [number]
            ).fetchall()
            return b"".join(self._alerts.line(dict(zip(columns, row, strict=True))) for row in rows)
        table, column = ("lines", "content") if chain == DELIVERIES else ("bad", "line")
        rows = con.execute(
            f"SELECT {column} FROM {table} WHERE tick BETWEEN ? AND ? ORDER BY tick", [first, last]
        ).fetchall()
        return b"".join(row[0] for row in rows)


def _packed(lines: Sequence[str]) -> bytes:
    return gzip.compress("\n".join(lines).encode() + b"\n", 1, mtime=0)
