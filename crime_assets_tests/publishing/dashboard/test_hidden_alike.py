"""What one table hides, no other place of the dashboard says: cards, early warning and the map follow the areas."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator

import pytest

from crime_assets_tests.publishing.dashboard.city import BEATS
from crime_assets_tests.publishing.dashboard.serving import served
from crime_assets_tests.publishing.dashboard.test_app import Get, asker
from crime_assets_tests.publishing.dashboard.two_days import lake_of_two_days

CLASSES = ("all", "violent", "property", "other")
UNITS = {"beat": "beat", "community area": "community_area"}


@pytest.fixture(scope="module")
def get(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Get]:
    """Six crimes say no place, fewer than five of them in 28 days: where all areas are listed, another is hidden."""
    profile = lake_of_two_days(tmp_path_factory.mktemp("lake"), without_place=6)
    with served(profile, tmp_path_factory.mktemp("cache")) as address:
        yield asker(address)


def rows(get: Get, table: str, query: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(get(f"/table/{table}.csv?{query}").text)))


def areas(get: Get, level: str, query: str = "") -> dict[str, dict[str, str]]:
    return {row["area"]: row for row in rows(get, "areas", f"map={level}&{query}")}


def hidden(get: Get, level: str, query: str = "") -> set[str]:
    return {area for area, row in areas(get, level, query).items() if row["crimes"] == ""}


def test_areas_hide_a_larger_count_for_the_sake_of_those_without_a_place(get: Get) -> None:
    """Otherwise the tests below would not test much."""
    for level in ("district", "beat", "community_area"):
        assert len(hidden(get, level)) == 2
        assert "" in hidden(get, level)


@pytest.mark.parametrize("query", ["", "period=365d", "district=011&map=beat"])
def test_early_warning_hides_what_the_areas_hide(get: Get, query: str) -> None:
    watched = rows(get, "early_warning", query)
    for kind, level in UNITS.items():
        shown = {row["unit"]: row["crimes"] for row in watched if row["unit_kind"] == kind}
        counted = areas(get, level)
        assert {unit for unit, crimes in shown.items() if crimes == ""} == hidden(get, level) - {""}
        assert all(crimes == counted[unit]["crimes"] for unit, crimes in shown.items())
    for row in watched:
        if row["crimes"] == "":
            assert (row["z_expected"], row["alarm"]) == ("", "")


@pytest.mark.parametrize("query", ["", "period=365d", "district=011", "offense_class=violent"])
def test_the_map_tells_no_change_of_what_is_hidden(get: Get, query: str) -> None:
    told = 0
    for one in json.loads(get(f"/map/figures.json?{query}").text)["levels"]:
        counted, in_28_days = areas(get, one["level"], query), areas(get, one["level"])
        for area, found in one["areas"].items():
            said = re.match(r"In 28 days: ([0-9,]+); its own history", found["change"] or "")
            if found["said"] == "not shown" or not in_28_days[area]["crimes"]:
                assert found["change"] is None, (one["level"], area)
            elif said:
                assert said[1].replace(",", "") == in_28_days[area]["crimes"]
            told += found["change"] is not None
            assert counted[area]["crimes"] or found["said"] == "not shown"
    assert told


@pytest.mark.parametrize("period", ["28d", "365d", "all"])
def test_cards_of_a_place_hide_what_the_areas_around_it_hide(get: Get, period: str) -> None:
    seen = 0
    for offense_class in CLASSES:
        chosen = f"period={period}&offense_class={offense_class}"
        for district, beats in {**BEATS, "none": ("none",)}.items():
            of_district = f"district={district}"
            around = [(of_district, areas(get, "district", chosen), district)]
            for beat in beats:
                for query in (chosen, f"{of_district}&{chosen}"):
                    around.append((f"{of_district}&beat={beat}", areas(get, "beat", query), beat))
            for address, table, name in around:
                own = {row["offense_class"]: row for row in rows(get, "classes", f"{address}&{chosen}")}
                row = table.get("" if name == "none" else name, {})
                for count in ("crimes", "arrests", "domestic_crimes"):
                    if row.get(count) == "":
                        assert own[offense_class][count] == "", (address, chosen, count)
                        seen += 1
    assert seen


def test_a_hidden_district_is_hidden_on_its_own_page(get: Get) -> None:
    (district,) = hidden(get, "district") - {""}
    page = get(f"/?district={district}&map=beat").text
    card = page.partition("<dl class")[2].partition("</dl>")[0]
    first, *others = re.findall(r"<strong>([^<]*)</strong>", card)
    assert first == "not shown"
    changes = page.partition('id="table-changes"')[2].partition("</table>")[0]
    assert "not shown" in re.findall(r'data-head="28 days">([^<]*)<', changes)[0]
    assert others


@pytest.mark.parametrize("query", ["", "district=001&map=beat", "district=none&offense_class=violent"])
def test_what_a_file_hides_is_not_shown_and_cannot_be_copied(get: Get, query: str) -> None:
    """Also shares, of which a file names the column."""
    page = get(f"/?{query}").text
    chosen = next((word for word in query.split("=") if word in CLASSES), "all")
    row = next(row for row in rows(get, "classes", query) if row["offense_class"] == chosen)
    card = re.findall(r"<strong>([^<]*)</strong>", page.partition("Arrest recorded</button>")[2])[0]
    assert (card == "not shown") == ("arrest_share" in row["hidden"].split(", "))
    texts = re.findall(r'data-text="([^"]*)"', page)
    assert texts or row["crimes"] == ""
    assert not [text for text in texts if "not shown" in text or "\N{EN DASH}" in text]
