"""What pages know of a stream of live reports: its newest alerts, who acknowledged them, and how far it is behind.

A process reads each object once, whoever looks, and only while somebody does. There is no queue for anybody: who is
behind takes at once all that came since, and who is further behind than is kept begins anew. So a browser that stopped
reading costs nothing but its connection.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import anyio
from anyio import CapacityLimiter

from crime_assets.core import keys
from crime_assets.core.errors import CrimeAssetsError
from crime_assets.incidents.chain import ACKNOWLEDGED, ALERTS, Chain
from crime_assets.publishing.dashboard.alerts import Alert, document, moment, read_alert
from crime_assets.streams import LandingStore

KEPT = 1_000
"""Alerts, and acknowledgements, that are kept: who is further behind begins anew."""

_LOG = logging.getLogger(__name__)
_EVERY_SECONDS = 0.1
_STATE_EVERY_SECONDS = 2.0
_OBJECTS = 300
"""How many objects back reading begins, and how many are read at most without a pause."""
_SILENT = timedelta(seconds=60)
"""After so long without a word of the consumer, nobody should take silence for peace."""
_BEHIND_SECONDS = 30


class Acknowledged(NamedTuple):
    """Who has said first of a revision of an alert that they know of it, and when (UTC)."""

    alert: str
    revision: int
    who: str
    at: str


class Station(NamedTuple):
    """A police station, where it is known."""

    name: str
    district: str
    lat: float
    lon: float


class State(NamedTuple):
    """How the stream is, in a sentence, and whether that is bad."""

    said: str
    is_wrong: bool


class Seen(NamedTuple):
    """Up to which objects of an epoch somebody has seen everything."""

    epoch: str
    alerts: int
    acknowledged: int


@dataclass(frozen=True)
class News:
    """What came after something was `seen`, oldest first; if it `is_anew`, that is all there is."""

    seen: Seen
    alerts: list[Alert]
    acknowledged: list[Acknowledged]
    is_anew: bool


@dataclass
class _Epoch:
    """What is known of one epoch."""

    name: str
    zone: str
    alerts_from: int = 0
    """Objects up to this one are not known, or not any more."""
    alerts_to: int = 0
    acknowledged_from: int = 0
    acknowledged_to: int = 0
    objects: deque[tuple[int, list[Alert]]] = field(default_factory=deque)
    newest: OrderedDict[str, Alert] = field(default_factory=OrderedDict)
    """By their ids, in their greatest revisions."""
    numbers: dict[tuple[str, int], int] = field(default_factory=dict)
    """Id and revision → number of the object."""
    said: deque[tuple[int, Acknowledged]] = field(default_factory=deque)
    first: dict[tuple[str, int], Acknowledged] = field(default_factory=dict)

    def add_alerts(self, number: int, alerts: list[Alert]) -> None:
        self.alerts_to = number
        self.objects.append((number, alerts))
        for alert in alerts:
            self.numbers[alert.id, alert.revision] = number
            if alert.id not in self.newest or self.newest[alert.id].revision < alert.revision:
                self.newest[alert.id] = alert
                self.newest.move_to_end(alert.id)
        # The last object stays whole, however large.
        while len(self.numbers) > KEPT and len(self.objects) > 1:
            self.alerts_from, gone = self.objects.popleft()
            for alert in gone:
                self.numbers.pop((alert.id, alert.revision), None)
                if self.newest.get(alert.id) is alert:
                    del self.newest[alert.id]

    def add_acknowledged(self, number: int, told: Acknowledged | None) -> None:
        self.acknowledged_to = number
        # Who says it again says nothing new.
        if told is not None and (told.alert, told.revision) not in self.first:
            self.said.append((number, told))
            self.first[told.alert, told.revision] = told
        while len(self.said) > KEPT:
            self.acknowledged_from, gone = self.said.popleft()
            del self.first[gone.alert, gone.revision]


class Feed:
    """The alerts of a stream, for one event loop."""

    def __init__(self, store: LandingStore, stream: str, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._stream = stream
        self._clock = clock
        self._epoch = _Epoch("", "UTC")
        self._status: dict[str, Any] = {}
        self._status_at = -math.inf
        self._followers = 0
        self._task: asyncio.Task[None] | None = None
        self._looking = asyncio.Lock()
        self._reader: CapacityLimiter | None = None
        self._news = asyncio.Event()
        self._fault = ""
        self.is_stopped = False

    @property
    def zone(self) -> str:
        """The stream's time zone."""
        return self._epoch.zone

    @property
    def has_begun(self) -> bool:
        """Whether any consumer has ever read the stream."""
        return bool(self._epoch.name)

    def stop(self) -> None:
        """Let everybody who waits go: the server ends."""
        self.is_stopped = True
        self._tell()

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Read what comes, as long as somebody is in here."""
        self._followers += 1
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._follow())
        try:
            yield
        finally:
            self._followers -= 1

    @property
    def followers(self) -> int:
        """How many are in `followed`."""
        return self._followers

    async def wait(self, seen: Seen, seconds: float) -> None:
        """Return when there is more than was seen, or after so many seconds."""
        if not self.is_stopped and seen == self._now():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), seconds)

    async def look(self) -> None:
        """Read all that is new. CrimeAssetsError or OSError if that is not possible."""
        async with self._looking:
            while await self._piece():
                pass

    def since(self, seen: Seen | None) -> News:
        """What came after something was seen; all, if that is not known any more, or nothing was."""
        epoch, now = self._epoch, self._now()
        is_known = (
            seen is not None
            and seen.epoch == epoch.name
            and epoch.alerts_from <= seen.alerts <= epoch.alerts_to
            and epoch.acknowledged_from <= seen.acknowledged <= epoch.acknowledged_to
        )
        if seen is None or not is_known:
            return News(now, list(epoch.newest.values()), [], is_anew=True)
        lines = [one for number, alerts in epoch.objects if number > seen.alerts for one in alerts]
        fresh: dict[str, Alert] = {}
        for one in lines:
            # The last one tells how far somebody has seen.
            fresh.pop(one.id, None)
            fresh[one.id] = epoch.newest.get(one.id, one)
        told = [one for number, one in epoch.said if number > seen.acknowledged]
        return News(now, list(fresh.values()), told, is_anew=False)

    def seen_by(self, epoch: str, alert: str, revision: int) -> Seen | None:
        """What somebody has seen whose last alert was this one; None if that is not known.

        Who acknowledged what is told again: nothing changes by that.
        """
        number = self._epoch.numbers.get((alert, revision)) if epoch == self._epoch.name else None
        return None if number is None else Seen(epoch, number, self._epoch.acknowledged_from)

    def alert(self, name: str) -> Alert | None:
        """An alert in its greatest revision, if it is known."""
        return self._epoch.newest.get(name)

    def acknowledged(self, alert: Alert) -> Acknowledged | None:
        """Who acknowledged an alert first: in this revision, or in the greatest one before it."""
        revisions = range(alert.revision, 0, -1) if alert.revision < KEPT else (alert.revision,)
        found = (self._epoch.first.get((alert.id, revision)) for revision in revisions)
        return next((one for one in found if one is not None), None)

    def first(self, alert: str, revision: int) -> Acknowledged | None:
        """Who acknowledged a revision of an alert first, if anybody."""
        return self._epoch.first.get((alert, revision))

    async def acknowledge(self, told: Acknowledged) -> Acknowledged:
        """Write that somebody knows of an alert; returns who said so first."""
        fields = {"alert_id": told.alert, "revision": told.revision, "who": told.who, "at": told.at}
        content = json.dumps(fields).encode() + b"\n"
        chain, after = self._chain(ACKNOWLEDGED), self._epoch.acknowledged_to
        await anyio.to_thread.run_sync(chain.append, content, after)
        await self.look()
        return self._epoch.first.get((told.alert, told.revision), told)

    def stations(self) -> list[Station]:
        """The stations that have a known place."""
        found = self._status.get("stations")
        told = (one for one in found if isinstance(one, dict)) if isinstance(found, list) else ()
        return [
            Station(str(one.get("station", "")), str(one.get("district", "")), float(one["lat"]), float(one["lon"]))
            for one in told
            if all(isinstance(one.get(name), int | float) and abs(one[name]) <= 180 for name in ("lat", "lon"))
        ]

    def state(self) -> State:
        """How the stream is."""
        wrong = self._wrong()
        return State(wrong or "Reports are read as they come.", bool(wrong))

    def _wrong(self) -> str:
        """What is wrong with the stream; empty if nothing is."""
        told, written = self._status, moment(str(self._status.get("written_at")))
        lag = told.get("lag_seconds")
        if self._fault:
            return "Alerts cannot be read at the moment: the log of the pages says why."
        if not told:
            return "Nobody has read this stream yet."
        if told.get("error"):
            return "Whoever reads the stream has stopped with an error: its own log says why."
        if written is None or self._clock() - written > _SILENT:
            since = f" since {written.astimezone(ZoneInfo(self.zone)):%Y-%m-%d %H:%M}" if written else ""
            return f"Nobody has read the stream{since}: what happened after that is not here."
        minutes = 0
        if isinstance(lag, int | float) and _BEHIND_SECONDS < lag < math.inf:
            minutes = max(1, round(lag / 60))
        late = f"Reports are read about {minutes:,} minute{'s'[: minutes > 1]} late." if minutes else ""
        return "Reports were lost while nobody read the stream: ask who runs it." if told.get("lost_since") else late

    def _now(self) -> Seen:
        return Seen(self._epoch.name, self._epoch.alerts_to, self._epoch.acknowledged_to)

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def _follow(self) -> None:
        """Look again and again, until nobody needs it."""
        while self._followers and not self.is_stopped:
            try:
                async with self._looking:
                    await self._piece()
                self._fault = ""
            except (CrimeAssetsError, OSError) as error:
                if not self._fault:
                    _LOG.warning("Live alerts cannot be read: %s", error)
                self._fault = str(error) or "unknown"
            await asyncio.sleep(_EVERY_SECONDS)

    async def _piece(self) -> bool:
        """Read a bounded piece of what is new; whether there may be more."""
        found = await anyio.to_thread.run_sync(self._read, limiter=self._own_thread())
        before = self.state()
        if found.status is not None:
            self._status, self._status_at = found.status, time.monotonic()
        if found.epoch is not None:
            self._epoch = found.epoch
        for number, told in found.acknowledged:
            self._epoch.add_acknowledged(number, told)
        for number, alerts in found.alerts:
            self._epoch.add_alerts(number, alerts)
        if self.state() != before or found.epoch is not None or found.alerts or found.acknowledged:
            self._tell()
        return len(found.alerts) == _OBJECTS or len(found.acknowledged) == _OBJECTS

    def _read(self) -> _Found:
        """What is new, read in a thread: nothing is changed here."""
        epoch = status = None
        if time.monotonic() - self._status_at >= _STATE_EVERY_SECONDS:
            status = self._document("status.json")
            epoch = self._begun(status) or self._fallen_behind(status)
        known = epoch or self._epoch
        if not known.name:
            return _Found(status, epoch, [], [])
        # Who acknowledged before the alerts: then each of these is of an alert that is known here.
        acknowledged = self._chain(ACKNOWLEDGED, known).after(known.acknowledged_to)
        told = [(number, _acknowledged(content)) for number, content in islice(acknowledged, _OBJECTS)]
        alerts = self._chain(ALERTS, known).after(known.alerts_to)
        lines = [(number, _alerts(content)) for number, content in islice(alerts, _OBJECTS)]
        return _Found(status, epoch, lines, told)

    def _begun(self, status: dict[str, Any]) -> _Epoch | None:
        """The epoch, if it is another one by now."""
        told = self._document("epoch.json")
        name = told.get("epoch")
        if not isinstance(name, str) or name == self._epoch.name:
            return None
        return self._at_its_end(_Epoch(name, _known_zone(told.get("zone"))), status)

    def _fallen_behind(self, status: dict[str, Any]) -> _Epoch | None:
        """The present epoch begun anew, if much has come while nobody looked: nobody wants all of that."""
        newest, known = status.get("alerts_number"), self._epoch
        if status.get("epoch") != known.name or type(newest) is not int or newest - known.alerts_to <= _OBJECTS:
            return None
        return self._at_its_end(_Epoch(known.name, known.zone), status)

    def _at_its_end(self, epoch: _Epoch, status: dict[str, Any]) -> _Epoch:
        """An epoch as if all but its newest objects had been seen and forgotten."""
        newest = status.get("alerts_number") if status.get("epoch") == epoch.name else None
        alerts = self._chain(ALERTS, epoch)
        epoch.alerts_from = epoch.alerts_to = _kept_from(alerts, newest if type(newest) is int else last_of(alerts))
        before = max(0, last_of(self._chain(ACKNOWLEDGED, epoch)) - KEPT)
        epoch.acknowledged_from = epoch.acknowledged_to = before
        return epoch

    def _own_thread(self) -> CapacityLimiter:
        """Room for one reader, so that pages that take long do not hold up alerts."""
        if self._reader is None:
            self._reader = CapacityLimiter(1)
        return self._reader

    def _chain(self, name: str, epoch: _Epoch | None = None) -> Chain:
        return Chain(self._store, self._stream, (epoch or self._epoch).name, name)

    def _document(self, name: str) -> dict[str, Any]:
        """One of the stream's own documents; empty if there is none yet."""
        content = self._store.read(keys.live(self._stream, name))
        try:
            return document(content or b"{}")
        except ValueError:
            return {}


