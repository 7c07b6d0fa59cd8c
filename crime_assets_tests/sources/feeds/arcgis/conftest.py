"""A service to ask, and the feed that asks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from crime_assets.sources import cities
from crime_assets.sources.feeds.arcgis import ArcgisFeed
from crime_assets_tests.sources.feeds.arcgis_server import ArcgisServer, ServedLayer, incident

NOW = datetime(2026, 10, 20, 20, tzinfo=UTC)


@pytest.fixture
def service() -> Iterator[ArcgisServer]:
    """Three years with three incidents each, in layers whose numbers are in no order, beside what repeats some."""
    years = {7: "Crime Incidents in 2025", 41: "Crime Incidents - 2026", 3: "Crime Incidents in 2024"}
    layers = {}
    for number, name in years.items():
        layers[number] = ServedLayer(name, {})
        year = name[-4:]
        layers[number].build([incident(int(f"{year[2:]}00000{n}"), f"{year}-07-01T16:01:39") for n in range(3)])
    recent = ServedLayer("Crime Incidents - Last 30 Days", dict(layers[41].rows))
    with ArcgisServer({8: recent, **layers}) as server:
        yield server


@pytest.fixture
def waits() -> list[float]:
    """The pauses that the feed asked for; nothing sleeps."""
    return []


@pytest.fixture
def connect(service: ArcgisServer, waits: list[float]) -> Callable[..., ArcgisFeed]:
    def make(**options: Any) -> ArcgisFeed:
        # 10 s is never waited for: only a test of silence reaches a timeout, and sets its own.
        usual = {"now": lambda: NOW, "sleep": waits.append, "timeout": 10}
        return ArcgisFeed(service.city(cities.get("washington")), scheme="http", **{**usual, **options})

    return make
