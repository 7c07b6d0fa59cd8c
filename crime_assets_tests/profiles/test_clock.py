"""Clocks that are wrong: one sentence, and nothing is done by them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import pytest

from crime_assets.cli import main as cli
from crime_assets.core import keys
from crime_assets.core.errors import CrimeAssetsError
from crime_assets.profiles import Profile, Settings
from crime_assets.profiles.clock import EARLIEST, MOST_DAYS_OFF, ahead, behind, check_clock, check_reach, doubt
from crime_assets_tests.build import clock_at, record, write_export

FIRST, NEWEST = date(2026, 3, 1), date(2026, 3, 5)

Tell = Callable[..., tuple[int, str]]


def lake(home: Path, now: str, feed: str = "sample") -> Profile:
    """A lake that begins with FIRST and has merged days up to NEWEST, on a machine with that clock."""
    profile = Profile(Settings(home=home, feed=feed, export=str(home / "*.csv")), clock_at(now))
    profile.begin(FIRST)
    for day in range((NEWEST - FIRST).days + 1):
        profile.landing.write(keys.merged("chicago", FIRST + timedelta(days=day)), b"{}")
    return profile


@pytest.mark.parametrize(
    ("now", "is_behind", "is_ahead"),
    [
        ("1970-01-01T00:00:10", True, False),
        ("1980-01-01T00:00:00", True, False),
        ("2000-01-01T00:00:00", True, False),
        ("2026-02-01T12:00:00", True, False),
        # NEWEST ends at 06:00 UTC in Chicago.
        ("2026-03-06T05:59:59", True, False),
        ("2026-03-06T06:00:00", False, False),
        ("2026-09-21T12:00:00", False, False),
        ("2027-04-09T12:00:00", False, False),
        ("2027-04-10T12:00:00", False, True),
        ("2036-03-05T12:00:00", False, True),
        ("9999-12-30T12:00:00", False, True),
    ],
)
def test_which_clocks_are_believed(tmp_path: Path, now: str, is_behind: bool, is_ahead: bool) -> None:
    profile = lake(tmp_path, now)
    said = doubt(profile, profile.today)
    assert (behind(profile, profile.today) is not None, ahead(profile, profile.today) is not None) == (
        is_behind,
        is_ahead,
    )
    assert (said is not None) == (is_behind or is_ahead)
    assert said is None or (str(profile.today) in said and said.count(". ") == 0 and "--" not in said)
    assert not is_ahead or str(NEWEST) in str(said)


def test_a_lake_not_begun_knows_only_that_no_clock_says_so_early_a_day(tmp_path: Path) -> None:
    for day, is_doubted in ((EARLIEST - timedelta(days=1), True), (EARLIEST, False), (date(2090, 1, 1), False)):
        profile = Profile(Settings(home=tmp_path), clock_at(f"{day}T12:00:00"))
        assert (doubt(profile, profile.today) is not None) == is_doubted


def test_days_of_an_export_are_as_old_as_they_are(tmp_path: Path) -> None:
    profile = lake(tmp_path, "2036-03-05T12:00:00", feed="export")
    assert doubt(profile, profile.today) is None
    check_reach(profile, NEWEST + timedelta(days=MOST_DAYS_OFF))
    with pytest.raises(CrimeAssetsError, match="401 days later"):
        check_reach(profile, NEWEST + timedelta(days=MOST_DAYS_OFF + 1))


def test_a_lake_that_has_begun_and_merged_nothing_is_not_followed_for_years_either(tmp_path: Path) -> None:
    profile = Profile(Settings(home=tmp_path), clock_at("2036-03-05T12:00:00"))
    profile.begin(FIRST)
    check_clock(profile)
    with pytest.raises(CrimeAssetsError, match=f"has reached change day {FIRST}"):
        check_reach(profile, date(2036, 3, 4))


# --- the command -------------------------------------------------------------------------------------------------


@pytest.fixture
def tell(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Tell:
    """Calls the command on a machine with a clock; its exit code and what it says."""

    def call(now: str, *arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(cli, "open_profile", partial(Profile, clock=clock_at(now)))
        capfd.readouterr()
        code = cli.main(list(arguments))
        captured = capfd.readouterr()
        return code, captured.err + captured.out

    return call


def files(home: Path) -> set[str]:
    """All but the lock, and what is remembered of exports."""
    return {str(path) for path in home.rglob("*") if path.name != "lake.lock" and path.parent.name != "cache"}


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with history and two change days, and its export, which ended in January 2024 and has 2030 in it since."""
    place = tmp_path_factory.mktemp("begun")
    days = ["2024-01-10", "2024-01-20", "2024-01-21"]
    write_export(place / "a.csv", [record(n, day, occurred="2024-01-02") for n, day in enumerate(days, 1)])
    with pytest.MonkeyPatch.context() as patch:
        live_in(place, patch)
        patch.setattr(cli, "open_profile", partial(Profile, clock=clock_at("2024-02-01T12:00:00")))
        assert cli.main(["run", "--no-insights", "--from", "2024-01-20"]) == 0
    write_export(place / "b.csv", [record(9, "2030-01-20", occurred="2024-01-02")])
    return place


