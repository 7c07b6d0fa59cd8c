"""Reading the dashboard in a real browser, on a desk and on a phone: nothing is cut off, and words are explained."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from crime_assets.profiles import Profile
from crime_assets.publishing.glossary import WORDS
from crime_assets_tests.publishing.dashboard.city import DAY
from crime_assets_tests.publishing.dashboard.serving import NO_BROWSER, chromium, served
from crime_assets_tests.publishing.dashboard.two_days import lake_of_two_days

pytestmark = [pytest.mark.slow, NO_BROWSER]


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    return lake_of_two_days(tmp_path_factory.mktemp("two"))


@pytest.fixture(scope="module")
def address(profile: Profile, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(profile, tmp_path_factory.mktemp("cache")) as found:
        yield found


@pytest.fixture(scope="module")
def browser(address: str) -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A page on which nothing may go wrong, and that asks nobody but the dashboard."""
    found = browser.new_page(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    said: list[str] = []
    found.on("console", lambda message: said.append(message.text))
    found.on("pageerror", lambda error: said.append(str(error)))
    found.on("request", lambda asked: None if asked.url.startswith(address) else said.append(f"left: {asked.url}"))
    yield found
    found.close()
    assert said == []


def violations(page: Page) -> list[str]:
    return [f"{found['id']}: {found['nodes'][0]['html']}" for found in Axe().run(page).response["violations"]]


HEADS = [
    *("28 days", "28 before", "Change", "Meaning"),
    *("Year to date", "Last year", "Change to date", "Meaning to date", "Five years"),
]


@pytest.mark.parametrize("width", [360, 1280])
def test_what_changed_is_whole_at_every_width(page: Page, address: str, width: int) -> None:
    """No column is left out, none has to be scrolled to, and each value stands with its name."""
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(address)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    region = page.locator("#panel-changes .scroll")
    assert region.evaluate("region => region.scrollWidth <= region.clientWidth")
    for row in page.locator("#table-changes tbody tr").all():
        found = row.locator("td")
        assert found.evaluate_all("cells => cells.map(cell => cell.dataset.head)") == HEADS
        for cell in found.all():
            box = cell.bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
            assert cell.inner_text().strip()
            assert cell.evaluate("cell => cell.scrollWidth <= cell.clientWidth + 1")
    assert page.get_by_role("table", name="What changed").get_by_role("columnheader").count() == len(HEADS) + 1
    assert page.get_by_role("table", name="What changed").get_by_role("rowheader").count() == 4


def test_what_changed_says_in_words_what_its_file_says_in_figures(page: Page, address: str) -> None:
    page.goto(address)
    file = page.request.get(f"{address}/table/changes.csv").text()
    rows = {row["district"]: row for row in csv.DictReader(io.StringIO(file))}
    for district, row in rows.items():
        shown = page.locator("#table-changes tbody tr").filter(
            has=page.get_by_role("rowheader", name={"all": "All districts"}.get(district, district), exact=True)
        )
        said = shown.locator("[data-head=Meaning] .said").inner_text()
        assert float(row["z_before"]) > 3
        assert said == "▲ more than chance explains"
        assert shown.locator("[data-head='Meaning to date']").inner_text() == "nothing to compare"
    assert "z_before" not in page.locator("#panel-changes").inner_text()


def explanation(page: Page) -> Locator:
    """That of the word 28 days in the table of what changed."""
    return page.locator("#panel-changes .tip[id$='-28-days']")


@pytest.mark.parametrize("width", [360, 1280])
def test_a_word_is_explained_to_pointer_keyboard_and_finger(page: Page, address: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(address)
    word = page.locator("#panel-changes").get_by_role("button", name="28 days", exact=True)
    expect(word).to_have_accessible_description("The 28 days that end on the last complete day.")
    expect(explanation(page)).to_be_hidden()
    word.hover()
    expect(explanation(page)).to_be_visible()
    explanation(page).hover()
    expect(explanation(page)).to_be_visible()
    page.keyboard.press("Escape")
    expect(explanation(page)).to_be_hidden()
    page.mouse.move(0, 0)
    word.focus()
    expect(explanation(page)).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(explanation(page)).to_be_hidden()
    assert word.evaluate("word => word === document.activeElement")
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    expect(explanation(page)).to_be_visible()


def test_every_explanation_is_inside_the_window(page: Page, address: str) -> None:
    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(address)
        for word in page.locator(".word:visible").all():
            word.scroll_into_view_if_needed()
            word.locator("button").focus()
            box = word.locator(".tip").bounding_box()
            assert box is not None
            assert min(box["x"], box["y"]) >= 0
            assert box["x"] + box["width"] <= width
            assert box["y"] + box["height"] <= 800
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_words_are_explained_without_scripts_and_on_a_touch_screen(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False, has_touch=True, viewport={"width": 360, "height": 740})
    found = context.new_page()
    found.goto(address)
    found.locator("#panel-changes").get_by_role("button", name="28 days", exact=True).tap()
    expect(explanation(found)).to_be_visible()
    context.close()


def test_every_column_is_explained_and_all_words_stand_on_one_page(page: Page, address: str) -> None:
    page.goto(f"{address}/?district=011&map=beat")
    for table in ("changes", "areas", "types", "blocks"):
        heads = page.locator(f"#table-{table} thead th")
        plain = heads.filter(has_not=page.locator("button")).evaluate_all("found => found.map(one => one.textContent)")
        assert set(plain) <= {"Class", "Last"}
    page.get_by_role("link", name="Words", exact=True).click()
    assert page.locator("dl.words dt").all_inner_texts() == sorted((word.name for word in WORDS), key=str.lower)
    assert violations(page) == []


def reading(page: Page, panel: str) -> Locator:
    return page.locator(f"#reading-{panel}")


def test_values_are_read_by_pointing_and_by_arrow_keys(page: Page, address: str) -> None:
    page.goto(address)
    file = page.request.get(f"{address}/table/hours.csv").text()
    crimes = {(row["iso_weekday"], row["hour"]): row["crimes"] for row in csv.DictReader(io.StringIO(file))}
    said = [f"Mon, {hour}: {crimes['1', str(hour)] or 'not shown'}" for hour in (5, 6)]
    page.locator("#panel-hours svg rect").filter(has=page.locator("title", has_text="Mon, 5:")).hover()
    expect(reading(page, "hours")).to_have_text(said[0])
    page.locator("#panel-hours .picture").focus()
    page.keyboard.press("ArrowRight")
    expect(reading(page, "hours")).to_have_text(said[1])
    page.keyboard.press("ArrowDown")
    expect(reading(page, "hours")).to_contain_text("Tue, 6: ")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    expect(reading(page, "hours")).to_have_text(said[0])


def test_values_of_every_picture_can_be_read_from_the_keyboard(page: Page, address: str) -> None:
    page.goto(address)
    for panel in ("map", "trend", "hours", "types"):
        page.locator(f"#panel-{panel} .picture").focus()
        page.keyboard.press("ArrowRight")
        first = page.locator(f"#panel-{panel} svg title").nth(1).text_content()
        expect(reading(page, panel)).to_have_text(str(first))
    assert violations(page) == []


def test_a_link_of_the_map_is_read_when_it_has_the_focus(page: Page, address: str) -> None:
    page.goto(address)
    link = page.locator("#panel-map svg a").nth(1)
    link.focus()
    expect(reading(page, "map")).to_have_text(str(link.get_attribute("aria-label")))
    page.locator("#district").select_option("011")
    expect(page.get_by_role("heading", level=1)).to_contain_text("district 011")
    page.locator("#panel-types svg g").first.hover()
    expect(reading(page, "types")).to_contain_text(": ")


def test_what_is_hidden_is_hatched_where_it_is_and_said(page: Page, address: str) -> None:
    """A line with hidden days: as many strips as its file has hidden counts, and none of them has a number."""
    page.goto(f"{address}/?district=016&map=beat")
    file = page.request.get(f"{address}/table/trend.csv?district=016").text()
    hidden = {row["first_day"] for row in csv.DictReader(io.StringIO(file)) if not row["crimes"]}
    said = page.locator("#panel-trend svg title").all_text_contents()
    assert hidden
    assert {text.partition(":")[0] for text in said if text.endswith(": not shown")} == hidden
    assert "not shown" in page.locator("#panel-trend svg text").all_text_contents()


VIOLENT = "Violent with its caveat and address"


def copied_text(page: Page, profile: Profile, address: str) -> str:
    """What must be copied of the violent crimes of district 011."""
    page.goto(f"{address}/?district=011")
    found = page.locator(".numbers div").filter(has=page.get_by_text("Violent", exact=True))
    number = found.locator("strong").inner_text()
    late = profile.engine.query(
        f"SELECT late_crimes FROM insight_compstat WHERE as_of_day = DATE '{DAY}' AND period = '28d' "
        "AND district = '011' AND offense_class = 'violent'"
    ).rows[0][0]
    return (
        "Violent index crime, district 011, 28 days from 2023-12-27 to 2024-01-23: "
        f"{number} records as known on 2024-01-31. About {float(str(late)):.0f} late records may still come. "
        f"{address}/?city=chicago&day=2024-01-31&offense_class=violent&district=011"
    )


def test_a_figure_is_copied_with_its_caveat_and_its_address(browser: Browser, address: str, profile: Profile) -> None:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    text = copied_text(page, profile, address)
    page.get_by_role("button", name=VIOLENT).first.click()
    expect(page.locator("#announced")).to_have_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == text
    page.goto(text.split()[-1])
    assert page.locator(".numbers strong").first.inner_text() == text.partition(" records")[0].split()[-1]
    context.close()


@pytest.mark.parametrize("works", [True, False])
def test_a_figure_is_copied_where_the_clipboard_is_out_of_reach(
    browser: Browser, address: str, profile: Profile, works: bool
) -> None:
    """By the old command, or by hand from a field."""
    context = browser.new_context()
    context.add_init_script("delete Navigator.prototype.clipboard")
    if not works:
        context.add_init_script("document.execCommand = () => false")
    page = context.new_page()
    text = copied_text(page, profile, address)
    page.evaluate(
        "document.addEventListener('copy', () => { window.taken = document.activeElement.value.slice("
        "document.activeElement.selectionStart, document.activeElement.selectionEnd) })"
    )
    page.get_by_role("button", name=VIOLENT).first.press("Enter")
    if works:
        expect(page.locator("#announced")).to_have_text("Copied.")
        assert page.evaluate("window.taken") == text
        expect(page.locator(".offered")).to_have_count(0)
    else:
        expect(page.get_by_role("textbox", name="The figure, to be copied")).to_have_value(text)
        assert page.evaluate("getSelection().toString()") == text
        assert violations(page) == []
    context.close()


def test_a_row_of_what_changed_is_copied_with_its_meaning(page: Page, address: str) -> None:
    page.goto(address)
    row = page.locator("#table-changes tbody tr").filter(has=page.get_by_role("rowheader", name="011", exact=True))
    crimes, before = row.locator("td").all_inner_texts()[:2]
    text = str(row.get_by_role("button", name="Copy 011 with its caveat and address").get_attribute("data-text"))
    assert text.startswith(
        f"All offenses, district 011: {crimes} records in the 28 days from 2023-12-27 to 2024-01-23 as known on "
        f"2024-01-31, {before} in the 28 before, estimated as known when they were as old: ▲ more than chance "
        "explains. About "
    )


@pytest.mark.parametrize("width", [360, 1024, 1280, 1440])
@pytest.mark.parametrize("query", ["", "map=beat", "district=011&map=beat"])
def test_no_column_of_two_days_is_cut_off(page: Page, address: str, query: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{address}/?beside=2024-01-30&{query}")
    tables = page.locator("#panel-beside .scroll")
    assert tables.count() == 3
    assert tables.evaluate_all("all => all.map(one => one.scrollWidth - one.clientWidth)") == [0, 0, 0]
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_two_days_are_chosen_in_the_form_and_read_on_a_phone(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(address)
    page.locator("#beside").select_option("2024-01-30")
    expect(page.get_by_role("heading", level=1)).to_contain_text("beside 2024-01-30")
    assert "beside=2024-01-30" in page.url
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.locator("#panel-beside .scroll").evaluate_all(
        "all => all.every(one => one.scrollWidth <= one.clientWidth)"
    )
    first = page.locator("#table-both-classes tbody tr").first
    now, then, difference = (text.replace(",", "") for text in first.locator("td").all_inner_texts())
    assert int(now) - int(then) == int(difference)
    page.locator("#panel-map summary").click()
    assert violations(page) == []
    page.locator("#panel-changes").get_by_role("link", name="011", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(re.compile("district 011.*beside 2024-01-30"))
    page.get_by_role("link", name="Exchange the days").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("beside 2024-01-31")
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_contain_text("beside 2024-01-30")
