"""Old versions of rows in MariaDB: commits out of their order, transactions that nobody registered, and faults."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pymysql
import pytest

from crime_assets.core.errors import LegacyError, SourceForgot, StoreError
from crime_assets.migration import LegacyDatabase
from crime_assets.migration.columns import Column, Kind
from crime_assets.migration.databases import chunks
from crime_assets.migration.databases.flashback import FlashbackDatabase
from crime_assets.migration.databases.mariadb import MariaDialect, connecting
from crime_assets.migration.documents import Child, DocumentMapping
from crime_assets.migration.export import export
from crime_assets.migration.finish import finish
from crime_assets.migration.follow import catch_up
from crime_assets.migration.load import load
from crime_assets.migration.progress import Position
from crime_assets.migration.stores.sqlite import SqliteStore
from crime_assets.migration.verify import verify
from crime_assets_tests.migration.databases.department import BOTH, CASE, FILLED, LABEL, MARIADB, VERSIONED, rows_of
from crime_assets_tests.migration.mariadb_server import MariaServer
from crime_assets_tests.migration.roads import quiet, road_of
from crime_assets_tests.migration.servers import Department
from crime_assets_tests.migration.tiny import Touched

pytestmark = pytest.mark.slow


@pytest.fixture
def department(mariadb_legacy: MariaServer) -> Iterator[Department]:
    with mariadb_legacy.department() as found:
        found.run(*MARIADB)
        found.run(*FILLED)
        yield found


@pytest.fixture
def database(department: Department) -> LegacyDatabase:
    return department.open(*BOTH)


def told(database: LegacyDatabase, since: Position) -> tuple[dict[str, set[tuple[str, ...]]], Position]:
    found = Touched()
    reached = database.touched(since, None, found)
    return dict(found.keys), reached


def titles(database: LegacyDatabase) -> list[str]:
    with database.snapshot() as now:
        return [row["title"] for row in rows_of(now, CASE)["cases"][:2]]


def change(connection: Any, number: int, title: str) -> None:
    connection.cursor().execute("""UPDATE CASES SET title = %s WHERE "NUMBER" = %s""", (title, number))


def test_commits_in_another_order_than_they_began_are_told(department: Department, database: LegacyDatabase) -> None:
    began = database.begin()
    with closing(department.connect()) as first, closing(department.connect()) as second:
        change(first, 1, "first")
        change(second, 2, "second")
        second.commit()
        # It has begun before: what the other has done could not be told apart from it later.
        assert "is open" in database.lag().state
        found, reached = told(database, began)
        assert (found, titles(database)) == ({}, ["case 1", "case 2"])
        first.commit()
    assert database.lag().state == "kept"
    found, reached = told(database, reached)
    assert (found, titles(database)) == ({"case": {("1",), ("2",)}}, ["first", "second"])
    assert told(database, reached) == ({}, reached)


def test_who_commits_while_the_position_is_looked_for_comes_behind_it(
    department: Department, database: LegacyDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Begun before the position and committed behind it: only its commit says where it belongs."""
    began, ask = database.begin(), MariaDialect._writing
    with closing(department.connect()) as first, closing(department.connect()) as second:
        change(first, 1, "first")
        first.cursor().execute("DELETE FROM labels WHERE code = 'b'")
        change(second, 2, "second")
        second.commit()

        def late(dialect: MariaDialect, cursor: Any) -> tuple[str, str] | None:
            # After the last commit is known, before it is known who writes.
            first.commit()
            return ask(dialect, cursor)

        monkeypatch.setattr(MariaDialect, "_writing", late)
        with database.exact(1) as then:
            monkeypatch.undo()
            assert [row["title"] for row in rows_of(then, CASE)["cases"][:2]] == ["case 1", "second"]
            assert len(rows_of(then, LABEL)["labels"]) == 3
            found = Touched()
            database.touched(began, then.position, found)
            assert found.keys == {"case": {("2",)}}
    assert told(database, then.position)[0] == {"case": {("1",)}, "label": {("a", "b")}}


