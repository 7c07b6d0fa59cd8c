"""The dashboard over a large lake, in a real browser: the first page of a server just started, and a filter.

    python -m benchmarks.dashboard HOME prepare

Makes the extract of the loaded lake; prints its bytes and the seconds that it took.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import time
from datetime import timedelta
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from benchmarks.history import CITY, FIRST_DAY
from benchmarks.insights import files
from benchmarks.measuring import Figure, module, spend
from benchmarks.readers import served
from crime_assets.analysis.statistics import finished
from crime_assets.core import keys
from crime_assets.core.insights import load_insights
from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.lakehouse.iceberg.duck import connection, literal
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.writing.insights import replace_days
from crime_assets.publishing.extract import cubes, write_extracts
from crime_assets.streams.directory import DirectoryStore

_DAY = FIRST_DAY - timedelta(days=1)
_ROUNDS = 5
_CHANGED = """async ([id, value]) => {
  const before = document.getElementById("content");
  const chosen = document.getElementById(id);
  const start = performance.now();
  chosen.value = value;
  chosen.dispatchEvent(new Event("change", { bubbles: true }));
  while (document.getElementById("content") === before) await new Promise(requestAnimationFrame);
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  return (performance.now() - start) / 1000;
}"""
"""Choose something, and wait until what it leads to is painted; seconds."""
_FILTERS = (
    ("district", "011"),
    ("period", "365d"),
    ("offense_class", "violent"),
    ("map", "beat"),
    ("district", "all"),
    ("period", "all"),
)


def prepare(home: Path) -> None:
    """The insights of the last day before the lake's first change day, and their extract; then one scan beside it."""
    lake, insights = Lake(home), load_insights()
    engine, landing = DuckDBEngine(lake, CITY), DirectoryStore(lake.landing)
    for insight in insights:
        replace_days(lake, CITY, insight, {_DAY: finished(insight, engine.insight(insight, _DAY))})
    start = time.perf_counter()
    write_extracts(lake, landing, engine, CITY, insights, [_DAY])
    seconds = time.perf_counter() - start
    print(Path(landing.location(keys.extract(CITY.name, _DAY))).stat().st_size, seconds, _scan(home))


def _scan(home: Path) -> float:
    """Seconds in which DuckDB reads every value of the columns that an extract is made from."""
    columns = sorted({source for cube in cubes() for column in cube.columns for source in column.sources})
    held = ", ".join(literal(path) for path in files(home))
    with connection(home / "staging") as con:
        start = time.perf_counter()
        con.execute(
            f"SELECT {', '.join(f'max({column})' for column in columns)} FROM read_parquet([{held}])"
        ).fetchall()
        return time.perf_counter() - start


def figures(rows: int, home: Path) -> list[Figure]:
    """What a person waits for; nothing where there is no browser."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("no chromium here: the dashboard is not measured")
        return []
    size, seconds, scan = spend(module("dashboard", home, "prepare")).printed.split()
    firsts, filters, maps = [], [], []
    with sync_playwright() as playwright:
        # The map is drawn too, by the processor where there is no graphics hardware.
        flags = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        for _ in range(_ROUNDS):
            with served(home) as (_, address):
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                firsts.append(_first(page, address))
                start = time.perf_counter()
                page.locator("#live[data-ready]").wait_for()
                maps.append(time.perf_counter() - start)
                filters += [_filtered(page, choice) for choice in _FILTERS]
                page.close()
        browser.close()
    return [
        Figure(
            f"first page of the dashboard, {rows:,} rows in the lake, server just started (slowest of {_ROUNDS})",
            f"{max(firsts):.2f} s",
            "bound: 1.5 s",
            max(firsts) / 1.5,
            1,
        ),
        Figure(
            f"a filter of it (slowest of {len(filters)}; median {statistics.median(filters):.2f} s)",
            f"{max(filters):.2f} s",
            "bound: 0.3 s",
            max(filters) / 0.3,
            1,
        ),
        Figure(
            "the map that zooms, after the first page (slowest)",
            f"{max(maps):.2f} s",
            "the first page",
            max(maps) / max(firsts),
            2,
        ),
        Figure(
            f"extract of a day, {rows:,} rows",
            f"{float(seconds):.2f} s",
            f"DuckDB reading the same columns once: {float(scan):.2f} s",
            float(seconds) / float(scan),
            3,
        ),
        Figure(
            "its size",
            f"{int(size) / 2**20:.0f} MiB",
            f"the lake: {_size(home) / 2**20:.0f} MiB",
            int(size) / _size(home),
            0.1,
        ),
    ]


def _first(page: Page, address: str) -> float:
    start = time.perf_counter()
    page.goto(address)
    page.locator("#panel-types svg").wait_for()
    return time.perf_counter() - start


def _filtered(page: Page, choice: tuple[str, str]) -> float:
    """Seconds until a choice is painted. The next is made when the map is drawn too, as by a person who looks at it."""
    seconds = float(page.evaluate(_CHANGED, list(choice)))
    page.locator("#live[data-ready]").wait_for()
    return seconds


def _size(home: Path) -> int:
    return sum(path.stat().st_size for path in (home / "warehouse").rglob("*.parquet"))


if __name__ == "__main__":
    prepare(Path(sys.argv[1]))
