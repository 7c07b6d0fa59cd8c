"""Reading SQL files and writing their statements for an engine."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pytest

from crime_assets.core.errors import UsageError
from crime_assets.core.insights import Insight, InsightColumn, load_insights
from crime_assets.core.sql import render, statement

GOOD = """\
-- How many crimes there are.
-- Read with care.
--
-- @column as_of_day: The day.
-- @column period: Always
--   all.
-- @column open: Crimes without an arrest,
--   or with a domestic mark. [domestic,
--   arrest]

SELECT :as_of_day AS as_of_day, 'all' AS period, count(*) FILTER (WHERE NOT arrest OR domestic) AS open
FROM crimes WHERE occurred_on <= :as_of_day
"""
DAY = {"as_of_day": date(2024, 2, 29)}


def write(folder: Path, text: str, name: str = "01_open_crimes.sql") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_a_file(tmp_path: Path):
    write(tmp_path, GOOD)
    assert load_insights(tmp_path) == (
        Insight(
            name="open_crimes",
            number=1,
            description="How many crimes there are. Read with care.",
            columns=(
                InsightColumn("as_of_day", "The day.", ()),
                InsightColumn("period", "Always all.", ()),
                InsightColumn("open", "Crimes without an arrest, or with a domestic mark.", ("arrest", "domestic")),
            ),
            statement=GOOD[GOOD.index("SELECT") :].strip(),
        ),
    )
    assert load_insights(tmp_path)[0].table == "insight_open_crimes"


def test_reads_files_in_the_order_of_their_names(tmp_path: Path):
    for name in ("10_last.sql", "02_second.sql", "01_first.sql"):
        write(tmp_path, GOOD, name)
    (tmp_path / "README.md").write_text("not an insight")
    assert [insight.name for insight in load_insights(tmp_path)] == ["first", "second", "last"]


@pytest.mark.parametrize("name", ["open.sql", "1_open.sql", "001_open.sql", "01_Open.sql", "01-open.sql", "01_a b.sql"])
def test_refuses_a_name_that_is_not_an_insight_s(tmp_path: Path, name: str):
    path = write(tmp_path, GOOD, name)
    with pytest.raises(UsageError, match=r"as in 01_crime_summary\.sql") as refused:
        load_insights(tmp_path)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("-- How many crimes there are.\n-- Read with care.\n", "", "must begin with comment lines"),
        ("-- @column period: Always\n--   all.\n", "", "describes as_of_day, open"),
        ("-- @column period: Always\n--   all.\n", "-- @column period\n", "@column name: meaning"),
        ("-- @column period: Always\n--   all.\n", "-- @column Period: All.\n", "@column name: meaning"),
        ("'all' AS period", "'all' AS span", "gives the columns as_of_day, span, open"),
        (":as_of_day AS as_of_day, 'all' AS period", "'all' AS period, :as_of_day AS as_of_day", "in their order"),
        ("<= :as_of_day", "<= :today", "asks for :today: only :as_of_day"),
        ("FROM crimes", "FROM crimes, persons", "reads crimes, persons"),
        ("FROM crimes", "FROM (SELECT 1 AS arrest) AS t", "reads no table"),
        ("SELECT", "SELECT 1; SELECT", "one SELECT statement"),
        ("SELECT", "CREATE TABLE t AS SELECT", "one SELECT statement"),
        ("SELECT", "SELEC", "not valid SQL in the Athena dialect"),
        ("'all'", "'all", "not valid SQL in the Athena dialect"),
    ],
)
def test_refuses_a_file_that_is_not_right(tmp_path: Path, old: str, new: str, message: str):
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(UsageError) as refused:
        load_insights(tmp_path)
    assert str(refused.value).startswith(f"{path}: ")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_refuses_a_file_without_columns_of_day_and_period(tmp_path: Path):
    write(tmp_path, "-- A count.\n-- @column crimes: All.\nSELECT count(*) AS crimes FROM crimes")
    with pytest.raises(UsageError, match="first two columns must be as_of_day and period"):
        load_insights(tmp_path)


def test_refuses_a_file_without_a_statement(tmp_path: Path):
    write(tmp_path, GOOD[: GOOD.index("SELECT")])
    with pytest.raises(UsageError, match="one SELECT statement"):
        load_insights(tmp_path)


def test_refuses_what_is_not_text(tmp_path: Path):
    (tmp_path / "01_open.sql").write_bytes(b"-- caf\xe9\nSELECT 1")
    with pytest.raises(UsageError, match="UTF-8"):
        load_insights(tmp_path)


def test_refuses_two_insights_of_one_name(tmp_path: Path):
    write(tmp_path, GOOD, "01_open.sql")
    write(tmp_path, GOOD, "02_open.sql")
    with pytest.raises(UsageError, match="called open"):
        load_insights(tmp_path)


@pytest.mark.parametrize("folder", ["", "missing"])
def test_refuses_a_directory_without_insights(tmp_path: Path, folder: str):
    with pytest.raises(UsageError, match="no insights"):
        load_insights(tmp_path / folder)


def test_a_cte_is_not_a_table_that_is_read(tmp_path: Path):
    write(
        tmp_path,
        GOOD.replace("SELECT", "WITH known AS (SELECT * FROM crimes)\nSELECT").replace("FROM crimes W", "FROM known W"),
    )
    assert load_insights(tmp_path)[0].name == "open_crimes"


@pytest.mark.parametrize("dialect", ["athena", "duckdb", "spark"])
def test_renders_days_as_date_literals(dialect: str):
    sql = render("SELECT :as_of_day AS d, ':as_of_day' AS t FROM crimes", dialect, DAY)
    assert " ".join(sql.split()) == "SELECT CAST('2024-02-29' AS DATE) AS d, ':as_of_day' AS t FROM crimes"


@pytest.mark.parametrize("number", [0, 4, 0.1, -91.686565684, 1e-7])
def test_renders_numbers_as_they_are(number: float):
    sql = render("SELECT a - :number AS x FROM (SELECT CAST(0 AS DOUBLE) AS a)", "duckdb", {"number": number})
    assert duckdb.sql(sql).fetchall() == [(-number,)]


def test_gives_the_text_of_a_statement():
    text = statement("insights", "01_crime_summary")
    assert text.startswith("-- ")
    assert load_insights()[0].statement in text


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
