"""The briefing of a small city: its page in a browser without a network, its PDF, and the asset that makes both."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from xml.etree import ElementTree

import dagster as dg
import pytest
import typst
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from pypdf import PdfReader

from crime_assets.core import keys
from crime_assets.core.errors import CrimeAssetsError
from crime_assets.profiles import Profile
from crime_assets.publishing import quality
from crime_assets.publishing.briefing.contents import contents_of
from crime_assets.publishing.briefing.tables import tables_of
from crime_assets.publishing.briefing.writing import days_to_write, write_briefing
from crime_assets.publishing.charts.svg import INK
from crime_assets.publishing.extract import KEPT_DAYS
from crime_assets.publishing.forecasts import write
from crime_assets.publishing.quality import Said
from crime_assets.publishing.reading import Extract, Extracts
from crime_assets_tests.build import export_profile, kept, record, sample_profile, write_export
from crime_assets_tests.graph import QUIET, Graph, day_tags
from crime_assets_tests.publishing.dashboard.serving import NO_BROWSER, chromium
from crime_assets_tests.publishing.forecasts_made import SUNDAY, put

pytestmark = pytest.mark.slow

DAY = date(2024, 1, 31)
LAST_COMPLETE = DAY - timedelta(days=8)
HOSTILE_BLOCK = "0X <SCRIPT>ALERT(1)</SCRIPT> *B* $X$ [1](2) #PANIC()"
ODD = "\U0001f697\x07\x9b\ufeff\u4e2d\uff1d\u0378\ue000\ufffe\U0010ffff"
"""Signs that no font has, that XML does not know, or that are nothing to be seen."""
ODD_BLOCK = f"1X {ODD} ST"
HOSTILE_SENTENCE = "<img src=http://127.0.0.1:9/x.png> #panic() {{ 7 * 7 }} & so on"
RARE = "025"
"""A district with three crimes."""
_KINDS = (("THEFT", "06", "0820"), ("BATTERY", "08B", "0486"), ("BATTERY", "04B", "041A"), ("ROBBERY", "03", "031A"))


@dataclass(frozen=True)
class Lake:
    """A lake, its graph, and the extract of its one as-of day."""

    profile: Profile
    graph: Graph
    extract: Extract

    def briefing(self, kind: str) -> bytes:
        found = self.profile.landing.read(keys.briefing("chicago", DAY, kind))
        assert found is not None
        return found

    def write(self, threshold: int = 5) -> None:
        write_briefing(self.profile.landing, self.extract, threshold)


def lake_of(place: Path) -> Lake:
    """The lake of an export, run as the graph runs it."""
    profile = export_profile(place / "lake", place / "crimes.csv")
    profile.begin(DAY)
    graph = Graph(profile)
    graph.load()
    graph.run(f"{DAY}", publishes=True)
    return Lake(profile, graph, Extracts(profile.landing, place / "cache").of("chicago", DAY))


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A steady city, with series of burglaries on blocks of hostile names, and hardly any crime in one district."""
    place = tmp_path_factory.mktemp("briefing")
    chance = random.Random(5)
    steady = [_steady_crime(chance, number) for number in range(3_000)]
    burglary = {"primary_type": "BURGLARY", "fbi_code": "05", "iucr": "0610", "block": HOSTILE_BLOCK}
    rare = {"district": RARE, "beat": "2511", "community_area": "19", "latitude": "41.93", "longitude": "-87.78"}
    planted = [_crime(5_000 + n, n, beat="1111", district="011", **burglary) for n in range(12)]
    planted += [_crime(6_000 + n, n, **rare) for n in range(3)]
    odd = {**burglary, "block": ODD_BLOCK, "latitude": "41.95"}
    planted += [_crime(7_000 + n, n, beat="1112", district="011", **odd) for n in range(9)]
    write_export(place / "crimes.csv", [*steady, *planted])
    return lake_of(place)