def test_a_transaction_in_which_a_statement_failed_is_told_although_the_server_does_not_register_it(
    department: Department, database: LegacyDatabase
) -> None:
    began = database.begin()
    with closing(department.connect()) as connection:
        change(connection, 1, "kept")
        connection.cursor().execute("DELETE FROM labels WHERE code = 'b'")
        # The last of it: a change after it would be registered again, and all with it.
        with pytest.raises(pymysql.IntegrityError):
            connection.cursor().execute("""INSERT INTO CASES ("NUMBER") VALUES (2)""")
        connection.commit()
    registered = "SELECT transaction_id FROM mysql.transaction_registry"
    assert department.ask(f'SELECT "NUMBER" FROM CASES WHERE rs NOT IN ({registered})') == [(1,)]
    department.run("UPDATE labels SET picture = 'x' WHERE code = 'z'")
    found, reached = told(database, began)
    assert found == {"case": {("1",)}, "label": {("a", "b"), ("A", "z")}}
    assert titles(database) == ["kept", "case 2"]
    with database.snapshot() as now:
        assert len(rows_of(now, LABEL)["labels"]) == 2
    assert told(database, reached) == ({}, reached)


def test_an_earlier_position_shows_what_was_there_then(department: Department, database: LegacyDatabase) -> None:
    with database.exact(1) as before:
        change_all = 'UPDATE CASES SET title = \'new\', "NUMBER" = "NUMBER" + 1000'
        department.run("DELETE FROM roles", "DELETE FROM labels", change_all)
        assert len(rows_of(before, CASE)["roles"]) == 3
        assert [row["number"] for row in rows_of(before, CASE)["cases"]][:2] == ["1", "2"]
        assert before.these(CASE, [("1001",)]).last is None
    with database.exact(1) as after:
        assert after.position > before.position
        assert [row["number"] for row in rows_of(after, CASE)["cases"]][:2] == ["1001", "1002"]


def test_a_time_with_a_zone_is_two_columns_there_and_one_here(department: Department) -> None:
    mapping = DocumentMapping(
        "moment",
        "moments",
        ("n",),
        (
            Column("n", Kind.NUMBER, precision=5),
            Column("at", Kind.TIME_ZONE),
            Column("raw", Kind.BYTES),
            Column("share", Kind.NUMBER),
            Column("is_so", Kind.FLAG, true="Y", false="N"),
        ),
    )
    department.run(
        "CREATE TABLE moments (n NUMBER(5) PRIMARY KEY, at DATETIME(6), at_offset CHAR(6), raw RAW(10), "
        "share NUMBER, is_so CHAR(1), rs BIGINT UNSIGNED GENERATED ALWAYS AS ROW START, "
        "re BIGINT UNSIGNED GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (rs, re)) WITH SYSTEM VERSIONING",
        "INSERT INTO moments (n, at, at_offset, raw, share, is_so) "
        "VALUES (1, '2016-02-01 10:00:00.5', '+05:30', X'00ff', 0.1, 'Y')",
        "INSERT INTO moments (n) VALUES (2)",
    )
    database = department.open(mapping)
    (warning,) = database.check()
    assert "DELETE HISTORY" in warning
    with database.snapshot() as now:
        assert [*now.shape().columns] == [f"moments.{column.name}" for column in mapping.columns]
        found = [tuple(row.values()) for row in rows_of(now, mapping)["moments"]]
    assert found == [
        ("1", "2016-02-01 10:00:00.500000+05:30", "00ff", "0.1", "Y"),
        ("2", None, None, None, None),
    ]


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        (
            "ALTER TABLE labels DROP SYSTEM VERSIONING, DROP PERIOD FOR SYSTEM_TIME, DROP rs, DROP re",
            "keeps no versions",
        ),
        ("ALTER TABLE labels ADD COLUMN more INT", "No mapping names labels.more"),
        ("ALTER TABLE labels DROP COLUMN picture", "There is no column labels.picture"),
        ('ALTER TABLE CASES MODIFY "IUCR" CHAR(6)', "cases.iucr is char(6)"),
        ("ALTER TABLE labels DROP PRIMARY KEY", "tells rows of labels apart by list, code"),
        ("ALTER TABLE notes DROP PRIMARY KEY", "tells rows of notes apart by id"),
        ("ALTER TABLE notes MODIFY case_number NUMBER(10,2)", "give both the same type"),
        ("RENAME TABLE labels TO tags", "There is no table labels"),
    ],
)
def test_a_table_whose_versions_do_not_serve_is_refused(
    department: Department, database: LegacyDatabase, statement: str, sentence: str
) -> None:
    department.run("SET system_versioning_alter_history = KEEP", statement)
    with pytest.raises(LegacyError, match=r"^[^\n]+$") as caught:
        database.begin()
    assert sentence in str(caught.value)


