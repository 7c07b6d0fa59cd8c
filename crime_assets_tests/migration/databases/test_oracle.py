"""Statements for Oracle as texts, and its errors: no Oracle was there, so nothing else of it is proven here."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import oracledb
import pytest

from crime_assets.core.errors import LegacyError, SourceForgot, UsageError
from crime_assets.migration.columns import Column, Kind
from crime_assets.migration.databases.flashback import FlashbackDatabase
from crime_assets.migration.databases.oracle import OracleDialect, connecting
from crime_assets.migration.documents import Child, DocumentMapping
from crime_assets.migration.progress import Position
from crime_assets_tests.migration.databases.oracle_double import DoubleConnection, DoubleError
from crime_assets_tests.migration.tiny import Touched

CASE = DocumentMapping(
    "case",
    "cases",
    ("number",),
    (Column("number", Kind.NUMBER, precision=10), Column("date", Kind.DATE), Column("comment", Kind.LARGE)),
    children=(Child("roles", "roles", ("case_number",), ("role_no",), (Column("role_no", Kind.NUMBER, precision=3),)),),
)
CODE = DocumentMapping(
    "code", "codes", ("list", "code"), (Column("list", Kind.TEXT), Column("code", Kind.PADDED, width=3))
)
BOTH = (CASE, CODE)
CATALOGUE: list[tuple[Any, ...]] = [
    ("cases", "CASES", "number", "NUMBER", "NUMBER", 10, 0, 0, 1),
    ("cases", "CASES", "date", "DATE", "DATE", None, None, 0, 0),
    ("cases", "CASES", "comment", "COMMENT", "CLOB", None, None, 0, 0),
    ("codes", "CODES", "list", "LIST", "VARCHAR2", None, None, 10, 1),
    ("codes", "CODES", "code", "CODE", "CHAR", None, None, 3, 1),
    ("roles", "ROLES", "case_number", "CASE_NUMBER", "NUMBER", 10, 0, 0, 1),
    ("roles", "ROLES", "role_no", "ROLE_NO", "NUMBER", 3, 0, 0, 1),
]
IDENTITIES = [("cases", "71 2026-01-01 10:00:00"), ("codes", "72 x"), ("roles", "73 x")]
ANSWERS: dict[str, Any] = {
    "all_objects": IDENTITIES,
    "all_tab_columns": CATALOGUE,
    "GET_SYSTEM_CHANGE_NUMBER": [(700,)],
}
NUMBER = "TO_CHAR(t.\"NUMBER\", 'FM9999999990')"
DATE = "LTRIM(TO_CHAR(t.\"DATE\", 'SYYYY-MM-DD HH24:MI:SS'))"
PARENT = "TO_CHAR(t.\"CASE_NUMBER\", 'FM9999999990')"
ROLE = "TO_CHAR(t.\"ROLE_NO\", 'FM990')"


def database(connection: DoubleConnection) -> FlashbackDatabase:
    return FlashbackDatabase(lambda: connection, OracleDialect(), "oracle+oracledb://host/service", BOTH)


def sent(connection: DoubleConnection, part: str) -> list[str]:
    return [statement for statement in connection.statements if part in statement]


def test_a_chunk_is_read_as_of_its_number_behind_the_names_of_tables() -> None:
    connection = DoubleConnection(
        {
            **ANSWERS,
            'FROM "CASES"': [("5", "2016-01-01 10:00:00", "long"), ("7", None, None)],
            'FROM "ROLES"': [("7", "1")],
        }
    )
    with database(connection).snapshot() as now:
        assert now.position == 700
        assert now.shape().differs(BOTH) == []
        chunk = now.after(CASE, ("3",), 5_000)
    assert chunk is not None
    assert chunk.last == ("7",)
    assert chunk.roots.to_pylist()[0] == {"number": "5", "date": "2016-01-01 10:00:00", "comment": "long"}
    assert chunk.children["roles"].to_pylist() == [{"case_number": "7", "role_no": "1"}]
    assert sent(connection, "AS OF") == [
        f'SELECT {NUMBER}, {DATE}, t."COMMENT" FROM "CASES" AS OF SCN :until t WHERE 1 = 1 '
        'AND ((t."NUMBER" > :after0)) ORDER BY t."NUMBER" FETCH FIRST 5000 ROWS ONLY',
        f'SELECT {PARENT}, {ROLE} FROM "ROLES" AS OF SCN :until t WHERE 1 = 1 AND (((t."CASE_NUMBER" > :after0)) '
        'AND ((t."CASE_NUMBER" <= :last0))) ORDER BY t."CASE_NUMBER", t."ROLE_NO"',
    ]
    assert [values for values in connection.values if "until" in values] == [
        {"after0": Decimal(3), "until": 700},
        {"after0": Decimal(3), "last0": Decimal(7), "until": 700},
    ]


def test_keys_of_several_columns_are_compared_one_by_one_for_oracle_compares_no_lists() -> None:
    connection = DoubleConnection(ANSWERS)
    with database(connection).snapshot() as now:
        assert now.after(CODE, ("a", "b  "), 10) is None
        assert now.these(CODE, [("a", "b  "), ("c", "d  "), ("", "x")]).last is None
        now.these(CASE, [(str(number),) for number in range(1_001)])
    first, second, many, _ = sent(connection, "AS OF")
    assert '((t."LIST" > :after0) OR (t."LIST" = :after0 AND t."CODE" > :after1))' in first
    assert '((t."LIST", t."CODE") IN ((:key0_0, :key0_1), (:key1_0, :key1_1), (:key2_0, :key2_1)))' in second
    # A list has a thousand at most.
    assert ' OR (t."NUMBER") IN ((:key1000_0))) ORDER BY' in many


def test_changes_are_versions_between_two_numbers() -> None:
    connection = DoubleConnection({**ANSWERS, 'FROM "ROLES" VERSIONS': [("5",), (None,)]})
    found = Touched()
    assert database(connection).touched(Position(600), None, found) == 700
    assert dict(found.keys) == {"case": {("5",)}}
    versions = (
        "VERSIONS BETWEEN SCN :since AND :until t WHERE t.VERSIONS_STARTSCN > :since OR t.VERSIONS_ENDSCN > :since"
    )
    assert sent(connection, "VERSIONS") == [
        f'SELECT DISTINCT {NUMBER} FROM "CASES" {versions}',
        f'SELECT DISTINCT {PARENT} FROM "ROLES" {versions}',
        f'SELECT DISTINCT t."LIST", t."CODE" FROM "CODES" {versions}',
    ]
    assert connection.values[-1] == {"since": 600, "until": 700}
    assert database(connection).touched(Position(700), None, found) == 700


@pytest.mark.parametrize(
    ("given", "sql_type", "text"),
    [
        (("NUMBER", 12, 9, 0), "number(12,9)", "TO_CHAR(t.\"X\", 'FM990.000000000')"),
        (("NUMBER", 2, 5, 0), "number(2,5)", "TO_CHAR(t.\"X\", 'FM0.00000')"),
        (("NUMBER", 5, -2, 0), "number(5,-2)", "TO_CHAR(t.\"X\", 'FM9999990')"),
        (("NUMBER", None, 0, 0), "number(38,0)", f"TO_CHAR(t.\"X\", 'FM{'9' * 37}0')"),
        (
            ("NUMBER", None, None, 0),
            "number",
            "REGEXP_REPLACE(TO_CHAR(t.\"X\", 'TM9', 'NLS_NUMERIC_CHARACTERS=''.,'''), '^(-?)\\.', '\\10.')",
        ),
        (("DATE", None, None, 0), "date", "LTRIM(TO_CHAR(t.\"X\", 'SYYYY-MM-DD HH24:MI:SS'))"),
        (("TIMESTAMP(0)", None, 0, 0), "timestamp(0)", "LTRIM(TO_CHAR(t.\"X\", 'SYYYY-MM-DD HH24:MI:SS'))"),
        (
            ("TIMESTAMP(6) WITH TIME ZONE", None, 6, 0),
            "timestamp(6) with time zone",
            "LTRIM(TO_CHAR(t.\"X\", 'SYYYY-MM-DD HH24:MI:SS.FF6TZH:TZM'))",
        ),
        (("CHAR", None, None, 5), "char(5)", 't."X"'),
        (("VARCHAR2", None, None, 60), "varchar2(60)", 't."X"'),
        (("CLOB", None, None, 0), "clob", 't."X"'),
        (("RAW", None, None, 0), "raw", 'LOWER(RAWTOHEX(t."X"))'),
        (("BLOB", None, None, 0), "blob", 't."X"'),
    ],
)
def test_values_are_written_by_their_types(given: tuple[Any, ...], sql_type: str, text: str) -> None:
    connection = DoubleConnection({"all_tab_columns": [("things", "THINGS", "x", "X", *given, 0)]})
    dialect = OracleDialect()
    (table,) = dialect.tables(connection, ["things"]).values()
    assert table.column("x").sql_type == sql_type
    assert dialect.text(table.column("x"), table) == text


def test_bytes_come_as_hex_digits() -> None:
    mapping = DocumentMapping(
        "thing", "things", ("n",), (Column("n", Kind.NUMBER, precision=3), Column("raw", Kind.BYTES))
    )
    connection = DoubleConnection(
        {
            "all_tab_columns": [
                ("things", "THINGS", "n", "N", "NUMBER", 3, 0, 0, 1),
                ("things", "THINGS", "raw", "RAW", "BLOB", None, None, 0, 0),
            ],
            "GET_SYSTEM": [(1,)],
            "AS OF": [("1", b"\x00\xff")],
        }
    )
    with FlashbackDatabase(lambda: connection, OracleDialect(), "x", [mapping]).snapshot() as now:
        assert now.these(mapping, [("1",)]).roots.to_pylist() == [{"n": "1", "raw": "00ff"}]


def test_a_table_is_known_by_its_number_and_when_it_was_altered_last() -> None:
    connection = DoubleConnection(ANSWERS)
    with database(connection).snapshot() as now:
        assert now.shape().identities == dict(IDENTITIES)
    # Before it is read, and behind it.
    assert sent(connection, "all_objects") == 2 * [
        "SELECT LOWER(object_name), object_id || ' ' || TO_CHAR(last_ddl_time, 'YYYY-MM-DD HH24:MI:SS') "
        "FROM all_objects WHERE owner = SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA') AND object_type = 'TABLE' "
        "AND LOWER(object_name) IN (:name0, :name1, :name2)"
    ]
    assert connection.values[0] == {"name0": "cases", "name1": "codes", "name2": "roles"}


def test_a_table_that_is_altered_while_it_is_read_is_noticed() -> None:
    connection = DoubleConnection(ANSWERS)
    with pytest.raises(SourceForgot, match="while it was read"), database(connection).snapshot():
        connection.answers["all_objects"] = [("cases", "71 2026-01-01 10:00:01"), *IDENTITIES[1:]]


@pytest.mark.parametrize("code", [1555, 30052, 8181, 8180, 1466, 22924])
def test_what_undo_no_longer_has_is_forgotten(code: int) -> None:
    connection = DoubleConnection({**ANSWERS, "VERSIONS": DoubleError(code)})
    with pytest.raises(SourceForgot, match=rf"ORA-{code:05}: it failed\): run `crime-assets legacy verify --repair`"):
        database(connection).touched(Position(1), None, Touched())


@pytest.mark.parametrize(
    ("code", "advice"), [(12170, "try again"), (1031, "FLASHBACK on the tables"), (942, "EXECUTE on")]
)
def test_other_errors_are_told_in_a_line(code: int, advice: str) -> None:
    connection = DoubleConnection({**ANSWERS, "VERSIONS": DoubleError(code)})
    with pytest.raises(LegacyError, match=rf"^oracle\+oracledb://host/service: ORA-{code:05}[^\n]+$") as caught:
        database(connection).check()
    assert not isinstance(caught.value, SourceForgot)
    assert advice in str(caught.value)


def test_every_statement_is_tried_before_anything_begins() -> None:
    connection = DoubleConnection(ANSWERS)
    assert database(connection).begin() == 700
    assert len(sent(connection, "AS OF SCN")) == 2
    assert len(sent(connection, "VERSIONS BETWEEN")) == 3
    (warning,) = database(connection).check()
    assert "UNDO_RETENTION" in warning
    assert database(connection).lag().bytes is None
    assert database(connection).finish() == []


@pytest.mark.parametrize(("rows", "expected"), [([(767_264,)], 767_264), ([], None)])
def test_expected_rows_are_those_of_the_statistics(rows: list[tuple[int]], expected: int | None) -> None:
    connection = DoubleConnection({"num_rows": rows})
    assert database(connection).expected(CASE) == expected
    assert connection.statements == [
        "SELECT num_rows FROM all_tables WHERE owner = SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA') "
        "AND LOWER(table_name) = :name AND num_rows IS NOT NULL"
    ]
    assert connection.values == [{"name": "cases"}]


def test_a_position_that_lies_ahead_is_of_another_database() -> None:
    with pytest.raises(SourceForgot, match="older copy"):
        database(DoubleConnection(ANSWERS)).touched(Position(701), None, Touched())


def test_two_tables_of_the_same_letters_are_refused() -> None:
    connection = DoubleConnection({"all_tab_columns": [*CATALOGUE, ("cases", "Cases", *CATALOGUE[0][2:])]})
    with pytest.raises(LegacyError, match="two tables cases"):
        database(connection).check()


def test_a_session_is_set_up_and_large_values_come_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    connection, given = DoubleConnection({}), {}
    monkeypatch.setattr(oracledb.defaults, "fetch_lobs", True)
    monkeypatch.setattr(oracledb, "connect", lambda **where: given.update(where) or connection)
    connecting("dept", host="h", password="s3cret")()
    assert oracledb.defaults.fetch_lobs is False
    assert given == {"host": "h", "password": "s3cret", "tcp_connect_timeout": 15}
    assert connection.statements[-1] == 'ALTER SESSION SET CURRENT_SCHEMA = "DEPT"'
    assert "TIME_ZONE" in connection.statements[0]
    assert "NLS_SORT = BINARY NLS_COMP = BINARY" in connection.statements[1]
    with pytest.raises(UsageError, match="no name"):
        connecting('x" y')


def test_a_server_that_is_not_there_is_told_without_the_password() -> None:
    connect = connecting(host="127.0.0.1", port=9, service_name="x", user="u", password="s3cret", retry_count=0)
    with pytest.raises(LegacyError) as caught:
        FlashbackDatabase(connect, OracleDialect(), "oracle+oracledb://127.0.0.1/x", BOTH).check()
    assert "s3cret" not in f"{caught.value} {caught.value.__cause__!r}"