def _steady_crime(chance: random.Random, number: int) -> dict[str, object]:
    """A crime of any day of sixteen months, most of them known for long."""
    district = chance.choice(("001", "011", "016"))
    spot, (kind, fbi_code, iucr) = chance.randrange(6), chance.choice(_KINDS)
    return _crime(
        number,
        chance.randrange(480),
        primary_type=kind,
        fbi_code=fbi_code,
        iucr=iucr,
        district=district,
        beat=f"{district[1:]}1{spot % 2}",
        block=f"{chance.randrange(200):03}XX W LAKE ST",
        community_area=str(20 + spot),
        arrest=chance.random() < 0.2,
        latitude=f"{41.80 + spot * 0.01 + chance.randrange(8) * 0.002:.9f}",
        longitude=f"{-87.70 + spot * 0.012:.9f}",
    )


def _crime(number: int, days: int, **fields: object) -> dict[str, object]:
    """A crime so many days before the last complete one, published eight days later."""
    occurred = LAST_COMPLETE - timedelta(days=days)
    return record(number, f"{occurred + timedelta(days=8)}", f"{occurred}", **fields)


@pytest.fixture(scope="module")
def lonely(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A city with one crime."""
    place = tmp_path_factory.mktemp("lonely")
    write_export(place / "crimes.csv", [_crime(1, 0)])
    return lake_of(place)


@pytest.fixture(scope="module")
def browser(lake: Lake, lonely: Lake) -> Iterator[Browser]:
    """One that starts after the lakes were made: its event loop would be in the way of Dagster's."""
    with chromium() as found:
        yield found


@pytest.fixture
def page(browser: Browser, lake: Lake, tmp_path: Path) -> Iterator[Page]:
    """The page, opened from a file where there is no network, and nothing may go wrong on it."""
    lake.write()
    path = tmp_path / "briefing.html"
    path.write_bytes(lake.briefing("html"))
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900})
    found = context.new_page()
    said: list[str] = []
    found.on("console", lambda message: said.append(message.text))
    found.on("pageerror", lambda error: said.append(str(error)))
    found.on("request", lambda request: said.append(f"asked for {request.url}"))
    found.goto(path.as_uri())
    yield found
    context.close()
    assert said == [f"asked for {path.as_uri()}"]


def pdf_text(lake: Lake) -> str:
    """The words of the PDF, each apart from the next by one space."""
    return " ".join(
        " ".join(found.extract_text() for found in PdfReader(io.BytesIO(lake.briefing("pdf"))).pages).split()
    )


def count(lake: Lake, where: str) -> int:
    """Crimes of the 28 complete days."""
    days = f"occurred_on BETWEEN DATE '{LAST_COMPLETE}' - 27 AND DATE '{LAST_COMPLETE}'"
    ((found,),) = lake.profile.engine.query(
        f"SELECT count(*) FROM crimes WHERE {days} AND {where}", as_of=f"{DAY}"
    ).rows
    return int(str(found))


def row_of(page: Page, table: str, name: str) -> dict[str, str]:
    """A table's row, by the names of its columns."""
    found = page.get_by_role("table", name=table, exact=True)
    head = found.locator("thead th").all_inner_texts()
    row = found.locator("tbody tr").filter(has=page.get_by_role("rowheader", name=name, exact=True))
    return dict(zip(head[1:], row.locator("td").all_inner_texts(), strict=True))


@NO_BROWSER
def test_the_page_says_of_when_it_is(page: Page) -> None:
    assert page.title() == "Chicago crime: what changed, 2024-01-31"
    assert page.get_by_role("heading", level=1).inner_text() == "Chicago crime: what changed, as of 2024-01-31"
    assert re.search(
        "2024-01-23 is the last complete day: about [0-9]+% of its records are known, as far as can be told. 28 days "
        "means those that end on it.",
        page.locator("header").inner_text(),
    )
    assert "nothing yet of 2024-01-25 to 2024-01-31" in page.locator("main").inner_text()


