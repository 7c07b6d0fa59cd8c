"""The README's pictures, taken of the sample city in a real browser: `make pictures`."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser

from crime_assets.defs.automation.jobs import BACKFILL, BOUNDARIES
from crime_assets.profiles import Profile
from crime_assets_tests.build import sample_profile
from crime_assets_tests.graph import QUIET, Graph
from crime_assets_tests.publishing.dashboard.serving import chromium, served

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
_LAST = date(2026, 1, 31)
_DESK, _PHONE = (1280, 1180), (390, 844)


def main() -> None:
    """Run the sample city's first seven change days, and take pictures of what can be looked at then."""
    with TemporaryDirectory() as place:
        profile = _run(Path(place, "lake"))
        with served(profile, Path(place, "cache")) as address, chromium(draws_maps=True) as browser:
            briefing = f"{address}/briefing/chicago/{_LAST}.html"
            _take(browser, address, _DESK, "dashboard")
            _take(browser, f"{address}/?district=011&map=beat", _PHONE, "phone")
            _take(browser, f"{address}/?map=hotspots&period=365d&offense_class=property", _DESK, "hotspots")
            _take(browser, briefing, (800, 1130), "briefing")


def _run(home: Path) -> Profile:
    profile = sample_profile(home, rows=250_000, now=f"{_LAST + timedelta(days=1)}T12:00:00")
    profile.begin(first := profile.first_change_day)
    graph = Graph(profile)
    graph.load()
    graph.definitions.resolve_job_def(BOUNDARIES).execute_in_process(instance=graph.instance, run_config=QUIET)
    graph.run(f"{first}", f"{_LAST - timedelta(days=1)}", job=BACKFILL)
    graph.run(f"{_LAST}", publishes=True)
    return profile


def _take(browser: Browser, address: str, size: tuple[int, int], name: str) -> None:
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    page.goto(address)
    if page.locator("#live").count():
        # It is loaded once it comes into sight, and scrolled back it stays.
        page.locator("#live").locator("..").scroll_into_view_if_needed()
        page.locator("#live[data-ready]").wait_for()
        page.evaluate("scrollTo(0, 0)")
    page.screenshot(path=PICTURES / f"{name}.png")
    page.close()
    print(PICTURES / f"{name}.png")


if __name__ == "__main__":
    main()
