"""Which extracts are made: those asked for, later ones that know less than the lake does, and no more than are kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest

from crime_assets.core import keys
from crime_assets.core.errors import CrimeAssetsError
from crime_assets.core.insights import all_insights
from crime_assets.defs.work.steps import compute
from crime_assets.profiles import Profile
from crime_assets.publishing import extract, renewal
from crime_assets.publishing.extract import write_extracts
from crime_assets.publishing.renewal import days_to_extract
from crime_assets_tests.build import envelope, export_profile, record
from crime_assets_tests.lakehouse.lakes import merge

pytestmark = pytest.mark.slow

DAYS = [date(2024, 1, 28) + timedelta(days=number) for number in range(4)]
SUMMARY = all_insights()[:1]


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """For tests that leave it as it is."""
    return four_days(tmp_path_factory.mktemp("renewal") / "lake")


@pytest.fixture
def changing(tmp_path: Path) -> Profile:
    """For tests that change it."""
    return four_days(tmp_path / "lake")


def four_days(home: Path) -> Profile:
    """Change days run one after the other: a crime each, its summary, its extract."""
    found = export_profile(home, "none.csv")
    found.begin(DAYS[0])
    for number, day in enumerate(DAYS):
        change(found, number, day)
        compute(found, found.engine, SUMMARY[0], [day])
        write(found, day)
    return found


def change(profile: Profile, number: int, day: date) -> None:
    merge(profile.lake, envelope(record(number, f"{day}", "2024-01-10"), f"{day}"))


def write(profile: Profile, day: date) -> None:
    write_extracts(profile.lake, profile.landing, profile.engine, profile.city, SUMMARY, [day])


def to_make(profile: Profile, *asked: date) -> Sequence[date]:
    return days_to_extract(profile.lake, profile.landing, profile.city, SUMMARY, asked)


def test_a_day_that_is_run_again_without_news_leaves_later_ones_alone(profile: Profile) -> None:
    compute(profile, profile.engine, SUMMARY[0], [DAYS[1]])
    assert to_make(profile, DAYS[1]) == [DAYS[1]]
    assert to_make(profile, DAYS[2], DAYS[0]) == [DAYS[0], DAYS[2]]


def test_a_late_change_concerns_its_day_and_all_later_ones(changing: Profile) -> None:
    change(changing, 9, DAYS[2])
    assert to_make(changing, DAYS[0]) == [DAYS[0], DAYS[2], DAYS[3]]
    compute(changing, changing.engine, SUMMARY[0], [DAYS[2]])
    for day in DAYS[2:]:
        write(changing, day)
    assert to_make(changing, DAYS[0]) == DAYS[:1]


def test_a_later_day_whose_insights_were_made_since_is_made_again(changing: Profile) -> None:
    """Its extract was made while an insight of it was still missing."""
    change(changing, 9, DAYS[2])
    for day in DAYS[2:]:
        write(changing, day)
    compute(changing, changing.engine, SUMMARY[0], [DAYS[2]])
    assert to_make(changing, DAYS[1]) == DAYS[1:]


DAMAGES: list[Callable[[bytes], bytes]] = [lambda content: content[:5_000], lambda _: b""]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_later_day_that_cannot_be_read_is_made_again(profile: Profile, damage: Callable[[bytes], bytes]) -> None:
    key = keys.extract("chicago", DAYS[2])
    content = profile.landing.read(key) or b""
    profile.landing.write(key, damage(content))
    try:
        assert to_make(profile, DAYS[0]) == [DAYS[0], DAYS[2]]
    finally:
        profile.landing.write(key, content)


def test_a_day_older_than_those_that_are_kept_is_not_made(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (extract, renewal):
        monkeypatch.setattr(module, "KEPT_DAYS", 4)
    before, after = DAYS[0] - timedelta(days=1), DAYS[-1] + timedelta(days=1)
    assert to_make(profile, before) == []
    assert to_make(profile, before, DAYS[0]) == DAYS[:1]
    assert to_make(profile, DAYS[0], after) == [after]


def test_an_extract_of_two_definitions_is_refused(changing: Profile) -> None:
    other = dataclasses.replace(SUMMARY[0], statement=f"{SUMMARY[0].statement} ASC")

    with pytest.raises(CrimeAssetsError, match="insight_crime_summary of Chicago were computed by another release"):
        write_extracts(changing.lake, changing.landing, changing.engine, changing.city, (other,), [DAYS[0]])

    compute(changing, changing.engine, other, [DAYS[0]])
    write_extracts(changing.lake, changing.landing, changing.engine, changing.city, (other,), [DAYS[0]])


def test_another_release_makes_all_that_are_kept_once(changing: Profile) -> None:
    renewal.remember_release(changing.lake, changing.landing, changing.city, SUMMARY)
    assert to_make(changing, DAYS[3]) == [DAYS[3]]
    other = (dataclasses.replace(SUMMARY[0], statement=SUMMARY[0].statement.replace("-27", "-6")),)
    compute(changing, changing.engine, other[0], [DAYS[3]])
    changing.landing.write(keys.briefing("chicago", DAYS[0], "html"), b"of before")

    made = days_to_extract(changing.lake, changing.landing, changing.city, other, [DAYS[3]])
    for day in made:
        write_extracts(changing.lake, changing.landing, changing.engine, changing.city, other, [day])
    renewal.remember_release(changing.lake, changing.landing, changing.city, other)

    assert made == DAYS
    assert changing.landing.read(keys.briefing("chicago", DAYS[0], "html")) is None
    assert days_to_extract(changing.lake, changing.landing, changing.city, other, [DAYS[3]]) == [DAYS[3]]