@NO_BROWSER
def test_the_page_may_run_and_fetch_nothing_but_its_own_style(page: Page) -> None:
    policy = page.locator("meta[http-equiv=Content-Security-Policy]").get_attribute("content")
    assert re.fullmatch(
        "default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='; base-uri 'none'; form-action 'none'", policy or ""
    )
    assert page.evaluate("getComputedStyle(document.querySelector('header')).backgroundColor") == "rgb(31, 47, 84)"
    assert page.locator("script, link, img, iframe, a[href]").count() == 0


@NO_BROWSER
def test_the_numbers_are_those_of_a_query(page: Page, lake: Lake) -> None:
    assert row_of(page, "Districts", "011")["28 days"] == str(count(lake, "district = '011'"))
    assert row_of(page, "The city, by class", "Violent index crime")["28 days"] == f"{count(lake, 'is_violent')}"
    figures = page.locator(".numbers div")
    shown = dict(zip(figures.locator("dt").all_inner_texts(), figures.locator("strong").all_inner_texts(), strict=True))
    assert shown["All offenses"] == f"{count(lake, 'TRUE')}"
    assert shown["Property index crime"] == f"{count(lake, 'is_property')}"
    ((share,),) = lake.profile.engine.query(
        "SELECT avg(CAST(arrest AS DOUBLE)) FROM crimes "
        f"WHERE occurred_on BETWEEN DATE '{DAY}' - 372 AND DATE '{DAY}' - 8",
        as_of=f"{DAY}",
    ).rows
    assert shown["Arrest recorded"] == f"{share:.1%}"


@NO_BROWSER
def test_changes_stand_in_page_and_pdf_alike_and_texts_of_the_feed_stay_texts(page: Page, lake: Lake) -> None:
    changes = page.locator(".changes li").all_inner_texts()
    series = [text for text in changes if text.startswith("A series of burglary: ")]
    assert f"{HOSTILE_BLOCK} (beat 1111)" in series[0]
    assert "12 records on 12 days from 2024-01-12 to 2024-01-23" in series[0]
    assert f"{ODD_BLOCK} (beat 1112)" in series[1]
    text = pdf_text(lake)
    for number, change in enumerate(changes, 1):
        drawn = re.sub(f"[{ODD}]", "\ufffd", " ".join(change.split()))
        assert f"{number}. {drawn}" in text
    assert " ".join(page.locator(".closing").inner_text().split()) in text


@NO_BROWSER
def test_hidden_numbers_are_nowhere(page: Page, lake: Lake) -> None:
    assert count(lake, f"district = '{RARE}'") == 3
    row = row_of(page, "Districts", RARE)
    assert (row["28 days"], row["Year to date"]) == ("not shown", "not shown")
    hidden = [name for name in ("001", "011", "016") if row_of(page, "Districts", name)["28 days"] == "not shown"]
    assert len(hidden) == 1, "the total would give the hidden count away"
    assert re.search(rf"{RARE} not shown", pdf_text(lake))


@NO_BROWSER
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_keeps_anybody_out_on_a_phone_or_a_screen(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 740})
    found = Axe().run(page).response["violations"]
    assert [f"{one['id']}: {one['nodes'][0]['html']}" for one in found] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@NO_BROWSER
def test_a_failing_check_stands_on_top_and_its_words_are_harmless(browser: Browser, lake: Lake, tmp_path: Path) -> None:
    landing = lake.profile.landing
    before = quality.latest(landing, "chicago")
    quality.keep(landing, "chicago", "crimes", [Said("codes_valid", False, False, HOSTILE_SENTENCE, "2024-02-01")])
    try:
        lake.write()
    finally:
        quality.keep(landing, "chicago", "crimes", before)
    path = tmp_path / "briefing.html"
    path.write_bytes(lake.briefing("html"))
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    assert page.locator(".alert").inner_text() == "1 of 30 checks fails: codes valid."
    assert page.locator(".failing").inner_text() == f"codes valid fails {HOSTILE_SENTENCE}"
    assert asked == [path.as_uri()]
    assert HOSTILE_SENTENCE in pdf_text(lake)
    page.close()