def identities(database: LegacyDatabase) -> dict[str, str]:
    with database.snapshot() as now:
        return dict(now.shape().identities)


@pytest.mark.parametrize(
    "statements",
    [
        ["RENAME TABLE labels TO tags", "CREATE TABLE labels LIKE tags"],
        ["CREATE TABLE tags LIKE labels", "DROP TABLE labels", "RENAME TABLE tags TO labels"],
        ['ALTER TABLE labels DROP PRIMARY KEY, ADD PRIMARY KEY (code, "LIST")'],
    ],
)
def test_a_table_that_was_altered_or_replaced_is_another_one_even_within_its_second(
    department: Department, database: LegacyDatabase, statements: list[str]
) -> None:
    before = identities(database)
    department.run("SET system_versioning_alter_history = KEEP", *statements)
    after = identities(database)
    assert {name for name in before if before[name] != after[name]} == {"labels"}


def test_a_column_that_is_dropped_and_made_anew_makes_another_table(
    department: Department, database: LegacyDatabase
) -> None:
    """The server does not write the table anew for that: only the time tells, in seconds."""
    before = identities(database)
    department.ask("SELECT sleep(1.1)")
    department.run(
        "SET system_versioning_alter_history = KEEP",
        "ALTER TABLE labels DROP COLUMN picture, ALGORITHM = INSTANT",
        "ALTER TABLE labels ADD COLUMN picture BLOB DEFAULT 'x', ALGORITHM = INSTANT",
    )
    after = identities(database)
    assert {name for name in before if before[name] != after[name]} == {"labels"}


def test_tables_that_are_written_looked_at_or_served_anew_are_the_same_ones(
    department: Department, database: LegacyDatabase, mariadb_legacy: MariaServer
) -> None:
    before = identities(database)
    assert sorted(before) == ["cases", "labels", "notes", "roles"]
    # A time, and a number: without that, a table that is swapped within its second would be the same one.
    assert all(len(identity.split()) == 3 for identity in before.values())
    department.run(
        "DELETE FROM labels",
        "ANALYZE TABLE labels PERSISTENT FOR ALL",
        "CHECK TABLE labels",
        "FLUSH TABLES",
        "CREATE TABLE other (n INT)",
    )
    assert identities(database) == before
    mariadb_legacy.restart()
    assert identities(database) == before


@pytest.mark.parametrize("repair", [False, True])
def test_a_table_that_is_replaced_while_it_is_verified_is_noticed(
    department: Department, database: LegacyDatabase, tmp_path: Path, repair: bool
) -> None:
    road = road_of(tmp_path, database, SqliteStore(tmp_path / "documents.db"), BOTH)
    load(road, quiet)
    replacing = ["RENAME TABLE labels TO tags", "CREATE TABLE labels LIKE tags"]

    def stage(name: str) -> None:
        if name == "verified" and replacing:
            department.run(*replacing)
            replacing.clear()

    if repair:
        assert verify(road, True, quiet, stage).by_kind == {"extra": 3}
    else:
        with pytest.raises(SourceForgot, match="replaced while it was read"):
            verify(road, False, quiet, stage)
        with pytest.raises(StoreError, match="no longer has changes"):
            export(road)
        verify(road, True, quiet)
    assert export(road).items == 13


