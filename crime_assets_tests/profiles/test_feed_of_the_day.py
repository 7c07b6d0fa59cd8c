"""The feed of a process that lives for weeks, as that of the schedule does."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from crime_assets_tests.build import clock_at, sample_profile


def test_the_feed_knows_the_day_it_is(tmp_path: Path) -> None:
    profile = sample_profile(tmp_path / "lake")
    profile.clock = clock_at("2024-02-01T12:00:00")
    feed = profile.feed
    assert feed.latest_day() == date(2024, 1, 31)
    profile.clock = clock_at("2024-02-02T05:59:00")
    assert profile.feed is feed, "in Chicago it is still the same day"
    profile.clock = clock_at("2024-02-21T12:00:00")
    assert profile.feed.latest_day() == date(2024, 2, 20)
