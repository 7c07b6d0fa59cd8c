"""Two as-of days side by side: what the two pages say, the difference, and nothing about hidden numbers."""

from __future__ import annotations

import csv
import html
import io
import re
from collections import Counter
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


@pytest.mark.parametrize("query", [BOTH, f"day={DAY}&district=011&map=beat", f"day={DAY}&period=all&map=hotspots"])
def test_no_id_stands_twice_and_every_explanation_is_there(get: Get, query: str) -> None:
    page = get(f"/?{query}").text
    ids = Counter(re.findall(r'\sid="([^"]+)"', page))
    assert [name for name, count in ids.items() if count > 1] == []
    described = set(re.findall(r'aria-describedby="([^"]+)"', page))
    assert len(described) > 20
    assert described - {"live-help"} <= ids.keys()


def table(page: str, name: str) -> list[list[str]]:
    """The texts of the rows of a table, its heads first."""
    found = page.partition(f'<table id="table-{name}"')[2].partition("</table>")[0]
    found = re.sub(r'<span class="tip".*?</span>|<caption.*?</caption>', "", found)
    return [
        [html.unescape(re.sub("<[^>]*>", "", cell)).strip() for cell in re.findall(r"(?s)<t[hd].*?</t[hd]>", row)]
        for row in re.findall(r"(?s)<tr.*?</tr>", found)
    ]


def test_tables_of_the_page_have_words_and_their_files_have_columns(get: Get) -> None:
    page = get(f"/?day={DAY}").text
    heads = {name: table(page, name)[0] for name in ("trend", "hours", "types")}
    assert heads == {
        "trend": ["First day", "Last day", "Crimes", "Expected crimes", "Still filling up"],
        "hours": ["Hour", "Weekday", "Crimes"],
        "types": ["Category", "Crimes", "Arrests recorded", "Share with an arrest"],
    }
    weekdays = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    for shown, row in zip(table(page, "hours")[1:], rows(get, "hours", f"day={DAY}"), strict=False):
        assert shown[:2] == [row["hour"], weekdays[int(row["iso_weekday"]) - 1]]
    for shown, row in zip(table(page, "trend")[1:], rows(get, "trend", f"day={DAY}"), strict=False):
        assert (shown[0], shown[-1]) == (row["first_day"], "yes" if row["unsettled"] == "1" else "no")
    assert [row[0] for row in table(page, "changes")[1:3]] == ["All districts", "001"]


def test_the_last_day_of_a_block_is_hidden_with_its_count(get: Get) -> None:
    query = f"day={DAY}&district=011&map=beat"
    days = [row[-1] for row in table(get(f"/?{query}").text, "blocks")[1:]]
    filed = [row["last_crime_on"] or "not shown" for row in rows(get, "blocks", query)]
    assert days == filed[: len(days)]
    assert "not shown" in days


@pytest.mark.parametrize(
    ("path", "query", "name"),
    [
        ("/table/areas.csv", "", "areas.csv"),
        (
            "/table/areas.csv",
            "district=011&map=beat&period=all&offense_class=violent",
            "areas-all-years-violent-district-011-by-beats.csv",
        ),
        ("/table/types.parquet", "district=011&beat=1112&map=beat", "types-district-011-beat-1112.parquet"),
        ("/table/areas.csv", f"beside={DAY_BEFORE}&map=community_area", "areas-by-community-areas.csv"),
        ("/table/both-areas.csv", f"beside={DAY_BEFORE}&map=beat", "both-areas-by-beats-beside-2024-01-30.csv"),
        ("/table/changes.csv", "period=365d&offense_class=property", "changes-property.csv"),
        ("/table/compstat.csv", "period=365d&district=011&map=beat", "compstat.csv"),
        ("/picture/map.svg", "period=365d&map=hotspots", "map-365-days-by-hot-spots.svg"),
        ("/picture/hours.svg", "district=016&map=beat&offense_class=other", "hours-other-district-016.svg"),
    ],
)
def test_the_name_of_a_file_says_what_was_chosen(get: Get, path: str, query: str, name: str) -> None:
    answer = get(f"{path}?day={DAY}&{query}")
    assert answer.headers["content-disposition"] == f'attachment; filename="chicago-2024-01-31-{name}"'


def test_a_name_of_a_file_is_made_of_letters_and_digits() -> None:
    """Places are texts of the feed."""
    choice = Choice("chicago", DAY, district='0"1\r\nX: y/../z')
    assert choice.file("areas") == "chicago-2024-01-31-areas-district-0-1-x-y-z"


@pytest.mark.parametrize("table", ["classes", "areas", "trend", "hours", "types", "blocks", "changes"])
def test_a_table_taken_away_says_as_of_when_and_of_which_days_it_is(get: Get, table: str) -> None:
    found = rows(get, table, f"day={DAY}")
    assert found
    assert list(found[0])[:3] == ["as_of_day", "first_day", "last_day"]
    assert {row["as_of_day"] for row in found} == {f"{DAY}"}
    assert all(row["first_day"] <= row["last_day"] for row in found)


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
