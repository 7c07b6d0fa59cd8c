"""The page of forecasts in a real browser: reached by a link, read by keys, whole on a phone and without scripts."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from crime_assets_tests.publishing.dashboard.forecasts_shown import city_with_forecasts
from crime_assets_tests.publishing.dashboard.serving import NO_BROWSER, chromium, served

pytestmark = [pytest.mark.slow, NO_BROWSER]

TABLES = ("cells", "methods", "windows", "exposure", "patrols")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    place = tmp_path_factory.mktemp("forecasts")
    with served(city_with_forecasts(place / "lake"), place / "cache") as found:
        yield found


@pytest.fixture(scope="module")
def browser(address: str) -> Iterator[Browser]:
    with chromium() as found:
        yield found


def violations(page: Page) -> list[str]:
    return [f"{found['id']}: {found['nodes'][0]['html']}" for found in Axe().run(page).response["violations"]]


def is_within(page: Page, table: str) -> bool:
    """Whether no column of a table is cut off."""
    region = page.locator(".scroll").filter(has=page.locator(f"#table-{table}"))
    found: bool = region.evaluate("region => region.scrollWidth <= region.clientWidth")
    return found


def test_a_person_reaches_reads_and_changes_it(browser: Browser, address: str) -> None:
    """One page for all of it: each new one takes a second."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    wrong: list[str] = []
    asked: set[str] = set()
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: asked.add(urlsplit(request.url).netloc))

    page.goto(address)
    page.get_by_role("link", name="Forecasts", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "Burglary: 169 records expected from 2024-01-29 to 2024-02-25"
    )
    assert violations(page) == []
    assert [table for table in TABLES if not is_within(page, table)] == []

    _reach_the_list_by_key(page)
    picture = page.locator("#panel-list .picture")
    picture.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#panel-list .reading")).to_contain_text("Place 1, cell ")

    page.locator("#target").select_option("index")
    page.locator("#days").select_option("90")
    page.get_by_role("button", name="Show").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("All index crime: ")
    assert "target=index&days=90" in page.url
    expect(page.locator(".verdict")).to_contain_text("Too few finished windows")

    page.set_viewport_size({"width": 390, "height": 844})
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    place, counted = (
        page.locator(f"#table-cells tbody tr:first-child {cell}").evaluate("cell => cell.getBoundingClientRect().top")
        for cell in ("th", "td:nth-child(2)")
    )
    # On a phone, too, nobody sees a place without its count.
    assert place < counted < place + 100

    assert wrong == []
    assert asked == {urlsplit(address).netloc}
    page.close()


def _reach_the_list_by_key(page: Page) -> None:
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.querySelector(':scope > #table-cells') !== null"):
            return
    raise AssertionError("The list was not reached by Tab.")


def test_the_page_is_whole_without_scripts(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/forecast?share=1")
    assert page.locator("#table-cells tbody tr").count() == 8
    assert page.locator(".picture svg").count() == 5
    assert page.locator(".reading:visible").count() == 0
    page.locator("#days").select_option("7")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("to 2024-02-04")
    context.close()
