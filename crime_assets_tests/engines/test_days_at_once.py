"""Several as-of days at once: each is answered as it would be alone."""

from __future__ import annotations

import threading
from datetime import date, timedelta
from functools import partial

import pytest

from crime_assets.core.errors import UsageError
from crime_assets.core.insights import all_insights
from crime_assets.engines import Engine, for_days
from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.lakehouse.place.lake import Lake
from crime_assets_tests.build import CHICAGO
from crime_assets_tests.engines.changing import FIRST, fill

ASKED = [FIRST + timedelta(days=n) for n in range(-1, 8)]
INSIGHTS = [found for found in all_insights() if found.name in {"crime_summary", "compstat", "reporting_delay"}]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    found = Lake(tmp_path_factory.mktemp("days") / "lake")
    fill(found)
    return found


def test_each_day_knows_what_it_would_alone(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where fewer days are kept than are asked for."""
    monkeypatch.setattr("crime_assets.engines.duckdb.KEPT_DAYS", 3)
    for insight in INSIGHTS:
        alone = {}
        for day in ASKED:
            engine = DuckDBEngine(lake, CHICAGO)
            alone[day] = engine.insight(insight, day).to_pylist()
            engine.close()
        known = {str([list(row.values())[4:] for row in rows]) for rows in alone.values()}
        assert len(known) > 3, "on different days different rows were known"

        together = DuckDBEngine(lake, CHICAGO)
        for _ in range(3):
            found = for_days(together, ASKED, partial(together.insight, insight))
            assert {day: rows.to_pylist() for day, rows in found.items()} == alone
            assert list(found) == ASKED
        together.close()


def test_days_are_answered_at_once(lake: Lake) -> None:
    engine = DuckDBEngine(lake, CHICAGO)
    both = threading.Barrier(engine.days_at_once, timeout=20)

    def make(day: date) -> int:
        both.wait()
        return engine.insight(INSIGHTS[0], day).num_rows

    assert len(for_days(engine, ASKED[: engine.days_at_once * 3], make)) == engine.days_at_once * 3
    engine.close()


def test_the_first_error_ends_it(lake: Lake) -> None:
    engine: Engine = DuckDBEngine(lake, CHICAGO)
    asked: list[date] = []

    def make(day: date) -> None:
        asked.append(day)
        raise UsageError(f"No {day}.")

    with pytest.raises(UsageError, match=str(ASKED[0])):
        for_days(engine, ASKED, make)
    assert len(asked) < len(ASKED)
    engine.close()
