"""A stream whose alerts a test raises by hand, and a reader of the events that a page is sent."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from crime_assets.core import keys
from crime_assets.incidents.chain import ACKNOWLEDGED, ALERTS, Chain
from crime_assets.streams import LandingStore

STREAM = "fir"
STATIONS = [
    {"station": f"SX/{district}/{n:02}", "district": district, "lat": 19 + n / 50, "lon": 73 + int(district[-1]) / 10}
    for district in ("101", "102")
    for n in range(5)
]


def line(name: str, revision: int = 1, **fields: Any) -> dict[str, Any]:
    """An alert as the rules write it."""
    return {
        "alert_id": name,
        "revision": revision,
        "rule": "surge",
        "title": "More reports than usual",
        "subject": "SX/101/01",
        "district": "101",
        "window": "hour",
        "window_start": "2026-03-05T14:00:00+05:30",
        "at_least": 6,
        "before_reports": 8,
        "periods": 8,
        "lat": 19.05,
        "lon": 73.1,
        "event_ids": ["0f0e0d0c-0000-5000-8000-000000000000"],
        "raised_at": "2026-03-05T08:45:30+00:00",
        **fields,
    }


@dataclass
class Raising:
    """The stream's consumer, as far as pages know of it."""

    store: LandingStore
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    epoch: str = "20260301T120000Z-1a2b3c4d"
    number: int = 0

    def begin(self, epoch: str = "") -> None:
        self.epoch, self.number = epoch or self.epoch, 0
        told = {"epoch": self.epoch, "zone": "Asia/Kolkata"}
        self.store.write(keys.live(STREAM, "epoch.json"), json.dumps(told).encode())
        self.status()

    def status(self, **fields: Any) -> None:
        told = {"epoch": self.epoch, "tick": self.number, "written_at": self.clock().isoformat(), "lag_seconds": 0.4}
        told |= {"watermark": None, "alerts_number": self.number, "stations": STATIONS, "error": None, **fields}
        self.store.write(keys.live(STREAM, "status.json"), json.dumps(told).encode())

    def raise_(self, *lines: Mapping[str, Any]) -> None:
        """Alerts of one tick."""
        self.number += 1
        self.chain(ALERTS).write(self.number, b"".join(json.dumps(one).encode() + b"\n" for one in lines))

    def chain(self, name: str) -> Chain:
        return Chain(self.store, STREAM, self.epoch, name)

    def acknowledged(self) -> list[dict[str, Any]]:
        return [json.loads(content) for _, content in self.chain(ACKNOWLEDGED).after(0)]


@dataclass(frozen=True)
class Event:
    name: str
    id: str
    data: Any

    @property
    def ids(self) -> list[str]:
        return [f"{one['id']}.{one['revision']}" for one in self.data["alerts"]]


class Events:
    """What a connection brings, in order."""

    def __init__(self, connection: HTTPConnection, answer: Any) -> None:
        self._connection = connection
        self._answer = answer
        self.status: int = answer.status
        self.headers = {name.lower(): value for name, value in answer.getheaders()}
        self.bytes = bytearray()

    def next(self, *names: str) -> Event:
        """The next event, of one of these names if any is given. EOFError at the end, TimeoutError if none comes."""
        fields: dict[str, str] = {}
        while True:
            text = self._answer.readline()
            self.bytes += text
            if not text:
                raise EOFError
            name, _, value = text.decode().rstrip("\n").partition(": ")
            if name:
                fields[name] = value
            elif "data" in fields:
                found = Event(fields["event"], fields.get("id", ""), json.loads(fields["data"]))
                if not names or found.name in names:
                    return found
                fields = {}
            else:
                fields = {}

    def leave(self) -> None:
        """As a broken connection does."""
        if self._connection.sock is not None:
            self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._connection.close()


@contextmanager
def listening(address: str, after: str = "", timeout: float = 8, **headers: str) -> Iterator[Events]:
    """The events of a page that has seen what `after` says."""
    connection = HTTPConnection(urlsplit(address).netloc, timeout=timeout)
    connection.request("GET", "/live/alerts", headers=({"Last-Event-ID": after} if after else {}) | headers)
    found = Events(connection, connection.getresponse())
    try:
        yield found
    finally:
        connection.close()
