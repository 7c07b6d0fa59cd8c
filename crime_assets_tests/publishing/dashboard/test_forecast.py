"""The page of forecasts: what it says is what the files hold, and nobody sees of it what is not to be seen."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from html import unescape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from crime_assets.analysis.forecasts.verdicts import gain_of
from crime_assets.core import keys
from crime_assets.lakehouse.writing.forecasts import SCORES, read
from crime_assets.profiles import Profile
from crime_assets.publishing.charts.scales import SEQUENTIAL
from crime_assets.publishing.dashboard.app import Dashboard
from crime_assets.publishing.dashboard.forecast_page import ForecastPages
from crime_assets.publishing.forecasts import About, Forecasts
from crime_assets.publishing.reading import Extract, Extracts
from crime_assets_tests.publishing.dashboard.forecasts_shown import city_with_forecasts, city_without_forecasts
from crime_assets_tests.publishing.forecasts_made import SENTENCE, SUNDAY

SVG = "{http://www.w3.org/2000/svg}"
CELL = re.compile("89[0-9a-f]{13}")
Row = Mapping[str, str]


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    return city_with_forecasts(tmp_path_factory.mktemp("forecasts") / "lake")


@pytest.fixture(scope="module")
def client(profile: Profile) -> TestClient:
    return asking(profile)


def asking(profile: Profile, **part: Any) -> TestClient:
    dashboard = Dashboard(profile, Extracts(profile.landing, profile.settings.home / "cache" / "extracts"), **part)
    return TestClient(dashboard.app(), base_url="http://127.0.0.1")


def said(page: str) -> str:
    """What people read, without the explanations of words."""
    page = re.sub(r'(?s)<span class="tip".*?</span>', "", page)
    text = re.sub(r"(?s)<(style|script|svg|form)\b.*?</\1>|<[^>]+>", " ", page)
    return re.sub(r" ([,.:;)])", r"\1", " ".join(unescape(text).split()))


def table(page: str, name: str) -> list[dict[str, str]]:
    """A table of the page: head → text of the cell."""
    (found,) = re.findall(rf'(?s)<table id="table-{name}".*?</table>', page)
    found = re.sub(r'(?s)<span class="tip".*?</span>', "", found)
    rows = [
        [" ".join(unescape(re.sub("<[^>]+>", " ", cell)).split()) for cell in re.findall(r"(?s)<t[hd].*?</t[hd]>", row)]
        for row in re.findall(r"(?s)<tr.*?</tr>", found.replace("<thead", "<x").replace("</thead", "</x"))
    ]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def file(client: TestClient, name: str, query: str = "") -> list[Row]:
    answer = client.get(f"/forecast/{name}.csv{query}")
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(answer.text)))


def scores(profile: Profile, target: str = "burglary", horizon: int = 28) -> list[dict[str, Any]]:
    """Rows of the lake."""
    rows: list[dict[str, Any]] = read(profile.lake, profile.city, SCORES).to_pylist()
    return [row for row in rows if (row["target"], row["horizon"]) == (target, horizon)]


def hits(profile: Profile, method: str, share: float = 2.0) -> np.ndarray:
    return np.array([row["hits"] for row in scores(profile) if (row["method"], row["share"]) == (method, share)])


def test_the_headline_says_what_is_expected_and_whether_a_model_is_better(client: TestClient) -> None:
    page = client.get("/forecast").text
    (total,) = [row for row in file(client, "totals") if (row["target"], row["horizon"]) == ("burglary", "28")]
    expected = f"{float(total['expected']):.0f}"
    assert f"<h1>Burglary: {expected} records expected from 2024-01-29 to 2024-02-25</h1>" in page
    text = said(page)
    assert f"Verdict: {SENTENCE}" in text
    assert f"hold what comes: {total['low_80']} to {total['high_80']}; 95 of 100: {total['low_95']} to" in text
    assert "Known up to 2024-01-20, the last complete day." in text
    assert "about 91 % of the records were known" in text
    assert "in the whole city it is 41 % long run, 22 % last year, 9 % last weeks, 12 % nearby, 8 % season" in text


def test_the_list_is_the_file_and_each_place_has_its_count(client: TestClient) -> None:
    listed = table(client.get("/forecast?share=2").text, "cells")
    rows = [row for row in file(client, "cells", "?share=2") if row["flagged"] in ("1", "2")]
    assert len(rows) == 15
    assert [one["Cell"] for one in listed] == [row["cell"] for row in rows]
    assert [one["Place"] for one in listed] == [str(number) for number in range(1, 16)]
    assert [float(one["Expected"]) for one in listed] == [float(row["expected"]) for row in rows]
    assert [one["80 %"] for one in listed] == [f"{row['low_80']} to {row['high_80']}" for row in rows]
    for one, row in zip(listed, rows, strict=True):
        assert one["Counting says"] == f"{float(row['expected_decayed']):g}, place {row['place_counting']}"
    assert listed[2]["Trend"] == "emerging"
    assert listed[0]["Comes from"] == "40 % long run, 20 % last year"


def test_a_list_by_the_best_count_says_so_once(client: TestClient) -> None:
    page = client.get("/forecast?days=7").text
    assert list(table(page, "cells")[0]) == ["Place", "Expected", "80 %", "95 %", "Cell", "Community area", "Trend"]
    assert "The 15 cells are those of the best count: decayed counts." in said(page)
    assert "All of them come from decayed counts." in said(page)


def test_a_page_shows_thirty_rows_and_the_file_has_all(client: TestClient) -> None:
    page = client.get("/forecast?share=5").text
    assert len(table(page, "cells")) == 30
    assert "The first 30 rows; the files have all of them." in page
    assert len([row for row in file(client, "cells", "?share=5") if row["flagged"]]) == 37


@pytest.mark.parametrize("share", [1, 2, 5])
@pytest.mark.parametrize("target", ["burglary", "index"])
def test_no_cell_is_anywhere_that_is_on_neither_list(client: TestClient, target: str, share: int) -> None:
    query = f"?target={target}&share={share}"
    rows = file(client, "cells", query)
    on_list = {row["cell"] for row in rows if row["flagged"] and int(row["flagged"]) <= share}
    counted = {row["cell"] for row in rows if int(row["place_counting"]) <= len(on_list)}
    assert {row["cell"] for row in rows} == on_list | counted
    assert len(on_list) == {1: 8, 2: 15, 5: 37}[share]
    assert set(CELL.findall(client.get(f"/forecast{query}").text)) <= on_list | counted
    assert set(CELL.findall(client.get(f"/forecast/map.svg{query}").text)) == on_list


def test_the_map_fills_cells_by_what_is_expected_and_outlines_those_of_counting(client: TestClient) -> None:
    rows = {row["cell"]: row for row in file(client, "cells", "?target=robbery&share=5")}
    svg = client.get("/forecast/map.svg?target=robbery&share=5").text
    drawn = [one for one in ElementTree.fromstring(svg).iter(f"{SVG}path") if one.find(f"{SVG}title") is not None]
    assert len(drawn) == 37
    for one in drawn:
        title = one.findtext(f"{SVG}title") or ""
        row = rows[CELL.findall(title)[0]]
        assert title.startswith(f"Place {row['place']}, ")
        assert title.endswith(f": {float(row['expected']):g}")
        assert one.get("fill") in SEQUENTIAL
        is_outlined = one.get("stroke") == "#1f2933"
        assert is_outlined == (int(row["place_counting"]) <= 37), row
    assert "over " in svg
    # Of a week, the list is that of the best count: all would be outlined.
    assert 'stroke="#1f2933"' not in client.get("/forecast/map.svg?target=robbery&days=7").text


def test_the_map_can_be_taken_away_as_a_picture_with_its_title(client: TestClient) -> None:
    answer = client.get("/forecast/map.png?target=index&days=7&share=1")
    assert answer.content.startswith(b"\x89PNG")
    name = "chicago-2024-01-28-forecast-map-index-7-days-1-percent.png"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    svg = client.get("/forecast/map.svg").text
    assert "Not for decisions about" in svg


@pytest.mark.parametrize("name", ["cells", "areas", "totals", "scores", "exposure"])
def test_both_kinds_of_file_hold_the_same(client: TestClient, name: str) -> None:
    rows = file(client, name, "?target=robbery&days=7")
    answer = client.get(f"/forecast/{name}.parquet?target=robbery&days=7")
    found = pq.read_table(io.BytesIO(answer.content))
    assert found.num_rows == len(rows) > 0
    assert found.column_names == list(rows[0])
    assert not {"records_365d", "records_all"} & set(found.column_names)
    if name != "totals":
        assert {(row["target"], row["horizon"]) for row in rows} == {("robbery", "7")}


def test_small_numbers_are_neither_on_the_page_nor_in_files(client: TestClient, profile: Profile) -> None:
    key = ("target", "horizon", "area")
    lake = {tuple(row[n] for n in key): row for row in read(profile.lake, profile.city, "forecast_areas").to_pylist()}
    few = 0
    for target in ("burglary", "robbery"):
        query = f"?target={target}&days=7"
        shown = {row["Community area"]: row for row in table(client.get(f"/forecast{query}").text, "areas")}
        for row in file(client, "areas", query):
            for name, head in (("records_28d", "Last 28 complete days"), ("records_last_year", "Same days last year")):
                count = lake[target, 7, row["area"]][name]
                if 0 < count < 5:
                    few += 1
                    assert row[name] == ""
                assert shown[row["area"]][head] == (row[name] or "not shown")
    assert few > 3


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("target=theft", "theft"),
        ("days=28.0", "28.0"),
        ("days=-7", "-7"),
        ("share=3", "3"),
        ("share=%EF%BC%92", "\uff12"),
        ("day=2024-01-21", "2024-01-21"),
        ("day=<script>", "<script>"),
    ],
)
def test_what_cannot_be_chosen_is_refused_with_a_sentence(client: TestClient, query: str, value: str) -> None:
    for address in ("/forecast", "/forecast/cells.csv", "/forecast/map.svg"):
        answer = client.get(f"{address}?{query}")
        assert answer.status_code == 404
        assert f"'{value}' here: choose another." in unescape(answer.text)
        assert "<script>" not in answer.text


@pytest.mark.parametrize(
    "address", ["/forecast/rounds.csv", "/forecast/about.parquet", "/forecast/cells.xlsx", "/forecast/map.pdf"]
)
def test_other_tables_and_kinds_are_refused(client: TestClient, address: str) -> None:
    assert client.get(address).status_code == 404


def test_gains_are_those_by_which_a_verdict_is_reached(client: TestClient, profile: Profile) -> None:
    page = client.get("/forecast?share=5").text
    count = hits(profile, "decayed", 5.0)
    gain = gain_of(("burglary", 28), hits(profile, "mixture", 5.0), count)
    low, high = gain.interval()
    assert f"The mixture: {gain.gain:+.1%} ({low:+.1%} to {high:+.1%})" in page
    assert "0 = decayed counts" in page


def test_a_gain_is_said_in_crimes(client: TestClient, profile: Profile) -> None:
    model, count = hits(profile, "mixture"), hits(profile, "decayed")
    assert (
        f"In crimes: {(model - count).mean():.1f} more in the whole city in 28 days. On the average of 26 windows, "
        f"decayed counts found {count.mean():.1f} burglaries in 2 % of the area, and the mixture {model.mean():.1f}."
    ) in said(client.get("/forecast").text)


def test_methods_stand_beside_each_other_at_all_shares(client: TestClient, profile: Profile) -> None:
    shown = {row["Method"]: row for row in table(client.get("/forecast").text, "methods")}
    assert len(shown) == 7
    rows = [row for row in scores(profile) if row["method"] == "kde"]
    pai = " / ".join(
        f"{np.mean([row['pai'] for row in rows if row['share'] == share]):.2f}" for share in (1.0, 2.0, 5.0)
    )
    assert shown["Smoothed counts"]["PAI"] == pai
    assert shown["Smoothed counts"]["Windows"] == "26"
    assert "Rows with other numbers" not in client.get("/forecast").text


def test_all_windows_are_shown_and_the_worst_is_among_them(client: TestClient, profile: Profile) -> None:
    page = client.get("/forecast").text
    shown = table(page, "windows")
    rows = [row for row in scores(profile) if (row["method"], row["share"]) == ("mixture", 2.0)]
    assert {one["As of"]: one["Came"] for one in shown} == {str(row["as_of_day"]): str(row["crimes"]) for row in rows}
    worst = max(rows, key=lambda row: abs(row["level_error"]))
    (line,) = [one for one in shown if one["As of"] == str(worst["as_of_day"])]
    assert line["Said over came"] == f"{worst['level_error']:+.0%}".replace("%", " %")
    assert f"{worst['as_of_day']}, came: {worst['crimes']}" in page


def test_numbers_in_caveats_are_worked_out_from_the_rows(client: TestClient, profile: Profile) -> None:
    text = said(client.get("/forecast?share=5").text)
    rows = [row for row in scores(profile) if (row["method"], row["share"]) == ("mixture", 5.0)]
    found, crimes = sum(row["hits"] for row in rows), sum(row["crimes"] for row in rows)
    each = found / (37 * len(rows))
    assert f"{100 * (1 - found / crimes):.0f} of 100 burglaries of finished windows happened outside the 5 %" in text
    assert f"a marked cell had {each:.2g} burglaries in 28 days" in text
    assert f"at least {int(100 * (1 - each / 28))} of 100 days there is none in it" in text


def test_exposure_stands_beside_residents_and_records(client: TestClient) -> None:
    page = client.get("/forecast").text
    shown = table(page, "exposure")
    rows = {row["area"]: row for row in file(client, "exposure")}
    assert sum(int(one["Cells on the list"]) for one in shown) == 15
    for one in shown:
        row = rows[one["Community area"]]
        assert one["Of the list"] == f"{float(row['share_flagged']):.1%}".replace("%", " %")
        assert one["Of the residents"] == f"{float(row['share_residents']):.1%}".replace("%", " %")
        assert one["List over residents"] == f"{float(row['ratio_residents']):.1f} times"
    assert "twice its share of the year's records: 3 % of the finds lost" in said(page)


def test_residents_that_are_not_known_have_no_column(changed: Changed) -> None:
    def change(tables: dict[str, pa.Table]) -> None:
        nothing: list[object] = [None] * tables["exposure"].num_rows
        for name in ("share_residents", "ratio_residents"):
            tables["exposure"] = with_column(tables["exposure"], name, nothing)

    page = changed(change)
    assert not [head for head in table(page, "exposure")[0] if "residents" in head]
    assert "of the residents" not in said(page)


def test_words_are_explained_and_ids_are_unique(client: TestClient) -> None:
    page = client.get("/forecast").text
    for word in (
        "expected",
        "interval",
        "verdict",
        "forecast",
        "baseline",
        "pai",
        "pei",
        "rri",
        "replayed",
        "exposure",
    ):
        assert re.search(rf'role="tooltip" id="[a-z0-9-]*{word}"', page), word
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_there_is_a_link_only_where_there_is_a_file(client: TestClient, tmp_path: Path) -> None:
    assert '<a href="/forecast">Forecasts</a>' in client.get("/").text
    without = asking(city_without_forecasts(tmp_path / "lake"))
    assert "/forecast" not in without.get("/").text
    answer = without.get("/forecast")
    assert answer.status_code == 404
    assert "There are no forecasts here yet" in answer.text


class Part:
    """What a scope sees."""

    def briefings(self, extract: Extract) -> frozenset[str]:
        return frozenset()

    def briefing(self, extract: Extract, kind: str) -> bytes:
        raise AssertionError


def test_who_sees_a_part_of_the_city_has_neither_link_nor_page(profile: Profile) -> None:
    scoped = asking(profile, viewer="district 001", part=Part())
    assert "/forecast" not in scoped.get("/").text
    for address in ("/forecast", "/forecast/cells.csv", "/forecast/map.svg"):
        assert scoped.get(address).status_code == 404
        assert "Burglary" not in scoped.get(address).text


@pytest.mark.slow
def test_nothing_of_it_is_loaded_where_there_is_no_file(tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from starlette.testclient import TestClient
from crime_assets.profiles import Profile, Settings
from crime_assets.publishing.dashboard.app import Dashboard
from crime_assets.publishing.reading import Extracts
profile = Profile(Settings(home=Path({str(tmp_path)!r})))
app = Dashboard(profile, Extracts(profile.landing, profile.settings.home / "cache")).app()
assert TestClient(app, base_url="http://127.0.0.1").get("/forecast").status_code == 404
print([name for name in sys.modules if "forecast" in name])
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout == "['crime_assets.publishing.dashboard.forecast']\n"


def test_a_damaged_file_is_said_in_a_sentence(profile: Profile) -> None:
    key = keys.forecast("chicago", SUNDAY - timedelta(days=7))
    profile.landing.write(key, b"no database")
    try:
        answer = asking(profile).get("/forecast?day=2024-01-21")
    finally:
        profile.landing.delete(key)
    assert answer.status_code == 503
    assert "materialize forecast_pages for that day again" in answer.text


class OneFile:
    """A file with other tables than it has, and the shelf that it is on."""

    def __init__(self, about: About, tables: Mapping[str, pa.Table]) -> None:
        self.about = about
        self._tables = tables

    def days(self, city: str) -> list[date]:
        return [self.about.as_of_day]

    def of(self, city: str, day: date) -> OneFile:
        return self

    def tables(self, threshold: int) -> Mapping[str, pa.Table]:
        return self._tables


Changed = Callable[[Callable[[dict[str, pa.Table]], None]], str]


@pytest.fixture
def changed(profile: Profile, tmp_path: Path) -> Changed:
    """The page of the same file after a change of its tables."""

    def page(change: Callable[[dict[str, pa.Table]], None]) -> str:
        whole = Forecasts(profile.landing, tmp_path / "cache").of("chicago", SUNDAY)
        tables = dict(whole.tables(5))
        change(tables)
        shelf: Any = OneFile(replace(whole.about, has_boundaries=False), tables)
        pages = ForecastPages("chicago", shelf, Profile(profile.settings).landing, 5, "")
        return TestClient(Starlette(routes=[Route("/forecast", pages.page)])).get("/forecast").text

    return page


def with_column(table: pa.Table, name: str, values: list[object]) -> pa.Table:
    place = table.schema.get_field_index(name)
    return table.set_column(place, table.schema.field(place), pa.array(values, table.schema.field(place).type))


def test_the_page_of_a_small_lake_reads_well(changed: Changed) -> None:
    """No model, no finished window, and no record of any place."""
    sentence = "No model: only 2 finished windows, at least 8 are needed. Counting is shown."

    def change(tables: dict[str, pa.Table]) -> None:
        count = tables["totals"].num_rows
        for name, value in {
            "sentence": sentence,
            "candidate": None,
            "method": "365d",
            "best_count": "365d",
            "known_share": None,
            "expected": 0.0,
            "models": "",
            "from_long_run": None,
            "trained_windows": 0,
        }.items():
            tables["totals"] = with_column(tables["totals"], name, [value] * count)
        for name in ("cells", "areas", "exposure", "scores", "rounds"):
            tables[name] = tables[name].slice(0, 0)

    text = said(changed(change))
    assert f"Verdict: {sentence}" in text
    assert "Burglary: 0 records expected" in text
    assert "there is no list" in text
    assert "intervals" not in text.split("Where most")[0].lower() or "are wide guesses" in text
    assert "hold what comes" not in text
    assert "0 finished windows: at least 8 are needed" in text
    assert "No window of this forecast is finished" in text
    assert "All of it is memory" in text
    assert "there were too few for it" in text
    assert "In crimes" not in text
    assert "None" not in text
    assert "nan" not in text.lower().split()


def test_what_is_hidden_of_a_listed_cell_is_not_shown(changed: Changed) -> None:
    """Nor its places, which would stand without their count."""

    def change(tables: dict[str, pa.Table]) -> None:
        cells = tables["cells"]
        for name in ("expected", "low_80", "high_80", "low_95", "high_95"):
            values = zip(cells[name].to_pylist(), cells["place"].to_pylist(), strict=True)
            cells = with_column(cells, name, [None if place in (4, 9) else value for value, place in values])
        for name in ("expected_decayed", "from_season"):
            cells = with_column(cells, name, [None] * cells.num_rows)
        tables["cells"] = cells

    page = changed(change)
    assert len(table(page, "cells")) == 13
    assert {row["Counting says"] for row in table(page, "cells")} == {"not shown"}
    assert {row["Comes from"] for row in table(page, "cells")} == {"not shown"}
    assert "Of 2 of them the expected count is not shown" in said(page)
    assert len(re.findall("<title>Cell 89[0-9a-f]{13}, community area [0-9]+, expected: not shown</title>", page)) == 2
    text = said(page)
    assert "had 1.7 burglaries" in text
    assert "None" not in text


def test_cells_whose_count_is_not_shown_come_last_in_an_order_that_does_not_tell_it(changed: Changed) -> None:
    def change(tables: dict[str, pa.Table]) -> None:
        for name in ("expected", "low_80", "high_80", "low_95", "high_95", "place"):
            tables["cells"] = with_column(tables["cells"], name, [None] * tables["cells"].num_rows)

    page = changed(change)
    (drawn,) = [one for one in re.findall(r"(?s)<svg.*?</svg>", page) if "expected in each marked cell" in one[:900]]
    titles = re.findall("<title>(.*?89[0-9a-f]{13}.*?)</title>", drawn)
    cells = [CELL.findall(title)[0] for title in titles]
    assert len(cells) == 15
    assert cells == sorted(cells)
    assert not any("Place" in title for title in titles)


def test_cells_that_a_cap_left_out_of_this_list_are_counted_though_a_longer_one_has_them(changed: Changed) -> None:
    def change(tables: dict[str, pa.Table]) -> None:
        cells = tables["cells"]
        found = zip(cells["place"].to_pylist(), cells["flagged"].to_pylist(), strict=True)
        tables["cells"] = with_column(cells, "flagged", [{3: 5, 16: 2}.get(place, share) for place, share in found])

    assert "1 cell is left out because their community area has as many as it may have." in said(changed(change))


def test_windows_that_were_published_are_marked_apart_and_take_the_place_of_replays(changed: Changed) -> None:
    def change(tables: dict[str, pa.Table]) -> None:
        rows = tables["scores"].to_pylist()
        newest = max(row["as_of_day"] for row in rows if row["horizon"] == 28)
        published = [{**row, "basis": "published", "crimes": 4321} for row in rows if row["as_of_day"] == newest]
        other = [{**row, "area_id": "another", "as_of_day": newest + timedelta(days=7)} for row in published]
        tables["scores"] = pa.Table.from_pylist([*published, *rows, *other], tables["scores"].schema)

    page = changed(change)
    shown = table(page, "windows")
    assert len(shown) == 26
    assert shown[0]["Came"] == "4,321"
    assert shown[0]["Was"].startswith("published, ")
    assert shown[1]["Was"].startswith("replayed, ")
    assert "26 finished windows, the bad ones too; 25 of them are replayed." in said(page)
    (picture,) = [one for one in re.findall(r"(?s)<svg.*?</svg>", page) if "and what came" in one[:400]]
    dots = list(ElementTree.fromstring(picture).iter(f"{SVG}circle"))
    assert [dot.get("fill") == dot.get("stroke") for dot in dots] == ([False] * 25 + [True]) * 2
    assert "The city's boundaries were not fetched" not in said(page)


def test_a_cell_that_fades_is_said_with_what_counting_says(changed: Changed) -> None:
    def change(tables: dict[str, pa.Table]) -> None:
        cells = tables["cells"]
        rows = zip(*(cells[name].to_pylist() for name in ("target", "horizon", "place")), strict=True)
        tables["cells"] = with_column(
            cells, "trend", ["fading" if row == ("burglary", 28, 1) else None for row in rows]
        )

    page = changed(change)
    first = table(page, "cells")[0]
    assert first["Trend"] == "fading"
    sentence = f"Cell {first['Cell']} in community area {first['Community area']} is high by counts but fading"
    assert sentence in said(page)
    assert f"{first['Expected']} expected, place 1; decayed counts: {first['Counting says']}." in said(page)


def test_a_model_with_few_windows_is_not_compared(changed: Changed) -> None:
    def change(tables: dict[str, pa.Table]) -> None:
        rows = tables["scores"].to_pylist()
        newest = sorted({row["as_of_day"] for row in rows if row["horizon"] == 28})[-7:]
        kept = [row for row in rows if row["method"] != "mixture" or row["as_of_day"] in newest]
        tables["scores"] = pa.Table.from_pylist(kept, tables["scores"].schema)

    text = said(changed(change))
    assert "Rows with other numbers of windows are of other windows" in text
    assert "In crimes" not in text
    assert "for each 100" not in text


def test_squares_stand_apart_where_they_were_scored(changed: Changed) -> None:
    def change(tables: dict[str, pa.Table]) -> None:
        rows = [row for row in tables["scores"].to_pylist() if row["share"] == 2 and row["horizon"] == 28]
        squares = [{**row, "grid": "nij-600ft", "share": 0.105, "cells": 19, "pai": 12.5} for row in rows]
        tables["scores"] = pa.concat_tables([tables["scores"], pa.Table.from_pylist(squares, tables["scores"].schema)])

    page = changed(change)
    assert "how often intervals held what came" in page
    assert len(table(page, "windows")) == 26
    found = {row["Method"]: row for row in table(page, "squares")}
    assert (found["All history"]["PAI"], found["All history"]["Squares"]) == ("12.50", "19")


def test_intervals_that_nobody_judged_have_no_picture(changed: Changed) -> None:
    def change(tables: dict[str, pa.Table]) -> None:
        scored = tables["scores"]
        for name in [name for name in scored.column_names if name.startswith("coverage_")]:
            scored = with_column(scored, name, [None] * scored.num_rows)
        tables["scores"] = scored

    page = changed(change)
    assert "No interval of these windows was judged" in page
    assert "how often intervals held what came" not in page
