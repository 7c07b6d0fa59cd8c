"""Live alerts in a real browser: each is shown once, whatever breaks, and nothing grows without end."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from crime_assets.profiles import Profile, Settings
from crime_assets_tests.publishing.dashboard.alerts import STREAM, Raising, line
from crime_assets_tests.publishing.dashboard.serving import NO_BROWSER, chromium, served

pytestmark = [pytest.mark.slow, NO_BROWSER]

RATE = 50
"""Alerts a second."""
_WATCHED = """
    window.shown = {};
    window.announced = [];
    window.sounds = 0;
    const { AudioContext } = window;
    window.AudioContext = class extends AudioContext {
      constructor() { super(); window.sounds += 1; }
    };
    addEventListener("DOMContentLoaded", () => {
      new MutationObserver((changes) => {
        for (const { addedNodes } of changes) for (const row of addedNodes) {
          window.shown[row.dataset.alert] = (window.shown[row.dataset.alert] ?? 0) + 1;
        }
      }).observe(document.getElementById("alerts"), { childList: true });
      const announced = document.getElementById("announced");
      new MutationObserver(() => window.announced.push([performance.now(), announced.textContent]))
        .observe(announced, { childList: true });
    });
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    return Profile(Settings(home=tmp_path / "lake", stream=STREAM))


@pytest.fixture
def raising(profile: Profile) -> Raising:
    found = Raising(profile.landing)
    found.begin()
    return found


@pytest.fixture
def address(profile: Profile, raising: Raising, tmp_path: Path) -> Iterator[str]:
    with served(profile, tmp_path / "cache") as found:
        yield f"{found}/live"


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of which everything that is put on its list is counted, and on which no script may fail."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.add_init_script(_WATCHED)
    found = context.new_page()
    said: list[str] = []
    found.on("pageerror", lambda error: said.append(str(error)))
    found.on("console", lambda message: said.append(message.text) if "Content Security" in message.text else None)
    yield found
    context.close()
    assert said == []


def violations(page: Page) -> list[str]:
    return [f"{found['id']}: {found['nodes'][0]['html']}" for found in Axe().run(page).response["violations"]]


def row(page: Page, name: str) -> Any:
    return page.locator(f"li[data-alert='{name}']")


class Measured:
    """What a page holds, after its garbage is gone."""

    def __init__(self, page: Page) -> None:
        self._session = page.context.new_cdp_session(page)
        self._session.send("Performance.enable")
        self._session.send("HeapProfiler.enable")

    def __call__(self) -> dict[str, float]:
        for _ in range(3):
            self._session.send("HeapProfiler.collectGarbage")
        found = {one["name"]: one["value"] for one in self._session.send("Performance.getMetrics")["metrics"]}
        return {name: found[name] for name in ("Nodes", "JSEventListeners", "JSHeapUsedSize")}


class Flood:
    """Alerts at a steady rate, of a server that can be cut off."""

    def __init__(self, profile: Profile, raising: Raising, cache: Path, page: Page) -> None:
        self._profile = profile
        self._raising = raising
        self._cache = cache
        self._page = page
        self._server = ExitStack()
        self.raised = 0
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = int(free.getsockname()[1])
        self.start()

    def start(self) -> None:
        self.address = self._server.enter_context(served(self._profile, self._cache, self._port))

    def stop(self) -> None:
        self._server.close()

    def raise_(self, count: int) -> None:
        """So many, in ticks of different sizes."""
        while count > 0:
            size = min(count, 1 + self.raised % 4)
            names = range(self.raised, self.raised + size)
            self._raising.raise_(*(line(f"f{n}", lat=19 + n % 97 / 970, subject=f"SX/101/{n}") for n in names))
            self.raised, count = self.raised + size, count - size

    def run(self, seconds: float) -> None:
        """At the rate, for so long."""
        begun, before = time.monotonic(), self.raised
        while (passed := time.monotonic() - begun) < seconds:
            self.raise_(int(passed * RATE) - (self.raised - before))
            self._page.wait_for_timeout(100)

    def cut_off(self) -> None:
        """The server is gone for a while, in which alerts are raised; then the page finds it again."""
        self.stop()
        expect(self._page.locator("#state")).to_contain_text("Not connected since")
        self.raise_(RATE)
        self.start()
        expect(self._page.locator("#state")).to_contain_text("as they come")


