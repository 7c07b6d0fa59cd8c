"""The page of cities beside each other: what it shows, what it refuses, and when it is there."""

from __future__ import annotations

import csv
import io
import re
from calendar import monthrange
from datetime import date
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from starlette.testclient import TestClient

from crime_assets.analysis.across import REFUSED, Held, judged
from crime_assets.lakehouse.place.lake import CityState
from crime_assets.lakehouse.writing import city_months
from crime_assets.lakehouse.writing.city_months import Known
from crime_assets.profiles import Profile, Settings
from crime_assets.publishing.dashboard.across import Across
from crime_assets.publishing.dashboard.app import Dashboard
from crime_assets.publishing.reading import Extracts
from crime_assets.sources import cities
from crime_assets_tests.publishing.dashboard.serving import NO_BROWSER, chromium, served

CITIES = {name: cities.get(name) for name in cities.names()}
YEARS = (2020, 2021, 2022)


def months_of(name: str, **incidents: int) -> list[dict[str, Any]]:
    """Three whole years of a city, each month with so many incidents of each offense; robberies grow by year."""
    held = [whole(date(year, month, 1)) for year in YEARS for month in range(1, 13)]
    counts = []
    for month in (one["month"] for one in held):
        for offense, each in incidents.items():
            n = each + (month.year - YEARS[0] if offense == "robbery" else 0)
            named = {"month": month, "scheme": "SRS", "offense": offense.replace("_", " ")}
            counts.append({**named, "row_count": n, "incidents": n, "known_arrests": 0})
    return judged(CITIES[name], Held(counts, held, date(2023, 6, 1)))


def whole(month: date) -> dict[str, Any]:
    """A month with records of each day."""
    days = monthrange(month.year, month.month)[1]
    return {"month": month, "scheme": "SRS", "row_count": 90_000, "days": days}


def two_cities() -> list[dict[str, Any]]:
    chicago = months_of("chicago", homicide=50, robbery=800, vehicle_theft=1500, rape=100)
    few = months_of("san_francisco", homicide=0, robbery=200, drugs=40)
    few = [
        row | {"incidents": 3} if (row["offense"], row["month"]) == ("homicide", date(2021, 5, 1)) else row
        for row in few
    ]
    return [*chicago, *few]


def opened(home: Path, *names: str, rows: list[dict[str, Any]], **settings: Any) -> TestClient:
    """The dashboard of a lake in which these cities have begun."""
    profile = Profile(Settings(city=names[0], home=home, feed="export", export="none.csv", **settings))
    for name in names:
        profile.lake.begin_city(name, CityState("export", "2023-01-01", 0, 0))
        part = [row for row in rows if row["city"] == name]
        city_months.replace_part(profile.lake, CITIES[name], part, Known("made up", False, 0))
    dashboard = Dashboard(profile, Extracts(profile.landing, home / "cache"))
    return TestClient(dashboard.app(), base_url="http://127.0.0.1")


def said(page: str) -> str:
    text = re.sub(r"(?s)<(style|script|svg)\b.*?</\1>|<[^>]+>", " ", page)
    return " ".join(unescape(text).split())


def table(client: TestClient, name: str) -> list[dict[str, str]]:
    answer = client.get(f"/cities/{name}.csv")
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(answer.text)))


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    return opened(tmp_path / "lake", "chicago", "san_francisco", rows=two_cities(), small_numbers=5)


def test_rates_are_incidents_of_a_year_for_each_100_000_residents(client: TestClient) -> None:
    rows = {(row["city"], row["year"], row["offense"]): row for row in table(client, "rates")}
    chicago = rows["Chicago", "2021", "robbery"]
    assert int(chicago["incidents"]) == 12 * 801
    assert float(chicago["per_100_000"]) == pytest.approx(12 * 801 / 27.46388, abs=0.01)
    assert (chicago["residents"], chicago["residents_of"]) == ("2746388", "US Census 2020")
    assert "most serious" in chicago["note"]
    assert {offense for _, _, offense in rows} == {"homicide", "robbery", "burglary", "vehicle theft"}
    page = said(client.get("/cities").text)
    assert f"{12 * 801 / 27.46388:.1f} (9,612)" in page
    assert f"{12 * 201 / 8.73965:.1f} (2,412)" in page


def test_small_counts_are_hidden_with_what_would_tell_them(client: TestClient) -> None:
    rates = {(row["city"], row["year"], row["offense"]): row for row in table(client, "rates")}
    few = rates["San Francisco", "2021", "homicide"]
    assert (few["incidents"], few["per_100_000"], few["hidden"]) == ("", "", "incidents, per_100_000")
    assert rates["San Francisco", "2020", "homicide"]["incidents"] == "0"
    trends = {(row["city"], row["year"], row["offense"]): row for row in table(client, "trends")}
    assert trends["San Francisco", "2021", "homicide"]["hidden"] == "incidents, index"


def test_an_index_on_a_hidden_base_is_hidden() -> None:
    rows = [
        row | {"incidents": 1 if row["month"] == date(2020, 1, 1) else 10 * (row["month"].year > 2020)}
        for row in two_cities()
    ]
    found = Across(rows, CITIES, 5).tables()["trends"].to_pylist()
    of = {row["year"]: row for row in found if (row["city"], row["offense"]) == ("Chicago", "arson")}
    assert (of[2020]["incidents"], of[2020]["index"]) == (None, None)
    assert (of[2021]["incidents"], of[2021]["index"], of[2021]["hidden"]) == (120, None, "index")
    shown = {
        row["year"]: row for row in Across(rows, CITIES, 1).tables()["trends"].to_pylist() if row["offense"] == "arson"
    }
    assert shown[2021]["index"] == 12_000