def test_names_that_no_file_can_have_are_found_too(department: Department) -> None:
    mapping = DocumentMapping("odd", "odd$#", ("n",), (Column("n", Kind.NUMBER, precision=3),))
    department.run(f'CREATE TABLE "odd$#" (n NUMBER(3) PRIMARY KEY, {VERSIONED}) WITH SYSTEM VERSIONING')
    (identity,) = identities(department.open(mapping)).values()
    assert len(identity.split()) == 3


@pytest.mark.parametrize("elsewhere", [[], ["UPDATE CASES SET title = 'changed' WHERE \"NUMBER\" = 1"]])
def test_a_table_that_takes_the_name_of_a_verified_one_is_neither_exported_nor_finished(
    department: Department, database: LegacyDatabase, tmp_path: Path, elsewhere: list[str]
) -> None:
    road = road_of(tmp_path, database, SqliteStore(tmp_path / "documents.db"), BOTH)
    load(road, quiet)
    assert verify(road, False, quiet).verified
    department.run("RENAME TABLE labels TO tags", "CREATE TABLE labels LIKE tags", *elsewhere)
    for step in (lambda: catch_up(road), lambda: export(road), lambda: finish(road)):
        with pytest.raises((SourceForgot, StoreError), match="verify --repair"):
            step()
    assert verify(road, True, quiet).by_kind == {"extra": 3, **({"differs": 1} if elsewhere else {})}
    assert verify(road, False, quiet).verified
    assert export(road).items == 13
    finish(road)


def test_a_key_of_a_time_is_refused(department: Department) -> None:
    mapping = DocumentMapping("case", "cases", ("date",), (Column("date", Kind.DATE),))
    with pytest.raises(LegacyError, match="is no number or text"):
        department.open(mapping).check()


@pytest.mark.parametrize(
    ("sql_type", "is_exact"),
    [
        ("VARCHAR2(10) COLLATE utf8mb4_general_ci", False),
        ("VARCHAR2(10) COLLATE utf8mb4_bin", False),
        ("VARCHAR2(10) COLLATE utf8mb4_nopad_bin", True),
    ],
)
def test_a_child_that_can_write_its_roots_key_differently_is_refused(
    department: Department, sql_type: str, is_exact: bool
) -> None:
    """It would lie in no document, and a verification would make the same documents again."""
    child = Child("pages", "pages", ("file",), ("page",), (Column("page", Kind.NUMBER, precision=3),))
    mapping = DocumentMapping("file", "files", ("name",), (Column("name", Kind.TEXT),), (child,))
    department.run(
        f"CREATE TABLE files (name {sql_type} PRIMARY KEY, {VERSIONED}) WITH SYSTEM VERSIONING",
        f"CREATE TABLE pages (file {sql_type}, page NUMBER(3), {VERSIONED}, PRIMARY KEY (file, page)) "
        "WITH SYSTEM VERSIONING",
    )
    if is_exact:
        assert department.open(mapping).check()
        return
    with pytest.raises(LegacyError, match="can be the same: give both utf8mb4_nopad_bin"):
        department.open(mapping).check()


def test_what_more_than_memory_is_meant_for_comes_in_smaller_chunks(
    department: Department, database: LegacyDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "MOST_BYTES", 1_000)
    insert = "INSERT INTO notes (id, case_number, \"COMMENT\") VALUES ({}, 3, '{}')"
    department.run(*(insert.format(100 + number, "long" * 100) for number in range(10)))
    with database.snapshot() as now:
        found, sizes, key = 0, [], None
        while (chunk := now.after(CASE, key, 8)) is not None:
            key = chunk.last
            found += chunk.children["notes"].num_rows
            sizes.append(chunk.roots.num_rows)
    assert (found, sum(sizes), min(sizes)) == (11, 13, 1)


