"""What can go wrong in a legacy PostgreSQL: nothing is missed, and each fault is told in a sentence."""

from __future__ import annotations

import random
import re
import string
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import psycopg2
import pytest
from psycopg2.extras import LogicalReplicationConnection

from crime_assets.core.errors import LegacyError, SourceForgot, UsageError
from crime_assets.migration import LegacyDatabase
from crime_assets.migration.columns import Column, Kind
from crime_assets.migration.databases import chunks, postgresql, slots
from crime_assets.migration.databases.postgresql import PostgresDatabase, connecting
from crime_assets.migration.databases.postgresql_chunks import PostgresSnapshot
from crime_assets.migration.documents import Child, DocumentMapping
from crime_assets.migration.progress import Position
from crime_assets_tests.migration.databases.department import BOTH, CASE, FILLED, LABEL, POSTGRESQL, rows_of
from crime_assets_tests.migration.servers import Department, PostgresServer
from crime_assets_tests.migration.tiny import Touched

pytestmark = pytest.mark.slow


@pytest.fixture
def department(postgres_legacy: PostgresServer) -> Iterator[Department]:
    with postgres_legacy.department() as found:
        found.run(*POSTGRESQL)
        found.run(*FILLED)
        yield found


@pytest.fixture
def database(department: Department) -> LegacyDatabase:
    return department.open(*BOTH)


@pytest.fixture
def setting(postgres_legacy: PostgresServer) -> Iterator[Callable[[str, str], None]]:
    """Change one of the server's, until the test ends."""
    changed = []

    def change(name: str, value: str) -> None:
        changed.append(name)
        postgres_legacy.run(f"ALTER SYSTEM SET {name} = '{value}'", "SELECT pg_reload_conf()")

    yield change
    postgres_legacy.run(*(f"ALTER SYSTEM RESET {name}" for name in changed), "SELECT pg_reload_conf()")


@pytest.fixture
def role(postgres_legacy: PostgresServer) -> Iterator[str]:
    """A role that may log in and nothing else."""
    name = f"reader_{uuid.uuid4().hex[:8]}"
    postgres_legacy.run(f"CREATE ROLE {name} LOGIN")
    yield name
    postgres_legacy.run(f"DROP ROLE {name}")


def told(database: LegacyDatabase, since: Position) -> Touched:
    found = Touched()
    database.touched(since, None, found)
    return found


def numbers(database: LegacyDatabase) -> int:
    with database.snapshot() as now:
        return len(rows_of(now, CASE)["cases"])


def test_values_are_the_same_texts_whatever_the_database_prefers(department: Department) -> None:
    mapping = DocumentMapping(
        "moment",
        "moments",
        ("n",),
        (
            Column("n", Kind.NUMBER, precision=5),
            Column("local", Kind.TIME),
            Column("zoned", Kind.TIME_ZONE),
            Column("share", Kind.NUMBER),
            Column("odd", Kind.NUMBER),
            Column("is_so", Kind.FLAG, true="t", false="f"),
            Column("raw", Kind.BYTES),
        ),
    )
    department.run(
        "CREATE TABLE moments (n INT PRIMARY KEY, local TIMESTAMP, zoned TIMESTAMPTZ, share FLOAT8, odd NUMERIC, "
        "is_so BOOLEAN, raw BYTEA)",
        "INSERT INTO moments VALUES (1, '2016-02-01 10:00:00.5', '2016-02-01 10:00:00+05:30', 0.1, 'NaN', true, 'a')",
        "INSERT INTO moments VALUES (2, '0044-03-15 12:00:00 BC', 'infinity', 1e300, 1.10, false, '')",
        *(
            f"DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() || ' SET {setting}'; END $$"
            for setting in (
                "DateStyle = German",
                'TimeZone = "Asia/Tokyo"',
                "extra_float_digits = -5",
                "bytea_output = escape",
                "client_encoding = LATIN1",
            )
        ),
    )
    with department.open(mapping).snapshot() as now:
        assert now.shape().differs([mapping]) == []
        found = [tuple(row.values()) for row in rows_of(now, mapping)["moments"]]
    assert found == [
        ("1", "2016-02-01 10:00:00.5", "2016-02-01 04:30:00+00", "0.1", "NaN", "t", "61"),
        ("2", "0044-03-15 12:00:00 BC", "infinity", "1e+300", "1.10", "f", ""),
    ]


