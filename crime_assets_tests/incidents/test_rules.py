"""The files of sql/alerts and sql/live: their headers, what they may say, and that every engine's dialect has them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlglot

from crime_assets.core.errors import UsageError
from crime_assets.core.sql import SQL_DIRECTORY, render, statement
from crime_assets.incidents.contract import ARRIVED
from crime_assets.incidents.heads import MAJOR, NEAR
from crime_assets.incidents.limits import CHANCE
from crime_assets.incidents.rules import COLUMNS, TABLES, alert_id, all_rules, digest, load_rules
from crime_assets_tests.incidents.tallies import Tallies
from crime_assets_tests.incidents.test_limits import is_alarm

RULES = {rule.name: rule for rule in all_rules()}
TEXT = (SQL_DIRECTORY / "alerts" / "01_surge.sql").read_text(encoding="utf-8")
TYPES = ("VARCHAR", "VARCHAR", "INTEGER", "INTEGER", "BIGINT", "BIGINT", "BIGINT", "INTEGER", "INTEGER", "VARCHAR")


def test_loads_the_rules_in_their_order():
    assert [(rule.number, rule.name, rule.window, rule.chance) for rule in all_rules()] == [
        (1, "surge", "hour", 4),
        (2, "near_repeats", "day", 4),
        (3, "repeat_address", "day", 4),
        (4, "watch_list", "day", None),
        (5, "major_head", "fir", None),
        (6, "silent_station", "block", 4),
        (7, "duplicates", "day", None),
    ]
    assert RULES["surge"].evidence == ("station", "hour_number")
    assert RULES["surge"].title == "Far more reports than usual in an hour"
    assert [rule.name for rule in all_rules() if rule.asks_for_blocks] == ["silent_station"]
    assert [*map(sorted, (rule.touched_by for rule in all_rules()))] == [
        *(["new_hours"], ["new_cells"], ["new_cells"], ["new_named"], ["new_reports"], ["new_blocks"]),
        ["new_complaints"],
    ]


def test_identifies_an_alert_by_rule_subject_and_window():
    ids = {
        alert_id(*one)
        for one in (("surge", "a", 1), ("surge", "a", 2), ("surge", "b", 1), ("other", "a", 1), ("surge\na", "1", 1))
    }
    assert len(ids) == 5
    assert all(re.fullmatch("[0-9a-f]{24}", one) for one in ids)


def test_the_digest_is_of_what_is_computed(tmp_path: Path):
    def of(text: str) -> str:
        (tmp_path / "01_surge.sql").write_text(text, encoding="utf-8")
        return digest(load_rules(tmp_path))

    first = of(TEXT)
    assert of(TEXT.replace("-- A station registers", "--  Some station  registers")) == first
    assert of(TEXT.replace("THEN 5 ELSE", "THEN 6 ELSE")) != first
    assert of(TEXT.replace("@chance 4", "@chance 5").replace("10,000", "100,000")) != first


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("dialect", ["athena", "duckdb", "spark"])
def test_is_written_for_every_engine(name: str, dialect: str):
    assert len(sqlglot.parse(RULES[name].query(dialect, (5, 6)), read=dialect)) == 1


@pytest.mark.parametrize("name", sorted(path.stem for path in (SQL_DIRECTORY / "live").glob("new_*.sql")))
@pytest.mark.parametrize("dialect", ["athena", "duckdb", "spark"])
def test_what_is_added_is_written_for_every_engine(name: str, dialect: str):
    assert len(sqlglot.parse(render(statement("live", name), dialect, {}), read=dialect)) == 1


@pytest.mark.parametrize("name", RULES)
def test_gives_the_same_columns_and_types_in_every_rule(name: str):
    told = Tallies(rules=()).con.sql(RULES[name].query("duckdb", (5, 6)))
    assert tuple(told.columns) == COLUMNS
    assert tuple(map(str, told.types)) == TYPES


@pytest.mark.parametrize("name", [name for name, rule in RULES.items() if rule.evidence])
def test_finds_evidence_by_columns_that_reports_have(name: str):
    new_reports = Tallies(rules=()).con.sql("SELECT * FROM new_reports").columns
    assert {*RULES[name].evidence} <= {*new_reports}


def test_state_has_the_tables_that_rules_read():
    con = Tallies(rules=()).con
    assert {name for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()} >= TABLES
    assert {*con.sql("SELECT * FROM new_reports").columns} - {"cell_lat", "cell_lon"} <= {*ARRIVED.names}


def test_names_the_heads_that_are_listed_in_python():
    assert listed_in("near_repeats") == NEAR
    assert listed_in("major_head") == MAJOR


def listed_in(name: str) -> set[str]:
    (within,) = re.findall(r"head IN \((.*?)\)", RULES[name].statement, re.DOTALL)
    return {*re.findall("'([^']+)'", within)}


def test_silence_needs_as_many_reports_as_chance_says():
    (values,) = re.findall(r"VALUES ([(), \d]+)\) AS needed", RULES["silent_station"].statement)
    pairs = [(int(periods), int(least)) for periods, least in re.findall(r"\((\d+), (\d+)\)", values)]
    assert [periods for periods, _ in pairs] == [*range(4, 9)]
    for periods, least in pairs:
        # None now, after so many: they all came in the periods before.
        assert periods**least * 10**CHANCE <= (periods + 1) ** least
        assert periods ** (least - 1) * 10**CHANCE > (periods + 1) ** (least - 1)
        assert is_alarm(CHANCE, periods, 0, 4) or periods < 9


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (TEXT.replace("@title Far more reports than usual in an hour", "@title"), "lacks @title"),
        (TEXT.replace("@window hour", "@window week"), "must name one of hour, block, day, fir"),
        (TEXT.replace("@chance 4", "@chance 1e-4"), "must be a digit"),
        (TEXT.replace("@chance 4", "@chance 5"), "must begin with 'At most 1 in 100,000'"),
        (TEXT.replace("-- @chance 4\n", ""), "must begin with 'None by chance'"),
        (TEXT.replace("-- @chance 4\n", "").replace("At most", "None by chance: at most"), "asks for :chance"),
        (TEXT.replace("@evidence station, hour_number", "@evidence station hour"), "write it as column, column"),
        (TEXT.replace("-- @window hour", "-- @window hour\n-- @window day"), "a tag twice"),
        (TEXT[TEXT.index("WITH earlier") :], "must begin with comment lines"),
        (TEXT.replace("AS revision", "AS level"), "give subject, district, window_number, revision"),
        (TEXT.replace("FROM new_hours", "FROM crimes AS new_hours"), "reads crimes"),
        (TEXT.replace(":chance", ":as_of_day"), "asks for :as_of_day"),
        (TEXT.replace("168 * weeks.week", "168 / weeks.week"), "no division"),
        (TEXT.replace("168 * weeks.week", "168 % weeks.week"), "no division"),
        (TEXT.replace("judged.district,", "CAST(CURRENT_DATE AS VARCHAR) AS district,"), "or clock"),
        (TEXT.replace("judged.district,", "CAST(now() AS VARCHAR) AS district,"), "or clock"),
        (TEXT + "; SELECT 1", "one SELECT statement"),
    ],
)
def test_refuses_a_wrong_file(tmp_path: Path, wrong: str, message: str):
    (tmp_path / "01_surge.sql").write_text(wrong, encoding="utf-8")
    with pytest.raises(UsageError, match=message) as refused:
        load_rules(tmp_path)
    assert "01_surge.sql" in str(refused.value)


def test_refuses_wrong_names_and_no_files(tmp_path: Path):
    with pytest.raises(UsageError, match="There are no rules"):
        load_rules(tmp_path)
    (tmp_path / "surge.sql").write_text(TEXT, encoding="utf-8")
    with pytest.raises(UsageError, match="use two digits and a name"):
        load_rules(tmp_path)
    (tmp_path / "surge.sql").rename(tmp_path / "01_surge.sql")
    (tmp_path / "02_surge.sql").write_text(TEXT, encoding="utf-8")
    with pytest.raises(UsageError, match="are called surge"):
        load_rules(tmp_path)


def test_refuses_what_is_not_text(tmp_path: Path):
    (tmp_path / "01_surge.sql").write_bytes(b"-- \xff")
    with pytest.raises(UsageError, match="not UTF-8"):
        load_rules(tmp_path)
