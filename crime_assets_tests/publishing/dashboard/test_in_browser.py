"""The dashboard in a real browser: what a person sees, changes, takes away and shares."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pyarrow.parquet as pq
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from crime_assets.profiles import Profile
from crime_assets.publishing import quality
from crime_assets.publishing.quality import Said
from crime_assets_tests.build import export_profile, sample_profile
from crime_assets_tests.graph import Graph
from crime_assets_tests.publishing.dashboard.city import DAY, HOSTILE_BLOCK, LONG_BLOCK, write_city
from crime_assets_tests.publishing.dashboard.serving import NO_BROWSER, chromium, served

pytestmark = [pytest.mark.slow, NO_BROWSER]
IN_28_DAYS = f"occurred_on BETWEEN DATE '{DAY}' - 35 AND DATE '{DAY}' - 8"
"""The last complete day is eight days before."""


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """A lake with one change day, run as the graph runs it."""
    place = tmp_path_factory.mktemp("dashboard")
    found = export_profile(place / "lake", write_city(place / "crimes.csv"))
    found.begin(DAY)
    graph = Graph(found)
    graph.load()
    graph.run(f"{DAY}", publishes=True)
    return found


@pytest.fixture(scope="module")
def address(profile: Profile, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(profile, tmp_path_factory.mktemp("cache")) as found:
        yield found


@pytest.fixture(scope="module")
def browser(address: str) -> Iterator[Browser]:
    """One that starts after the lake was made: its event loop would be in the way of Dagster's."""
    with chromium() as found:
        yield found


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page on which nothing may go wrong."""
    found = browser.new_page(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    said: list[str] = []
    found.on("console", lambda message: said.append(message.text))
    found.on("pageerror", lambda error: said.append(str(error)))
    found.on("requestfailed", lambda request: said.append(f"failed: {request.url}"))
    yield found
    found.close()
    assert said == []


def count(profile: Profile, where: str = "TRUE") -> int:
    ((found,),) = profile.engine.query(f"SELECT count(*) FROM crimes WHERE {where}", as_of=f"{DAY}").rows
    return int(str(found))


def shown(page: Page, what: str) -> str:
    """A key figure."""
    return page.locator(".numbers div").filter(has=page.get_by_text(what, exact=True)).locator("strong").inner_text()


def cells(page: Page, table: str, row: str) -> list[str]:
    """The texts of a table's row."""
    found = page.locator(f"#table-{table} tbody tr").filter(has=page.get_by_role("rowheader", name=row, exact=True))
    return found.locator("td").all_inner_texts()


def violations(page: Page) -> list[str]:
    return [f"{found['id']}: {found['nodes'][0]['html']}" for found in Axe().run(page).response["violations"]]


def test_the_page_says_what_it_shows_and_how_fresh_it_is(page: Page, address: str, profile: Profile) -> None:
    page.goto(address)
    expect(page).to_have_title("Chicago crime, all offenses, the whole city, 28 days from 2023-12-27 to 2024-01-23")
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "All offenses, the whole city, 28 days from 2023-12-27 to 2024-01-23"
    )
    expect(page.locator(".state")).to_contain_text(
        "Known up to 2024-01-31. The newest crime occurred on 2024-01-23", use_inner_text=True
    )
    assert shown(page, "Crimes") == f"{count(profile, IN_28_DAYS):,}"
    assert shown(page, "Violent") == f"{count(profile, f'is_violent AND {IN_28_DAYS}')}"
    assert shown(page, "Property") == f"{count(profile, f'is_property AND {IN_28_DAYS}')}"
    for title in ("Districts", "What changed", "Trend", "Hour and weekday", "Offense categories"):
        expect(page.get_by_role("heading", name=title, level=2)).to_be_visible()
    assert page.locator("#panel-changes .days").inner_text() == (
        "28 days from 2023-12-27 and the year from 2024-01-01, both to 2024-01-23"
    )
    assert page.locator("#panel-types .days").inner_text() == "28 days from 2023-12-27 to 2024-01-23"


