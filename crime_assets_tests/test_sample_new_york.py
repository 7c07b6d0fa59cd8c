"""The graph on the simulated New York, from nothing and from one quarter to the next."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from crime_assets.core.errors import UsageError
from crime_assets.defs.automation.jobs import BACKFILL
from crime_assets.lakehouse.reconciliation.difference import difference
from crime_assets.lakehouse.reconciliation.limits import Limits
from crime_assets.profiles import Profile, Settings
from crime_assets.sources.feeds import Publication, PublishedFeed
from crime_assets.sources.feeds.sample import shares
from crime_assets_tests.build import ticking_clock
from crime_assets_tests.graph import Graph, Result

ROWS = 5_000


def profile(home: Path, now: date, city: str = "new_york") -> Profile:
    settings = Settings(home=home, city=city, feed="sample", sample_rows=ROWS)
    return Profile(settings, clock=ticking_clock(f"{now}T17:00:00"))


def newest(made: Profile) -> Publication:
    assert isinstance(made.feed, PublishedFeed)
    return made.feed.publication()


def published(made: Profile) -> dict[str, str]:
    """What the city shows now: number → key of the offense, of complaints that have a day."""
    found = pa.concat_tables(newest(made).tables()).to_pylist()
    return {row["cmplnt_num"]: row["ky_cd"] for row in found if row["cmplnt_fr_dt"] != "#VALUE!"}


def failed(result: Result) -> dict[str, str | None]:
    return {found.check_name: found.description for found in result.get_asset_check_evaluations() if not found.passed}


@pytest.mark.slow
def test_quarters_follow_one_another_and_no_check_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loaded in the middle of a quarter; run on the day before the next is published, and on that day."""
    monkeypatch.setattr(shares, "CRIMES_A_DAY", 100)
    lake = tmp_path / "lake"
    begun = Graph(profile(lake, date(2025, 11, 21)))
    begun.profile.begin(date(2025, 11, 20))
    begun.load()
    graph = Graph(profile(lake, date(2026, 1, 31)))
    assert failed(graph.run("2026-01-30", job=BACKFILL)).keys() <= {"no_day_missing"}
    rows = graph.rows()
    assert len(rows) == pytest.approx(ROWS, rel=0.1)
    assert {row["change_day"] for row in rows} == {date(2025, 11, 19)}
    assert max(row["occurred_on"] for row in rows) == date(2025, 9, 30)

    graph = Graph(profile(lake, date(2026, 2, 1)))
    assert failed(graph.run("2026-01-31", job=BACKFILL)).keys() <= {"no_day_missing"}
    rows, expected = graph.rows(), published(graph.profile)
    assert {row["id"]: str(row["offense_code"]).partition("/")[0] for row in rows} == expected
    assert max(row["occurred_on"] for row in rows) == date(2025, 12, 31)
    assert len(rows) == pytest.approx(ROWS + 92 * 100, rel=0.1)
    made = graph.profile
    assert difference(made.lake, made.city, newest(made), Limits()).is_empty, "all of it was taken"
    removed = graph.rows("crimes_removed")
    assert 1 <= len(removed) <= 20
    assert {row["removed_on"] for row in removed} == {date(2026, 1, 31)}
    assert len({row["primary_type"] for row in rows}) > 20
    assert not [row for row in rows if row["offense_class"] == "unmapped" or row["primary_type"] == "(null)"]


@pytest.mark.parametrize("city", ["los_angeles", "san_francisco"])
def test_other_cities_are_refused_in_a_sentence(tmp_path: Path, city: str) -> None:
    made = profile(tmp_path, date(2025, 11, 21), city)
    with pytest.raises(UsageError, match=f"New York, but not {made.city.title}: set CRIME_CITY to chicago or new_york"):
        _ = made.feed