def test_a_server_that_keeps_changes_without_a_limit_is_a_warning(database: LegacyDatabase) -> None:
    (warning,) = database.check()
    assert "max_slot_wal_keep_size" in warning


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("ALTER TABLE notes REPLICA IDENTITY DEFAULT", "A deleted row of notes does not tell its case_number"),
        ("ALTER TABLE roles REPLICA IDENTITY NOTHING", "roles has no primary key, or REPLICA IDENTITY NOTHING"),
        ("ALTER TABLE labels DROP CONSTRAINT labels_pkey", "labels has no primary key"),
        ('ALTER TABLE notes DROP CONSTRAINT notes_pkey, ADD PRIMARY KEY ("COMMENT")', "use its key, comment"),
        ("ALTER TABLE labels ADD COLUMN more INT", "No mapping names labels.more"),
        ("ALTER TABLE labels DROP COLUMN picture", "There is no column labels.picture"),
        ("ALTER TABLE labels RENAME COLUMN picture TO image", "No mapping names labels.image"),
        ('ALTER TABLE "CASES" ALTER COLUMN "IUCR" TYPE CHAR(6)', "cases.iucr is character(6)"),
        ("ALTER TABLE labels RENAME TO tags", "There is no table labels"),
        ("ALTER TABLE notes ALTER COLUMN case_number TYPE NUMERIC(12,2)", "give both the same type"),
        ("CREATE TABLE more () INHERITS (labels)", "labels is a view, or a foreign, partitioned or inherited"),
        ("ALTER TABLE labels RENAME TO tags; CREATE VIEW labels AS SELECT * FROM tags", "labels is a view"),
        ('CREATE TABLE "Labels" (code INT)', "There are two tables labels"),
        ('ALTER TABLE labels ADD COLUMN "CODE" INT', "labels has two columns code"),
    ],
)
def test_a_table_whose_changes_cannot_be_followed_is_refused_before_anything_is_made(
    department: Department, database: LegacyDatabase, statement: str, sentence: str
) -> None:
    department.run(statement)
    with pytest.raises(LegacyError, match=r"^[^\n]+$") as caught:
        database.begin()
    assert sentence in str(caught.value)
    assert department.ask("SELECT slot_name FROM pg_replication_slots WHERE database = current_database()") == []
    assert department.ask("SELECT pubname FROM pg_publication") == []


@pytest.mark.parametrize(
    ("kind", "root", "child", "sentence"),
    [
        (Kind.NUMBER, "NUMERIC", "NUMERIC", "such as 1.0 and 1.00"),
        (Kind.NUMBER, "DOUBLE PRECISION", "DOUBLE PRECISION", "such as 1.0 and 1.00"),
        (Kind.NUMBER, "INTEGER", "NUMERIC(10,1)", "write the same value differently"),
        (Kind.NUMBER, "NUMERIC(10,2)", "NUMERIC", "write the same value differently"),
        (Kind.DATE, "DATE", "TIMESTAMP", "write the same value differently"),
        (Kind.TEXT, "TEXT COLLATE blind", "VARCHAR(10) COLLATE blind", "not deterministic"),
        (Kind.TEXT, 'TEXT COLLATE "C"', 'TEXT COLLATE "C"', ""),
        (Kind.NUMBER, "INTEGER", "NUMERIC(10)", ""),
        (Kind.NUMBER, "NUMERIC(8,2)", "NUMERIC(10,2)", ""),
        (Kind.TEXT, "TEXT", "VARCHAR(10)", ""),
    ],
)
def test_a_child_that_can_write_its_roots_key_differently_is_refused(
    department: Department, kind: Kind, root: str, child: str, sentence: str
) -> None:
    """It would lie in no document, and a verification would make the same documents again."""
    mapping = DocumentMapping(
        "file",
        "files",
        ("number",),
        (Column("number", kind),),
        (Child("pages", "pages", ("file",), ("page",), (Column("page", Kind.NUMBER),)),),
    )
    department.run(
        # As ICU makes them, which this server was built without.
        "CREATE COLLATION blind (provider = libc, locale = 'C')",
        "SET allow_system_table_mods = on",
        "UPDATE pg_collation SET collisdeterministic = false WHERE collname = 'blind'",
        f"CREATE TABLE files (number {root} PRIMARY KEY)",
        f"CREATE TABLE pages (file {child}, page INT, PRIMARY KEY (file, page))",
    )
    database = department.open(mapping)
    if not sentence:
        assert len(database.check()) == 1
        return
    with pytest.raises(LegacyError, match=f"pages.file.*{sentence}|{sentence}.*pages.file"):
        database.check()


