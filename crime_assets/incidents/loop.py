"""The consumer: reads a stream tick by tick, and publishes what each tick gives.

A tick takes all that is there, so it is small while little comes, and large after a stop: most of a tick's cost does
not depend on how many reports it has. Meanwhile what comes next is read ahead.
"""

from __future__ import annotations

import gc
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from crime_assets.core import keys
from crime_assets.core.errors import LandingError
from crime_assets.incidents import watch_list
from crime_assets.incidents.ahead import Ahead
from crime_assets.incidents.chain import ALERTS, Chain
from crime_assets.incidents.contract import ARRIVED
from crime_assets.incidents.outbox import Pending
from crime_assets.incidents.reading import Reader
from crime_assets.incidents.sources import Batch, Forgetful, Source
from crime_assets.incidents.state import State, Ticked
from crime_assets.incidents.telling import Channel, Teller
from crime_assets.incidents.times import Calendar
from crime_assets.streams import LandingStore

_MOST = 20_000
"""Records of a tick at the most: of more, memory would grow, and little more of a tick's cost would be saved."""
_IDLE = 3.0
"""Seconds without a record after which a stream that has not ended counts as read."""
_PROGRESS_EVERY = 1.0
_STATUS_EVERY = 1.0
_STATIONS_EVERY = 60.0
_WATCH_LIST_EVERY = 3.0


@dataclass
class Totals:
    """What a consumer has read since it was started: counts of messages, and why some were quarantined."""

    ticks: int = 0
    records: int = 0
    reports: int = 0
    repeats: int = 0
    late: int = 0
    ahead: int = 0
    quarantined: int = 0
    alerts: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def add(self, ticked: Ticked, reasons: Sequence[str]) -> None:
        """Add a tick."""
        self.ticks += 1
        self.reasons = dict(Counter(self.reasons) + Counter(reasons))
        for name in ("records", "reports", "repeats", "late", "ahead", "quarantined", "alerts"):
            setattr(self, name, getattr(self, name) + getattr(ticked, name))


