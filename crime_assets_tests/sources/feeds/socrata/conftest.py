"""A portal to ask, and the feed that asks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from crime_assets.sources.cities.chicago import CITY
from crime_assets.sources.feeds import Record
from crime_assets.sources.feeds.socrata import SocrataFeed
from crime_assets_tests.sources.feeds.soda_server import SodaServer


@pytest.fixture
def waits() -> list[float]:
    """The pauses that the feed asked for; nothing sleeps."""
    return []


@pytest.fixture
def serve() -> Iterator[Callable[..., SodaServer]]:
    started: list[SodaServer] = []

    def start(records: list[Record], **options: Any) -> SodaServer:
        started.append(SodaServer(records, **options).__enter__())
        return started[-1]

    yield start
    for server in started:
        server.__exit__()


@pytest.fixture
def connect(waits: list[float]) -> Callable[..., SocrataFeed]:
    def make(server: SodaServer, **options: Any) -> SocrataFeed:
        # 10 s is never waited for: only tests of silence reach a timeout, and set their own.
        return SocrataFeed(server.city(CITY), scheme="http", **{"sleep": waits.append, "timeout": 10, **options})

    return make