def check_flood(flood: Flood, page: Page, seconds: float, thrown: Callable[[str, object], None]) -> None:
    """Each is shown once, and the page holds no more after the second half than after the first."""
    page.goto(f"{flood.address}/live")
    measured, held = Measured(page), []
    for _ in range(2):
        flood.run(seconds / 4)
        flood.cut_off()
        flood.run(seconds / 4)
        expect(row(page, f"f{flood.raised - 1}")).to_be_attached()
        held.append(measured())
    shown = page.evaluate("window.shown")
    assert shown == {f"f{n}": 1 for n in range(flood.raised)}
    assert page.locator("#alerts > li").count() == 200
    assert page.locator(".spot").count() <= 300
    first, second = held
    assert all(second[name] <= 1.2 * first[name] for name in first), held
    times = [at for at, said in page.evaluate("window.announced") if said]
    assert all(later - earlier > 4_900 for earlier, later in pairwise(times))
    assert page.evaluate("window.sounds") == 0
    thrown("alerts on a live page, its server cut off twice", f"{flood.raised:,}")
    for name, what in (("Nodes", "DOM nodes"), ("JSEventListeners", "listeners"), ("JSHeapUsedSize", "bytes of heap")):
        thrown(f"{what} of that page after half of them, and at the end", f"{first[name]:,.0f}, {second[name]:,.0f}")


@pytest.fixture
def flood(profile: Profile, raising: Raising, page: Page, tmp_path: Path) -> Iterator[Flood]:
    found = Flood(profile, raising, tmp_path / "cache", page)
    yield found
    found.stop()


def test_every_alert_is_shown_once_and_nothing_grows(flood: Flood, page: Page) -> None:
    check_flood(flood, page, 10, lambda *_: None)