class Loop:
    """Reads one source into one state."""

    def __init__(
        self,
        source: Source,
        state: State,
        store: LandingStore,
        calendar: Calendar,
        clock: Callable[[], datetime],
        *,
        warn: Callable[[str], None] = lambda _: None,
        stage: Callable[[str], None] = lambda _: None,
    ) -> None:
        """LandingError if the store has the chains of another state: two would write the same objects."""
        self._source, self._state, self._store = source, state, store
        self._clock, self._warn, self._stage = clock, warn, stage
        self._reader = Reader(calendar)
        self._zone = calendar.zone
        self._is_stopped = False
        self._told_status = self._told_stations = float("-inf")
        self._stations: list[dict[str, object]] = []
        self._progress: dict[str, float] = {}
        self._ticked = float("-inf")
        self._watched: bytes | None = None
        self._looked = float("-inf")
        self._claim()
        self._tellers: list[Teller] = []

    def stop(self) -> None:
        """End after the tick that is being taken; may be called by a signal handler."""
        self._is_stopped = True

    def run(self, channels: Sequence[Channel] = (), *, until_ended: bool = False) -> Totals:
        """Read until it is stopped, and tell the channels.

        `until_ended` also ends when the stream has ended, or nothing has come for some seconds.
        """
        totals, outbox, alerts = Totals(), self._state.outbox, self._chain(ALERTS)
        # A new channel hears of what comes from now on.
        told = {one.name: outbox.numbers[ALERTS] for one in channels} | outbox.told()
        self._tellers = [Teller(alerts, one, told[one.name], self._warn) for one in channels]
        for teller in self._tellers:
            teller.start()
        # With so many records, Python would look through all that was ever imported for cycles again and again.
        gc.freeze()
        try:
            self._publish()
            self._source.open(self._state.positions())
            with Ahead(self._source, self._reader, _MOST, self._stage) as ahead:
                newest = time.monotonic()
                while not self._is_stopped:
                    if self._tick(ahead, totals):
                        newest = time.monotonic()
                    elif until_ended and (self._is_over() or time.monotonic() - newest >= _IDLE):
                        break
            self._finish(totals)
        finally:
            gc.unfreeze()
            for teller in self._tellers:
                teller.stop()
            self._source.close()
        self._state.keep(self._told())
        return totals

    def _is_over(self) -> bool:
        """Whether all shards have ended."""
        positions = self._state.positions()
        return bool(positions) and all(position.is_ended for position in positions.values())

    def _tick(self, ahead: Ahead, totals: Totals) -> bool:
        """Take what is there and publish what it gives; whether anything was there."""
        self._look_at_watch_list()
        batch, arrived, bad = ahead.take()
        batch = batch._replace(progress=self._progress | batch.progress)
        is_news = bool(batch.records or batch.positions)
        # While nothing comes, time alone goes on: once a second is enough for it.
        if is_news or (batch.progress and time.monotonic() - self._ticked >= _PROGRESS_EVERY):
            self._ticked, self._progress = time.monotonic(), {}
            ticked = self._state.tick(batch, arrived, bad, self._told())
            totals.add(ticked, [one.reason for one in bad])
            ahead.committed(self._state.positions())
            if any(position.is_ended for position in batch.positions.values()):
                self._stage("shard_ended")
            self._publish()
        else:
            self._progress = batch.progress
            self._state.keep(self._told())
        newest = max((record.arrived_at for record in batch.records), default=None)
        self._tell_status(totals, newest)
        return is_news

    def _look_at_watch_list(self) -> None:
        if time.monotonic() - self._looked >= _WATCH_LIST_EVERY:
            self._looked = time.monotonic()
            content, listed = watch_list.read(self._store, self._source.name)
            if content != self._watched:
                self._state.watch(watch_list.as_table(listed))
                self._watched = content

    def _finish(self, totals: Totals) -> None:
        """Deliver all lines that wait, and say where it ended."""
        nothing = Batch([], {}, self._progress)
        self._state.tick(nothing, ARRIVED.empty_table(), [], self._told(), is_last=True)
        self._publish()
        self._told_status = float("-inf")
        self._tell_status(totals, None)

    def _publish(self) -> None:
        """Write the objects that are pending, in their order."""
        for pending in self._state.outbox.unpublished():
            self._write(pending)
            self._stage(f"{pending.chain}_written")
            self._state.outbox.published([pending])

    def _write(self, pending: Pending) -> None:
        self._chain(pending.chain).write(pending.number, pending.content)

    def _chain(self, name: str) -> Chain:
        return Chain(self._store, self._source.name, self._state.epoch, name)

    def _told(self) -> dict[str, int]:
        return {teller.name: teller.last for teller in self._tellers}

    def _claim(self) -> None:
        """Say in the store which state's chains count."""
        key = keys.live(self._source.name, "epoch.json")
        claim = json.dumps({"epoch": self._state.epoch, "zone": self._zone}).encode()
        if not self._store.write_new(key, claim) and self._store.read(key) != claim:
            raise LandingError(
                f"{self._store.location(key)} names the chains of another state: restore the state of this stream, or "
                "remove that file, and everything in the stream is read again into new chains."
            )

    def _tell_status(self, totals: Totals, newest: datetime | None) -> None:
        now = time.monotonic()
        if now - self._told_status < _STATUS_EVERY:
            return
        self._told_status = now
        if now - self._told_stations >= _STATIONS_EVERY:
            self._stations, self._told_stations = self._state.stations(), now
        progress = self._state.progress()
        status = {
            "epoch": self._state.epoch,
            "zone": self._zone,
            "written_at": self._clock().astimezone(UTC).isoformat(),
            "lag_seconds": (self._clock() - newest).total_seconds() if newest is not None else 0.0,
            "lost_since": self._source.lost_since(progress) if isinstance(self._source, Forgetful) else None,
            **self._state.status(),
            **asdict(totals),
            "told": self._told(),
            "stations": self._stations,
        }
        self._store.write(keys.live(self._source.name, "status.json"), json.dumps(status).encode())