@pytest.mark.parametrize(("table", "threshold"), [("compstat", 5), ("early_warning", 5), ("series", 10)])
def test_no_table_of_a_briefing_has_a_small_number(lake: Lake, table: str, threshold: int) -> None:
    def smallest(threshold: int) -> int:
        return min(row["crimes"] for row in getattr(tables_of(lake.extract, [], threshold), table) if row["crimes"])

    assert smallest(0) < threshold
    assert smallest(threshold) >= threshold


def test_a_dark_edge_says_that_a_hot_cell_has_grown_and_districts_have_no_number(lake: Lake) -> None:
    (row,) = lake.extract.ask("SELECT min(cell) AS grown, max(cell) AS old FROM cells", {}).to_pylist()
    hot = {"offense_class": "all", "crimes": 9, "district": "011", "community_area": "25"}
    chances = {"year_local_crimes": 100, "city_share": 0.1, "looked_at": 1_000}
    cells = [{**hot, **chances, "cell": row["grown"], "local_crimes": 24}]
    cells += [{**hot, **chances, "cell": row["old"], "local_crimes": 23}]
    tables = replace(tables_of(lake.extract, [], 5), hot_cells=cells)
    svg = ElementTree.fromstring(contents_of(lake.extract, lake.profile.landing, tables, 5).map.svg)
    paths = [
        (path.findtext("{*}title"), path.get("stroke") == INK)
        for path in svg.iter("{http://www.w3.org/2000/svg}path")
        if path.find("{*}title") is not None
    ]
    assert paths == [(f"Hot cell {row['old']}: 9", False), (f"New or grown hot cell {row['grown']}: 9", True)]


def test_the_quality_says_since_when_what_passed_was_not_run(lake: Lake) -> None:
    def quality_of(*said: Said) -> str:
        found = replace(tables_of(lake.extract, said, 5), reporting_delay=[])
        return contents_of(lake.extract, lake.profile.landing, found, 5).quality[0]

    old = Said("codes_valid", True, False, "", "2024-01-05T12:00:00+00:00")
    new = Said("one_row_per_id", True, True, "", "2024-02-01T12:00:00+00:00")
    lost = Said("checks of crimes", False, False, "", "unknown")
    assert quality_of(new) == "All 1 checks passed when they were last run, on 2024-02-01: one row per id."
    assert quality_of(lost, new, old) == (
        "2 of 3 checks passed when they were last run, some as long ago as 2024-01-05: one row per id, codes valid."
    )
    assert quality_of(lost) == "0 of 1 checks passed when they were last run."


def test_an_earlier_count_says_how_it_is_known_and_what_is_hidden_is_not_a_dash(lake: Lake) -> None:
    found = tables_of(lake.extract, [], 5)
    (city,) = (
        row for row in found.compstat if (row["period"], row["district"], row["offense_class"]) == ("28d", "all", "all")
    )
    compared = {**city, "crimes": 90, "crimes_before": 1_044, "change": -954, "z_before": -45.6, "flag": 0}
    said = {}
    for basis in ("seen", "estimated", "unknown"):
        row = {**compared, "before_basis": basis, "crimes_before_low": 1_000, "crimes_before_high": 1_100}
        shown = contents_of(lake.extract, lake.profile.landing, replace(found, compstat=[row]), 5)
        said[basis] = (shown.compstat[0].rows[0][2].text, shown.numbers[0].note.partition(";")[0])
    assert said == {
        "seen": ("1,044", "-954 on the 28 days before"),
        "estimated": ("about 1,044", "-954 on the 28 days before"),
        "unknown": ("by now 1,044", "-954 on the 28 days before as known by now"),
    }
    hidden = {**city, **dict.fromkeys(("crimes", "change", "z_before")), "hidden": "crimes, change, z_before"}
    year = [{**row, "arrest_share": None, "hidden": "arrests, arrest_share"} for row in found.classes]
    shown = contents_of(lake.extract, lake.profile.landing, replace(found, compstat=[hidden], classes=year), 5)
    heads = dict(zip(shown.compstat[0].head, shown.compstat[0].rows[0], strict=True))
    assert [heads[name].text for name in ("28 days", "Change", "z")] == ["not shown"] * 3
    assert shown.numbers[-1].value == "not shown"


