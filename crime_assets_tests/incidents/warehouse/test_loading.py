"""What a warehouse keeps depends on the set of objects alone. On a PostgreSQL server, with Redshift's statements."""

from __future__ import annotations

import json
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import psycopg2
import pytest

from crime_assets.core.errors import LandingError, UsageError, WarehouseError
from crime_assets.incidents.warehouse import Loaded, MonthFigures
from crime_assets.incidents.warehouse.postgres import PostgresWarehouse, connected
from crime_assets.streams.directory import DirectoryStore
from crime_assets_tests.incidents.warehouse import loader
from crime_assets_tests.incidents.warehouse.reports import kept, overlapping, report, write
from crime_assets_tests.incidents.warehouse.servers import ask, fresh, history, ledger, newest, served, warehouse

# Of a directory that a server on a socket of its own does not need.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:XDG_RUNTIME_DIR")]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with served() as address:
        yield address


@pytest.fixture
def address(server: str) -> str:
    return fresh(server)


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "landing")


def test_a_report_arrives_as_it_is(address: str, store: DirectoryStore) -> None:
    odd = report(7, gd_no="a\tb\\c\nd\r\\N", beat="", property_value_inr=0.1 + 0.2, direction="ü\u2028")
    lines = [odd, report(9, arrived=None)]
    loaded = warehouse(address).load(store, [write(store, "one", lines)])

    assert loaded == Loaded(objects=1, reports=2, changed=2)
    assert history(address) == kept(lines)
    row = history(address)["SX/101/PS7/2026/7"]
    assert (row["gd_no"], row["beat"], row["accused_count"]) == ("a\tb\\c\nd\r\\N", "", None)
    assert (row["is_zero_fir"], row["property_value_inr"]) == (True, 0.1 + 0.2)


def test_the_newest_version_stays_whatever_comes_after(address: str, store: DirectoryStore) -> None:
    at, versions = warehouse(address), (2, 1, 3, 2, 1)
    changed = [
        at.load(store, [write(store, f"{n}", [report(1, version)])]).changed for n, version in enumerate(versions)
    ]

    assert changed == [1, 0, 1, 0, 0]
    assert history(address) == kept([report(1, 3)])
    assert ledger(address) == ["0", "1", "2", "3", "4"]


def test_it_says_what_was_loaded_last_and_what_is_newest(address: str, store: DirectoryStore) -> None:
    at, lines = warehouse(address), [report(n, 1 + n % 2) for n in range(9)]
    assert at.last("a/1") is None
    at.load(store, [write(store, key, lines) for key in ("a/1/002", "a/1/010", "a/2/9", "a_1/9")])

    assert (at.last("a/1/"), at.last("a_1/"), at.last("a%")) == ("a/1/010", "a_1/9", None)
    assert {row["fir_id"]: row for row in at.newest(3)} == kept(lines[-3:])
    assert [row["fir_no"] for row in at.newest(3)] == [8, 7, 6]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2)])
def test_of_copies_the_first_to_arrive_stays_whichever_is_loaded_first(
    address: str, store: DirectoryStore, order: tuple[int, ...]
) -> None:
    copies = [report(1, arrived=after) for after in (90, 30, None)] + [report(1, arrived=30, action_taken="refused")]
    at = warehouse(address)
    for n in order:
        at.load(store, [write(store, f"{n}", [copies[n]])])

    assert history(address) == kept(copies)


def test_an_object_is_loaded_once(address: str, store: DirectoryStore) -> None:
    at = warehouse(address)
    keys = [write(store, "one", [report(1)]), write(store, "two", [report(1), report(2)])]

    assert at.load(store, [keys[0], keys[0]]) == Loaded(1, 1, 1)
    assert at.load(store, [*keys, *keys]) == Loaded(1, 2, 1)
    assert at.load(store, keys) == at.load(store, []) == Loaded(0, 0, 0)
    assert ledger(address) == ["one", "two"]


