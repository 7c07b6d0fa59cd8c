"""Reading the files of sql/insights: headers, parts, and what is refused."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pytest

from crime_assets.core import insights
from crime_assets.core.errors import UsageError
from crime_assets.core.insights import Chart, Count, Counting, Insight, InsightColumn, Share, load_insights
from crime_assets.core.sql import render

GOOD = """\
-- How many crimes there are.
-- Read with care.
--
-- @column as_of_day: The day.
-- @column period: Always
--   all.
-- @column first_day: Its first day.
-- @column last_day: Its last day.
-- @column open: Crimes without an arrest,
--   or with a domestic mark. [domestic,
--   arrest]

SELECT
    :as_of_day AS as_of_day, 'all' AS period, DATE '2024-01-01' AS first_day, :as_of_day AS last_day,
    count(*) FILTER (WHERE NOT arrest OR domestic) AS open
FROM crimes WHERE occurred_on <= :as_of_day
"""


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
                InsightColumn("first_day", "Its first day.", ()),
                InsightColumn("last_day", "Its last day.", ()),
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
        ("-- @column period: Always\n--   all.\n", "", "describes as_of_day, first_day, last_day, open"),
        ("-- @column period: Always\n--   all.\n", "-- @column period\n", "@column name: meaning"),
        ("-- @column period: Always\n--   all.\n", "-- @column Period: All.\n", "@column name: meaning"),
        ("'all' AS period", "'all' AS span", "gives the columns as_of_day, span, first_day, last_day, open"),
        (":as_of_day AS as_of_day, 'all' AS period", "'all' AS period, :as_of_day AS as_of_day", "in their order"),
        (
            "<= :as_of_day",
            "<= :today",
            "asks for :today: only :as_of_day, :first_change_day, :last_complete_day",
        ),
        ("FROM crimes", "FROM crimes, persons", "reads crimes, persons"),
        (
            "SELECT",
            "WITH pulls AS (SELECT 1 AS one) SELECT",
            "called pulls, like a part in sql/parts: rename the query",
        ),
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


def test_refuses_a_file_without_the_first_columns(tmp_path: Path):
    write(tmp_path, "-- A count.\n-- @column crimes: All.\nSELECT count(*) AS crimes FROM crimes")
    with pytest.raises(UsageError, match="first columns must be as_of_day, period, first_day, last_day"):
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


def test_reads_what_a_file_says_of_charts_counts_and_python(tmp_path: Path):
    tags = """\