def test_a_role_is_told_all_that_it_lacks(department: Department, role: str) -> None:
    database = department.open(*BOTH, user=role)
    department.run(f'GRANT SELECT ON "CASES", roles TO {role}', "ALTER TABLE roles ENABLE ROW LEVEL SECURITY")
    with pytest.raises(LegacyError) as caught:
        database.check()
    for part in (
        f"ALTER ROLE {role} REPLICATION",
        "GRANT CREATE on this database",
        "There is no table notes that can be read",
        "Only who owns roles can publish it",
        "A policy hides rows of roles",
    ):
        assert part in str(caught.value)
    # Hidden rows are an error, not a gap.
    with pytest.raises(LegacyError, match="row-level security"), database.snapshot() as now:
        now.after(replace(CASE, children=CASE.children[:1]), None, 5)
    department.run(f"DROP OWNED BY {role}")


def test_a_role_that_owns_the_tables_needs_no_more_than_replication(
    department: Department, postgres_legacy: PostgresServer, role: str
) -> None:
    postgres_legacy.run(f"ALTER ROLE {role} REPLICATION")
    (name,) = department.ask("SELECT current_database()")[0]
    owned = [f"ALTER TABLE {table} OWNER TO {role}" for table in ('"CASES"', "roles", "notes", "labels")]
    department.run(*owned, f"GRANT CREATE ON DATABASE {name} TO {role}")
    database = department.open(*BOTH, user=role)
    began = database.begin()
    department.run("DELETE FROM labels WHERE code = 'b'")
    with database.exact(30) as then:
        assert len(rows_of(then, LABEL)["labels"]) == 2
    assert told(database, began).keys == {"label": {("a", "b")}}
    assert len(database.finish()) == 2
    department.run(f"DROP OWNED BY {role} CASCADE")


def test_a_truncated_table_touches_all_its_roots(department: Department, database: LegacyDatabase) -> None:
    began = database.begin()
    department.run("TRUNCATE roles", "TRUNCATE labels")
    assert told(database, began) == Touched(all={"case", "label"})


def test_changes_on_both_sides_of_an_altered_table_are_told(department: Department, database: LegacyDatabase) -> None:
    began = database.begin()
    department.run("DELETE FROM labels WHERE code = 'b'")
    department.run('ALTER TABLE labels ADD COLUMN "more" INT DEFAULT 5')
    department.run("INSERT INTO labels VALUES ('x', 'y', NULL, 1)")
    assert told(database, began).keys == {"label": {("a", "b"), ("x", "y")}}
    with database.snapshot() as now:
        assert len(now.shape().differs(BOTH)) == 1


@pytest.mark.parametrize(
    "statements",
    [
        ["ALTER TABLE labels RENAME TO tags", "CREATE TABLE labels (LIKE tags INCLUDING ALL)"],
        ["DROP TABLE roles", POSTGRESQL[1]],
        ['ALTER TABLE "CASES" ALTER COLUMN title TYPE VARCHAR(60) USING upper(title)'],
        ["ALTER TABLE labels DROP COLUMN picture", "ALTER TABLE labels ADD COLUMN picture BYTEA DEFAULT 'x'"],
        ["ALTER TABLE notes RENAME COLUMN case_number TO was", "ALTER TABLE notes ADD COLUMN case_number NUMERIC(10)"],
        ["CREATE TABLE more () INHERITS (labels)", "INSERT INTO more VALUES ('inherited', 'x')"],
        ["ALTER PUBLICATION {slot} DROP TABLE notes", "DELETE FROM notes"],
        ["ALTER PUBLICATION {slot} SET (publish = 'insert, update, truncate')", "DELETE FROM notes"],
        ['ALTER PUBLICATION {slot} SET TABLE "CASES", roles, labels, notes WHERE (id > 7)', "DELETE FROM notes"],
        ["DROP PUBLICATION {slot}"],
    ],
)
def test_what_no_change_of_a_row_tells_is_not_taken_for_no_change(
    department: Department, database: LegacyDatabase, statements: list[str]
) -> None:
    """What was verified before would count as equal, and the slot would be dropped."""
    began = database.begin()
    ((slot,),) = department.ask("SELECT slot_name FROM pg_replication_slots WHERE database = current_database()")
    department.run(*(statement.format(slot=slot) for statement in statements))
    with pytest.raises(SourceForgot, match="verify --repair"):
        told(database, began)


