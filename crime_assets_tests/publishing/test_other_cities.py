"""What is not published is not zero: no page, file or briefing of another city has a figure made of such a column."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from html import unescape
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pypdf import PdfReader
from starlette.testclient import TestClient

from crime_assets.analysis.made import insights_of
from crime_assets.core import keys
from crime_assets.profiles import Profile, Settings
from crime_assets.publishing import quality
from crime_assets.publishing.dashboard.app import Dashboard
from crime_assets.publishing.dashboard.choice import Choice
from crime_assets.publishing.dashboard.figures import TABLES, Figures
from crime_assets.publishing.dashboard.two_days import compared
from crime_assets.publishing.published import MADE_OF, published_by
from crime_assets.publishing.reading import Extract, Extracts
from crime_assets.sources import cities
from crime_assets.sources.cities.codes import Code, find
from crime_assets_tests.build import ticking_clock
from crime_assets_tests.graph import Graph
from crime_assets_tests.sql.plain.trends import NIBRS_WEIGHTS

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Sample:
    """A file of real rows: when it was published, the day that is looked at, and a district that it has."""

    city: str
    file: str
    day: date
    district: str


SAMPLES = (
    Sample("new_york", "nyc_qgea-i56i_2010-01-01.csv.gz", date(2010, 5, 2), "075"),
    Sample("los_angeles", "la_2nrs-mtv8_1k.csv.gz", date(2023, 1, 10), "12"),
    Sample("san_francisco", "sf_wg3w-h783_2018-12.csv.gz", date(2019, 1, 5), "MISSION"),
)
WORDS = {
    "arrest": r"\barrest",
    "domestic": r"\bdomestic",
    "block": r"\bblocks?\b",
    "beat": r"\bbeats?\b",
    "community_area": r"community.area",
    "change_day": r"\bz\b|what changed|compstat|still filling|dashed|as they were known",
}
"""Column of crimes → what no page may say of a city that does not publish it."""
CODED: dict[str, Callable[[dict[str, str]], tuple[str | None, Code | None]]] = {
    "new_york": lambda row: (
        row["ADDR_PCT_CD"].zfill(3) if row["ADDR_PCT_CD"] else None,
        find("new_york", "ky_pd", f"{row['KY_CD']}/{row['PD_CD']}", row["PD_DESC"]),
    ),
    "los_angeles": lambda row: (row["AREA"].zfill(2), find("los_angeles", "crm_cd", row["Crm Cd"])),
    "san_francisco": lambda row: (
        row["Police District"].upper(),
        find("san_francisco", "incident_code", row["Incident Code"].zfill(5)),
    ),
}
"""A row's district, and what its code is."""
INITIAL = ("Initial", "Vehicle Initial", "Coplogic Initial")


@dataclass(frozen=True)
class Shown:
    """A city, and its dashboard."""

    sample: Sample
    profile: Profile
    client: TestClient
    extract: Extract

    def get(self, path: str, **query: str) -> bytes:
        answer = self.client.get(path, params={"city": self.sample.city, **query})
        assert answer.status_code == 200, (path, query, answer.text)
        return answer.content

    def lacks(self) -> list[str]:
        published = published_by(self.sample.city)
        return [column for column in WORDS if not published.has(column)]


@pytest.fixture(scope="module", params=SAMPLES, ids=lambda sample: sample.city)
def shown(request: pytest.FixtureRequest, shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """The whole graph, once for each city."""
    sample: Sample = request.param
    home = tmp_path_factory.mktemp(sample.city)
    file = Path(shutil.copyfile(shared_data / "other_cities" / sample.file, home / sample.file))
    published = datetime(sample.day.year, sample.day.month, sample.day.day, tzinfo=UTC).timestamp() - 86_400
    os.utime(file, (published, published))
    settings = Settings(city=sample.city, home=home / "lake", feed="export", export=str(file))
    now = datetime.fromtimestamp(published + 2 * 86_400 + 72_000, UTC)
    profile = Profile(settings, clock=ticking_clock(f"{now:%Y-%m-%dT%H:%M:%S}"))
    profile.begin(sample.day)
    graph = Graph(profile)
    graph.load()
    graph.run(f"{sample.day}", publishes=True)
    extracts = Extracts(profile.landing, home / "cache")
    client = TestClient(Dashboard(profile, extracts).app(), base_url="http://127.0.0.1")
    return Shown(sample, profile, client, extracts.of(sample.city, sample.day))


def said(page: bytes) -> str:
    """The text of a page, without marks and without what is nowhere shown."""
    text = re.sub(r"(?s)<(style|script)\b.*?</\1>|<[^>]+>", " ", page.decode())
    return " ".join(unescape(text).split())


def text_of(pdf: bytes) -> str:
    return " ".join(" ".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages).split())


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def check_says_nothing_of(shown: Shown, text: str) -> None:
    """No word of what is not published, but in the sentence that says so."""
    said = text.replace(published_by(shown.sample.city).lacking, "")
    assert "arrest" not in shown.lacks() or "0.0%" not in said
    for column in shown.lacks():
        assert not (found := re.findall(f"(?i).{{0,60}}(?:{WORDS[column]}).{{0,40}}", said)), (column, found)


