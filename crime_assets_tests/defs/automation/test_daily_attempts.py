"""A merge that failed three times is tried once a day from then on: a full disk may have been emptied."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from crime_assets.defs.automation.sensors import ATTEMPTS
from crime_assets_tests.build import export_profile, record, write_export
from crime_assets_tests.defs.automation.test_sensor import FAILURE, House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A lake with its history loaded."""
    profile = export_profile(tmp_path / "lake", write_export(tmp_path / "crimes.csv", [record(1, "2024-01-10")]))
    with dg.DagsterInstance.ephemeral() as instance:
        found = House(profile, instance)
        found.graph.load()
        yield found


@pytest.mark.slow
def test_the_next_day_there_is_one_more_attempt(house: House) -> None:
    # Dagster stamps its runs with the time it is.
    now = datetime.now(UTC).replace(tzinfo=None)
    house.at(now.isoformat())
    house.land(house.profile.today - timedelta(days=1))
    keys = set()
    for _ in range(ATTEMPTS):
        (request,) = house.tick()
        keys.add(request.run_key)
        house.begin(FAILURE, request)
    assert house.tick() == []
    house.at((now + timedelta(hours=23)).isoformat())
    assert house.tick() == []

    house.at((now + timedelta(hours=25)).isoformat())
    (request,) = house.tick()
    assert request.run_key not in keys
