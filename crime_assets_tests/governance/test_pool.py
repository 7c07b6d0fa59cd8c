"""Workers: what they say is what DuckDB says, and they end when they should."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from crime_assets.core.errors import UsageError
from crime_assets.engines.answers import rows_of
from crime_assets.governance import confine
from crime_assets.governance.gates import GATE, Gate
from crime_assets.governance.pool import Gone, Limits, Pool

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not confine.landlock_version(), reason="this kernel has no Landlock: nobody is answered here"),
]


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    place = tmp_path / "gate"
    place.mkdir()
    with duckdb.connect(str(place / GATE)) as con:
        con.execute("CREATE TABLE crimes AS SELECT range AS id, 'THEFT' AS kind FROM range(1000)")
    return Gate(place, "one")


@pytest.fixture
def pool() -> Iterator[Pool]:
    made = Pool(Limits(seconds=8))
    yield made
    made.close()


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        ("'340282366920938463463374607431768211455'::UHUGEINT", "340282366920938463463374607431768211455"),
        ("'101'::BIT", "101"),
        ("'10:00:00+05'::TIMETZ", "10:00:00+05"),
        ("TIME '24:00:00'", "24:00:00"),
        ("12345678901234567890123::BIGNUM", "12345678901234567890123"),
        ("[INTERVAL 1 month]", "[1 month]"),
        ("NULL", "None"),
        ("'ä€\0'", "ä€\0"),
        ("1.5::DECIMAL(9,2)", "1.50"),
        ("TIMESTAMPTZ '2024-01-01 00:00:00+01'", "2023-12-31 23:00:00+00:00"),
    ],
)
def test_values_are_what_they_are(gate: Gate, pool: Pool, sql: str, shown: str) -> None:
    found = pool.ask(gate, f"SELECT {sql}, {sql} AS x, 1 AS x")
    ((first, second, third),) = rows_of(found.rows, "VARCHAR")
    assert (str(first), str(second), third) == (shown, shown, 1)
    assert found.columns[1:] == ["x", "x"]


def test_nothing_is_carried_from_one_question_to_the_next(gate: Gate) -> None:
    pool = Pool(switches=("--no-guard",))
    for sql in ("SET VARIABLE x = 1", "CREATE TEMP TABLE t AS SELECT 1", "PREPARE p AS SELECT 1", "BEGIN"):
        try:
            pool.ask(gate, sql)
        except UsageError:
            continue
    for sql in ("FROM t", "EXECUTE p"):
        with pytest.raises(UsageError):
            pool.ask(gate, sql)
    assert pool.ask(gate, "SELECT getvariable('x')").rows.to_pylist() == [{"0": None}]
    pool.close()


def test_the_worker_of_a_gate_that_was_removed_is_ended(gate: Gate, pool: Pool, tmp_path: Path) -> None:
    (other := tmp_path / "other").mkdir()
    shutil.copy(gate.place / GATE, other / GATE)
    asked = "SELECT count(*) FROM crimes"
    for _ in range(2):
        assert pool.ask(gate, asked).rows.to_pylist() == [{"0": 1000}]
        shutil.rmtree(gate.place, ignore_errors=True)
    pool.ask(Gate(other, "one"), asked)
    assert list(pool._workers) == [other]


@pytest.mark.parametrize("left", ["nothing", "its directory"])
def test_a_gate_that_was_removed_before_it_is_asked_is_gone_and_stops_no_query(
    gate: Gate, pool: Pool, left: str
) -> None:
    (gate.place / GATE).unlink()
    if left == "nothing":
        gate.place.rmdir()
    with pytest.raises(Gone, match="made anew"):
        pool.ask(gate, "SELECT 1")


def test_many_ask_while_the_gate_changes(gate: Gate, pool: Pool) -> None:
    """Each is answered, and no worker is left behind."""
    wrong: list[object] = []

    def ask(number: int) -> None:
        for n in range(40):
            try:
                found = pool.ask(Gate(gate.place, f"{(n + number) // 10}"), f"SELECT {number}, count(*) FROM crimes")
                if found.rows.to_pylist() != [{"0": number, "1": 1000}]:
                    wrong.append(found)
            except BaseException as error:  # whatever it is
                wrong.append(error)

    threads = [threading.Thread(target=ask, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    listed = subprocess.run(
        ["ps", "-ww", "-o", "args", "--ppid", str(os.getpid())], capture_output=True, text=True, check=True
    )
    assert listed.stdout.count(str(gate.place)) == 1


def test_a_long_question_to_one_gate_does_not_hold_up_another(gate: Gate, pool: Pool, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / GATE).write_bytes((gate.place / GATE).read_bytes())
    ended: list[str] = []

    def long() -> None:
        pool.ask(gate, "SELECT sleep_ms(3000)")
        ended.append("long")

    first = threading.Thread(target=long)
    first.start()
    _wait_until(lambda: gate.place in pool._workers and pool._workers[gate.place].lock.locked())
    second = threading.Thread(target=lambda: pool.ask(Gate(gate.place, "two"), "SELECT 1"))
    second.start()
    pool.ask(Gate(other, "one"), "SELECT 1")
    ended.append("other")
    first.join()
    second.join()
    assert ended == ["other", "long"]


def test_a_large_service_keeps_its_workers(gate: Gate) -> None:
    program = (
        "from pathlib import Path; from crime_assets.governance.pool import Pool; "
        "from crime_assets.governance.gates import Gate\n"
        f"held, pool, gate = b'x' * (1200 << 20), Pool(), Gate(Path({str(gate.place)!r}), 'x')\n"
        "def asked(): pool.ask(gate, 'SELECT 1'); return pool._workers[gate.place].process.pid\n"
        "one, two = asked(), asked()\n"
        "print(one == two and pool._workers[gate.place].process.poll() is None); pool.close()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_a_worker_ends_with_its_parent(gate: Gate) -> None:
    program = (
        "import threading, time; from pathlib import Path; from crime_assets.governance.pool import Pool; "
        "from crime_assets.governance.gates import Gate\n"
        f"pool, gate = Pool(), Gate(Path({str(gate.place)!r}), 'x'); pool.ask(gate, 'SELECT 1')\n"
        "threading.Thread(target=pool.ask, args=[gate, 'SELECT sleep_ms(60000)']).start()\n"
        "while not pool._workers[gate.place].lock.locked(): time.sleep(0.01)\n"
        "print('asked', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "asked\n"
        assert _workers(gate.place)
        parent.send_signal(signal.SIGKILL)
    _wait_until(lambda: not _workers(gate.place))


def _wait_until(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not happens():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)


def _workers(place: Path) -> list[str]:
    listed = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if "governance.worker" in line and str(place) in line]