def test_tables_that_are_emptied_cleaned_or_looked_at_are_the_same_ones(
    department: Department, database: LegacyDatabase
) -> None:
    began = database.begin()
    department.run("TRUNCATE labels", "ANALYZE labels", 'CREATE INDEX titles ON "CASES" (title)')
    with closing(department.connect()) as connection:
        connection.autocommit = True
        connection.cursor().execute("VACUUM (FULL, FREEZE)")
    assert told(database, began) == Touched(all={"label"})


def test_a_child_of_no_root_touches_none(department: Department, database: LegacyDatabase) -> None:
    began = database.begin()
    department.run("INSERT INTO notes VALUES (50, NULL, 'of none')")
    assert told(database, began) == Touched()
    department.run("UPDATE notes SET case_number = 4 WHERE id = 50", "UPDATE notes SET case_number = NULL WHERE id = 7")
    assert told(database, began) == Touched({"case": {("4",), ("2",)}})
    department.run("DELETE FROM notes WHERE id = 7")
    assert told(database, began) == Touched({"case": {("4",), ("2",)}})


def test_a_key_too_long_to_be_sent_again_is_told(department: Department, database: LegacyDatabase) -> None:
    # Not to be compressed, so it is kept apart from its row.
    code = "".join(random.Random(7).choices(string.printable[:90], k=2_500))
    department.run("ALTER TABLE labels ALTER COLUMN code TYPE TEXT")
    with closing(department.connect()) as connection:
        connection.cursor().execute("INSERT INTO labels VALUES ('long', %s)", (code,))
        connection.commit()
    began = database.begin()
    department.run("UPDATE labels SET picture = 'x' WHERE \"LIST\" = 'long'")
    assert told(database, began) == Touched({"label": {("long", code)}})
    with database.snapshot() as now:
        assert now.these(LABEL, [("long", code)]).last == ("long", code)


def test_what_more_than_memory_is_meant_for_comes_in_smaller_chunks(
    department: Department, database: LegacyDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "MOST_BYTES", 1_000)
    department.run("INSERT INTO notes SELECT 100 + n, 3, repeat('long', 100) FROM generate_series(1, 10) n")
    with database.snapshot() as now:
        sizes, key = [], None
        while (chunk := now.after(CASE, key, 8)) is not None:
            key = chunk.last
            sizes.append((chunk.roots.num_rows, chunk.children["notes"].num_rows))
    assert (2, 1) in sizes
    assert (1, 10) in sizes, "one root comes whole, whatever its size"
    assert sum(roots for roots, _ in sizes) == 13