def test_no_column_of_what_changed_is_cut_off_on_a_desk(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(address)
    table = page.locator("#panel-changes .scroll")
    assert table.evaluate("region => region.scrollWidth <= region.clientWidth")
    assert table.get_by_role("columnheader").last.inner_text() == "Five years"


@pytest.mark.parametrize("chosen", ["", "&offense_class=violent", "&district=011"])
def test_cards_and_the_table_of_changes_never_disagree(page: Page, address: str, chosen: str) -> None:
    page.goto(f"{address}/?day={DAY}{chosen}")
    rows = page.locator("#table-changes tbody tr")
    all_of_it = rows.filter(has=page.get_by_role("rowheader", name=re.compile("^(All districts|All offenses)$")))
    assert all_of_it.locator("td").first.inner_text() == shown(page, "Crimes")


def test_a_filter_changes_figures_and_address(page: Page, address: str, profile: Profile) -> None:
    page.goto(address)
    page.locator("#district").select_option("011")
    expect(page.get_by_role("heading", level=1)).to_contain_text("district 011")
    page.locator("#offense_class").select_option("property")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Property index crime, district 011")
    page.locator("#period").select_option("365d")
    expect(page.get_by_role("heading", level=1)).to_contain_text("365 days")
    where = f"is_property AND district = '011' AND occurred_on BETWEEN DATE '{DAY}' - 372 AND DATE '{DAY}' - 8"
    assert shown(page, "Crimes") == f"{count(profile, where)}"
    chosen = parse_qs(urlsplit(page.url).query)
    assert chosen["district"] == ["011"]
    assert chosen["offense_class"] == ["property"]
    assert chosen["period"] == ["365d"]


def test_an_address_shared_is_a_page_shared(page: Page, browser: Browser, address: str) -> None:
    page.goto(address)
    page.locator("#district").select_option("016")
    expect(page.get_by_role("heading", level=1)).to_contain_text("district 016")
    other = browser.new_page()
    other.goto(page.url)
    for part in ("h1", ".state", ".numbers", ".panels"):
        assert other.locator(part).inner_text() == page.locator(part).inner_text()
    other.close()
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_contain_text("the whole city")
    page.go_forward()
    expect(page.get_by_role("heading", level=1)).to_contain_text("district 016")


def test_the_way_from_the_city_to_a_block(page: Page, address: str, profile: Profile) -> None:
    page.goto(address)
    page.locator("#panel-changes").get_by_role("link", name="011", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("district 011")
    assert page.evaluate("document.activeElement.tagName") == "H1"
    page.locator("#panel-map summary").click()
    page.locator("#table-areas").get_by_role("link", name="1112", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("beat 1112")
    assert page.get_by_role("navigation", name="Where you are").inner_text().split("\n")[-1] == "Beat 1112"
    found = profile.engine.query(
        f"SELECT block, count(*) AS crimes FROM crimes WHERE beat = '1112' AND {IN_28_DAYS} GROUP BY block "
        "ORDER BY crimes DESC, block LIMIT 1",
        as_of=f"{DAY}",
    ).rows[0]
    first = page.locator("#table-blocks tbody tr").first
    assert first.locator("th").inner_text() == str(found[0])
    assert first.locator("td").first.inner_text() == f"{found[1]}"
    page.get_by_role("link", name="City", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("the whole city")


def test_a_district_of_the_map_leads_on(page: Page, address: str) -> None:
    page.goto(address)
    page.locator("#panel-map").get_by_role("link", name=re.compile("^District 001: ")).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("district 001")


@pytest.mark.parametrize("kind", ["Districts", "Community areas", "Beats", "Hot spots"])
def test_every_map_is_drawn_with_a_legend(page: Page, address: str, kind: str) -> None:
    page.goto(address)
    page.locator("#map").select_option(label=kind)
    expect(page.locator("#map")).to_have_value(
        {"Districts": "district", "Hot spots": "hotspots"}.get(kind, re.compile(".+"))
    )
    expect(page.locator("#panel-map h2")).to_have_text(re.compile(f"^{kind}"))
    picture = page.locator("#panel-map svg")
    expect(picture).to_contain_text("not shown")
    assert picture.locator("path").count() >= 3


def test_compstat_is_what_a_query_says(page: Page, address: str, profile: Profile) -> None:
    page.goto(address)
    rows = profile.engine.query(
        "SELECT crimes, crimes_before, change, before_basis FROM insight_compstat "
        f"WHERE as_of_day = DATE '{DAY}' AND period = '28d' AND offense_class = 'all' AND district = '011'"
    ).rows
    crimes, before, change, basis = rows[0]
    about = "about " if basis == "estimated" else ""
    assert cells(page, "changes", "011")[:3] == [f"{crimes}", f"{about}{before}", f"{change:+}"]


def test_tables_and_pictures_can_be_taken_away(page: Page, address: str, profile: Profile) -> None:
    page.goto(f"{address}/?district=011&map=beat")
    panel = page.locator("#panel-types")

    def taken(kind: str) -> bytes:
        with page.expect_download() as download:
            panel.get_by_role("link", name=re.compile(f"^{kind}")).click()
        assert download.value.suggested_filename.startswith("chicago-2024-01-31-types-district-011.")
        return Path(download.value.path()).read_bytes()

    rows = list(csv.DictReader(io.StringIO(taken("CSV").decode())))
    where = f"district = '011' AND primary_type = 'THEFT' AND {IN_28_DAYS}"
    assert {row["primary_type"]: row["crimes"] for row in rows}["THEFT"] == f"{count(profile, where)}"
    parquet = pq.read_table(io.BytesIO(taken("Parquet"))).to_pylist()
    assert [row["primary_type"] for row in parquet] == [row["primary_type"] for row in rows]
    assert taken("SVG").startswith(b"<svg ")
    assert taken("PNG").startswith(b"\x89PNG")


def test_every_table_of_the_lake_is_listed_and_can_be_taken_away(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_role("link", name="All tables").click()
    listed = page.locator("h3 code").all_inner_texts()
    assert len(listed) == 19
    assert "insight_compstat" in listed
    links = [link.get_attribute("href") for link in page.get_by_role("link", name=re.compile("^CSV")).all()]
    for link in links:
        answer = page.request.get(f"{address}{link}")
        assert answer.ok, link
        assert "hidden" in answer.text().splitlines()[0]
    assert violations(page) == []


def test_one_class_is_not_all_less_the_others(page: Page, address: str) -> None:
    """Whoever asks for every class of a table learns no count that is hidden in one of them."""
    page.goto(address)
    found: dict[str, dict[str, list[int | None]]] = {}
    for offense_class in ("all", "violent", "property", "other"):
        query = f"map=beat&period=28d&offense_class={offense_class}"
        for row in csv.DictReader(io.StringIO(page.request.get(f"{address}/table/areas.csv?{query}").text())):
            for name in ("crimes", "arrests", "domestic_crimes"):
                cell = found.setdefault(row["area"], {}).setdefault(name, [])
                cell.append(int(row[name]) if row[name] else None)
    hidden = [classes.count(None) for area in found.values() for classes in area.values()]
    assert any(hidden)
    assert 1 not in hidden


def test_small_numbers_are_not_shown(page: Page, address: str) -> None:
    page.goto(f"{address}/?district=016&map=beat")
    answer = page.request.get(f"{address}/table/hours.csv?district=016")
    counts = [row["crimes"] for row in csv.DictReader(io.StringIO(answer.text()))]
    assert counts
    assert all(found == "" or int(found) >= 5 for found in counts)
    expect(page.locator("#panel-hours svg")).to_contain_text("not shown")


def test_a_text_of_the_feed_stays_a_text(page: Page, address: str) -> None:
    page.goto(f"{address}/?district=011&map=beat&period=365d")
    blocks = page.locator("#table-blocks tbody th")
    expect(blocks.get_by_text(HOSTILE_BLOCK, exact=True)).to_be_visible()
    expect(page).not_to_have_title("broken")
    answer = page.request.get(f"{address}/table/blocks.csv?period=365d")
    assert any(row["block"].startswith("'=HYPERLINK") for row in csv.DictReader(io.StringIO(answer.text())))


def test_a_very_long_block_does_not_widen_a_phone(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(f"{address}/?district=011&beat=1111&map=beat&period=365d")
    expect(page.get_by_text(LONG_BLOCK.strip(), exact=True).first).to_be_attached()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("query", ["", "?district=011&map=beat", "?map=hotspots&period=365d"])
def test_nothing_keeps_anybody_out(page: Page, address: str, query: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"{address}/{query}")
    for summary in page.locator("summary").all():
        summary.click()
    assert violations(page) == []


def test_all_can_be_done_from_the_keyboard(page: Page, address: str) -> None:
    page.goto(address)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the figures"
    page.locator("#period").focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("heading", level=1)).to_contain_text("365 days")
    assert page.evaluate("document.activeElement.id") == "period"


def test_without_scripts_the_form_works(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    page.locator("#district").select_option("001")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("district 001")
    context.close()


def test_a_failing_check_stands_on_top(page: Page, address: str, profile: Profile) -> None:
    before = quality.latest(profile.landing, "chicago")
    wrong = Said("one_row_per_id", False, True, "3 ids stand twice.", "2024-02-01T12:00:00+00:00")
    quality.keep(profile.landing, "chicago", "crimes", [wrong])
    try:
        page.goto(address)
        expect(page.locator(".state.wrong")).to_contain_text("one_row_per_id (blocks new figures): 3 ids stand twice.")
        assert violations(page) == []
    finally:
        quality.keep(profile.landing, "chicago", "crimes", before)


def test_an_empty_lake_says_what_to_do(page: Page, tmp_path: Path) -> None:
    with served(sample_profile(tmp_path / "lake"), tmp_path / "cache") as address:
        page.goto(address)
        expect(page.get_by_role("heading", level=1)).to_have_text("No figures yet")
        expect(page.locator("main")).to_contain_text("make run")
        assert violations(page) == []


@pytest.mark.parametrize("kind", ["html", "pdf"])
def test_the_briefing_is_a_link_away(page: Page, address: str, kind: str) -> None:
    page.goto(address)
    link = page.get_by_role("link", name="Briefing as PDF" if kind == "pdf" else "Briefing", exact=True)
    answer = page.request.get(f"{address}{link.get_attribute('href')}")
    assert answer.ok
    if kind == "html":
        link.click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("what changed")
        assert page.locator("header").evaluate("found => getComputedStyle(found).color") == "rgb(255, 255, 255)"