def test_the_pdf_has_a_title_tags_pages_and_the_day_it_is_of(lake: Lake) -> None:
    lake.write()
    found = PdfReader(io.BytesIO(lake.briefing("pdf")))
    assert found.metadata is not None
    assert found.metadata.title == "Chicago crime: what changed, as of 2024-01-31"
    assert found.metadata.creation_date is not None
    assert found.metadata.creation_date.date() == DAY
    assert found.trailer["/Root"]["/MarkInfo"]["/Marked"]
    assert found.trailer["/Root"]["/Lang"] == "en"
    assert f"page 1 of {len(found.pages)}" in found.pages[0].extract_text()
    assert round(float(found.pages[0].mediabox.width) / 72 * 25.4) == 210
    assert f"All offenses {count(lake, 'TRUE')}" in pdf_text(lake)


def test_the_same_lake_gives_the_same_bytes(lake: Lake) -> None:
    lake.write()
    made = lake.briefing("html"), lake.briefing("pdf")
    lake.write()
    assert (lake.briefing("html"), lake.briefing("pdf")) == made


def test_the_asset_says_what_it_tells_and_where(lake: Lake) -> None:
    metadata = lake.graph.materialized("daily_briefing")[f"{DAY}"]
    assert Path(str(metadata["html"].value)).read_bytes().startswith(b"<!doctype html>")
    assert Path(str(metadata["pdf"].value)).read_bytes().startswith(b"%PDF-")
    assert set(dict(metadata["bytes"].value)) == {"html", "pdf"}
    told = str(metadata["told"].value)
    assert "1. **" in told
    assert r"\<SCRIPT\>" in told
    assert "<SCRIPT>" not in told


def test_signs_that_cannot_be_drawn_cost_neither_the_pdf_nor_its_accessibility(lake: Lake) -> None:
    lake.write()
    assert ODD_BLOCK in lake.briefing("html").decode()
    assert f"1X {len(ODD) * chr(0xFFFD)} ST (beat 1112)" in pdf_text(lake)
    metadata = PdfReader(io.BytesIO(lake.briefing("pdf"))).xmp_metadata
    assert metadata is not None
    assert b"<pdfuaid:part>1<" in metadata.stream.get_data()


def run_alone(lake: Lake) -> dg.ExecuteInProcessResult:
    """A run of the asset, of which the lake's own records know nothing."""
    job = lake.graph.definitions.resolve_implicit_global_asset_job_def()
    subset = job.get_subset(asset_selection={dg.AssetKey("daily_briefing")})
    # Apart from the browser's event loop, which is in this thread.
    with ThreadPoolExecutor(1) as apart:
        return apart.submit(
            subset.execute_in_process,
            instance=dg.DagsterInstance.ephemeral(),
            tags=day_tags(f"{DAY}"),
            run_config=QUIET,
            raise_on_error=False,
        ).result()