@pytest.mark.parametrize("step", ["begin", "exact"])
def test_a_long_transaction_is_told_by_its_process(
    department: Department, database: LegacyDatabase, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    if step == "exact":
        database.begin()
    monkeypatch.setattr(postgresql, "_PATIENCE", 0.3)
    with closing(department.connect()) as busy:
        busy.cursor().execute("DELETE FROM labels")
        with pytest.raises(LegacyError, match=f"process {busy.info.backend_pid}\\)"):
            _begun(database) if step == "begin" else _exact(database)
        busy.rollback()
    began = database.begin()
    assert told(database, began) == Touched()
    (left,) = department.ask("SELECT count(*) FROM pg_replication_slots WHERE database = current_database()")
    assert left == (1,)


def _begun(database: LegacyDatabase) -> Position:
    return database.begin()


def _exact(database: LegacyDatabase) -> Position:
    with database.exact(0.3) as then:
        return then.position


def test_a_slot_that_is_gone_or_made_anew_means_that_changes_are_lost(
    department: Department, database: LegacyDatabase
) -> None:
    began = database.begin()
    department.run("DELETE FROM labels")
    database.finish()
    assert database.lag().state == "lost"
    with pytest.raises(SourceForgot, match="verify --repair"):
        told(database, began)
    with pytest.raises(SourceForgot), database.exact(1):
        pass
    with pytest.raises(SourceForgot):
        database.advance(Position(began + 1))
    again = database.begin()
    with pytest.raises(SourceForgot, match="made anew"):
        told(database, began)
    # As after a restored backup: what the documents have is not there yet.
    with pytest.raises(SourceForgot, match="older copy"):
        told(database, Position(again + (1 << 40)))


def test_a_slot_that_the_server_has_given_up_means_that_changes_are_lost(
    department: Department, database: LegacyDatabase, setting: Callable[[str, str], None]
) -> None:
    began = database.begin()
    assert database.lag().state == "reserved"
    setting("max_slot_wal_keep_size", "1MB")
    with closing(department.connect()) as connection:
        connection.autocommit = True
        # The server reads its settings when it comes to it.
        while database.lag().state != "lost":
            connection.cursor().execute("CREATE TABLE filler (n INT)")
            connection.cursor().execute("DROP TABLE filler")
            connection.cursor().execute("SELECT pg_switch_wal()")
            connection.cursor().execute("CHECKPOINT")
    assert database.check() == []
    with pytest.raises(SourceForgot, match="max_slot_wal_keep_size"):
        told(database, began)
    with pytest.raises(SourceForgot), database.exact(1):
        pass
    database.begin()
    assert database.lag().state == "reserved"


def test_a_slot_that_keeps_more_than_the_server_plans_for_is_a_warning(
    department: Department,
    database: LegacyDatabase,
    postgres_legacy: PostgresServer,
    setting: Callable[[str, str], None],
) -> None:
    began = database.begin()
    setting("max_wal_size", "32MB")
    with closing(department.connect()) as connection:
        connection.autocommit = True
        while database.lag().state == "reserved":
            connection.cursor().execute("CREATE TABLE filler (n INT)")
            connection.cursor().execute("DROP TABLE filler")
            connection.cursor().execute("SELECT pg_switch_wal()")
            connection.cursor().execute("CHECKPOINT")
    (warning,) = (one for one in database.check() if "max_wal_size" in one)
    assert re.search(r"keeps [\d,]{10,} bytes of changes, .*extended\): run `crime-assets legacy follow`", warning)
    while database.lag().state != "reserved":
        # The server lets go of what is followed when it next writes down who is at work, as a checkpoint does.
        began = database.touched(began, None, Touched())
        database.advance(began)
        postgres_legacy.run("CHECKPOINT")
    assert not [one for one in database.check() if "max_wal_size" in one]


def test_what_another_migration_left_is_told_with_what_removes_it(
    postgres_legacy: PostgresServer, department: Department
) -> None:
    ((name,),) = department.ask("SELECT current_database()")
    connect = connecting(**postgres_legacy.where(name))
    first, second = (PostgresDatabase(connect, "test", f"crime_assets_{end}", BOTH) for end in ("0a1b2c3d", "4e5f6a7b"))
    first.begin()
    assert not [warning for warning in first.check() if "another migration" in warning], "its own is none"
    department.run("CREATE TABLE more AS SELECT repeat('x', 100) FROM generate_series(1, 10000)")
    second.begin()
    (warning,) = (warning for warning in second.check() if "another migration" in warning)
    sentence, _, statements = warning.partition(": if that one is abandoned, run ")
    kept = re.fullmatch(
        r"The replication slot crime_assets_0a1b2c3d is of another migration, keeps ([\d,]+) bytes of changes on the "
        "server's disk, and nobody reads it now",
        sentence,
    )
    assert kept
    assert int(kept[1].replace(",", "")) > 1_000_000
    assert statements == (
        "SELECT pg_drop_replication_slot('crime_assets_0a1b2c3d'); DROP PUBLICATION \"crime_assets_0a1b2c3d\";"
    )
    # While it is read, nobody could drop it.
    with closing(connect(connection_factory=LogicalReplicationConnection)) as reader:
        where = {"proto_version": "1", "publication_names": '"crime_assets_0a1b2c3d"'}
        reader.cursor().start_replication("crime_assets_0a1b2c3d", options=where)
        (warning,) = (warning for warning in second.check() if "another migration" in warning)
        assert f"and process {reader.info.backend_pid} reads it now" in warning
    # Not by what is done for another: only by who was told.
    second.finish()
    assert first.lag().state == "reserved"
    # The second statement alone: the publication is told without its slot.
    slot, publication = statements.rstrip(";").split("; ")
    with closing(connect()) as connection:
        connection.autocommit = True
        slots._wait_until_free(connection, "crime_assets_0a1b2c3d")
    department.run(slot)
    assert [warning for warning in second.check() if "another migration" in warning] == [
        "The publication crime_assets_0a1b2c3d is left of another migration: if that one is abandoned, run "
        f"{publication};"
    ]
    department.run(publication)
    assert not [warning for warning in second.check() if "another migration" in warning]


def test_a_cut_connection_is_told_and_the_next_works(department: Department, database: LegacyDatabase) -> None:
    with pytest.raises(LegacyError, match="postgresql://test/"):
        _cut(department, database)
    assert numbers(database) == 13


def _cut(department: Department, database: LegacyDatabase) -> None:
    with database.snapshot() as now:
        now.after(CASE, None, 2)
        department.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = 'crime-assets'"
        )
        now.after(CASE, ("2",), 2)