@pytest.mark.parametrize("seed", range(4))
def test_overlapping_objects_in_any_order_and_grouping(address: str, store: DirectoryStore, seed: int) -> None:
    chance = random.Random(seed)
    objects = overlapping(chance, 30, 40, 150)
    keys = [write(store, f"{n:03}", lines) for n, lines in enumerate(objects)]
    at, left = warehouse(address), keys * 2
    chance.shuffle(left)
    while left:
        size = chance.randint(1, 7)
        at.load(store, left[:size])
        left = left[size:]

    assert history(address) == kept(line for lines in objects for line in lines)
    assert ledger(address) == keys


def test_two_loaders_at_once(address: str, store: DirectoryStore) -> None:
    objects = overlapping(random.Random(5), 40, 30, 200)
    keys = [write(store, f"{n:03}", lines) for n, lines in enumerate(objects)]

    def load(seed: int) -> int:
        at, mine = warehouse(address), list(keys)
        random.Random(seed).shuffle(mine)
        return sum(at.load(store, mine[n : n + 3]).objects for n in range(0, len(mine), 3))

    with ThreadPoolExecutor(2) as pool:
        shares = list(pool.map(load, (1, 2)))

    assert sum(shares) == len(keys), "each object was loaded by one of them"
    assert history(address) == kept(line for lines in objects for line in lines)
    assert ledger(address) == keys


def test_many_make_the_tables_at_once(address: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: warehouse(address), range(12)))

    assert history(address) == {}


def test_figures_are_by_month_in_utc(address: str, store: DirectoryStore) -> None:
    late = {"registered_at": "2026-02-01T01:00:00+05:30"}
    lines = [report(1), report(2, 3), report(3, **late), report(4, registered_at="2026-02-01T00:00:00Z")]
    at = warehouse(address)
    assert at.figures() == []
    at.load(store, [write(store, "one", lines)])

    january, february = at.figures()
    assert january == MonthFigures(date(2026, 1, 1), 3, 5, datetime(2026, 1, 31, 19, 30, tzinfo=UTC))
    assert (february.month, february.reports, february.newest) == (date(2026, 2, 1), 1, newest(history(address)))


_WAIT_BEFORE_INSERTS = """
CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END';
CREATE TRIGGER wait BEFORE INSERT ON {} FOR EACH STATEMENT EXECUTE FUNCTION wait();
SELECT pg_advisory_lock(1);
"""


@pytest.mark.parametrize(
    ("statement", "hold"),
    [
        ("LOCK TABLE", "BEGIN; LOCK TABLE fir_ledger"),
        ("MERGE INTO", _WAIT_BEFORE_INSERTS.format("fir_history")),
        ("INSERT INTO fir_ledger", _WAIT_BEFORE_INSERTS.format("fir_ledger")),
    ],
)
def test_a_loader_that_is_killed_in_a_statement_leaves_nothing(
    address: str, store: DirectoryStore, tmp_path: Path, statement: str, hold: str
) -> None:
    """What the statement waits for is held by the test, so that the kill meets it for certain."""
    at = warehouse(address)
    at.load(store, [write(store, "before", [report(1), report(2)])])
    before = history(address)
    key = write(store, "after", [report(2, 2), report(3)])
    with closing(psycopg2.connect(address)) as other:
        other.autocommit = True
        other.cursor().execute(hold)
        process = loader.start(address, tmp_path / "landing", "killed", 0, [key])
        until(lambda: sessions(address, "active", statement) == 1)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert sessions(address, "active", statement) == 1, "the server was still at it"
    until(lambda: sessions(address, "", "") == 0)

    assert (history(address), ledger(address)) == (before, ["before"])
    assert at.load(store, ["before", key]) == Loaded(1, 2, 2)
    assert history(address) == kept([report(1), report(2, 2), report(3)])


def sessions(address: str, state: str, statement: str) -> int:
    """Sessions of the loader that is to be killed, in that state and statement."""
    query = "SELECT state, query FROM pg_stat_activity WHERE application_name = 'killed'"
    return sum(state in found and text.startswith(statement) for found, text in ask(address, query))


