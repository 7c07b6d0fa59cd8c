"""Whole migrations out of a real PostgreSQL that is disturbed: what is told, and that the next try loses nothing.

What one database or store does alone is in `databases` and `stores`; what steps do is in their own tests.
"""

from __future__ import annotations

import json
import random
import string
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from crime_assets.cli.main import main
from crime_assets.core.errors import LegacyError, SourceForgot, StoreError
from crime_assets.migration import Road, comparing
from crime_assets.migration import load as loading
from crime_assets.migration.columns import Column, Kind
from crime_assets.migration.databases.postgresql import PostgresDatabase, connecting
from crime_assets.migration.documents import DocumentMapping
from crime_assets.migration.export import export
from crime_assets.migration.finish import finish
from crime_assets.migration.follow import catch_up
from crime_assets.migration.load import load
from crime_assets.migration.stores import in_pieces
from crime_assets.migration.stores.sqlite import SqliteStore
from crime_assets.migration.verify import verify
from crime_assets_tests.migration.databases.department import BOTH, FILLED, POSTGRESQL
from crime_assets_tests.migration.roads import quiet, road_of
from crime_assets_tests.migration.servers import Department, PostgresServer

pytestmark = pytest.mark.slow

CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND application_name = 'crime-assets'"
)


@pytest.fixture
def department(postgres_legacy: PostgresServer) -> Iterator[Department]:
    with postgres_legacy.department() as found:
        found.run(*POSTGRESQL)
        found.run(*FILLED)
        yield found


