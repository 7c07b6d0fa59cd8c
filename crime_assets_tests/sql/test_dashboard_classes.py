"""Trends on the dashboard by class: classes add up to all in every stretch and month, whatever codes there are."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import duckdb
import pytest

from crime_assets.core.sql import statement

AS_OF = date(2024, 3, 31)
FIRST = date(2023, 12, 1)
TRENDS = ("trend_days", "trend_months", "known_days", "known_months")
CLASSES = {"all", "violent", "property", "other"}


def trend(name: str, unmapped: dict[str, int], district: str) -> list[dict[str, object]]:
    """Its rows: each day has a crime of each class in district 001, and in each district so many of no class."""
    days = [FIRST + timedelta(days=number) for number in range((AS_OF - FIRST).days + 1)]
    crimes = [(day, "001", kind, 1) for day in days for kind in ("violent", "property", "other")]
    crimes += [
        (days[60 + number], place, "unmapped", 1) for place, count in unmapped.items() for number in range(count)
    ]
    with duckdb.connect() as con:
        con.execute("CREATE TABLE days (occurred_on DATE, district TEXT, offense_class TEXT, crimes BIGINT, beat TEXT)")
        con.executemany("INSERT INTO days VALUES (?, ?, ?, ?, NULL)", crimes)
        con.execute(
            "CREATE TABLE months AS SELECT CAST(date_trunc('month', occurred_on) AS DATE) AS month, * FROM days"
        )
        con.execute("CREATE TABLE about AS SELECT ? AS as_of_day, ? AS last_complete_day", [AS_OF, days[-9]])
        con.execute(
            "CREATE TABLE insight_reporting_delay AS SELECT DISTINCT occurred_on, 0.5 AS completeness, 1 AS unsettled "
            "FROM days WHERE occurred_on > DATE '2024-03-01'"
        )
        asked = {"district": district, "beat": "all"} | ({"days": 7, "stretches": 12} if name.endswith("days") else {})
        return con.sql(statement("dashboard", name), params=asked).to_arrow_table().to_pylist()


@pytest.mark.parametrize("name", TRENDS)
@pytest.mark.parametrize(
    ("unmapped", "district", "count"),
    [({}, "all", 0), ({"001": 1}, "all", 1), ({"001": 5, "002": 3}, "all", 8), ({"001": 5, "002": 3}, "001", 5),
     ({"002": 3}, "001", 0)],
)  # fmt: skip
def test_classes_add_up_to_all(name: str, unmapped: dict[str, int], district: str, count: int) -> None:
    rows = trend(name, unmapped, district)
    counts: Counter[object] = Counter()
    for row in rows:
        counts[row["first_day"], row["offense_class"] == "all"] += row["crimes"]
    days = {row["first_day"] for row in rows}
    assert len(days) > 1
    assert all(counts[day, True] == counts[day, False] > 0 for day in days)
    assert {row["offense_class"] for row in rows} == CLASSES | ({"unmapped"} if count else set())
    assert sum(row["crimes"] for row in rows if row["offense_class"] == "unmapped") == count