def test_trends_are_within_a_city(client: TestClient) -> None:
    trends = {(row["city"], row["year"], row["offense"]): row for row in table(client, "trends")}
    assert float(trends["San Francisco", "2022", "robbery"]["index"]) == pytest.approx(101.0)
    assert float(trends["San Francisco", "2022", "drugs"]["index"]) == 100
    assert trends["Chicago", "2020", "rape"]["base_year"] == "2020"


def test_the_rest_is_refused_with_the_reason(client: TestClient) -> None:
    page = said(client.get("/cities").text)
    for what, why in REFUSED:
        assert what in page
        assert why in page
    between = page[page.index("Between cities") : page.index("Within a city")]
    for word in ("Rape:", "Drugs", "Theft:", "assault", "all crime", "arrest"):
        assert word not in between, word
    assert not re.search(r"(?i)\brank(ed|ing)?\b", between)
    refused = table(client, "refused")
    assert {row["figure"] for row in refused} >= {what for what, _ in REFUSED}
    assert all(row["reason"] for row in refused)


def test_cities_stand_in_the_order_of_their_names(tmp_path: Path) -> None:
    client = opened(tmp_path / "lake", "san_francisco", "chicago", rows=two_cities())
    page = client.get("/cities").text
    heads = re.findall(r"<th scope=\"col\"[^>]*>([^<]+)</th>", page)
    assert heads[:3] == ["Year", "Chicago", "San Francisco"]


def test_years_that_are_not_whole_are_named(tmp_path: Path) -> None:
    city = CITIES["los_angeles"]
    assert city.comparison is not None
    of_2024 = [whole(date(2024, month, 1)) for month in range(1, 13)]
    rows = [*two_cities(), *judged(city, Held([], of_2024, date(2025, 6, 1)))]
    client = opened(tmp_path / "lake", "chicago", "los_angeles", rows=rows)
    left_out = [row for row in table(client, "refused") if row["city"] == "Los Angeles"]
    assert [(row["years"], row["reason"]) for row in left_out] == [("2024", city.comparison.between)]
    assert city.comparison.between in said(client.get("/cities").text)


@pytest.mark.parametrize("path", ["/cities", "/cities/rates.csv"])
def test_one_city_has_no_such_page(tmp_path: Path, path: str) -> None:
    client = opened(tmp_path / "lake", "chicago", rows=two_cities())
    assert client.get(path).status_code == 404
    assert "two cities" in said(client.get("/cities").text)


def test_with_a_policy_there_is_no_such_page(tmp_path: Path) -> None:
    opened(tmp_path / "lake", "chicago", "san_francisco", rows=two_cities())
    governed = opened(tmp_path / "lake", "chicago", "san_francisco", rows=two_cities(), policy=tmp_path / "policy.toml")
    assert governed.get("/cities").status_code == 404


def test_addresses_are_those_of_the_tables_only(client: TestClient) -> None:
    for path in ("/cities/months.csv", "/cities/rates.html", "/cities/..%2Frates.csv"):
        assert client.get(path).status_code == 404, path
    assert client.get("/cities/rates.parquet").content.startswith(b"PAR1")


class Outline(HTMLParser):
    """Ids, what refers to them, and the level of each heading."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.referred: set[str] = set()
        self.levels: list[int] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("id"):
            self.ids.append(str(given["id"]))
        for name in ("aria-labelledby", "aria-describedby"):
            self.referred |= {*str(given.get(name) or "").split()}
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))


def test_the_page_can_be_read_aloud(client: TestClient) -> None:
    outline = Outline(client.get("/cities").text)
    assert len(outline.ids) == len({*outline.ids})
    assert outline.referred <= {*outline.ids}
    assert outline.levels[0] == 1
    assert all(after <= before + 1 for before, after in zip(outline.levels, outline.levels[1:], strict=False))


@pytest.mark.slow
@NO_BROWSER
def test_no_rule_of_accessibility_is_broken(tmp_path: Path) -> None:
    opened(tmp_path / "lake", "chicago", "san_francisco", rows=two_cities(), small_numbers=5)
    profile = Profile(Settings(city="chicago", home=tmp_path / "lake", feed="export", export="none.csv"))
    with served(profile, tmp_path / "cache") as address, chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(f"{address}/cities")
        assert page.locator(".picture svg").count() == 4, (
            "two cities have two offenses with an index in three years each"
        )
        found = Axe().run(page).response["violations"]
        page.set_viewport_size({"width": 390, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (
            "nothing is cut off on a phone"
        )
        page.close()
    assert [f"{one['id']}: {one['nodes'][0]['html']}" for one in found] == []


def test_a_city_without_whole_years_leaves_a_sentence() -> None:
    nothing = {
        "comparable_between": False,
        "comparable_in_time": False,
        "reason_between": "Why.",
        "reason_in_time": "Why.",
    }
    rows = [row | nothing for row in two_cities()]
    page = Across(rows, CITIES, 5).page()
    assert page["rates"] == page["trends"] == []
    assert page["left_out"].rows
