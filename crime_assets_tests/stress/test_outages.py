"""The machine is off for two hundred days, by each feed: seven nights later the lake is what it would have been."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from crime_assets_tests.changing_city import ChangingCity, assert_an_outage_leaves_no_trace


@pytest.mark.stress
@pytest.mark.parametrize("feed", ["sample", "export", "socrata"])
def test_two_hundred_days_without_the_machine(feed: str, tmp_path: Path, thrown: Callable[[str, object], None]) -> None:
    city = ChangingCity(date(2023, 9, 1), 220, seed=5)
    assert_an_outage_leaves_no_trace(city, feed, tmp_path, days=200, nights=7)
    thrown(f"days without the machine, edits and new crimes inside, by the {feed} feed", 200)