def test_what_is_expected_stands_in_page_and_pdf_while_there_are_forecasts(lake: Lake, tmp_path: Path) -> None:
    assert run_alone(lake).success
    without = lake.briefing("html"), lake.briefing("pdf")
    assert b"What is expected" not in without[0]
    elsewhere = sample_profile(tmp_path / "lake")
    put(elsewhere)
    write(elsewhere, SUNDAY)
    content = elsewhere.landing.read(keys.forecast("chicago", SUNDAY))
    assert content is not None
    said = (
        "Burglary, next 28 days from 29 Jan, as of 28 Jan: 169 expected (133 to 205); the model finds 3.8% more than "
        "counting."
    )
    with kept(lake.profile, keys.forecast("chicago", SUNDAY), content):
        assert run_alone(lake).success
        page = lake.briefing("html").decode()
        assert f'<h2 id="expected">What is expected</h2>\n<p>{said}</p>\n</section>' in page
        assert f"What is expected {said}" in pdf_text(lake)
    assert run_alone(lake).success
    assert (lake.briefing("html"), lake.briefing("pdf")) == without


def test_where_no_pdf_can_be_made_the_page_stands_alone_and_the_run_goes_on(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> bytes:
        raise typst.TypstError("the ink is out")

    lake.write()
    lake.profile.landing.delete(keys.briefing("chicago", DAY, "html"))
    with monkeypatch.context() as patch:
        patch.setattr(typst, "compile", refuse)
        result = run_alone(lake)
    assert result.success
    assert lake.briefing("html").startswith(b"<!doctype html>")
    assert lake.profile.landing.read(keys.briefing("chicago", DAY, "pdf")) is None, "one of before would say otherwise"
    (made,) = result.asset_materializations_for_node("daily_briefing")
    assert made.metadata["pdf"].value == "The PDF cannot be made (the ink is out): read the HTML page instead."


def test_a_day_that_cannot_be_told_keeps_no_other_from_being_told(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.profile.landing.delete(keys.briefing("chicago", DAY, "html"))
    lacking = DAY - timedelta(days=1)
    monkeypatch.setattr("crime_assets.defs.assets.publishing.days_to_write", lambda *_: [lacking, DAY])
    result = run_alone(lake)
    assert not result.success
    (failure,) = result.filter_events(lambda event: event.is_step_failure)
    assert failure.step_failure_data.error is not None
    assert failure.step_failure_data.error.cause is not None
    assert failure.step_failure_data.error.cause.message.strip().endswith(
        "There is no new briefing of 2024-01-30. There is no extract of chicago for 2024-01-30: choose a day from the "
        "list."
    )
    assert lake.briefing("html").startswith(b"<!doctype html>")


def test_a_lake_with_one_crime_has_a_briefing(lonely: Lake) -> None:
    text = lonely.briefing("html").decode()
    assert "Too little is known yet to say what changed." in text
    assert ">not shown<" in text
    assert "The newest crime known occurred on 2024-01-23; 1 is known in all." in text
    assert "nothing yet of 2024-01-24 to 2024-01-31" in text
    assert "still expected" not in text
    assert "Too little is known yet to say what changed." in pdf_text(lonely)


def test_asked_days_are_made_and_later_ones_anew() -> None:
    first = date(2024, 1, 1)
    days = [first + timedelta(days=n) for n in range(4)]
    assert days_to_write([days[1]], days[::-1], days) == days[1:]
    assert days_to_write([days[3]], days, days) == [days[3]]
    assert days_to_write([days[3]], days, days[1:]) == [days[0], days[3]], "a day that has none"
    with pytest.raises(CrimeAssetsError, match="no extract of 2024-01-03: materialize dashboard_extract for it first"):
        days_to_write([days[1], days[2]], [days[0], days[1], days[3]], days)


def test_days_whose_extracts_were_forgotten_are_left_out() -> None:
    kept = [date(2024, 3, 1) + timedelta(days=n) for n in range(KEPT_DAYS)]
    assert days_to_write([date(2024, 2, 1), kept[0]], kept, kept) == kept
    with pytest.raises(CrimeAssetsError, match="no extract of 2024-02-01"):
        days_to_write([date(2024, 2, 1)], kept[1:], kept)