def test_a_restarted_server_goes_on_where_it_was(
    department: Department, database: LegacyDatabase, postgres_legacy: PostgresServer
) -> None:
    began = database.begin()
    assert numbers(database) == 13
    department.run("DELETE FROM labels WHERE code = 'b'")
    postgres_legacy.restart()
    assert told(database, began).keys == {"label": {("a", "b")}}
    assert numbers(database) == 13
    database.finish()


def test_what_others_write_lets_the_position_go_on(department: Department, database: LegacyDatabase) -> None:
    began = database.begin()
    department.run("CREATE TABLE other AS SELECT generate_series(1, 100)")
    found, reached = Touched(), began
    while reached == began:
        # Until the server's log, which others write too, is on its disk.
        reached = database.touched(began, None, found)
    assert found == Touched()
    assert reached > began
    database.advance(reached)
    database.advance(began)
    assert database.touched(reached, None, found) >= reached


def test_a_table_that_is_rewritten_while_a_position_is_taken_is_noticed(
    department: Department, database: LegacyDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.begin()
    honest = slots.exported

    @contextmanager
    def exported(*arguments: Any) -> Iterator[tuple[Position, str]]:
        with honest(*arguments) as found:
            department.run("TRUNCATE labels")
            yield found

    monkeypatch.setattr(slots, "exported", exported)
    with pytest.raises(LegacyError, match="labels was emptied or rewritten"), database.exact(30):
        pass


def test_what_takes_as_long_as_there_are_changes_has_hours(
    department: Department, database: LegacyDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other statements have ten minutes, and a transaction in which nothing is asked has thirty."""
    began = database.begin()
    department.run("DELETE FROM labels WHERE code = 'b'")
    found: dict[str, str] = {}
    peek, advance = slots.peek, slots.advance

    def setting(connection: Any, name: str = "statement_timeout") -> str:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting(%s)", (name,))
            return str(cursor.fetchone()[0])

    def peeked(connection: Any, name: str) -> Iterator[Any]:
        found["before"] = setting(connection)
        for message in peek(connection, name):
            found["while peeking"] = setting(connection)
            yield message

    def advanced(connection: Any, name: str, position: Position) -> None:
        advance(connection, name, position)
        found["advancing"] = setting(connection)

    monkeypatch.setattr(slots, "peek", peeked)
    monkeypatch.setattr(slots, "advance", advanced)
    with database.exact(30) as then:
        assert isinstance(then, PostgresSnapshot)
        found["exact"] = setting(then._connection, "idle_in_transaction_session_timeout")
        touched = Touched()
        database.advance(database.touched(began, then.position, touched))
    assert touched.keys == {"label": {("a", "b")}}
    with database.snapshot() as now:
        assert isinstance(now, PostgresSnapshot)
        assert setting(now._connection, "idle_in_transaction_session_timeout") == "30min", "no session keeps it"
        assert setting(now._connection) == "10min"
    assert found == {"before": "10min", "while peeking": "4h", "advancing": "4h", "exact": "4h"}


def test_no_table_is_rewritten_while_a_chunk_is_read(department: Department, database: LegacyDatabase) -> None:
    with database.snapshot() as now:
        with closing(department.connect()) as other:
            other.cursor().execute("SET lock_timeout = '100ms'")
            with pytest.raises(psycopg2.errors.LockNotAvailable):
                other.cursor().execute("TRUNCATE labels")
        assert len(rows_of(now, LABEL)["labels"]) == 3


def test_a_database_that_is_not_there_is_told_without_its_password(caplog: pytest.LogCaptureFixture) -> None:
    database = PostgresDatabase(connecting(host="/nowhere", password="s3cret"), "postgresql://nowhere/x", "slot", BOTH)
    with pytest.raises(LegacyError, match=r"^postgresql://nowhere/x: ") as caught:
        database.check()
    assert "s3cret" not in f"{caught.value} {caught.value.__cause__!r} {database!r} {vars(database)} {caplog.text}"


@pytest.mark.parametrize("slot", ["", "Slot", "slot-1", "s" * 51, "slot; DROP"])
def test_a_slot_has_a_plain_name(slot: str) -> None:
    with pytest.raises(UsageError, match="name of a replication slot"):
        PostgresDatabase(connecting(), "postgresql://x/y", slot, BOTH)
