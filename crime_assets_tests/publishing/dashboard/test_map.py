"""The map that can be zoomed: its data say no more than the tables, and where it cannot be drawn the picture stays."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from typing import Any
from urllib.request import urlopen

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect

from crime_assets.core.insights import all_insights
from crime_assets.profiles import Profile
from crime_assets.publishing.dashboard.map import KEPT, LIBRARY
from crime_assets.publishing.dashboard.polygons import polygons
from crime_assets.publishing.extract import write_extracts
from crime_assets_tests.build import export_profile
from crime_assets_tests.graph import Graph
from crime_assets_tests.publishing.dashboard.city import BEATS, DAY, write_city
from crime_assets_tests.publishing.dashboard.mapped import on_screen, write_boundaries
from crime_assets_tests.publishing.dashboard.serving import NO_BROWSER, chromium, served

pytestmark = pytest.mark.slow
_INSIGHTS = tuple(
    insight
    for insight in all_insights()
    if insight.name in ("compstat", "early_warning", "hotspots", "reporting_delay")
)
_WITHOUT_WEBGL = """
    const usual = HTMLCanvasElement.prototype.getContext;
    HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
      return kind.startsWith("webgl") ? null : usual.call(this, kind, ...more);
    };
"""


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """A lake with one change day, with what the map is made of."""
    place = tmp_path_factory.mktemp("map")
    found = export_profile(place / "lake", write_city(place / "crimes.csv"))
    found.begin(DAY)
    graph = Graph(found)
    graph.load()
    graph.run(
        f"{DAY}", only={"raw_crime_batches", "crime_deliveries", "crimes", *(insight.table for insight in _INSIGHTS)}
    )
    write_extracts(found.lake, found.landing, found.engine, found.city, _INSIGHTS, [DAY])
    write_boundaries(found)
    return found


@pytest.fixture(scope="module")
def address(profile: Profile, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(profile, tmp_path_factory.mktemp("cache")) as found:
        yield found


@pytest.fixture(scope="module")
def strict(profile: Profile, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same where counts below sixty are hidden, so that some areas are among them."""
    settings = replace(profile.settings, small_numbers=60)
    with served(Profile(settings, profile.clock), tmp_path_factory.mktemp("cache")) as found:
        yield found


