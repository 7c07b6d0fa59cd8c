"""Like for like on real rows: every change day of the real export, for three kinds of lake; the figures of the docs.

Ids of Chicago's records say when they were reported, so the export shows when each became known, although it has only
the last stamps. That is the truth that the comparisons of compstat are held against. `unchanged` deals the records of
both windows at random to either, with their delays: whatever is flagged then is a false alarm.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from crime_assets.core.insights import all_insights
from crime_assets.core.sql import render

pytestmark = pytest.mark.stress

FIRST, LAST = date(2018, 5, 20), date(2018, 11, 19)
"""Change days after the two bulk re-stamps of 2018 that leave 14 days of stamps to learn from."""
BULK = "2018-02-12"
SERIAL = date(2016, 1, 1)

_RECORDS = f"""
CREATE TABLE stamped AS
SELECT
  CAST("ID" AS BIGINT) AS id,
  CAST(strptime("Date", '%m/%d/%Y %I:%M:%S %p') AS DATE) AS occurred_on,
  CAST(strptime("Updated On", '%m/%d/%Y %I:%M:%S %p') AS DATE) AS stamped_on,
  "District" AS district,
  CASE
    WHEN "FBI Code" IN ('01A', '02', '03', '04A', '04B') THEN 'violent'
    WHEN "FBI Code" IN ('05', '06', '07', '09') THEN 'property'
    ELSE 'other'
  END AS offense_class
FROM read_csv(?, all_varchar = true, header = true);
CREATE TABLE greatest AS
SELECT stamped_on, max(max(id)) OVER (ORDER BY stamped_on) AS id
FROM stamped
WHERE stamped_on > DATE '{BULK}' AND stamped_on - occurred_on < 60
GROUP BY stamped_on;
CREATE TABLE records AS
SELECT
  stamped.*,
  least(stamped_on, greatest(
    occurred_on + 7, (SELECT min(found.stamped_on) FROM greatest AS found WHERE found.id >= stamped.id)
  )) AS published_on
FROM stamped
"""

_COLUMNS = "id, occurred_on, district, NULL AS beat, NULL AS community_area, offense_class"
_LAKES = {
    # Every day pulled on the next: each record's first version and its last.
    "live": """
        SELECT *, change_day + 1 AS pulled_on FROM (
          SELECT {columns}, CAST(unnest([published_on, stamped_on]) AS DATE) AS change_day
          FROM dealt WHERE published_on < stamped_on
          UNION ALL
          SELECT {columns}, CAST(stamped_on AS DATE) AS change_day FROM dealt WHERE published_on >= stamped_on
        ) WHERE change_day <= DATE '{day}'
    """,
    # Begun on the day, with a history of what the source shows then.
    "begun today": """
        SELECT
          {columns},
          CAST(CASE WHEN stamped_on <= DATE '{day}' THEN stamped_on ELSE published_on END AS DATE) AS change_day,
          DATE '{day}' + 1 AS pulled_on
        FROM dealt WHERE published_on <= DATE '{day}'
    """,
    # The export pulled day by day, years later: only last stamps.
    "replayed": """
        SELECT {columns}, CAST(stamped_on AS DATE) AS change_day, DATE '2026-01-01' AS pulled_on
        FROM dealt WHERE stamped_on <= DATE '{day}'
    """,
}
_DEALT = {
    "as it was": "SELECT * FROM records",
    "unchanged": """
        SELECT * REPLACE (
          CAST(occurred_on + moved AS DATE) AS occurred_on,
          CAST(published_on + moved AS DATE) AS published_on,
          CAST(stamped_on + moved AS DATE) AS stamped_on
        )
        FROM (
          SELECT
            *,
            CASE
              WHEN hash(id, DATE '{day}') % 2 = 0 THEN 0
              WHEN occurred_on BETWEEN DATE '{last}' - 27 AND DATE '{last}' THEN -28
              WHEN occurred_on BETWEEN DATE '{last}' - 55 AND DATE '{last}' - 28 THEN 28
              ELSE 0
            END AS moved
          FROM records
        )
    """,
}


@pytest.fixture(scope="module")
def rows(shared_data: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        first, *others = _RECORDS.split(";\n")
        connection.execute(first, [str(shared_data / "chicago" / "Crimes_-_201*.csv.gz")])
        for statement in others:
            connection.execute(statement)
        yield connection


@dataclass(frozen=True)
class Found:
    """The cells of compstat's 28 days on each change day, beside what was known of the days before and became known."""

    cells: pd.DataFrame

    @property
    def city(self) -> pd.DataFrame:
        return self.cells[(self.cells["district"] == "all") & (self.cells["offense_class"] == "all")]

    def bias(self, before: str) -> float:
        """The mean of z against that column less the mean of z against the truth, in the city."""
        return float((_z(self.city, before) - _z(self.city, "known_then")).mean())

    def flagged(self, before: str | None = None) -> float:
        """The share of cells of districts that are flagged; against a column, by its z alone."""
        cells = self.cells[self.cells["district"] != "all"]
        flags = cells["flag"] != 0 if before is None else _z(cells, before).abs() >= 3
        return float(flags.mean())

    def covered(self, low: str, high: str, truth: str) -> float:
        return float(self.cells[truth].between(self.cells[low], self.cells[high]).mean())


