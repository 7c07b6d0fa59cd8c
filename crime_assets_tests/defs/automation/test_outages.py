"""The machine is off for a while: when it runs again, the lake becomes what it would have been, night by night."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from crime_assets.core import keys
from crime_assets.defs.automation.schedules import CATCH_UP_DAYS
from crime_assets.streams.pull import days_between
from crime_assets_tests.changing_city import ChangingCity, assert_an_outage_leaves_no_trace, lake_of
from crime_assets_tests.graph import verdicts
from crime_assets_tests.nights import ONE_DAY, Nights

pytestmark = pytest.mark.slow

FIRST = date(2024, 3, 1)
BEFORE = FIRST + timedelta(days=2)
"""The last day before the outage."""


@pytest.mark.parametrize(
    ("feed", "days"),
    [("export", 8), *(pytest.param(feed, 20, marks=pytest.mark.stress) for feed in ("export", "sample", "socrata"))],
)
def test_days_without_the_machine(feed: str, days: int, tmp_path: Path) -> None:
    assert_an_outage_leaves_no_trace(ChangingCity(FIRST, 30), feed, tmp_path, days=days, nights=1)


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Nights]:
    """An export's, with its first three days merged."""
    with lake_of("export", ChangingCity(FIRST, 80), tmp_path / "lake") as found:
        found.live(FIRST, BEFORE)
        yield found


def test_a_night_asks_for_thirty_days_the_oldest_first_and_for_the_day_that_has_ended(lake: Nights) -> None:
    newest = BEFORE + timedelta(days=70)
    assert lake.night(newest) == [*days_between(BEFORE + ONE_DAY, BEFORE + 30 * ONE_DAY), newest]
    assert lake.night(newest + ONE_DAY)[0] == BEFORE + 31 * ONE_DAY
    verdict = verdicts(lake.graph.check("no_day_missing"))["no_day_missing"]
    assert (verdict.passed, verdict.severity) == (False, dg.AssetCheckSeverity.WARN)
    first, last = BEFORE + 61 * ONE_DAY, newest - ONE_DAY
    assert f"never merged: 9 ({first} to {last})" in str(verdict.description)
    lake.night(newest + 2 * ONE_DAY)
    assert lake.merged == days_between(FIRST, newest + 2 * ONE_DAY)
    assert lake.night(newest + 3 * ONE_DAY) == [newest + 3 * ONE_DAY]


def test_a_hole_is_one_run_and_days_at_work_are_not_asked_for_meanwhile(lake: Nights) -> None:
    back = BEFORE + timedelta(days=40)
    lake.stand_after(back)
    older, newest = lake.tick(back)
    assert older.tags["dagster/asset_partition_range_start"] == str(BEFORE + ONE_DAY)
    assert older.tags["dagster/asset_partition_range_end"] == str(BEFORE + CATCH_UP_DAYS * ONE_DAY)
    assert newest.partition_key == str(back)

    run = lake.record(older, dg.DagsterRunStatus.STARTED)
    # What is at work counts for the night's bound; only the day that has ended since comes along.
    (request,) = lake.tick(back + ONE_DAY)
    assert request.partition_key == str(back + ONE_DAY)
    lake.daemon.report_run_canceled(run)
    assert [again.run_key for again in lake.tick(back + ONE_DAY)] != [request.run_key]


def test_a_hole_in_the_middle_is_pulled_with_the_days_that_its_look_back_reaches(lake: Nights) -> None:
    lake.live(BEFORE + 4 * ONE_DAY, BEFORE + 5 * ONE_DAY)
    lake.live(BEFORE + 11 * ONE_DAY, BEFORE + 15 * ONE_DAY)
    newest = BEFORE + 18 * ONE_DAY
    # The merged days 4 and 5 lie between two holes, 11 to 15 are too many to be pulled for nothing.
    holes = [*days_between(BEFORE + ONE_DAY, BEFORE + 10 * ONE_DAY), BEFORE + 16 * ONE_DAY, BEFORE + 17 * ONE_DAY]
    assert lake.night(newest) == [*holes, newest]
    assert lake.merged == days_between(FIRST, newest)


def test_a_night_that_failed_is_tried_again(lake: Nights) -> None:
    back = BEFORE + timedelta(days=12)
    missing = days_between(BEFORE + ONE_DAY, back)
    assert lake.night(back, fails=lambda *_: True) == missing
    assert lake.merged == days_between(FIRST, BEFORE)
    assert len(lake.tick(back + ONE_DAY)) == 2, "nothing has succeeded since: there is no day to blame"
    lake.night(back + ONE_DAY)
    assert lake.merged == days_between(FIRST, back + ONE_DAY)


def test_a_day_that_cannot_be_pulled_stops_no_others(lake: Nights) -> None:
    back, bad = BEFORE + timedelta(days=12), BEFORE + timedelta(days=4)
    for night in range(2):
        lake.night(back + night * ONE_DAY, fails=lambda first, last: first <= bad <= last)
    assert [day for day in days_between(FIRST, back + ONE_DAY) if day not in lake.merged] == [bad]
    lake.night(back + 2 * ONE_DAY)
    assert lake.merged == days_between(FIRST, back + 2 * ONE_DAY)


def test_days_whose_merge_fails_keep_no_others_waiting(lake: Nights) -> None:
    stuck = BEFORE + timedelta(days=40)
    for night in range(2):
        lake.night(stuck + night * ONE_DAY, merges=False)
    asked = lake.night(stuck + timedelta(days=20), merges=False)
    assert set(days_between(stuck + 2 * ONE_DAY, stuck + timedelta(days=20))) < set(asked)


def test_a_quiet_day_is_merged_once_the_source_is_past_it(lake: Nights) -> None:
    quiet = FIRST + timedelta(days=5)
    lake.live(BEFORE + ONE_DAY, quiet)
    assert not list(lake.profile.landing.list(keys.deliveries_prefix("chicago", quiet)))
    # The newest change of the export is a day older: a newer file may still bring changes of this day.
    assert quiet not in lake.merged
    lake.night(quiet + ONE_DAY)
    assert lake.merged == days_between(FIRST, quiet + ONE_DAY)


def test_a_source_that_ended_is_not_asked_for_years_of_days(lake: Nights) -> None:
    end = FIRST + timedelta(days=79)
    for late in (400, 401, 402):
        assert len(lake.night(end + timedelta(days=late))) <= CATCH_UP_DAYS
    assert lake.night(end + timedelta(days=500)) == []
    assert lake.merged == days_between(FIRST, end)
