"""The schedule of forecasts: the newest Sunday that is merged, once; the same is asked of a run by hand."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from crime_assets.core.errors import CrimeAssetsError
from crime_assets.defs.automation import schedules
from crime_assets.defs.names import Names
from crime_assets.defs.partitions import change_days
from crime_assets.defs.work.forecasting import awaited, sunday_of
from crime_assets.lakehouse.writing.forecasts import say
from crime_assets.profiles import Profile
from crime_assets.sources import cities
from crime_assets.streams.inventory import Inventory, record_merged
from crime_assets_tests.build import sample_profile
from crime_assets_tests.lakehouse.writing.test_forecasts import made

SUNDAYS = date(2024, 1, 28), date(2024, 2, 4)


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    profile = sample_profile(tmp_path / "lake", now="2024-02-08T12:00:00")
    profile.begin(date(2024, 1, 25), anew=True)
    return profile


def merge(profile: Profile, first: date, last: date) -> None:
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    record_merged(profile.landing, "chicago", dict.fromkeys(days, EMPTY))


def asked(profile: Profile) -> str | None:
    """The day that the schedule asks for; None if it skips."""
    found = {one.name: one for one in schedules.build(Names.of(profile), change_days(profile), profile.city)}
    context = dg.build_schedule_context(resources={"profile": profile})
    request = found["forecast_weekly"](context)
    return request.partition_key if isinstance(request, dg.RunRequest) else None


EMPTY = Inventory()


def test_it_asks_for_the_newest_sunday_once_it_is_merged_and_until_it_is_said(profile: Profile) -> None:
    assert asked(profile) is None
    merge(profile, date(2024, 1, 25), date(2024, 1, 27))
    assert asked(profile) is None, "the Sunday before is older than the lake"
    merge(profile, date(2024, 1, 28), date(2024, 1, 29))
    assert asked(profile) == "2024-01-28"
    say(profile.lake, profile.city, SUNDAYS[0], made(SUNDAYS[0]))
    assert asked(profile) is None
    merge(profile, date(2024, 2, 4), date(2024, 2, 7))
    assert asked(profile) == "2024-02-04"
    assert awaited(profile) == SUNDAYS[1]


def test_a_sunday_that_is_missing_is_not_asked_for(profile: Profile) -> None:
    merge(profile, date(2024, 1, 25), date(2024, 2, 3))
    merge(profile, date(2024, 2, 5), date(2024, 2, 7))
    assert asked(profile) is None


def test_of_a_range_the_newest_sunday_is_taken() -> None:
    days = [date(2024, 1, 25) + timedelta(days=n) for n in range(14)]
    assert sunday_of(days) == SUNDAYS[1]
    assert sunday_of(days[:10]) == SUNDAYS[0]
    with pytest.raises(CrimeAssetsError, match="2024-01-27 is none: materialize them for 2024-01-21"):
        sunday_of(days[:3])


@pytest.mark.parametrize("name", cities.names())
def test_only_a_city_whose_records_have_points_stamps_and_categories_has_it(profile: Profile, name: str) -> None:
    found = schedules.build(Names(), change_days(profile), cities.get(name))
    assert ("forecast_weekly" in {one.name for one in found}) is (name == "chicago")