-- @chart line period, open where period = all, open = a b
-- @count open: period, as_of_day
-- @count period
-- @share open: period
-- @across open, period
-- @ranked open
-- @adds_up period, open
-- @about period: open
-- @python hotspots
"""
    write(tmp_path, GOOD.replace("--   arrest]\n", f"--   arrest]\n{tags}"))
    (found,) = load_insights(tmp_path)
    assert found.chart == Chart("line", ("period", "open"), (("period", "all"), ("open", "a b")))
    assert found.counting == Counting(
        counts=(Count("open", ("period", "as_of_day")), Count("period", ())),
        shares=(Share("open", "period"),),
        across=("open", "period"),
        ranked=("open",),
        adds_up=("period", "open"),
    )
    assert found.about == (("period", "open"),)
    assert found.python == "hotspots"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("@chart pie period, open", "'@chart bars label, value where column = value'"),
        ("@chart bars period", "needs 2 columns, not 1"),
        ("@chart heat period, open", "needs 3 columns, not 2"),
        ("@chart bars period, open where period", "must read '@chart"),
        ("@chart bars period, arrests", "names arrests, which no @column line describes"),
        ("@chart bars period, open where district = 1", "names district"),
        ("@count open, period", "'@count name: derived, derived'"),
        ("@count crimes", "names crimes"),
        ("@adds_up district", "names district"),
        ("@across district", "names district"),
        ("@ranked district", "names district"),
        ("@share open", "'@share name: count'"),
        ("@share open: crimes", "names crimes"),
        ("@about open", "'@about name: column'"),
        ("@about open: crimes", "names crimes"),
    ],
)
def test_refuses_tags_that_are_not_right(tmp_path: Path, line: str, message: str):
    write(tmp_path, GOOD.replace("--   arrest]\n", f"--   arrest]\n-- {line}\n"))
    with pytest.raises(UsageError) as refused:
        load_insights(tmp_path)
    assert message in str(refused.value)


def test_a_finished_insight_may_have_other_columns_than_its_statement(tmp_path: Path):
    other = GOOD.replace("AS open", "AS crimes")
    write(tmp_path, other)
    with pytest.raises(UsageError, match="gives the columns as_of_day, period, first_day, last_day, crimes"):
        load_insights(tmp_path)
    write(tmp_path, other.replace("--   arrest]\n", "--   arrest]\n-- @python hotspots\n"))
    assert [column.name for column in load_insights(tmp_path)[0].columns] == [*insights.LEADING, "open"]


def test_what_is_said_about_a_column_is_left_out_with_it(tmp_path: Path):
    write(tmp_path, GOOD.replace("--   arrest]\n", "--   arrest]\n-- @about last_day: open\n"))
    (found,) = load_insights(tmp_path)
    assert found.without({"arrest"}).left_out == ("last_day", "open")
    assert found.without({"beat"}) is found


@pytest.fixture
def two_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {
        "known": "-- A comment.\nSELECT * FROM crimes WHERE occurred_on <= :as_of_day",
        "open_ones": "SELECT * FROM known WHERE NOT arrest OR domestic",
    }
    monkeypatch.setattr(insights, "parts", lambda: found)


@pytest.mark.usefixtures("two_parts")
@pytest.mark.parametrize("begins", ["SELECT", "WITH one AS (SELECT * FROM crimes)\nSELECT"])
def test_parts_stand_in_front_each_before_those_that_read_it(tmp_path: Path, begins: str):
    head = GOOD[: GOOD.index("SELECT")]
    columns = ":as_of_day AS as_of_day, 'all' AS period, :as_of_day AS first_day, :as_of_day AS last_day"
    write(tmp_path, f"{head}{begins} {columns}, count(*) AS open FROM open_ones")
    found = load_insights(tmp_path)[0].statement
    assert found.index("known AS (") < found.index("open_ones AS (") < found.index(":as_of_day AS as_of_day")
    assert found.count("WITH") == 1
    assert ("one AS (" in found) == begins.startswith("WITH")


def test_parts_count_as_what_they_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(insights, "parts", lambda: {"weights": "SELECT 1 AS weight"})
    write(tmp_path, GOOD.replace("FROM crimes", "FROM weights"))
    with pytest.raises(UsageError, match="must read crimes, and may read crimes_removed, crimes_superseded, weights"):
        load_insights(tmp_path)


def test_only_some_rows_count(tmp_path: Path):
    """The condition is on the rows of each table that is read, whatever the statement calls it."""
    names = ("as_of_day", "period", "first_day", "last_day", "n")
    header = "\n".join(f"-- @column {name}: X." for name in names)
    days = "SELECT :as_of_day AS as_of_day, 'all' AS period, :as_of_day AS first_day, :as_of_day AS last_day"
    tables = "crimes AS c JOIN crimes_removed ON crimes_removed.id = c.id"
    write(tmp_path, f"-- What.\n{header}\n\n{days}, count(*) AS n FROM {tables} WHERE c.hour = 3 OR c.hour = 4\n")
    (insight,) = load_insights(tmp_path)
    assert insight.counting_only("") is insight
    some = insight.counting_only("report_type = 'x' OR report_type IS NULL")
    assert some.definition != insight.definition
    with duckdb.connect() as con:
        rows = "(VALUES (1, 3, 'x'), (2, 3, 'y'), (3, 4, NULL), (4, 5, 'x'))"
        con.execute(f"CREATE TABLE crimes AS FROM {rows} t(id, hour, report_type)")
        con.execute("CREATE TABLE crimes_removed AS SELECT id, if(id = 3, 'y', 'x') AS report_type FROM crimes")
        asked = [render(one.statement, "duckdb", {"as_of_day": date(2024, 1, 1)}) for one in (insight, some)]
        found = [con.execute(sql).fetchall()[0][-1] for sql in asked]
    assert found == [3, 1]


def test_another_column_takes_the_place_of_one_that_is_not_published(tmp_path: Path):
    write(tmp_path, GOOD.replace("\n\nSELECT", "\n-- @instead domestic: ward\n-- @instead arrest: beat\n\nSELECT"))
    (insight,) = load_insights(tmp_path)
    assert insight.instead == (("domestic", "ward"), ("arrest", "beat"))
    assert insight.instead_of({"block"}) is insight
    other = insight.instead_of({"domestic", "block"})
    assert other.columns[-1] == InsightColumn(
        "open", insight.columns[-1].doc.replace("domestic", "ward"), ("arrest", "ward")
    )
    assert "NOT arrest OR ward" in other.statement
    assert other.definition != insight.definition