def until(is_so: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not come so far"
        time.sleep(0.02)


def test_a_transaction_that_is_in_the_way_is_waited_for_or_tried_again(address: str, store: DirectoryStore) -> None:
    """The database ends one of two transactions that wait for each other; it is done again, not half and not twice."""
    pauses: list[object] = []
    at = warehouse(address, sleep=pauses.append, chance=lambda: 1.0)
    key = write(store, "one", [report(1)])
    with closing(psycopg2.connect(address)) as other, ThreadPoolExecutor(1) as pool:
        cursor = other.cursor()
        # The loader, which holds the ledger by then, shall be the one that finds the deadlock.
        cursor.execute("SET deadlock_timeout = '1min'; LOCK TABLE fir_history")
        loading = pool.submit(at.load, store, [key])
        waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        until(lambda: len(ask(address, waits)) == 1)
        cursor.execute("SELECT COUNT(*) FROM fir_ledger")
        other.rollback()
        assert loading.result() == Loaded(1, 1, 1)

    assert pauses == [0.2]
    assert ledger(address) == ["one"]


def test_after_five_conflicts_it_gives_up(address: str, store: DirectoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[object] = []
    at = warehouse(address, sleep=tried.append)
    monkeypatch.setattr(at, "_copy", lambda cursor, *_: cursor.execute("SELECT raise()"))
    with closing(psycopg2.connect(address)) as other:
        other.autocommit = True
        other.cursor().execute(
            "CREATE FUNCTION raise() RETURNS int LANGUAGE plpgsql AS "
            "'BEGIN RAISE EXCEPTION USING ERRCODE = ''40001''; END'"
        )

    with pytest.raises(WarehouseError, match=r"had to give way 5 times"):
        at.load(store, [write(store, "one", [report(1)])])
    assert (len(tried), ledger(address)) == (4, [])


def test_an_object_that_cannot_be_read_stops_all_of_it(address: str, store: DirectoryStore) -> None:
    at = warehouse(address)
    good = write(store, "good", [report(1)])
    content = store.read(write(store, "cut", [report(n) for n in range(2, 60)]))
    assert content is not None
    store.write("cut", content[:-20])
    store.write("other", json.dumps({"name": "Asha Devi"}).encode())

    for bad in ("cut", "other", "missing"):
        with pytest.raises(LandingError, match=bad) as caught:
            at.load(store, [good, bad])
        assert "Asha" not in str(caught.value)
    assert (history(address), ledger(address)) == ({}, [])


def test_what_the_database_refuses_is_one_sentence_without_values(address: str, store: DirectoryStore) -> None:
    at = warehouse(address)

    with pytest.raises(WarehouseError, match=r"at test did not finish .*too long.* run again; what has been") as caught:
        at.load(store, [write(store, "one", [report(1, beat="Asha Devi" * 20)])])
    assert "Asha" not in str(caught.value)
    assert caught.value.__context__ is None


def test_without_tables_it_says_so(address: str, store: DirectoryStore) -> None:
    at = PostgresWarehouse(lambda: connected(address), "at test")

    with pytest.raises(WarehouseError, match='relation "fir_ledger" does not exist'):
        at.load(store, ["one"])


@pytest.mark.parametrize(
    "wrong",
    ["postgresql://me:s3cret@127.0.0.1:1/w", "postgresql://me:1@s3cret:x/w", "host=127.0.0.1 port=1 password=s3cret"],
)
def test_a_password_is_never_told(wrong: str) -> None:
    with pytest.raises(WarehouseError, match=r"^The warehouse at test cannot be opened: check") as caught:
        PostgresWarehouse(lambda: connected(wrong), "at test").prepare()

    assert "s3cret" not in str(caught.value)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_without_the_driver_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg2", None)

    with pytest.raises(UsageError, match=r"crime-assets\[live\]"):
        PostgresWarehouse(lambda: connected("postgresql:///"), "at test").prepare()