@pytest.fixture(scope="module")
def browser(address: str) -> Iterator[Browser]:
    with chromium(draws_maps=True) as found:
        yield found


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A page on which nothing may go wrong, and which may ask nobody but the dashboard."""
    found = browser.new_page(viewport={"width": 1280, "height": 900})
    said: list[str] = []
    found.on("console", lambda message: said.append(message.text))
    found.on("pageerror", lambda error: said.append(str(error)))
    found.on("requestfailed", lambda request: said.append(f"failed: {request.url}"))
    found.on("request", lambda request: None if request.url.startswith(address) else said.append(request.url))
    yield found
    found.close()
    assert said == []


def opened(page: Page, address: str) -> Page:
    """The page with its map drawn."""
    page.goto(address)
    page.locator("#panel-map").scroll_into_view_if_needed()
    expect(page.locator("#live[data-ready]")).to_be_visible()
    return page


def scrolled(page: Page, down: int) -> None:
    page.evaluate("down => scrollTo(0, down)", down)
    page.wait_for_function("down => new Promise(done => requestAnimationFrame(() => done(scrollY === down)))", arg=down)


def in_a_large_city(page: Page) -> None:
    """Put a district far away, so that a beat is as small a part of the city as a real one is."""

    def with_another(route: Route) -> None:
        shapes = route.fetch().json()
        corners = [[-86.8, 42.6], [-86.7, 42.6], [-86.7, 42.7], [-86.8, 42.6]]
        geometry = {"type": "MultiPolygon", "coordinates": [[corners]]}
        properties = {"name": "099", "middle": corners[0]}
        shapes["features"].append({"type": "Feature", "properties": properties, "geometry": geometry})
        route.fulfill(json=shapes)

    page.route("**/map/shapes/district-*.json*", with_another)


def pointed_at(page: Page, name: str) -> tuple[float, float]:
    """Where on the screen the area is whose link in the picture has that name: the map shows it when it is focused."""
    page.locator("#panel-map .picture").get_by_role("link", name=re.compile(f"^{name}: ")).focus()
    expect(page.locator(".live-said strong")).to_have_text(name)
    left, top = page.locator(".live-said").evaluate("box => [parseFloat(box.style.left), parseFloat(box.style.top)]")
    view = page.locator(".live-view").bounding_box()
    assert view is not None
    return view["x"] + left - 14, view["y"] + top - 14


def asked(address: str, path: str) -> dict[str, Any]:
    with urlopen(f"{address}{path}") as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def rows(address: str, table: str, query: str) -> list[dict[str, str]]:
    with urlopen(f"{address}/table/{table}.csv?{query}") as answer:
        return list(csv.DictReader(io.TextIOWrapper(answer, "utf-8")))


def spoken(count: str) -> str:
    return f"{int(count):,} crime{'' if count == '1' else 's'}" if count else "not shown"


class TestData:
    @pytest.mark.parametrize("query", ["", "offense_class=violent", "district=011", "period=365d&offense_class=other"])
    def test_says_of_every_area_what_the_tables_say(self, strict: str, query: str) -> None:
        figures = asked(strict, f"/map/figures.json?{query}")
        assert isinstance(figures["levels"], list)
        too_few = 0
        for one in figures["levels"]:
            tabled = {
                row["area"]: spoken(row["crimes"]) for row in rows(strict, "areas", f"{query}&map={one['level']}")
            }
            shown = {name: area["said"] for name, area in one["areas"].items()}
            assert shown
            assert shown == {name: tabled.get(name, "0 crimes") for name in shown}
            hidden = {name for name, area in one["areas"].items() if area["fill"] == "hidden"}
            assert hidden == {name for name, said in shown.items() if said == "not shown"}
            too_few += len(hidden)
        assert too_few or "violent" not in query

    def test_areas_beside_hot_spots_are_pale_and_say_the_same(self, strict: str) -> None:
        usual, beside = (asked(strict, f"/map/figures.json?offense_class=violent{of}") for of in ("", "&map=hotspots"))
        for colored, pale in zip(usual["levels"], beside["levels"], strict=True):
            assert pale["key"] == []
            assert {name: set(area) for name, area in pale["areas"].items()} == {
                name: {"said", "change", "link"} for name in colored["areas"]
            }
            for name, area in pale["areas"].items():
                assert (area["said"], area["change"]) == (
                    colored["areas"][name]["said"],
                    colored["areas"][name]["change"],
                )

    def test_has_only_blocks_that_the_table_has(self, address: str) -> None:
        found = asked(address, "/map/blocks.json?district=011&period=28d")
        tabled = [row for row in rows(address, "blocks", "district=011&period=28d") if row["crimes"]]
        assert isinstance(found["blocks"], list)
        assert [[block[0].lstrip("="), f"{block[3]}"] for block in found["blocks"]] == [
            [row["block"].lstrip("'="), row["crimes"]] for row in tabled
        ]
        assert found["blocks"]
        assert all(block[3] >= 5 for block in found["blocks"])

    def test_legends_begin_with_the_smallest_count_that_is_shown(self, address: str) -> None:
        (district, *_) = asked(address, "/map/figures.json?period=365d")["levels"]
        least = min(
            int(row["crimes"]) for row in rows(address, "areas", "period=365d") if row["crimes"] not in ("", "0")
        )
        assert [said.partition("-")[0] for _, said in district["key"]][:2] == ["0", f"{least:,}"]
        assert district["key"][-1] == ["hidden", "not shown"]

    def test_links_are_those_of_the_page(self, address: str) -> None:
        district, _, beat = asked(address, "/map/figures.json")["levels"]
        assert district["areas"]["011"]["link"] == "/?city=chicago&day=2024-01-31&district=011&map=beat"
        assert beat["areas"]["1112"]["link"] == "/?city=chicago&day=2024-01-31&district=011&beat=1112&map=beat"

    @pytest.mark.parametrize("query", ["map=district", "map=beat", "map=beat&district=011", "map=community_area"])
    def test_table_picture_and_map_lead_to_the_same_pages(self, address: str, query: str) -> None:
        (one,) = (
            level
            for level in asked(address, f"/map/figures.json?{query}")["levels"]
            if f"map={level['level']}" in query
        )
        links = {name: area["link"] for name, area in one["areas"].items() if area["link"]}
        assert bool(links) == (one["level"] != "community_area")
        with urlopen(f"{address}/?{query}") as answer:
            said = answer.read().decode()
        table = said[said.index('id="table-areas"') :]
        tabled = dict(re.findall('<a href="([^"]+)">([0-9]+)</a>', table[: table.index("</table>")]))
        pictured = dict(re.findall(f'<a href="([^"]+)" aria-label="{one["singular"]} ([0-9]+): ', said))
        for found in (tabled, pictured):
            assert {name: unescape(link) for link, name in found.items()} == links

    def test_shapes_are_kept_by_the_browser_until_they_change(self, address: str) -> None:
        (district, *_) = asked(address, "/map/figures.json")["levels"]
        with urlopen(address + district["shapes"]) as answer:
            assert answer.headers["cache-control"] == KEPT
            shapes = json.load(answer)
        assert {one["properties"]["name"] for one in shapes["features"]} == set(BEATS)
        for file in ("maplibre-gl.mjs", "maplibre-gl-worker.mjs", "maplibre-gl.css", "LICENSE.txt"):
            with urlopen(f"{address}{LIBRARY}/{file}") as answer:
                assert answer.headers["cache-control"] == KEPT
        with urlopen(f"{address}/static/map.js") as answer:
            assert answer.headers["cache-control"] == "no-store"


@NO_BROWSER
class TestInABrowser:
    def test_pointing_says_what_the_tables_say(self, page: Page, address: str) -> None:
        opened(page, address)
        spot = pointed_at(page, "District 011")
        by_focus = page.locator(".live-said").inner_text()
        page.evaluate("document.activeElement.blur()")
        expect(page.locator(".live-said")).to_be_hidden()
        page.mouse.move(*spot)
        expect(page.locator(".live-said")).to_be_visible()
        assert page.locator(".live-said").inner_text() == by_focus
        page.locator("#panel-map summary").click()
        cells = page.locator("#table-areas tbody tr").filter(has_text="011").locator("td").all_inner_texts()
        change = page.locator("#table-changes tbody tr").filter(has_text="011").locator("td").nth(2).inner_text()
        assert [line for line in by_focus.splitlines() if line][:3] == [
            "District 011",
            f"{cells[0]} crimes",
            f"In 28 days: {change} against the 28 before.",
        ]
        assert "of the records of 2024-01-23 are known so far." in by_focus

    def test_zooming_shows_smaller_areas_and_then_blocks(self, page: Page, address: str) -> None:
        opened(page, address)
        shown, nearer = page.locator(".live-shown"), page.get_by_role("button", name="Zoom in")
        expect(shown).to_have_text("Shown: Districts")
        nearer.click()
        expect(shown).to_have_text("Shown: Community areas")
        nearer.click()
        expect(shown).to_have_text("Shown: Beats, hot spots")
        nearer.click(click_count=2)
        expect(shown).to_have_text("Shown: Beats, hot spots, blocks")
        expect(page.locator(".live-key")).to_contain_text(re.compile("not drawn: [0-9]+ that are not shown, 0 without"))
        page.get_by_role("button", name="All", exact=True).click()
        expect(shown).to_have_text("Shown: Districts")
        assert page.url.rstrip("/") == address

    def test_a_click_leads_on_like_the_links_and_back_leads_back(self, page: Page, address: str) -> None:
        opened(page, address)
        page.mouse.click(*pointed_at(page, "District 011"))
        expect(page.get_by_role("heading", level=1)).to_contain_text("district 011")
        assert page.url == f"{address}/?city=chicago&day=2024-01-31&district=011&map=beat"
        expect(page.locator("#live[data-ready]")).to_be_visible()
        expect(page.locator(".live-shown")).to_contain_text("Beats")
        page.mouse.click(*pointed_at(page, "Beat 1112"))
        expect(page.get_by_role("heading", level=1)).to_contain_text("beat 1112")
        page.go_back()
        page.go_back()
        expect(page.get_by_role("heading", level=1)).to_contain_text("the whole city")
        expect(page.locator("#live[data-ready]")).to_be_visible()
        expect(page.locator(".live-shown")).to_have_text("Shown: Districts")
        assert page.locator("canvas").count() == 1

    @pytest.mark.parametrize("query", ["district=011&beat=1112&map=beat", "district=011&beat=1112"])
    def test_a_shared_page_of_a_beat_has_its_map(self, page: Page, address: str, query: str) -> None:
        in_a_large_city(page)
        opened(page, f"{address}/?{query}")
        expect(page.locator(".live-shown")).to_have_text("Shown: Beats, hot spots, blocks")
        expect(page.locator(".live-key")).to_contain_text("not drawn: ")

    def test_other_figures_of_the_same_place_leave_the_map_where_it_is(self, page: Page, address: str) -> None:
        opened(page, address)
        page.get_by_role("button", name="Zoom in").click(click_count=2)
        expect(page.locator(".live-shown")).to_have_text("Shown: Beats, hot spots")
        page.locator("#period").select_option("365d")
        expect(page.get_by_role("heading", level=1)).to_contain_text("365 days")
        expect(page.locator("#live[data-ready]")).to_be_visible()
        expect(page.locator(".live-shown")).to_have_text("Shown: Beats, hot spots")
        page.locator("#district").select_option("016")
        expect(page.get_by_role("heading", level=1)).to_contain_text("district 016")
        expect(page.locator("#live[data-ready]")).to_be_visible()
        page.locator("#district").select_option("all")
        expect(page.locator(".live-shown")).to_have_text("Shown: Districts")

    def test_a_click_on_the_map_and_back_keep_the_place_on_the_page(self, page: Page, address: str) -> None:
        opened(page, address)
        spot = pointed_at(page, "District 011")
        down = int(page.evaluate("scrollY"))
        assert down > 100
        page.mouse.click(*spot)
        expect(page.get_by_role("heading", level=1)).to_contain_text("district 011")
        expect(page.locator("#live[data-ready]")).to_be_visible()
        assert page.evaluate("document.activeElement.tagName") == "H1"
        assert page.evaluate("scrollY") == pytest.approx(down, abs=40)
        scrolled(page, 1500)
        page.evaluate("document.querySelector('.crumbs a').click()")
        expect(page.get_by_role("heading", level=1)).to_contain_text("the whole city")
        assert page.evaluate("scrollY") < 300
        scrolled(page, 700)
        page.go_back()
        expect(page.get_by_role("heading", level=1)).to_contain_text("district 011")
        expect(page.locator("#live")).to_be_visible()
        assert page.evaluate("scrollY") == pytest.approx(1500, abs=40)
        page.go_forward()
        expect(page.get_by_role("heading", level=1)).to_contain_text("the whole city")
        expect(page.locator("#live")).to_be_visible()
        assert page.evaluate("scrollY") == pytest.approx(700, abs=40)

    def test_a_click_with_a_key_opens_another_tab(self, page: Page, address: str) -> None:
        opened(page, address)
        spot = pointed_at(page, "District 011")
        page.keyboard.down("Control")
        with page.context.expect_page() as other:
            page.mouse.click(*spot)
        page.keyboard.up("Control")
        expect(other.value.get_by_role("heading", level=1)).to_contain_text("district 011")
        assert page.url.rstrip("/") == address

    def test_nothing_is_said_about_the_picture_behind_the_map(self, page: Page, address: str) -> None:
        opened(page, address)
        expect(page.locator("#reading-map")).to_be_hidden()
        expect(page.locator("#reading-trend")).to_be_visible()
        expect(page.locator("#panel-map .picture")).to_have_attribute("aria-describedby", "live-help")

    def test_areas_beside_hot_spots_have_their_figures_and_lead_on(self, page: Page, address: str) -> None:
        opened(page, f"{address}/?map=hotspots")
        expect(page.locator("#live-help")).not_to_contain_text("blocks")
        page.locator("#panel-map .picture").get_by_role("link", name="District 011", exact=True).focus()
        said = page.locator(".live-said")
        expect(said.locator("strong")).to_have_text("District 011")
        (district, *_) = asked(address, "/map/figures.json")["levels"]
        expect(said).to_contain_text(district["areas"]["011"]["said"])
        expect(said).to_contain_text(district["areas"]["011"]["change"])
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_contain_text("district 011")

    @pytest.mark.parametrize("missing", ["blocks", "hotspots"])
    def test_what_cannot_be_loaded_is_left_out_and_said(self, browser: Browser, address: str, missing: str) -> None:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.route(f"**/map/{missing}.json*", lambda route: route.fulfill(status=503))
        in_a_large_city(page)
        opened(page, f"{address}/?district=011&beat=1112&map=beat")
        says = {"blocks": "those of 1 district could not be loaded", "hotspots": "Hot spots could not be loaded"}
        expect(page.locator(".live-key")).to_contain_text(says[missing])
        expect(page.locator("#live")).to_be_visible()
        assert wrong == []
        page.close()

    def test_a_map_that_the_browser_takes_away_comes_back(self, browser: Browser, address: str) -> None:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        opened(page, address)
        page.evaluate(
            "document.querySelector('canvas').getContext('webgl2').getExtension('WEBGL_lose_context').loseContext()"
        )
        expect(page.locator("#live")).to_be_hidden()
        expect(page.locator("#panel-map svg")).to_be_visible()
        box = page.locator("#panel-map .picture").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 100, box["y"] + 100)
        page.locator("#map").select_option("beat")
        expect(page.locator("#live[data-ready]")).to_be_visible()
        expect(page.locator(".live-shown")).to_contain_text("Beats")
        pointed_at(page, "Beat 1112")
        assert page.locator("canvas").count() == 1
        assert wrong == []
        page.close()

    def test_a_finger_is_told_before_it_is_led_on(self, browser: Browser, address: str) -> None:
        context = browser.new_context(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
        page = opened(context.new_page(), address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        view = page.locator(".live-view").bounding_box()
        assert view is not None
        page.touchscreen.tap(*on_screen("0111", *view.values()))
        link = page.locator(".live-said").get_by_role("link", name="To District 001")
        expect(link).to_be_visible()
        link.tap()
        expect(page.get_by_role("heading", level=1)).to_contain_text("district 001")
        context.close()

    @pytest.mark.parametrize("query", ["", "/?map=hotspots&period=365d", "/?district=011&beat=1112&map=beat"])
    def test_nothing_keeps_anybody_out(self, page: Page, address: str, query: str) -> None:
        opened(page, f"{address}{query}")
        found = Axe().run(page).response["violations"]
        assert [f"{one['id']}: {one['nodes'][0]['html']}" for one in found] == []
        canvas = page.locator("canvas")
        assert canvas.get_attribute("aria-label", timeout=1_000) == page.evaluate(
            "document.querySelector('canvas').getAttribute('aria-label')"
        )
        expect(canvas).to_have_attribute("aria-label", re.compile("^Map of crimes, "))
        expect(canvas).to_have_attribute("aria-describedby", "live-help")

    @pytest.mark.parametrize("without", ["scripts", "WebGL"])
    def test_the_picture_stays_where_no_map_can_be_drawn(self, browser: Browser, address: str, without: str) -> None:
        context = browser.new_context(java_script_enabled=without != "scripts")
        context.add_init_script(_WITHOUT_WEBGL)
        page = context.new_page()
        asked_for: list[str] = []
        page.on("request", lambda request: asked_for.append(request.url))
        page.goto(address, wait_until="networkidle")
        expect(page.locator("#panel-map svg")).to_be_visible()
        assert page.locator("#panel-map svg a").first.evaluate("link => link.getBoundingClientRect().width") > 20
        expect(page.locator("#live")).to_be_hidden()
        assert not any(LIBRARY in url or "/map/" in url for url in asked_for)
        context.close()

    def test_print_has_the_picture(self, page: Page, address: str) -> None:
        opened(page, address)
        picture = page.locator("#panel-map .picture")
        assert picture.evaluate("it => it.offsetWidth") == 1
        page.emulate_media(media="print")
        assert picture.evaluate("it => it.offsetWidth") > 300
        expect(page.locator("#live")).to_be_hidden()


def test_a_ring_within_a_ring_is_a_hole() -> None:
    def square(size: float) -> list[tuple[float, float]]:
        return [(-size, -size), (size, -size), (size, size), (-size, size)]

    city, lake, island = square(9), square(5), square(2)
    beside = [(x + 30, y) for x, y in city]
    assert polygons([island, lake, city, beside]) == [[island], [city, lake], [beside]]
