"""What is known of a stream, in one DuckDB file with one writer: tallies, alerts, positions, and what is unpublished.

A tick takes what was read in one transaction. Before it commits, nothing has happened; afterwards, all that it gives
is in the file, to be published by whoever has the state, again and again until it says that it was.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from crime_assets.core.errors import CrimeAssetsError, LakeError
from crime_assets.core.sql import statement
from crime_assets.incidents.chain import ALERTS
from crime_assets.incidents.contract import Quarantined
from crime_assets.incidents.limits import most_by_chance
from crime_assets.incidents.lines import ALERT, Alerts
from crime_assets.incidents.lookback import AGING, oldest
from crime_assets.incidents.outbox import Outbox
from crime_assets.incidents.rules import Rule, alert_id, digest
from crime_assets.incidents.sources import Batch, Position
from crime_assets.incidents.tallies import Tallies
from crime_assets.incidents.times import MOST_AHEAD, Calendar

_FORMAT = 1
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,
    "memory_limit": "384MB",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
_PRUNED_EVERY = 60.0
"""Seconds of the watermark."""


class StreamBusy(CrimeAssetsError):
    """Another process consumes the stream with this state."""


@dataclass(frozen=True)
class Ticked:
    """What a tick found: counts of messages, and up to when the stream is known (seconds since 1970)."""

    tick: int
    records: int
    reports: int
    repeats: int
    late: int
    ahead: int
    quarantined: int
    alerts: int
    watermark: float | None


class _Shard(NamedTuple):
    sequence: str | None
    is_ended: bool
    progress: float | None


class State:
    """The one writer of a stream's state. `stage` is called with what was just done: tests end the process there."""

    def __init__(
        self,
        home: Path,
        stream: str,
        calendar: Calendar,
        rules: Sequence[Rule],
        clock: Callable[[], datetime],
        *,
        stage: Callable[[str], None] = lambda _: None,
    ) -> None:
        """StreamBusy if another process has the file; LakeError if it is of another stream or zone."""
        self._calendar, self._clock, self._stage = calendar, clock, stage
        self._con = _opened(home / "state.duckdb")
        self.epoch = self._begun(stream, rules)
        self._tallies = Tallies(self._con, rules)
        self.outbox = Outbox(self._con, Alerts(rules, calendar), clock)
        self._load()

    def positions(self) -> dict[str, Position]:
        """How far each shard has been read."""
        return {name: Position(shard.sequence, shard.is_ended) for name, shard in self._shards.items()}

    def tick(
        self,
        batch: Batch,
        arrived: pa.Table,
        bad: Sequence[Quarantined],
        told: Mapping[str, int] | None = None,
        *,
        is_last: bool = False,
    ) -> Ticked:
        """Take what was read, all or nothing. `told` says how far channels are; the last tick delivers all lines."""
        con = self._con
        con.register("arrived", arrived)
        con.execute("BEGIN")
        try:
            self._stage("begun")
            ticked = self._take(batch, bad, told or {}, is_last=is_last)
            con.execute("COMMIT")
        except BaseException:
            con.execute("ROLLBACK")
            self._load()
            raise
        finally:
            con.unregister("arrived")
        self.outbox.marked()
        self._stage("committed")
        return ticked

    def keep(self, told: Mapping[str, int]) -> None:
        """Keep what was published and told of, although nothing was read."""
        if self.outbox.is_to_mark or told != self.outbox.told():
            self._con.execute("BEGIN")
            self.outbox.mark(told)
            self._con.execute("COMMIT")
            self.outbox.marked()

    def watch(self, listed: pa.Table) -> None:
        """Replace the watch list: ref, from_s, until_s, why_md5."""
        self._con.register("listed", listed)
        for step in ("BEGIN", "DELETE FROM watch_list", "INSERT INTO watch_list BY NAME FROM listed", "COMMIT"):
            self._con.execute(step)
        self._con.unregister("listed")

    def stations(self) -> list[dict[str, Any]]:
        """Stations with the mean of the places of their reports, degrees."""
        rows = self._con.execute(
            "SELECT station, district, lat_sum / placed / 1000, lon_sum / placed / 1000 FROM stations WHERE placed > 0 "
            "ORDER BY station"
        ).fetchall()
        return [dict(zip(("station", "district", "lat", "lon"), row, strict=True)) for row in rows]

    def progress(self) -> dict[str, float]:
        """Up to when each open shard is known, seconds since 1970."""
        return {
            name: shard.progress
            for name, shard in self._shards.items()
            if shard.progress is not None and not shard.is_ended
        }

    def status(self) -> dict[str, object]:
        """How far it is: the last tick, the watermark, and the last object of each chain."""
        return {"tick": self._tick, "watermark": self._watermark} | {
            f"{name}_number": number for name, number in self.outbox.numbers.items()
        }

    def close(self) -> None:
        """Release the file."""
        self.outbox.close()
        self._con.close()

    def _begun(self, stream: str, rules: Sequence[Rule]) -> str:
        """The epoch of the file, which is begun if it is new."""
        con = self._con
        if not con.execute("FROM duckdb_tables() WHERE table_name = 'about'").fetchall():
            now = self._clock().astimezone(UTC)
            con.execute("BEGIN")
            con.execute(statement("live", "state"))
            for chance in sorted({rule.chance for rule in rules if rule.chance is not None}):
                con.register("made", most_by_chance(chance))
                con.execute("INSERT INTO limits FROM made")
                con.unregister("made")
            epoch = f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
            about = [_FORMAT, epoch, stream, self._calendar.zone, digest(rules), now]
            con.execute("INSERT INTO about VALUES (?, ?, ?, ?, ?, ?)", about)
            con.execute("COMMIT")
        ((form, of, zone, epoch),) = con.execute("SELECT format, stream, zone, epoch FROM about").fetchall()
        if (form, of, zone) != (_FORMAT, stream, self._calendar.zone):
            raise LakeError(
                f"The state there is of the stream {of} on the clock of {zone}: give this one a CRIME_HOME of its own."
            )
        return str(epoch)

    def _load(self) -> None:
        """What the file says of its last tick."""
        con = self._con
        rows = con.execute("SELECT shard, sequence, is_ended, progress_s FROM shards").fetchall()
        self._shards = {shard: _Shard(*told) for shard, *told in rows}
        ((self._tick, self._watermark, self._closed),) = con.execute(
            "SELECT coalesce(max(tick), 0), max(watermark_s), max(closed_block) FROM ticks"
        ).fetchall()
        self._pruned = self._watermark or 0.0
        self.outbox.load()

    def _take(self, batch: Batch, bad: Sequence[Quarantined], told: Mapping[str, int], *, is_last: bool) -> Ticked:
        con, number = self._con, self._tick + 1
        self.outbox.mark(told)
        news = self._tallies.add()
        self._stage("counted")
        self.outbox.pack_lines(number)
        self._move(batch)
        before = self._closed
        self._tallies.ask(self._close_blocks(), is_closing=self._closed != before)
        alerts = self._raise(number)
        self._stage("ruled")
        self.outbox.add_lines(number, is_last=is_last)
        self.outbox.add_bad(number, bad)
        ((late, ahead, typed),) = con.execute(
            "SELECT count(*) FILTER (NOT is_admitted), count(*) FILTER (is_ahead), count(*) FROM arrived"
        ).fetchall()
        found = Ticked(number, len(batch.records), news, typed - news, late, ahead, len(bad), alerts, self._watermark)
        counts = [found.records, news, found.repeats, late, ahead, len(bad), self._watermark, self._closed]
        con.execute("INSERT INTO ticks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", [number, self._clock(), *counts])
        self._prune()
        self._tick = number
        return found

    def _move(self, batch: Batch) -> None:
        """Positions and the watermark: up to when all open shards are known, by arrival."""
        con, now = self._con, self._clock().timestamp()
        for name in batch.positions.keys() | (batch.progress.keys() & self._shards.keys()):
            known = self._shards.get(name, _Shard(None, False, None))
            position = batch.positions.get(name, Position(known.sequence, known.is_ended))
            progress = batch.progress.get(name, known.progress)
            # A writer's clock that is far ahead must not take the stream with it.
            is_believed = progress is None or progress <= now + MOST_AHEAD
            shard = _Shard(position.sequence, position.is_ended, progress if is_believed else now)
            self._shards[name] = shard
            con.execute("DELETE FROM shards WHERE shard = ?", [name])
            con.execute("INSERT INTO shards VALUES (?, ?, ?, ?)", [name, *shard])
        is_open = [shard.progress for shard in self._shards.values() if not shard.is_ended]
        reached = is_open or [max((shard.progress or 0.0 for shard in self._shards.values()), default=0.0)]
        if None not in reached:
            # Of a shard that begins later, something earlier may come: what was closed stays closed.
            self._watermark = max(self._watermark or 0.0, min(one for one in reached if one is not None))

    def _close_blocks(self) -> tuple[int, int] | None:
        """The first and the last block of six hours that closed with this tick; the last one twice if none did."""
        if self._watermark:
            last = self._calendar.closed_block(self._watermark)
            if self._closed is None:
                # Of blocks before the first report nothing can be said.
                ((first,),) = self._con.execute("SELECT min(block_number) FROM blocks").fetchall()
                before = None if first is None else first - 1
            else:
                before = self._closed
            if before is not None and last > before:
                self._closed = last
                return before + 1, last
        return None if self._closed is None else (self._closed, self._closed)

    def _raise(self, tick: int) -> int:
        """Put new alerts into `alerts`, as the next object of the chain; returns how many."""
        con = self._con
        rows = con.execute(
            f"SELECT {', '.join(ALERT)}, event_id FROM raised ORDER BY rule, subject, window_number, revision"
        ).fetchall()
        if not rows:
            return 0
        evidence = self._tallies.evidence()
        number, at = self.outbox.numbers[ALERTS] + 1, self._clock()
        ((arrived_s,),) = con.execute("SELECT max(arrived_s) FROM arrived").fetchall()
        seen_s = arrived_s if arrived_s is not None else self._watermark
        found = [
            (alert_id(row[0], row[1], row[3]), *row[:-1], evidence.get((row[0], row[-1]), []), number, line, at, seen_s)
            for line, row in enumerate(rows, start=1)
        ]
        # Row by row, it takes as long as all the rules.
        names = ("alert_id", *ALERT, "event_ids", "chain_number", "line", "raised_at", "seen_s")
        con.register("made", pa.table([pa.array(column) for column in zip(*found, strict=True)], names))
        con.execute("INSERT INTO alerts BY NAME FROM made")
        con.unregister("made")
        self.outbox.add_alerts(tick)
        return len(rows)

    def _prune(self) -> None:
        """Drop what no rule looks back on."""
        if not self._watermark or self._watermark < self._pruned + _PRUNED_EVERY:
            return
        con, self._pruned = self._con, self._watermark
        for table in AGING:
            name, least = oldest(table, self._watermark, self._calendar)
            con.execute(f"DELETE FROM {table} WHERE {name} < ?", [least])
        con.execute("DELETE FROM ticks WHERE tick < ?", [self._tick - 10_000])
        con.execute(
            "DELETE FROM objects WHERE is_published AND number < "
            "(SELECT max(newest.number) - 1000 FROM objects AS newest WHERE newest.chain = objects.chain)"
        )


def _opened(path: Path) -> duckdb.DuckDBPyConnection:
    path.parent.mkdir(parents=True, exist_ok=True)
    settings = {**_SETTINGS, "temp_directory": str(path.parent / "spill")}
    try:
        con = duckdb.connect(str(path), config=settings)
    except duckdb.IOException as error:
        if "lock" not in str(error):
            raise
        raise StreamBusy(f"Another process consumes the stream with {path}: stop it, or wait until it ends.") from error
    con.execute("SET TimeZone = 'UTC'")
    con.execute("SET enable_progress_bar = false")
    return con
