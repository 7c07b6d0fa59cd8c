"""Insights are asked for whenever crimes gains a day, an old one too, and never past a blocking check that failed."""

from __future__ import annotations

import time
from pathlib import Path

import dagster as dg
import pytest

from crime_assets.lakehouse.iceberg import tables
from crime_assets_tests.build import export_profile, record, write_export
from crime_assets_tests.graph import INSIGHTS, Graph, Result, failing, verdicts

pytestmark = pytest.mark.slow


class Following:
    """A lake, and ticks of the automation sensor on it."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.cursor = None
        self.tick()

    def tick(self) -> dict[str, set[str]]:
        """Insight → days asked for."""
        found = dg.evaluate_automation_conditions(
            defs=self.graph.definitions, instance=self.graph.instance, cursor=self.cursor
        )
        self.cursor = found.cursor
        asked = {name: found.get_requested_partitions(dg.AssetKey(name)) for name in INSIGHTS}
        return {name: set(days) for name, days in asked.items() if days}

    def merge(self, day: str, last: str | None = None, *, fails: bool = False) -> None:
        self.graph.run(day, last, job="pull_change_day")
        self.graph.run(day, last, job="merge_change_day", fails=fails)

    def check_later(self, name: str) -> Result:
        """Run a check in a later second than that of the newest merge.

        Dagster keeps the time of a check in whole seconds: of one in the same second it cannot tell which came first.
        """
        (merged,) = self.graph.instance.fetch_materializations(dg.AssetKey("crimes"), limit=1).records
        while time.time() < int(merged.timestamp) + 1:
            time.sleep(0.05)
        return self.graph.check(name)


@pytest.fixture
def following(tmp_path: Path) -> Following:
    crimes = [record(n, f"2024-01-{n:02d}") for n in range(10, 32)]
    graph = Graph(export_profile(tmp_path / "lake", write_export(tmp_path / "crimes.csv", crimes)))
    graph.load()
    return Following(graph)


def _each(*days: str) -> dict[str, set[str]]:
    return {name: set(days) for name in INSIGHTS}


def test_insights_follow_a_day_of_crimes_once(following: Following) -> None:
    assert following.tick() == {}
    following.merge("2024-01-31")
    assert following.tick() == _each("2024-01-31")
    assert following.tick() == {}, "asked for already"


def test_old_days_and_ranges_are_followed_too(following: Following) -> None:
    following.merge("2024-01-31")
    assert following.tick() == _each("2024-01-31")
    following.merge("2024-01-25", "2024-01-27")
    assert following.tick() == _each("2024-01-25", "2024-01-26", "2024-01-27")
    assert following.tick() == {}
    following.merge("2024-01-26")
    assert following.tick() == _each("2024-01-26"), "a day merged again may have changed"


def test_a_run_that_computes_the_insights_itself_is_not_followed(following: Following) -> None:
    following.graph.run("2024-01-25", "2024-01-26", publishes=True)
    assert following.tick() == {}


def test_insights_wait_while_a_blocking_check_stands_against_crimes(following: Following) -> None:
    following.merge("2024-01-30")
    following.tick()
    table = tables.load(following.graph.profile.lake, "chicago", "crimes")
    assert table is not None
    held = table.scan().to_arrow()
    table.append(held.slice(0, 1))
    following.merge("2024-01-31", fails=True)
    assert following.tick() == {}
    assert following.tick() == {}

    table.refresh()
    table.overwrite(held)
    found = verdicts(following.check_later("one_row_per_id"))
    assert {name: check.passed for name, check in found.items()} == {"one_row_per_id": True}
    assert following.tick() == _each("2024-01-31")


def test_a_warning_does_not_hold_insights_back(following: Following) -> None:
    following.merge("2024-01-25")
    assert failing(following.graph.check("freshness")) == {"freshness"}, "the lake is days behind its source"
    assert following.tick() == _each("2024-01-25")
