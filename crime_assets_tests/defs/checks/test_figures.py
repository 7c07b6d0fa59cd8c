"""The figures that verdicts are given of, from plain rows and from real ones."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from crime_assets.core.sql import render, statement
from crime_assets.defs.checks import verdicts
from crime_assets.defs.checks.verdicts import COUNT_LIMIT
from crime_assets_tests import build
from crime_assets_tests.defs.checks.figures import arrests, district

DAY = date(2024, 3, 20)
ONE = timedelta(days=1)
CHICAGO = build.CHICAGO


def measure(name: str, rows: str, table: str = "crimes", **parameters: date | float) -> list[dict[str, Any]]:
    """A statement of sql/checks over rows given as SQL."""
    con = duckdb.connect()
    con.execute(f"CREATE TABLE {table} AS {rows}")
    values = {"as_of_day": DAY, **parameters}
    return list(con.sql(render(statement("checks", name), "duckdb", values)).to_arrow_table().to_pylist())


class TestMeasurements:
    def test_arrest_shares_count_windows_to_the_day(self) -> None:
        days = (
            f"SELECT DATE '{DAY}' - CAST(n AS INTEGER) AS occurred_on, n % 2 = 0 AS arrest FROM range(0, 600) AS r(n)"
        )
        rows = f"SELECT *, 'violent' AS offense_class FROM ({days}) UNION ALL "
        rows += f"SELECT DATE '{DAY}' - 60, NULL, 'other' UNION ALL SELECT DATE '{DAY}' - 55, TRUE, 'property'"
        assert measure("arrest_shares", rows) == [
            arrests("other", 1, 0, 0, 0),
            arrests("violent", 28, 14, 365, 183),
        ]
        recent = [n for n in range(600) if 56 <= n < 84]
        year = [n for n in range(600) if 84 <= n < 449]
        assert [len(recent), sum(n % 2 == 0 for n in recent)] == [28, 14]
        assert [len(year), sum(n % 2 == 0 for n in year)] == [365, 183]

    def test_daily_counts_are_of_nine_days(self) -> None:
        newest = DAY - 8 * ONE
        days = f"SELECT DATE '{DAY}' - CAST(n AS INTEGER) AS occurred_on FROM range(0, 90) AS r(n), range(0, 3)"
        found = measure("daily_counts", days, newest_day=newest)
        assert found == [{"occurred_on": newest - timedelta(weeks=n), "crimes": 3} for n in range(8, -1, -1)]
        counts = {row["occurred_on"]: row["crimes"] for row in found}
        assert verdicts.daily_count_in_line(counts, newest).figures == {"crimes": 3, "usual": 3.0, "score": 0.0}

    def test_codes(self) -> None:
        rows = """
            SELECT * FROM (VALUES
              ('001', '0820', '06', '0111', 'property'), ('001', '820', '06', '0211', 'property'),
              ('001', NULL, NULL, NULL, 'unmapped'), ('002', '031A', '03', '0211', 'violent'),
              (NULL, '0820', '06', '111', 'property'), ('16', '0820', '06', '1611', 'property')
            ) AS t(district, iucr, fbi_code, beat, offense_class)
        """
        assert measure("codes", rows) == [
            district("001", 3, bad_iucr=2, no_fbi_code=1, bad_beat=1, beat_elsewhere=1, unmapped=1),
            district("002", 1),
            district("16", 1),
            district(None, 1, bad_beat=1),
        ]

    def test_coordinates(self) -> None:
        rows = """
            SELECT CAST(a AS DOUBLE) AS latitude, CAST(b AS DOUBLE) AS longitude FROM (VALUES
              (41.9, -87.6), (41.6, -87.95), (42.05, -87.5), (NULL, NULL), (41.9, NULL), (36.6, -91.7), (41.9, 87.6)
            ) AS t(a, b)
        """
        box = dict(zip(("south", "west", "north", "east"), CHICAGO.bounding_box, strict=True))
        assert measure("coordinates", rows, **box) == [{"row_count": 7, "no_place": 2, "outside": 2}]

    def test_freshness_does_not_believe_the_future(self) -> None:
        rows = f"""
            SELECT DATE '{DAY}' - 7 AS occurred_on, DATE '{DAY}' AS change_day
            UNION ALL SELECT DATE '{DAY}' + 1, DATE '{DAY}' - 3
            UNION ALL SELECT DATE '{DAY}' - 20, DATE '{DAY}' - 13
        """
        assert measure("freshness", rows) == [{"newest_occurred_on": DAY - 7 * ONE, "newest_change_day": DAY}]
        assert measure("freshness", f"SELECT * FROM ({rows}) LIMIT 0") == [
            {"newest_occurred_on": None, "newest_change_day": None}
        ]

    def test_repeated_ids(self) -> None:
        rows = "SELECT unnest([1, 2, 2, 3, 3, 3]) AS id"
        assert measure("one_row_per_id", rows, "crimes_now") == [{"row_count": 6, "ids": 3, "surplus_rows": 3}]
        assert measure("repeated_ids", rows, "crimes_now") == [{"id": 2, "row_count": 2}, {"id": 3, "row_count": 3}]
        none = "SELECT 1 AS id LIMIT 0"
        assert measure("one_row_per_id", none, "crimes_now") == [{"row_count": 0, "ids": 0, "surplus_rows": 0}]

    def test_quarantine_by_reason(self) -> None:
        rows = "SELECT unnest(['b', 'a', 'c', 'c']) AS reason, unnest([1, 8, 8, 2]) AS ingested_at"
        con = duckdb.connect()
        con.execute(f"CREATE TABLE crimes_quarantine AS {rows}")
        con.execute("CREATE TABLE crimes_now AS SELECT range AS ingested_at FROM range(9)")
        found = con.sql(render(statement("checks", "quarantine"), "duckdb", {})).fetchall()
        assert found == [("c", 2, 9, 1, 1), ("a", 1, 9, 1, 1), ("b", 1, 9, 0, 1)]


@pytest.fixture(scope="module")
def real(shared_data: Path) -> duckdb.DuckDBPyConnection:
    """Crimes by day and class of the real export of 2018-11-21, as finally known."""
    classes = CHICAGO.offense_classes
    violent, property_codes = (
        [c for c, kind in classes.items() if kind == wanted] for wanted in ("violent", "property")
    )
    con = duckdb.connect()
    con.execute(
        f"""
        CREATE TABLE days AS
        SELECT CAST(strptime("Date", '%m/%d/%Y %I:%M:%S %p') AS DATE) AS occurred_on,
               CASE WHEN "FBI Code" IN {tuple(violent)} THEN 'violent'
                    WHEN "FBI Code" IN {tuple(property_codes)} THEN 'property' ELSE 'other' END AS offense_class,
               count(*) AS crimes, count(*) FILTER ("Arrest" = 'true') AS arrests
        FROM read_csv('{shared_data}/chicago/Crimes_-_201[678].csv.gz', all_varchar = true)
        GROUP BY ALL
        """
    )
    return con


class TestOnRealDays:
    def test_the_daily_count_seldom_warns(self, real: duckdb.DuckDBPyConnection) -> None:
        counts = dict(real.execute("SELECT occurred_on, sum(crimes)::INTEGER FROM days GROUP BY 1").fetchall())
        days = [date(2016, 3, 1) + n * ONE for n in range(975)]
        warned = [day for day in days if not verdicts.daily_count_in_line(counts, day).passed]
        assert days[-1] == date(2018, 10, 31)
        assert date(2017, 12, 25) in warned
        assert 5 <= len(warned) <= 20
        for day in (date(2018, 11, 2) + n * ONE for n in range(10)):
            assert verdicts.daily_count_in_line(counts, day).passed

    def test_a_day_that_was_published_by_half_warns(self, real: duckdb.DuckDBPyConnection) -> None:
        counts = dict(real.execute("SELECT occurred_on, sum(crimes)::INTEGER FROM days GROUP BY 1").fetchall())
        halved = [verdicts.daily_count_in_line({**counts, day: counts[day] // 2}, day) for day in list(counts)[90:500]]
        assert sum(not verdict.passed for verdict in halved) > 0.98 * len(halved)
        assert COUNT_LIMIT == 8

    def test_arrest_shares_seldom_warn_but_do_if_a_third_is_lost(self, real: duckdb.DuckDBPyConnection) -> None:
        days = real.execute("SELECT occurred_on, offense_class, crimes, arrests FROM days").fetchall()
        by_class: dict[str, dict[date, tuple[int, int]]] = {}
        for day, name, crimes, arrested in days:
            by_class.setdefault(name, {})[day] = (crimes, arrested)

        def row(name: str, as_of: date, kept: float) -> dict[str, object]:
            def total(first: int, last: int) -> tuple[int, int]:
                found = [by_class[name].get(as_of - n * ONE, (0, 0)) for n in range(first, last)]
                return sum(crimes for crimes, _ in found), sum(arrested for _, arrested in found)

            (recent, arrested), (year, year_arrested) = total(56, 84), total(84, 449)
            return arrests(name, recent, round(arrested * kept), year, year_arrested)

        as_of_days = [date(2017, 6, 1) + n * ONE for n in range(0, 537, 3)]

        def warned(name: str, kept: float) -> float:
            results = [verdicts.arrest_share_steady([row(name, day, kept)]).passed for day in as_of_days]
            return results.count(False) / len(results)

        assert {name: warned(name, 1.0) <= 0.03 for name in by_class} == dict.fromkeys(by_class, True)
        assert {name: warned(name, 2 / 3) >= 0.95 for name in by_class} == dict.fromkeys(by_class, True)
