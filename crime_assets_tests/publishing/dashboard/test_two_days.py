"""Two as-of days side by side: what the two pages say, the difference, and nothing about hidden numbers."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from crime_assets.profiles import Profile
from crime_assets.publishing.dashboard.choice import Choice
from crime_assets.publishing.dashboard.figures import Figures
from crime_assets.publishing.dashboard.two_days import Pair, compared
from crime_assets.publishing.reading import Extracts
from crime_assets_tests.publishing.dashboard.city import DAY
from crime_assets_tests.publishing.dashboard.serving import served
from crime_assets_tests.publishing.dashboard.test_app import Get, asker
from crime_assets_tests.publishing.dashboard.two_days import DAY_BEFORE, lake_of_two_days

BOTH = f"day={DAY}&beside={DAY_BEFORE}"


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """So few crimes that many numbers are hidden."""
    return lake_of_two_days(tmp_path_factory.mktemp("two"), crimes=150)


@pytest.fixture(scope="module")
def get(profile: Profile, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Get]:
    with served(profile, tmp_path_factory.mktemp("cache")) as address:
        yield asker(address)


def rows(get: Get, table: str, query: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(get(f"/table/{table}.csv?{query}").text)))


@pytest.mark.parametrize(
    ("now", "then", "difference"), [(9, 5, 4), (5, 9, -4), (0, 7, -7), (None, 7, None), (7, None, None), (None,) * 3]
)
def test_a_difference_is_of_numbers_that_are_shown(now: int | None, then: int | None, difference: int | None) -> None:
    assert Pair("a", now, then).difference == difference


@pytest.mark.parametrize("chosen", ["", "&district=016&map=beat", "&offense_class=violent&map=beat"])
def test_each_side_is_what_its_own_page_says(get: Get, chosen: str) -> None:
    """Also what is hidden: a number hidden on a day's own page is not shown beside another day, nor is a difference."""
    hidden = 0
    for table, name, key in (("areas", "area", "crimes"), ("types", "primary_type", "crimes")):
        sides = [
            {row[name] or "not recorded": row[key] for row in rows(get, table, f"day={day}{chosen}")}
            for day in (DAY, DAY_BEFORE)
        ]
        both = rows(get, f"both-{table}", f"{BOTH}{chosen}")
        first = next(column for column in both[0] if column in ("district", "beat", "category"))
        assert {row[first] for row in both} == {*sides[0], *sides[1]}
        for row in both:
            now, then = (side.get(row[first], "0") for side in sides)
            assert (row["crimes"], row["crimes_beside"]) == (now, then)
            assert row["difference"] == (f"{int(now) - int(then)}" if now and then else "")
            hidden += not row["difference"]
        assert {(row["as_of_day"], row["as_of_day_beside"]) for row in both} == {(f"{DAY}", f"{DAY_BEFORE}")}
    assert hidden or not chosen


def test_no_shown_difference_gives_a_hidden_number_away(
    profile: Profile, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whoever knows all that is shown and the total of each side finds several hidden numbers, not one."""
    extracts = Extracts(profile.landing, tmp_path_factory.mktemp("cache"))
    for offense_class in ("all", "violent", "property", "other"):
        choice = Choice("chicago", DAY, "28d", offense_class, map="beat", beside=DAY_BEFORE)
        other = choice.other
        assert other is not None
        now, then = (Figures(extracts.of("chicago", one.day), one, 5) for one in (choice, other))
        pairs = compared(now, then)["both-areas"].pairs
        for side in (0, 1):
            hidden = [pair for pair in pairs if (pair.now, pair.then)[side] is None]
            assert len(hidden) != 1
            assert all(pair.difference is None for pair in hidden)


def test_the_address_holds_both_days_and_so_does_every_link(get: Get) -> None:
    page = get(f"/?{BOTH}&district=011&map=beat").text
    assert re.search(r"<h1[^>]*>All offenses, district 011, 28 days .*, beside 2024-01-30</h1>", page)
    links = [html.unescape(link) for link in re.findall(r'href="(/(?:\?|table|picture|tables|view)[^"]*)"', page)]
    assert len(links) > 20
    without = [link for link in links if f"beside={DAY_BEFORE}" not in link]
    swapped, alone = f"day={DAY_BEFORE}&district=011&map=beat&beside={DAY}", f"day={DAY}&district=011&map=beat"
    assert sorted(without) == sorted([f"/?city=chicago&{swapped}", f"/?city=chicago&{alone}"])
    assert "panel-beside" in get(f"/?{swapped}").text
    assert "panel-beside" not in get(f"/?{alone}").text


def test_cards_have_both_days(get: Get) -> None:
    page = get(f"/?{BOTH}").text
    crimes, before = (
        next(row["crimes"] for row in rows(get, "classes", f"day={day}") if row["offense_class"] == "all")
        for day in (DAY, DAY_BEFORE)
    )
    assert f'<span class="then">2024-01-30: {before} (difference {int(crimes) - int(before):+})</span>' in page
    assert len(re.findall('class="then"', page)) == 5


@pytest.mark.parametrize("other", ["2024-02-01", "2023-12-31", "yesterday", "2024-01-30'--", "%00"])
def test_only_days_that_are_kept_can_be_compared(get: Get, other: str) -> None:
    for path in ("/", "/view.pdf", "/table/both-areas.csv"):
        assert get(f"{path}?day={DAY}&beside={other}").status == 404


def test_a_day_beside_itself_is_that_day(get: Get) -> None:
    assert get(f"/?day={DAY}&beside={DAY}").text == get(f"/?day={DAY}&beside=").text
    assert get(f"/table/both-areas.csv?day={DAY}&beside={DAY}").status == 404


def test_a_choice_of_both_days_can_be_turned_around() -> None:
    choice = Choice("chicago", DAY, district="011", beside=DAY_BEFORE)
    assert choice.other == Choice("chicago", DAY_BEFORE, district="011", beside=DAY)
    assert choice.other.other == choice
    assert choice.alone.other is None
    assert date.fromisoformat(choice.query.rpartition("=")[2]) == DAY - timedelta(days=1)
