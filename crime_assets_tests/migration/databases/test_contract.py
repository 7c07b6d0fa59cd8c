"""What every legacy database promises, on the real servers."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from crime_assets.migration import LegacyDatabase
from crime_assets.migration.progress import Key, Position
from crime_assets_tests.migration.databases.department import (
    BOTH,
    CASE,
    FILLED,
    LABEL,
    MARIADB,
    POSTGRESQL,
    everything,
    rows_of,
    these_of,
)
from crime_assets_tests.migration.servers import Department
from crime_assets_tests.migration.tiny import Touched

pytestmark = pytest.mark.slow


@pytest.fixture(params=["postgresql", "mariadb"])
def department(request: pytest.FixtureRequest) -> Iterator[Department]:
    """With tables and rows."""
    known = {"postgresql": ("postgres_legacy", POSTGRESQL), "mariadb": ("mariadb_legacy", MARIADB)}
    server, tables = known[request.param]
    with request.getfixturevalue(server).department() as found:
        found.run(*tables)
        found.run(*FILLED)
        yield found


@pytest.fixture
def database(department: Department) -> LegacyDatabase:
    return department.open(*BOTH)


def touched(database: LegacyDatabase, since: Position, until: Position | None = None) -> tuple[Touched, Position]:
    found = Touched()
    return found, database.touched(since, until, found)


def numbers(rows: list[dict[str, str]]) -> list[str]:
    return [row["number"] for row in rows]


def test_chunks_have_every_row_in_the_order_of_its_key_with_its_children(database: LegacyDatabase) -> None:
    with database.snapshot() as now:
        assert now.shape().differs(BOTH) == []
        found = rows_of(now, CASE)
        assert numbers(found["cases"]) == [*map(str, range(1, 13)), "100"]
        assert found["cases"][1] == {
            "number": "2",
            "date": "2016-01-02 10:00:00",
            "title": "case 2",
            "iucr": "02   ",
            "latitude": "41.500000000",
        }
        assert set(found["cases"][-1].values()) == {"100", None}
        assert found["roles"] == [
            {"case_number": "2", "role_no": "9", "role": "witness"},
            {"case_number": "2", "role_no": "10", "role": "victim"},
            {"case_number": "11", "role_no": "1", "role": None},
        ]
        assert found["notes"] == [{"case_number": "2", "id": "7", "comment": "seen"}]
        assert len(rows_of(now, LABEL, 1)["labels"]) == 3
        assert rows_of(now, LABEL, 2) == rows_of(now, LABEL, 5)


def test_the_catalogue_says_about_how_many_there_are(department: Department, database: LegacyDatabase) -> None:
    is_maria = database.name.startswith("mariadb")
    department.run("ANALYZE TABLE CASES PERSISTENT FOR ALL" if is_maria else 'ANALYZE "CASES"')
    assert database.expected(CASE) == 13
    if not is_maria:
        assert database.expected(LABEL) is None, "nobody has looked at it yet"


def test_roots_are_found_by_their_keys_and_those_that_cannot_be_are_not_there(database: LegacyDatabase) -> None:
    with database.snapshot() as now:
        found = these_of(now, CASE, [("11",), ("2",), ("2",), ("77",), ("x",), ("1\0",), ("999",)])
        assert numbers(found["cases"]) == ["2", "11"]
        assert [row["role_no"] for row in found["roles"]] == ["9", "10", "1"]
        labels = these_of(now, LABEL, [("a", "a#%"), ("a", "z"), ("A", "z")])["labels"]
        assert {(row["list"], row["code"]) for row in labels} == {("a", "a#%"), ("A", "z")}
        assert now.these(CASE, []).last is None


def test_texts_and_bytes_come_as_they_are(department: Department, database: LegacyDatabase) -> None:
    text = "tab\t, line\nback\\slash \\N 'quoted' \"twice\" ä \U0001f600 \ufeff"
    with closing(department.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("""UPDATE notes SET "COMMENT" = %s WHERE id = 7""", (text,))
        cursor.execute("UPDATE labels SET picture = %s WHERE code = 'z'", (bytes([0, 10, 92, 255]),))
        connection.commit()
    with database.snapshot() as now:
        (note,) = these_of(now, CASE, [("2",)])["notes"]
        assert note["comment"] == text
        (label,) = these_of(now, LABEL, [("A", "z")])["labels"]
        assert label["picture"] == "000a5cff"


CHANGES: dict[str, tuple[tuple[str, ...], dict[str, set[Key]]]] = {
    "insert": (("""INSERT INTO "CASES" ("NUMBER") VALUES (13)""",), {"case": {("13",)}}),
    "update": (("""UPDATE "CASES" SET title = 'new' WHERE "NUMBER" IN (1, 3)""",), {"case": {("1",), ("3",)}}),
    "delete": (("""DELETE FROM labels WHERE code = 'b'""",), {"label": {("a", "b")}}),
    "key": (("""UPDATE "CASES" SET "NUMBER" = 50 WHERE "NUMBER" = 5""",), {"case": {("5",), ("50",)}}),
    "part of a key": (
        ("""UPDATE labels SET code = 'c' WHERE code = 'b'""",),
        {"label": {("a", "b"), ("a", "c")}},
    ),
    "swap": (
        (
            """UPDATE "CASES" SET "NUMBER" = 90 WHERE "NUMBER" = 5""",
            """UPDATE "CASES" SET "NUMBER" = 5 WHERE "NUMBER" = 6""",
            """UPDATE "CASES" SET "NUMBER" = 6 WHERE "NUMBER" = 90""",
        ),
        {"case": {("5",), ("6",)}},
    ),
    "delete and insert": (
        ("""DELETE FROM "CASES" WHERE "NUMBER" = 5""", """INSERT INTO "CASES" ("NUMBER") VALUES (5)"""),
        {"case": {("5",)}},
    ),
    "child": (("""UPDATE roles SET "ROLE" = 'x' WHERE role_no = 10""",), {"case": {("2",)}}),
    "child moved": (("UPDATE roles SET case_number = 3 WHERE role_no = 10",), {"case": {("2",), ("3",)}}),
    "child with a key of its own moved": (
        ("UPDATE notes SET case_number = 3 WHERE id = 7",),
        {"case": {("2",), ("3",)}},
    ),
    "child deleted": (("DELETE FROM notes WHERE id = 7",), {"case": {("2",)}}),
    "child without a root": (("UPDATE notes SET case_number = 998 WHERE id = 8",), {"case": {("999",), ("998",)}}),
    "cascade": (("""DELETE FROM "CASES" WHERE "NUMBER" = 11""",), {"case": {("11",)}}),
    "savepoint": (
        (
            """UPDATE "CASES" SET title = 'kept' WHERE "NUMBER" = 1""",
            "SAVEPOINT before_it",
            """UPDATE "CASES" SET title = 'lost' WHERE "NUMBER" = 3""",
            "ROLLBACK TO before_it",
            """UPDATE "CASES" SET title = 'kept' WHERE "NUMBER" = 4""",
        ),
        {"case": {("1",), ("4",)}},
    ),
    "nothing": (("""UPDATE "CASES" SET title = 'x' WHERE "NUMBER" = 4711""",), {}),
}


@pytest.mark.parametrize("what", CHANGES)
def test_changes_are_told_by_root(department: Department, database: LegacyDatabase, what: str) -> None:
    statements, expected = CHANGES[what]
    began = database.begin()
    department.run(*statements)
    found, reached = touched(database, began)
    # One that was only there within a transaction may be told as well: it is read, and is not there.
    passing = {("90",)} if what == "swap" else set()
    told = {kind: keys - passing for kind, keys in found.keys.items()}
    assert (told, found.all) == (expected, set())
    assert touched(database, began)[0] == found, "what is read is still there"
    assert touched(database, reached)[0] == Touched()
    database.finish()


def test_what_is_rolled_back_was_never_there(department: Department, database: LegacyDatabase) -> None:
    began = database.begin()
    with closing(department.connect()) as connection:
        connection.cursor().execute("""DELETE FROM "CASES" WHERE "NUMBER" = 1""")
        connection.rollback()
    assert touched(database, began)[0] == Touched()
    assert len(everything(database)["case"]["cases"]) == 13
    database.finish()


def test_a_snapshot_stands_still_and_its_position_is_exact(department: Department, database: LegacyDatabase) -> None:
    began = database.begin()
    department.run("""UPDATE "CASES" SET title = 'before' WHERE "NUMBER" = 1""")
    with database.exact(30) as then:
        department.run("""UPDATE "CASES" SET title = 'after' WHERE "NUMBER" IN (1, 2)""", "DELETE FROM labels")
        assert [row["title"] for row in rows_of(then, CASE)["cases"]][:2] == ["before", "case 2"]
        found, reached = touched(database, began, then.position)
        assert (found.keys, reached) == ({"case": {("1",)}}, then.position)
        assert these_of(then, CASE, [("1",)])["cases"][0]["title"] == "before"
        assert len(rows_of(then, LABEL)["labels"]) == 3
        database.advance(reached)
    found, _ = touched(database, reached)
    assert found.keys == {"case": {("1",), ("2",)}, "label": {("a", "b"), ("a", "a#%"), ("A", "z")}}
    database.finish()


def test_beginning_twice_is_beginning_once_and_nothing_is_left_at_the_end(
    department: Department, database: LegacyDatabase
) -> None:
    database.begin()
    department.run("DELETE FROM labels")
    began = database.begin()
    assert touched(database, began)[0] == Touched()
    assert isinstance(database.lag().state, str)
    database.finish()
    assert database.finish() == []


def test_what_follows_the_changes_is_what_is_there_while_others_write(
    department: Department, database: LegacyDatabase
) -> None:
    began, stop = database.begin(), threading.Event()
    writers = [threading.Thread(target=_write, args=(department, seed, stop)) for seed in range(3)]
    for writer in writers:
        writer.start()
    held = {mapping.kind: {_key(mapping.key, row): row for row in rows} for mapping, rows in _roots(database)}
    position, told = began, 0
    try:
        for _ in range(5):
            with database.exact(30) as then:
                found, position = touched(database, position, then.position)
                for mapping in BOTH:
                    keys = found.keys.get(mapping.kind, set())
                    told += len(keys)
                    rows = then.these(mapping, sorted(keys)).roots.to_pylist()
                    for key in keys:
                        held[mapping.kind].pop(key, None)
                    held[mapping.kind] |= {_key(mapping.key, row): row for row in rows}
                    there = rows_of(then, mapping)[mapping.table]
                    assert held[mapping.kind] == {_key(mapping.key, row): row for row in there}
            database.advance(position)
    finally:
        stop.set()
        for writer in writers:
            writer.join()
        database.finish()
    assert told > 20, "they wrote"


def _roots(database: LegacyDatabase) -> Iterator[tuple[object, list[dict[str, str]]]]:
    with database.snapshot() as now:
        for mapping in BOTH:
            yield mapping, rows_of(now, mapping)[mapping.table]


def _key(names: tuple[str, ...], row: dict[str, str]) -> Key:
    return tuple(row[name] for name in names)


def _write(department: Department, seed: int, stop: threading.Event) -> None:
    """Small transactions, some of them rolled back; a conflict is one more that is."""
    chosen = random.Random(seed)
    with closing(department.connect()) as connection:
        while not stop.is_set():
            with suppress(Exception):
                cursor = connection.cursor()
                for number in sorted(chosen.sample(range(1, 30), 3)):
                    statement = chosen.choice(
                        (
                            """INSERT INTO "CASES" ("NUMBER", title) VALUES ({0}, 'new {1}')""",
                            """UPDATE "CASES" SET title = 'now {1}' WHERE "NUMBER" = {0}""",
                            """UPDATE "CASES" SET title = 'then {1}' WHERE "NUMBER" = {0}""",
                            """DELETE FROM "CASES" WHERE "NUMBER" = {0}""",
                        )
                    )
                    cursor.execute(statement.format(number, chosen.random()))
                if chosen.random() < 0.8:
                    connection.commit()
            connection.rollback()