def choices(shown: Shown) -> list[dict[str, str]]:
    places: list[dict[str, str]] = [{}, {"district": shown.sample.district}]
    return [
        {**place, "period": period, "offense_class": offense_class}
        for place in places
        for period in ("28d", "365d", "all")
        for offense_class in ("all", "violent")
    ]


def test_no_page_says_a_word_of_what_is_not_published(shown: Shown) -> None:
    for query in choices(shown):
        text = said(shown.get("/", **query))
        assert published_by(shown.sample.city).lacking in text
        assert "by FBI code" not in text
        check_says_nothing_of(shown, text)
    assert "by NIBRS code" in said(shown.get("/"))


def test_there_are_figures(shown: Shown) -> None:
    classes = {row["offense_class"]: row for row in rows_of(shown.get("/table/classes.csv", period="all"))}
    counts = {name: int(row["crimes"] or 0) for name, row in classes.items()}
    assert counts["all"] == shown.extract.about.crimes > 900
    assert counts["all"] == sum(counts.values()) - counts["all"], "those of no class are one of the rows"
    assert min(counts["violent"], counts["property"]) > 50
    assert len(rows_of(shown.get("/table/areas.csv", period="all"))) > 5
    # One day, all that there is of New York, is no trend.
    assert rows_of(shown.get("/table/trend.csv", period="365d")) or shown.sample.city == "new_york"


def test_figures_stand_beside_the_licence(shown: Shown) -> None:
    licence = cities.get(shown.sample.city).licence
    assert licence in said(shown.get("/"))
    briefing = shown.profile.landing.read(keys.briefing(shown.sample.city, shown.sample.day, "html"))
    assert briefing is not None
    assert licence in said(briefing)


def test_pages_say_how_many_records_are_of_no_class(shown: Shown) -> None:
    known = "SELECT count(*) AS n FROM places WHERE period = 'all' AND offense_class = 'unmapped'"
    (row,) = shown.extract.ask(known, {}).to_pylist()
    assert ("of no known class" in said(shown.get("/", period="all"))) == (row["n"] > 0)


def test_no_file_has_a_column_of_what_is_not_published(shown: Shown) -> None:
    published = published_by(shown.sample.city)
    for query in choices(shown):
        for name in TABLES:
            answer = shown.client.get(f"/table/{name}.csv", params={"city": shown.sample.city, **query})
            if not published.has(TABLES[name].made_of):
                assert answer.status_code == 404, name
                continue
            head = answer.text.splitlines()[0]
            assert answer.status_code == 200, name
            assert not [column for column in published.left_out(MADE_OF) if f'"{column}"' in head], (name, head)
            parquet = pq.read_schema(io.BytesIO(shown.get(f"/table/{name}.parquet", **query)))
            assert [f'"{column}"' for column in parquet.names] == head.split(",")
    for insight in insights_of(shown.profile.city):
        head = shown.get(f"/table/{insight.name}.csv").decode().splitlines()[0]
        assert not [column for column in insight.left_out if f'"{column}"' in head], insight.name


def test_tables_are_listed_as_they_are(shown: Shown) -> None:
    page = shown.get("/tables").decode()
    assert "FBI code" not in page
    assert "arrest" not in shown.lacks() or "arrest" not in page
    names = set(re.findall(r"/table/([a-z_]+)[.]csv", page))
    made = {insight.name for insight in insights_of(shown.profile.city)}
    assert names == made | {name for name in TABLES if published_by(shown.sample.city).has(TABLES[name].made_of)}


def test_maps_show_what_is_published(shown: Shown) -> None:
    published = published_by(shown.sample.city)
    levels = {"district", *({"beat"} if published.has("beat") else ())}
    figures = json.loads(shown.get("/map/figures.json"))
    assert {level["level"] for level in figures["levels"]} == levels
    form = shown.get("/").decode()
    for level in ("district", "beat", "community_area", "hotspots"):
        is_there = level in levels or (level == "hotspots" and published.makes("hotspots"))
        assert (f'<option value="{level}"' in form) == is_there, level
        answer = shown.client.get("/", params={"city": shown.sample.city, "map": level})
        assert answer.status_code == (200 if is_there else 404), level
    check_says_nothing_of(shown, shown.get("/picture/map.svg", period="all").decode())
    assert json.loads(shown.get("/map/hotspots.json"))["cells"] == [] or published.makes("hotspots")


def test_two_days_beside_each_other_have_nothing_of_it(shown: Shown) -> None:
    figures = Figures(shown.extract, Choice(shown.sample.city, shown.sample.day, period="all"), 5)
    found = compared(figures, figures)
    names = [pair.name for table in found.values() for pair in table.pairs]
    assert len(names) > 10
    check_says_nothing_of(shown, " ".join(name for name in names if name not in categories(figures)))