@pytest.mark.stress
def test_a_minute_of_alerts(flood: Flood, page: Page, thrown: Callable[[str, object], None]) -> None:
    check_flood(flood, page, 60, thrown)


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_keeps_anybody_out(page: Page, address: str, raising: Raising, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(address)
    expect(page.locator("#state")).to_contain_text("as they come")
    assert violations(page) == []
    raising.raise_(*(line(f"a{n}", rule="silent_station" if n % 2 else "surge") for n in range(20)))
    raising.raise_(*(line(f"a{n}", 2, rule="silent_station") for n in range(1, 20, 2)))
    expect(row(page, "a19")).to_contain_text("Withdrawn")
    page.locator("#who").fill("Rao")
    row(page, "a0").get_by_role("button").click()
    expect(row(page, "a0")).to_contain_text("Acknowledged by Rao")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    raising.status(error="x")
    expect(page.locator("#state.wrong")).to_be_visible()
    assert violations(page) == []


def test_all_can_be_done_from_the_keyboard(page: Page, browser: Browser, address: str, raising: Raising) -> None:
    raising.raise_(line("a1"), line("a2"))
    page.goto(address)
    other = browser.new_page()
    other.goto(address)

    def tab_to(where: str) -> None:
        for _ in range(30):
            page.keyboard.press("Tab")
            if page.evaluate("where => document.activeElement.matches(where)", where):
                return
        pytest.fail(f"No key leads to {where}.")

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the alerts"
    tab_to(".acknowledge")
    page.keyboard.press("Enter")
    # Who has not said who they are is led there.
    expect(page.locator("#who")).to_be_focused()
    expect(page.locator("#announced")).to_have_text("Say who you are first.")
    page.keyboard.type("S. Iyer")
    tab_to(".acknowledge")
    page.keyboard.press("Enter")
    expect(row(page, "a2")).to_contain_text(re.compile("Acknowledged by S. Iyer, [-0-9]+ [:0-9]+"))
    expect(row(page, "a2")).to_be_focused()
    expect(row(other, "a2")).to_contain_text("Acknowledged by S. Iyer")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('li').dataset.alert") == "a1"
    assert [one["who"] for one in raising.acknowledged()] == ["S. Iyer"]
    page.reload()
    expect(page.locator("#who")).to_have_value("S. Iyer")
    expect(row(page, "a2").get_by_role("button")).to_be_hidden()
    other.close()


def test_a_revision_is_put_where_its_alert_is(page: Page, address: str, raising: Raising) -> None:
    page.goto(address)
    page.locator("#who").fill("Rao")
    raising.raise_(line("a1"), line("a2"))
    row(page, "a1").get_by_role("button").click()
    expect(row(page, "a1").get_by_role("button")).to_be_hidden()
    expect(page.locator(".spot[data-alert=a1].done")).to_have_count(1)
    raising.raise_(line("a1", 2, at_least=9))
    page.mouse.move(1, 1)
    expect(row(page, "a1")).to_contain_text("9 or more reports")
    expect(row(page, "a1")).to_contain_text("in revision 1")
    expect(row(page, "a1").get_by_role("button")).to_be_visible()
    assert page.locator("#alerts > li").evaluate_all("rows => rows.map((row) => row.dataset.alert)") == ["a2", "a1"]
    assert page.evaluate("window.shown") == {"a1": 1, "a2": 1}


def test_nothing_moves_away_under_who_points_at_it(page: Page, address: str, raising: Raising) -> None:
    raising.raise_(line("a1"))
    page.goto(address)
    row(page, "a1").hover()
    raising.raise_(line("a2"))
    expect(page.locator("#waiting")).to_have_text("Held while you are at the list: 1 more")
    assert page.locator("#alerts > li").count() == 1
    # Whoever has gone home with the pointer on the list sees alerts all the same.
    expect(row(page, "a2")).to_be_visible()


def test_whoever_pauses_misses_nothing(page: Page, address: str, raising: Raising) -> None:
    page.goto(address)
    expect(page.locator("#state")).to_contain_text("as they come")
    page.get_by_role("button", name="Pause").click()
    raising.raise_(line("a1"), line("a2", district="102", rule="new"))
    expect(page.locator("#waiting")).to_have_text("Paused: 2 more")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#alerts > li")).to_have_count(2)
    page.locator("#rule").select_option("new")
    expect(row(page, "a1")).to_be_hidden()
    expect(row(page, "a2")).to_be_visible()


def test_a_page_that_nobody_sees_takes_no_connection_and_catches_up(page: Page, address: str, raising: Raising) -> None:
    page.goto(address)
    expect(page.locator("#state")).to_contain_text("as they come")
    turn = """is => {
        Object.defineProperty(document, "hidden", { value: is, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.evaluate(turn, True)
    raising.raise_(line("a1"))
    page.wait_for_timeout(800)
    assert page.locator("#alerts > li").count() == 0
    page.evaluate(turn, False)
    expect(row(page, "a1")).to_be_visible()


def test_there_is_no_sound_before_somebody_asks_for_it(page: Page, address: str, raising: Raising) -> None:
    page.goto(address)
    button = page.get_by_role("button", name="Sound")
    expect(button).to_have_attribute("aria-pressed", "false")
    raising.raise_(line("a1"))
    expect(row(page, "a1")).to_be_visible()
    assert page.evaluate("window.sounds") == 0
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    raising.raise_(line("a2"))
    expect(row(page, "a2")).to_be_visible()
    assert page.evaluate("window.sounds") == 1
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")


def test_without_scripts_it_can_be_read(browser: Browser, address: str, raising: Raising) -> None:
    raising.raise_(line("a1"), line("a2", district="102"))
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    expect(page.locator("#alerts > li")).to_have_count(2)
    expect(page.locator("#alerts button").first).to_be_hidden()
    page.locator("#district").select_option("102")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#alerts > li")).to_have_count(1)
    assert page.locator("noscript meta[http-equiv=refresh]").get_attribute("content") == "30"
    assert urlsplit(page.url).query == "rule=&district=102"
    context.close()


def test_a_text_of_the_stream_stays_a_text(page: Page, address: str, raising: Raising) -> None:
    page.goto(address)
    raising.raise_(line("a1", title="<img src=x onerror=document.title='broken'>", district="<b>"))
    expect(row(page, "a1")).to_contain_text("<img src=x")
    expect(page).to_have_title("Live alerts")