def live_in(place: Path, patch: pytest.MonkeyPatch) -> None:
    """Have commands find the lake and the export of this directory."""
    for name, value in (("HOME", place / "lake"), ("FEED", "export"), ("EXPORT", place / "*.csv")):
        patch.setenv(f"CRIME_{name}", str(value))
    patch.setenv("DAGSTER_HOME", str(place / "lake" / "dagster"))
    (place / "lake" / "dagster").mkdir(parents=True, exist_ok=True)


@pytest.fixture
def merged(begun: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That lake, which nothing may change."""
    live_in(begun, monkeypatch)
    return begun / "lake"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("now", "arguments", "names"),
    [
        ("1970-01-01T00:01:00", [], ["1969-12-31", "set the clock right"]),
        ("2000-01-01T12:00:00", [], ["2000-01-01", "set the clock right"]),
        ("2023-06-01T12:00:00", [], ["2023-06-01", "2024-01-21", "set the clock right"]),
        ("2024-01-21T12:00:00", [], ["2024-01-21", "set the clock right"]),
        ("2023-06-01T12:00:00", ["--from", "2024-01-20", "--to", "2024-01-21"], ["2023-06-01", "set the clock right"]),
        ("2034-02-01T12:00:00", [], ["2034-02-01", "2024-01-21", "2,191 days later"]),
        ("2034-02-01T12:00:00", ["--from", "2024-01-22"], ["2034-02-01", "2024-01-21", "2,191 days later"]),
    ],
)
def test_one_sentence_and_nothing_begun(
    merged: Path, tell: Tell, now: str, arguments: list[str], names: list[str]
) -> None:
    before = files(merged)
    code, said = tell(now, "run", *arguments)
    assert (code, said.count("\n")) == (1, 1), said
    assert [name for name in names if name not in said] == []
    assert "--" not in said
    assert files(merged) == before


@pytest.mark.slow
def test_a_person_who_names_both_days_is_believed(
    begun: Path, tmp_path: Path, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(begun, tmp_path / "own", symlinks=True)
    live_in(tmp_path / "own", monkeypatch)
    code, said = tell("2034-02-01T12:00:00", "run", "--no-insights", "--from", "2030-01-20", "--to", "2030-01-20")
    assert (code, "Running change days 2030-01-20 to 2030-01-20" in said) == (0, True), said


def test_a_first_run_by_a_clock_that_was_reset(tmp_path: Path, tell: Tell) -> None:
    for now in ("1970-01-01T00:01:00", "1980-01-04T12:00:00", "2000-06-01T12:00:00"):
        code, said = tell(now, "run")
        assert (code, said.count("\n"), "--" in said) == (1, 1, False), said
        assert "set the clock right" in said
    assert not (tmp_path / "lake" / "lake.json").exists()


@pytest.mark.slow
def test_days_before_the_lake_are_told_as_what_was_asked(merged: Path, tell: Tell) -> None:
    code, said = tell("2024-02-01T12:00:00", "run", "--to", "2024-01-19")
    assert (code, said.count("\n")) == (2, 1), said
    assert "run with --to 2024-01-20 or later" in said
    assert "--from" not in said


# --- the city's day ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        # 2026-03-08 has 23 hours, 02:00 is left out.
        ("2026-03-08T05:59:59", date(2026, 3, 7)),
        ("2026-03-08T06:00:00", date(2026, 3, 8)),
        ("2026-03-08T07:59:59", date(2026, 3, 8)),
        ("2026-03-08T08:00:00", date(2026, 3, 8)),
        ("2026-03-09T04:59:59", date(2026, 3, 8)),
        ("2026-03-09T05:00:00", date(2026, 3, 9)),
        # 2026-11-01 has 25 hours, 01:00 comes twice.
        ("2026-11-01T04:59:59", date(2026, 10, 31)),
        ("2026-11-01T05:00:00", date(2026, 11, 1)),
        ("2026-11-01T06:30:00", date(2026, 11, 1)),
        ("2026-11-01T07:30:00", date(2026, 11, 1)),
        ("2026-11-02T05:59:59", date(2026, 11, 1)),
        ("2026-11-02T06:00:00", date(2026, 11, 2)),
    ],
)
def test_today_is_right_at_the_edges_of_days_that_are_shorter_or_longer(tmp_path: Path, moment: str, day: date) -> None:
    profile = Profile(Settings(home=tmp_path, feed="socrata"), clock_at(moment))
    assert profile.today == day
    # Every feed goes by the one clock of the profile.
    assert profile.feed.latest_day() == day - timedelta(days=1)