def test_a_chunk_has_the_children_of_its_own_roots_also_by_keys_of_two_columns(department: Department) -> None:
    child = Child("uses", "uses", ("list", "code"), ("n",), (Column("n", Kind.NUMBER, precision=3),))
    mapping = replace(LABEL, children=(child,))
    department.run(
        'CREATE TABLE uses ("LIST" VARCHAR2(10), code VARCHAR2(10), n NUMBER(3), '
        f'{VERSIONED}, PRIMARY KEY ("LIST", code, n)) WITH SYSTEM VERSIONING',
        """INSERT INTO uses ("LIST", code, n) VALUES ('A', 'z', 1), ('a', 'a#%', 2), ('a', 'b', 3), ('b', 'a', 4)""",
    )
    with department.open(mapping).snapshot() as now:
        first = now.after(mapping, None, 2)
        assert first
        assert first.children["uses"]["n"].to_pylist() == ["1", "2"]
        second = now.after(mapping, first.last, 2)
        assert second
        assert second.children["uses"]["n"].to_pylist() == ["3"]
        assert now.after(mapping, second.last, 2) is None


def test_many_keys_are_found_at_once(department: Department, database: LegacyDatabase) -> None:
    with database.snapshot() as now:
        found = now.these(CASE, [(str(number),) for number in range(3_000, 0, -1)])
    assert found.roots["number"].to_pylist() == [*map(str, range(1, 13)), "100"]


def test_a_database_that_knows_nothing_of_the_position_has_forgotten(database: LegacyDatabase) -> None:
    began = database.begin()
    for since in (Position(began + 10**6), Position(began - 1)):
        # No transaction was committed there, or none has yet been.
        with pytest.raises(SourceForgot, match="verify --repair"):
            told(database, since)


def test_a_cut_connection_is_told_and_the_next_works(department: Department, database: LegacyDatabase) -> None:
    with pytest.raises(LegacyError, match="mariadb://test/"):
        _cut(department, database)
    assert titles(database) == ["case 1", "case 2"]


def _cut(department: Department, database: LegacyDatabase) -> None:
    with database.snapshot() as now:
        with closing(department.connect()) as other, other.cursor() as cursor:
            here = "WHERE db = database() AND id <> connection_id()"
            cursor.execute(f"SELECT id FROM information_schema.processlist {here}")
            for (number,) in cursor.fetchall():
                cursor.execute(f"KILL {number}")
        now.after(CASE, None, 2)


def test_a_restarted_server_goes_on_where_it_was(
    department: Department, database: LegacyDatabase, mariadb_legacy: MariaServer
) -> None:
    began = database.begin()
    assert titles(database) == ["case 1", "case 2"]
    department.run("DELETE FROM labels WHERE code = 'b'")
    mariadb_legacy.restart()
    assert told(database, began)[0] == {"label": {("a", "b")}}
    department.run("DELETE FROM labels WHERE code = 'z'")
    assert told(database, began)[0] == {"label": {("a", "b"), ("A", "z")}}


def test_a_database_that_is_not_there_is_told_without_its_password(caplog: pytest.LogCaptureFixture) -> None:
    connect = connecting(unix_socket="/nowhere", user="root", password="s3cret")
    database = FlashbackDatabase(connect, MariaDialect(), "mariadb://nowhere/x", BOTH)
    with pytest.raises(LegacyError, match=r"^mariadb://nowhere/x: ") as caught:
        database.check()
    assert "s3cret" not in f"{caught.value} {caught.value.__cause__!r} {database!r} {vars(database)} {caplog.text}"