class _Found(NamedTuple):
    """What a reading has brought: an epoch only if it is to replace the present one."""

    status: dict[str, Any] | None
    epoch: _Epoch | None
    alerts: list[tuple[int, list[Alert]]]
    acknowledged: list[tuple[int, Acknowledged | None]]


def last_of(chain: Chain) -> int:
    """The number of a chain's last object, found in few steps, for there is no gap; 0 if it has none."""
    low, high = 0, 1
    while chain.read(high) is not None:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if chain.read(middle) is None else (middle, high)
    return low


def _kept_from(chain: Chain, newest: int) -> int:
    """The number after which reading begins: the oldest objects may have been removed."""
    number = max(0, newest - _OBJECTS)
    while number < newest and chain.read(number + 1) is None:
        number += 1
    return number


def _alerts(content: bytes) -> list[Alert]:
    """The alerts of an object; a line that is none is left out, and said."""
    found = []
    for line in content.splitlines():
        try:
            found.append(read_alert(line))
        except ValueError as error:
            _LOG.warning("A line of the stream's alerts cannot be shown: %s.", error)
    return found


def _acknowledged(content: bytes) -> Acknowledged | None:
    """What an object says of who acknowledged what; None if it does not."""
    try:
        told = document(content)
        return Acknowledged(str(told["alert_id"]), int(told["revision"]), str(told["who"]), str(told["at"]))
    except (ValueError, KeyError, TypeError, OverflowError):
        return None


def _known_zone(name: object) -> str:
    """The name of a time zone; UTC if it is none."""
    try:
        return ZoneInfo(str(name)).key
    except (ValueError, KeyError, OSError):
        return "UTC"
