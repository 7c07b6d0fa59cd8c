"""Reading SQL files and writing their statements for an engine."""

from __future__ import annotations

from datetime import date

import duckdb
import pytest

from crime_assets.core.errors import UsageError
from crime_assets.core.insights import all_insights
from crime_assets.core.sql import render, statement

DAY = {"as_of_day": date(2024, 2, 29)}


@pytest.mark.parametrize("dialect", ["athena", "duckdb", "spark"])
def test_renders_days_as_date_literals(dialect: str):
    sql = render("SELECT :as_of_day AS d, ':as_of_day' AS t FROM crimes", dialect, DAY)
    assert " ".join(sql.split()) == "SELECT CAST('2024-02-29' AS DATE) AS d, ':as_of_day' AS t FROM crimes"


@pytest.mark.parametrize("number", [0, 4, 0.1, -91.686565684, 1e-7])
def test_renders_numbers_as_they_are(number: float):
    sql = render("SELECT a - :number AS x FROM (SELECT CAST(0 AS DOUBLE) AS a)", "duckdb", {"number": number})
    assert duckdb.sql(sql).fetchall() == [(-number,)]


def test_gives_the_text_of_a_statement():
    text = statement("insights", "15_hotspots")
    assert text.startswith("-- ")
    assert all_insights()[14].statement in text


def test_renders_a_statement_anew_for_every_day():
    text = "SELECT :as_of_day AS d FROM crimes"
    first, second, again = (render(text, "duckdb", {"as_of_day": date(2024, 1, day)}) for day in (1, 2, 1))
    assert first == again
    assert second == first.replace("2024-01-01", "2024-01-02")


def test_renders_the_differences_between_the_dialects():
    text = "SELECT date_add('day', -27, :as_of_day) AS d, a FROM crimes ORDER BY a NULLS LAST"
    assert "INTERVAL" in render(text, "duckdb", DAY)
    assert "NULLS LAST" in render(text, "spark", DAY)


def test_refuses_to_render_without_a_parameter():
    with pytest.raises(UsageError, match="asks for :from_day, :to_day"):
        render("SELECT 1 WHERE :to_day > :from_day AND :as_of_day IS NULL", "duckdb", DAY)


@pytest.mark.parametrize("text", ["SELECT 1; SELECT 2", "DROP TABLE crimes", "", "SELECT 1; DROP TABLE crimes"])
def test_refuses_to_render_anything_but_one_query(text: str):
    with pytest.raises(UsageError, match="one SELECT statement"):
        render(text, "duckdb", DAY)


def test_refuses_what_a_dialect_cannot_say():
    with pytest.raises(UsageError, match="cannot be written in the dialect of duckdb"):
        render("SELECT approx_distinct(block, 0.1) AS blocks FROM crimes", "duckdb", DAY)