@pytest.fixture
def road(department: Department, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Road:
    """Chunks of three, so that something can happen in between."""
    monkeypatch.setattr(loading, "ROOTS", 3)
    return road_of(tmp_path, department.open(*BOTH), SqliteStore(tmp_path / "documents.db"), BOTH)


def documents(road: Road) -> dict[str, dict[str, Any]]:
    """First items by id, without the code that reads documents."""
    return {
        row["id"]: json.loads(row["item"])
        for piece in road.store.scan()
        for row in piece.table.to_pylist()
        if row["part"] == "-"
    }


def proven(department: Department, road: Road) -> None:
    """Equal by a verification, with as many documents as the department counts, and exported."""
    verdict = verify(road, False, quiet)
    assert verdict.verified, verdict.named
    cases = {f"case#{number}" for (number,) in department.ask('SELECT "NUMBER" FROM "CASES"')}
    ((labels,),) = department.ask("SELECT count(*) FROM labels")
    found = documents(road)
    assert {name for name in found if name.startswith("case#")} == cases
    assert len(found) == len(cases) + labels
    assert export(road).items == len(found)


def at(wanted: str, nth: int, act: Callable[[], object]) -> Callable[[str], None]:
    """Does something when a stage is reached for the nth time."""
    seen = 0

    def stage(name: str) -> None:
        nonlocal seen
        seen += name == wanted
        if name == wanted and seen == nth:
            act()

    return stage


@pytest.mark.parametrize(
    ("fault", "stage"),
    [
        ("cut", ("chunk kept", 2)),
        ("cut", ("changes told", 1)),
        ("restarted", ("read", 2)),
        ("restarted", ("kind loaded", 1)),
    ],
)
def test_a_load_goes_on_after_its_connections_were_cut(
    postgres_legacy: PostgresServer, department: Department, road: Road, fault: str, stage: tuple[str, int]
) -> None:
    def act() -> None:
        department.run('UPDATE "CASES" SET title = \'meanwhile\' WHERE "NUMBER" IN (1, 12)')
        department.run(CUT) if fault == "cut" else postgres_legacy.restart()

    try:
        load(road, quiet, at(*stage, act))
    except LegacyError as error:
        assert str(error).startswith("postgresql://test/")  # noqa: PT017 - it may also have been in between
    load(road, quiet)
    assert documents(road)["case#12"]["title"] == {"S": "meanwhile"}
    proven(department, road)
    finish(road)


def test_a_verification_whose_connection_was_cut_proves_nothing(
    department: Department, road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its snapshot is gone with the connection, so nothing of it can be gone on with."""
    monkeypatch.setattr(comparing, "ROOTS", 3)
    load(road, quiet)
    with pytest.raises(LegacyError, match="postgresql://test/"):
        verify(road, False, quiet, at("chunk compared", 1, lambda: department.run(CUT)))
    with pytest.raises(StoreError, match="not verified"):
        export(road)
    proven(department, road)
    slots = department.ask("SELECT temporary FROM pg_replication_slots WHERE database = current_database()")
    assert slots == [(False,)]
    finish(road)


@pytest.mark.parametrize(
    ("statement", "back", "told"),
    [
        ("ADD COLUMN ward INT", "DROP COLUMN ward", "No mapping names cases.ward"),
        ("RENAME COLUMN title TO heading", "RENAME COLUMN heading TO title", "There is no column cases.title"),
        ('ALTER COLUMN "IUCR" TYPE CHAR(6)', 'ALTER COLUMN "IUCR" TYPE CHAR(5)', "cases.iucr is character(6)"),
        ("DROP COLUMN title", "ADD COLUMN title VARCHAR(60)", "There is no column cases.title"),
    ],
)
def test_a_table_that_is_altered_while_it_is_loaded_ends_it(
    department: Department, road: Road, statement: str, back: str, told: str
) -> None:
    with pytest.raises(LegacyError) as caught:
        load(road, quiet, at("chunk kept", 1, lambda: department.run(f'ALTER TABLE "CASES" {statement}')))
    assert told in str(caught.value)
    department.run(f'ALTER TABLE "CASES" {back}')
    if statement.startswith("ADD"):
        load(road, quiet)
    else:
        # Its values may be others now, and no change of a row says so: a repair finds them.
        with pytest.raises(SourceForgot, match="altered or replaced"):
            load(road, quiet)
    verdict = verify(road, True, quiet)
    assert verdict.verified
    assert (verdict.differences > 0) == statement.startswith("DROP")
    proven(department, road)
    finish(road)


def test_a_type_that_was_widened_and_fits_is_compared_anew(department: Department, road: Road) -> None:
    widened = 'ALTER TABLE "CASES" ALTER COLUMN title TYPE VARCHAR(200)'
    with pytest.raises(SourceForgot, match=r"cases\.title: altered .*verify --repair"):
        load(road, quiet, at("chunk kept", 1, lambda: department.run(widened)))
    department.run(f"""UPDATE "CASES" SET title = '{"x" * 150}' WHERE "NUMBER" = 1""")
    for step in (lambda: load(road, quiet), lambda: catch_up(road), lambda: verify(road, False, quiet)):
        with pytest.raises(SourceForgot, match="verify --repair"):
            step()
    assert verify(road, True, quiet).verified
    assert documents(road)["case#1"]["title"] == {"S": "x" * 150}
    proven(department, road)
    finish(road)


def test_tables_that_are_emptied_leave_no_document(department: Department, road: Road) -> None:
    load(road, quiet)
    department.run("TRUNCATE roles", 'TRUNCATE "CASES" CASCADE', "TRUNCATE labels")
    department.run("""INSERT INTO "CASES" ("NUMBER", title) VALUES (7, 'after it')""")
    catch_up(road)
    found = documents(road)
    assert [(name, item["title"]) for name, item in found.items()] == [("case#7", {"S": "after it"})]
    proven(department, road)
    finish(road)


def test_a_table_that_takes_the_name_of_a_verified_one_is_neither_exported_nor_finished(
    department: Department, road: Road
) -> None:
    load(road, quiet)
    proven(department, road)
    department.run("ALTER TABLE labels RENAME TO tags", "CREATE TABLE labels (LIKE tags INCLUDING ALL)")
    for step in (lambda: catch_up(road), lambda: export(road), lambda: finish(road)):
        with pytest.raises((SourceForgot, StoreError), match="verify --repair"):
            step()
    department.run("INSERT INTO labels SELECT 'new', code FROM tags")
    assert verify(road, True, quiet).by_kind == {"missing": 3, "extra": 3}
    proven(department, road)
    finish(road)


def test_a_long_text_that_no_change_repeats_is_not_lost(department: Department, road: Road) -> None:
    """A changed row tells nothing of values that are kept apart from it."""
    text = "".join(random.Random(7).choices(string.printable[:90], k=20_000))
    with closing(department.connect()) as connection:
        connection.cursor().execute("""INSERT INTO notes (id, case_number, "COMMENT") VALUES (50, 3, %s)""", (text,))
        connection.commit()
    load(road, quiet)
    department.run("ALTER TABLE notes DROP CONSTRAINT notes_pkey, ADD PRIMARY KEY (id)")
    department.run("UPDATE notes SET case_number = 4 WHERE id = 50")
    assert catch_up(road) == 2
    found = documents(road)
    assert "notes" not in found["case#3"]
    assert [note["M"]["comment"] for note in found["case#4"]["notes"]["L"]] == [{"S": text}]
    proven(department, road)
    finish(road)


def test_a_transaction_that_stays_open_is_named_and_nothing_is_verified_in_between(
    department: Department, road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(road, quiet)
    monkeypatch.setattr("crime_assets.migration.verify.PATIENCE", 0.3)
    with closing(department.connect()) as busy:
        busy.cursor().execute("DELETE FROM labels WHERE code = 'b'")
        with pytest.raises(LegacyError, match=f"process {busy.info.backend_pid}\\)"):
            verify(road, False, quiet)
        known = road.store.progress()
        assert known
        assert known.verified is None
        with pytest.raises(StoreError, match="not verified"):
            export(road)
        busy.commit()
    proven(department, road)
    assert "label#a#b" not in documents(road)
    finish(road)


def test_a_password_that_is_wrong_is_told_and_not_repeated(
    postgres_legacy: PostgresServer, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """The server asks for one here, as a real one does."""
    user = f"asked_{uuid.uuid4().hex[:8]}"
    with closing(connecting(**postgres_legacy.where("postgres"))()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT setting FROM pg_settings WHERE name = 'hba_file'")
        rules = Path(cursor.fetchone()[0])
    before = rules.read_text()
    postgres_legacy.run(f"CREATE ROLE {user} LOGIN PASSWORD 'right'")
    try:
        rules.write_text(f"local all {user} scram-sha-256\n{before}")
        postgres_legacy.run("SELECT pg_reload_conf()")
        where = postgres_legacy.where("postgres", user)
        database = PostgresDatabase(connecting(**where, password="hunter2"), "postgresql://test/x", "slot", BOTH)
        with pytest.raises(LegacyError, match=r"^postgresql://test/x: .*password authentication failed") as caught:
            _until_asked(database)
        told = f"{caught.value} {caught.value.__cause__!r} {database!r} {vars(database)} {caplog.text}"
        assert "hunter2" not in told + "".join(capsys.readouterr())
        with closing(connecting(**where, password="right")()):
            pass
    finally:
        rules.write_text(before)
        postgres_legacy.run("SELECT pg_reload_conf()", f"DROP ROLE {user}")


def _until_asked(database: PostgresDatabase) -> None:
    """The server reads its rules when it comes to it; until then it asks nobody."""
    while True:
        try:
            database.check()
        except LegacyError as error:
            if "wal_level" not in str(error) and "There is no table" not in str(error):
                raise


def test_the_sample_says_why_it_cannot_be_made(
    postgres_legacy: PostgresServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with postgres_legacy.database() as name:
        postgres_legacy.run(f"CREATE ROLE visitor_{name} LOGIN")
        try:
            for user, code, said in (
                (f"visitor_{name}", 2, "lets this user make no tables: GRANT CREATE ON SCHEMA public"),
                (postgres_legacy.user, 0, "crimes are in the tables; 0 records did not fit."),
                (postgres_legacy.user, 2, "has such tables already: set CRIME_LEGACY to an empty one."),
            ):
                monkeypatch.setenv(
                    "CRIME_LEGACY", f"postgresql://{user}@localhost/{name}?host={postgres_legacy.socket}"
                )
                assert main(["legacy", "sample", "--rows", "20"]) == code
                assert said in "".join(capsys.readouterr())
        finally:
            postgres_legacy.run(f"DROP ROLE visitor_{name}")


ODD = DocumentMapping(
    "moment",
    "moments",
    ("list", "code"),
    (
        Column("list", Kind.TEXT),
        Column("code", Kind.TEXT),
        Column("date", Kind.DATE),
        Column("local", Kind.TIME),
        Column("zoned", Kind.TIME_ZONE),
        Column("exact", Kind.NUMBER, precision=12, scale=9),
        Column("number", Kind.NUMBER),
        Column("share", Kind.NUMBER),
        Column("is_so", Kind.FLAG, true="t", false="f"),
        Column("says", Kind.FLAG, true="Y", false="N"),
        Column("raw", Kind.BYTES),
        Column("padded", Kind.PADDED, width=5),
        Column("comment", Kind.LARGE),
    ),
)
ROWS: dict[tuple[str, str], tuple[str, dict[str, Any], dict[str, str]]] = {
    ("a#b", "c"): (
        "'2018-11-19', '2018-11-19 10:11:12.5', '2018-11-19 10:11:12+05:30', 41.5, 1.10, 0.1, true, 'Y', '\\x00ff', "
        "'0110', 'tab\\tü\U0001f600'",
        {
            "date": {"S": "2018-11-19T00:00:00"},
            "local": {"S": "2018-11-19T10:11:12.5"},
            "zoned": {"S": "2018-11-19T04:41:12+00"},
            "exact": {"N": "41.5"},
            "share": {"N": "0.1"},
            "is_so": {"BOOL": True},
            "says": {"BOOL": True},
            "raw": {"B": "AP8="},
            "padded": {"S": "0110"},
            "comment": {"S": "tab\\tü\U0001f600"},
        },
        {"number": "1.10"},
    ),
    ("a", "b#c"): (
        "'infinity', '0044-03-15 12:00:00 BC', '-infinity', 'NaN', 1e126, 'Infinity', false, '?', '', '', ''",
        {"is_so": {"BOOL": False}, "raw": {"B": ""}, "padded": {"S": ""}, "comment": {"S": ""}},
        {
            "date": "infinity",
            "local": "0044-03-15 12:00:00 BC",
            "zoned": "-infinity",
            "exact": "NaN",
            "number": "1" + "0" * 126,
            "share": "Infinity",
            "says": "?",
        },
    ),
    ("50%", "\n"): (
        "NULL, '10000-01-01', '2018-11-19 00:00:00Z', -0.000000001, 123456789012345678901234567890123456789, "
        "1e300, NULL, NULL, NULL, NULL, NULL",
        {"zoned": {"S": "2018-11-19T00:00:00+00"}, "exact": {"N": "-0.000000001"}},
        {
            "local": "10000-01-01 00:00:00",
            "number": "123456789012345678901234567890123456789",
            "share": "1e+300",
        },
    ),
}
"""Values in SQL; attributes, and what is odd, of each key."""
IDS = {("a#b", "c"): "moment#a%23b#c", ("a", "b#c"): "moment#a#b%23c", ("50%", "\n"): "moment#50%25#%0A"}


@pytest.mark.parametrize("encoding", ["UTF8", "LATIN1"])
def test_odd_values_arrive_as_they_are_and_are_proven(
    postgres_legacy: PostgresServer, tmp_path: Path, encoding: str
) -> None:
    rows = dict(ROWS)
    if encoding == "LATIN1":
        # What its encoding cannot hold is not there.
        sql, attributes, odd = rows["a#b", "c"]
        text = attributes["comment"]["S"].replace("\U0001f600", "")
        rows["a#b", "c"] = sql.replace("\U0001f600", ""), {**attributes, "comment": {"S": text}}, odd
    with postgres_legacy.department() as department:
        ((name,),) = department.ask("SELECT current_database()")
        postgres_legacy.run(
            f"DROP DATABASE {name}", f"CREATE DATABASE {name} ENCODING {encoding} LOCALE 'C' TEMPLATE template0"
        )
        department.run(
            'CREATE TABLE moments ("list" TEXT, code TEXT, "date" TIMESTAMP, "local" TIMESTAMP, zoned TIMESTAMPTZ, '
            'exact NUMERIC(12,9), "number" NUMERIC, share FLOAT8, is_so BOOLEAN, says CHAR(1), raw BYTEA, '
            'padded CHAR(5), "comment" TEXT, PRIMARY KEY ("list", code))'
        )
        for key, (values, _, _) in rows.items():
            with closing(department.connect()) as connection:
                connection.set_client_encoding("UTF8")
                connection.cursor().execute(f"INSERT INTO moments VALUES (%s, %s, {values})", key)
                connection.commit()
        store = SqliteStore(tmp_path / "documents.db")
        road = road_of(tmp_path, department.open(ODD), store, [ODD])
        load(road, quiet)
        found = documents(road)
        assert {*found} == {*IDS.values()}
        for key, (_, attributes, odd) in rows.items():
            item = found[IDS[key]]
            assert item.pop("_odd")["M"] == {column: {"S": text} for column, text in odd.items()}
            fixed = {"id": {"S": IDS[key]}, "part": {"S": "-"}, "kind": {"S": "moment"}}
            assert item == {**fixed, "list": {"S": key[0]}, "code": {"S": key[1]}, **attributes}
        verdict = verify(road, False, quiet)
        assert verdict.verified, verdict.named
        assert verdict.verified.rows == len(rows)
        _edited(road, IDS["a", "b#c"])
        (one,) = verify(road, False, quiet).named
        assert (one.id, one.column, one.source, one.document) == (IDS["a", "b#c"], "number", "1" + "0" * 126, "1")
        assert verify(road, True, quiet).verified
        finish(road)


def _edited(road: Road, name: str) -> None:
    """An odd value is made a plain one, in its document only."""
    item = documents(road)[name]
    item["_odd"]["M"].pop("number")
    text = json.dumps({**item, "number": {"N": "1"}}, ensure_ascii=False, separators=(",", ":"))
    with road.store.hold():
        road.store.put(next(in_pieces([(name, "-", text)])), None)


def test_a_database_without_an_encoding_is_refused(postgres_legacy: PostgresServer) -> None:
    """Bytes that are no text of any encoding could be in it, and no item holds them."""
    name = f"legacy_{uuid.uuid4().hex[:12]}"
    postgres_legacy.run(f"CREATE DATABASE {name} ENCODING SQL_ASCII LOCALE 'C' TEMPLATE template0")
    try:
        database = PostgresDatabase(connecting(**postgres_legacy.where(name)), "postgresql://test/x", name, BOTH)
        with pytest.raises(LegacyError, match="has no encoding"):
            database.begin()
        for connection in database._idle:
            connection.close()
    finally:
        postgres_legacy.run(f"DROP DATABASE {name} WITH (FORCE)")