def _z(cells: pd.DataFrame, before: str) -> pd.Series:
    return 2 * (np.sqrt(cells["crimes"].astype(float)) - np.sqrt(cells[before].astype(float)))


def found(connection: duckdb.DuckDBPyConnection, lake: str, dealt: str, step: int) -> Found:
    days = [FIRST + timedelta(days=n) for n in range(0, (LAST - FIRST).days + 1, step)]
    return Found(pd.concat([_cells(connection, lake, dealt, day) for day in days], ignore_index=True))


def _cells(connection: duckdb.DuckDBPyConnection, lake: str, dealt: str, day: date) -> pd.DataFrame:
    last = day - timedelta(days=8)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE dealt AS {_DEALT[dealt].format(day=day, last=last)}")
    versions = _LAKES[lake].format(columns=_COLUMNS, day=day)
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE versions_held AS
        SELECT
          * EXCLUDE pulled_on,
          CAST(pulled_on AS TIMESTAMPTZ) AS ingested_at,
          CAST(change_day AS TIMESTAMP) AS updated_on,
          '' AS record_md5,
          row_number() OVER (PARTITION BY id ORDER BY change_day DESC) AS recency
        FROM ({versions})
        """
    )
    connection.execute("CREATE OR REPLACE TEMP VIEW crimes AS FROM versions_held WHERE recency = 1")
    connection.execute("CREATE OR REPLACE TEMP VIEW crimes_superseded AS FROM versions_held WHERE recency > 1")
    connection.execute(
        "CREATE OR REPLACE TEMP VIEW crimes_removed AS SELECT *, change_day AS removed_on FROM crimes LIMIT 0"
    )
    (insight,) = (insight for insight in all_insights() if insight.name == "compstat")
    first = day if lake == "begun today" else date(2018, 2, 13)
    parameters = {
        "as_of_day": day,
        "last_complete_day": last,
        "first_change_day": first,
        "pulled_since": first,
        "serial_ids_from": SERIAL,
    }
    cells = connection.sql(render(insight.statement, "duckdb", parameters)).df()
    cells = cells[cells["period"] == "28d"].assign(day=day)
    known = "published_on <= DATE '{then}'" if lake != "replayed" else "stamped_on <= DATE '{then}'"
    truth = connection.sql(
        f"""
        SELECT
          coalesce(district, '') AS place,
          offense_class AS kind,
          count(*) FILTER (
            WHERE {known.format(then=day - timedelta(days=28))}
              AND occurred_on BETWEEN DATE '{last}' - 55 AND DATE '{last}' - 28
          ) AS known_then,
          count(*) FILTER (
            WHERE published_on <= occurred_on + 90 AND occurred_on BETWEEN DATE '{last}' - 27 AND DATE '{last}'
          ) AS in_the_end
        FROM dealt
        GROUP BY ALL
        """
    ).df()
    for column in ("known_then", "in_the_end"):
        of_cell = truth.set_index(["place", "kind"])[column]
        cells[column] = [_sum(of_cell, row.district, row.offense_class) for row in cells.itertuples()]
    return cells


def _sum(of_cell: pd.Series, district: str | None, offense_class: str) -> int:
    places = slice(None) if district == "all" else [district or ""]
    kinds = slice(None) if offense_class == "all" else [offense_class]
    part = of_cell[of_cell.index.isin(places, level=0)] if district != "all" else of_cell
    part = part[part.index.isin(kinds, level=1)] if offense_class != "all" else part
    return int(part.sum())


def show(what: str, figures: Found, *, ends_at: date | None = None) -> None:
    """A line of the table in docs/like-for-like.md."""
    settled = Found(figures.cells[figures.cells["day"] <= (ends_at or LAST)])
    is_told = bool(settled.cells["crimes_in_the_end_low"].notna().any())
    in_the_end = settled.covered("crimes_in_the_end_low", "crimes_in_the_end_high", "in_the_end") if is_told else None
    print(
        f"| {what} | {figures.bias('crimes_before_now'):+.1f} | {figures.bias('crimes_before'):+.1f} "
        f"| {figures.covered('crimes_before_low', 'crimes_before_high', 'known_then'):.0%} "
        f"| {'not told' if in_the_end is None else format(in_the_end, '.0%')} |"
    )


def test_a_lake_that_pulls_every_day(rows: duckdb.DuckDBPyConnection) -> None:
    figures = found(rows, "live", "as it was", 1)
    show("live", figures, ends_at=date(2018, 8, 20))
    assert set(figures.cells["before_basis"]) == {"seen"}
    assert (figures.cells["crimes_before"] == figures.cells["known_then"]).all()
    assert figures.bias("crimes_before_now") < -2.5
    # In the end is 90 days later; until 20 August the export shows that.
    settled = Found(figures.cells[figures.cells["day"] <= date(2018, 8, 20)])
    assert settled.covered("crimes_in_the_end_low", "crimes_in_the_end_high", "in_the_end") > 0.9
    assert Found(settled.city).covered("crimes_in_the_end_low", "crimes_in_the_end_high", "in_the_end") > 0.9


def test_a_lake_that_begins(rows: duckdb.DuckDBPyConnection) -> None:
    figures = found(rows, "begun today", "as it was", 1)
    show("begun that day", figures, ends_at=date(2018, 8, 20))
    assert set(figures.cells["before_basis"]) == {"estimated"}
    assert figures.bias("crimes_before_now") < -2.5
    assert abs(figures.bias("crimes_before")) < 1
    assert figures.covered("crimes_before_low", "crimes_before_high", "known_then") > 0.9


def test_a_replay(rows: duckdb.DuckDBPyConnection) -> None:
    """What a replay knew on a past day lacks what was edited since: the interval holds it, the figure is nearer."""
    figures = found(rows, "replayed", "as it was", 1)
    show("replayed", figures)
    assert set(figures.cells["before_basis"]) == {"estimated"}
    assert figures.covered("crimes_before_low", "crimes_before_high", "known_then") > 0.95
    assert figures.cells["crimes_in_the_end_high"].isna().all()
    newest = Found(figures.cells[figures.cells["day"] == LAST])
    assert abs(float(_z(newest.city, "crimes_before").iloc[0])) < 1
    assert float(_z(newest.city, "crimes_before_now").iloc[0]) < -3


@pytest.mark.parametrize("lake", list(_LAKES))
def test_districts_in_which_nothing_changed(rows: duckdb.DuckDBPyConnection, lake: str) -> None:
    figures = found(rows, lake, "unchanged", 4)
    print(f"| {lake} | {figures.flagged('crimes_before_now'):.1%} | {figures.flagged():.1%} |")
    assert figures.flagged() < 0.045
