"""An insight that was lost: good extracts stay until the days of all that are kept have been computed again."""

from __future__ import annotations

from pathlib import Path

import pytest

from crime_assets.core import keys
from crime_assets.core.errors import CrimeAssetsError
from crime_assets.defs.work.steps import compute
from crime_assets.lakehouse.writing.insights import Held, replace_days, stale_days
from crime_assets.profiles import Profile
from crime_assets.publishing.reading import Extracts
from crime_assets_tests.publishing.test_renewal import DAYS, SUMMARY, four_days, to_make, write

pytestmark = pytest.mark.slow
INSIGHT = SUMMARY[0]


@pytest.fixture
def losing(tmp_path: Path) -> Profile:
    """Four days, each with its extract, of which the insight's table is gone."""
    profile = four_days(tmp_path / "lake")
    profile.lake.catalog.drop_table(("chicago", INSIGHT.table))
    return profile


def shown(profile: Profile) -> list[object]:
    """What the extracts have of the insight."""
    extracts = Extracts(profile.landing, profile.lake.home / "cache")
    return [extracts.of("chicago", day).ask(f"FROM {INSIGHT.table}", {}).to_pylist() for day in DAYS]


def test_one_day_computes_those_of_all_kept_extracts(losing: Profile) -> None:
    before = shown(losing)

    result = compute(losing, losing.engine, INSIGHT, [DAYS[1]])

    assert [found.day for found in result.days] == DAYS
    assert to_make(losing, DAYS[0]) == DAYS
    for day in DAYS:
        write(losing, day)
    assert shown(losing) == before
    assert [found.day for found in compute(losing, losing.engine, INSIGHT, [DAYS[1]]).days] == [DAYS[1]]


def test_an_extract_is_not_replaced_by_one_that_lacks_the_insight(losing: Profile) -> None:
    before = losing.landing.read(keys.extract("chicago", DAYS[2]))

    with pytest.raises(
        CrimeAssetsError, match=f"insight_crime_summary of Chicago were not computed for {DAYS[2]}: mat"
    ):
        write(losing, DAYS[2])
    assert to_make(losing, DAYS[0]) == DAYS[:1]

    assert losing.landing.read(keys.extract("chicago", DAYS[2])) == before


def test_an_extract_is_not_replaced_by_one_of_a_table_that_lacks_the_day(losing: Profile) -> None:
    other = four_days(losing.lake.home.parent / "other")
    rows = {day: Held(other.lake, other.city, INSIGHT).rows(day) for day in DAYS}
    of_two = {day: found.slice(0, (day == DAYS[2]) * 3) for day, found in rows.items() if found and day >= DAYS[2]}
    replace_days(losing.lake, losing.city, INSIGHT, of_two)

    # Of the last day it is known that there are no rows; of the first two days nothing is.
    assert to_make(losing, DAYS[2]) == DAYS[2:]
    assert to_make(losing, DAYS[0]) == [DAYS[0], *DAYS[2:]]
    assert stale_days(losing.lake, losing.city, INSIGHT, DAYS) == DAYS[:2]
    with pytest.raises(CrimeAssetsError, match=f"run --from {DAYS[1]} --to {DAYS[1]}"):
        write(losing, DAYS[1])