def categories(figures: Figures) -> set[str]:
    """The city's own words for offenses: they may be any."""
    return {str(name) for name in figures.table("types").column("primary_type").to_pylist()}


def test_the_extract_has_nothing_instead_of_zero(shown: Shown) -> None:
    published, tables = published_by(shown.sample.city), shown.extract.tables()
    assert ({"blocks", "cells"} <= tables) == published.has("block")
    assert bool({"blocks", "cells"} & tables) == published.has("block")
    (row,) = shown.extract.ask(
        "SELECT count(arrests) > 0 AS arrest, count(domestic_crimes) > 0 AS domestic, count(beat) > 0 AS beat,"
        " count(community_area) > 0 AS community_area FROM places",
        {},
    ).to_pylist()
    assert row == {column: published.has(column) for column in row}


def test_the_view_says_no_word_of_it(shown: Shown) -> None:
    check_says_nothing_of(shown, text_of(shown.get("/view.pdf", period="all")))


def test_the_briefing_says_no_word_of_it(shown: Shown) -> None:
    sample = shown.sample
    kinds = ("html", "pdf")
    html, pdf = (shown.profile.landing.read(keys.briefing(sample.city, sample.day, kind)) or b"" for kind in kinds)
    for text in (said(html), text_of(pdf)):
        assert published_by(sample.city).lacking in text
        check_says_nothing_of(shown, text)


def test_no_check_judges_what_is_not_published(shown: Shown) -> None:
    found = {one.check: one for one in quality.latest(shown.profile.landing, shown.sample.city)}
    assert not re.search("uniquenibrno|dayofweek|pdid", found["source_schema"].sentence)
    sentence = found["codes_valid"].sentence
    assert not [name for name in ("bad_iucr", "no_fbi_code") if name in sentence], sentence
    assert "bad_beat" not in sentence or published_by(shown.sample.city).has("beat")
    assert "of no known class" in sentence
    if "arrest" in shown.lacks():
        assert found["clearance_rate"].sentence.endswith("does not publish arrests: there is nothing to compare.")


def test_only_initial_reports_of_san_francisco_are_counted(shown: Shown) -> None:
    """Supplements are rows of `crimes`, and of no figure."""
    if shown.sample.city != "san_francisco":
        return
    with gzip.open(shown.profile.settings.export, "rt", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["Report Type Description"].endswith("Initial")]
    assert shown.extract.about.crimes == len(rows) == 10_292
    by_district = Counter(row["Police District"].upper() for row in rows)
    whole = {
        insight.name: rows_of(shown.get(f"/table/{insight.name}.csv")) for insight in insights_of(shown.profile.city)
    }
    assert len(whole) == 9
    by_class = {"compstat", "region_magnitude"}
    for name in whole.keys() - {"crime_by_district", "monthly_trends", "top_crime_types", *by_class}:
        of_all = [row for row in whole[name] if row["period"] == "all"]
        assert sum(int(row["crimes"] or 0) for row in of_all) == len(rows), name
    stored = shown.profile.engine.query(
        "SELECT district, crimes FROM insight_crime_by_district WHERE period = 'all' AND district IS NOT NULL"
    ).rows
    assert dict(stored) == dict(by_district)
    for table in ("insight_monthly_trends", "insight_top_crime_types"):
        (found,) = shown.profile.engine.query(f"SELECT sum(crimes) FROM {table} WHERE period = 'all'").rows
        assert found == (len(rows),), table
    assert shown.profile.engine.query("SELECT count(*) FROM crimes").rows == [(11_884,)]
    assert "not their supplements" in said(shown.get("/"))


def test_severity_is_that_of_the_rows(shown: Shown) -> None:
    """Each row's code by the tables of codes, each code's weight by sql/parts/severity.sql, in plain Python."""
    severity, crimes = Counter[str | None](), Counter[str | None]()
    with gzip.open(shown.profile.settings.export, "rt", encoding="utf-8-sig", newline="") as file:
        # Of San Francisco, initial reports are counted.
        counted = (row for row in csv.DictReader(file) if row.get("Report Type Description", "Initial") in INITIAL)
        for area, code in map(CODED[shown.sample.city], counted):
            crimes[area] += 1
            severity[area] += NIBRS_WEIGHTS.get(code.nibrs_code, 0) if code else 0
    stored = shown.profile.engine.query(
        "SELECT district, crimes, severity FROM insight_region_magnitude WHERE period = 'all' AND offense_class = 'all'"
    ).rows
    assert {area: (count, round(1000 * weight)) for area, count, weight in stored} == {
        area: (crimes[area], severity[area]) for area in crimes
    }
    assert len(stored) > 9
    assert "never between cities" in said(shown.get("/tables"))
