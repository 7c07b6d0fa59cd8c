"""Several writers and a reader at once: nothing is lost, nobody fails, and a reader sees whole merges only."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.exceptions import CommitFailedException

from crime_assets.core.envelopes import Envelope
from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.tables import Change
from crime_assets.lakehouse.place.lake import Lake
from crime_assets_tests.build import CHICAGO, envelope, record
from crime_assets_tests.lakehouse.lakes import merge, orphans, properties, rows, versions
from crime_assets_tests.lakehouse.writing.versions import model

pytestmark = pytest.mark.slow

WRITERS = 4
DELIVERIES, OF_FOUR_WRITERS = 6, 60
NEW = 30
"""Rows that every delivery adds."""
SHARED = range(1, 9)
"""Ids that every delivery has a version of; the newest delivery's wins."""
APPENDS = 4
"""Fewer than the plans that a merge makes: it cannot be overtaken until it gives up."""

SEEN = f"""
SELECT
  count(*) AS crimes,
  count(DISTINCT id) AS ids,
  count(DISTINCT updated_on) FILTER (id <= {SHARED[-1]}) AS states,
  count(*) FILTER (id <= {SHARED[-1]}) AS shared,
  (SELECT count(*) FROM (SELECT description FROM crimes WHERE id > {SHARED[-1]} GROUP BY ALL HAVING count(*) <> {NEW})),
FROM crimes
"""


def delivery(number: int) -> list[Envelope]:
    """New rows of two months that no other delivery has, and a version of each shared id; these change their month."""
    day = date(2024, 1, 1 + number % 28)
    stamp = f"{day}T12:{number // 28:02}:00.000"
    months = ("2023-11-05", "2023-12-05")
    ids = range(1_000 * (number + 1), 1_000 * (number + 1) + NEW)
    new = [record(id, stamp, months[id % 2], description=f"delivery {number}") for id in ids]
    shared = [record(id, stamp, months[number % 2], description=f"delivery {number}") for id in SHARED]
    return [envelope(source, str(day), f"{day}T20:00:00") for source in [*new, *shared]]


def write(home: Path, numbers: list[int]) -> None:
    """What a writer does: merges these deliveries, one after another."""
    lake = Lake(home)
    for number in numbers:
        merge(lake, *delivery(number))


def read(home: Path, stop: Event, looks: Synchronized[int]) -> None:
    """What the reader does: asks as long as there are writers; fails where it sees half a merge."""
    engine = DuckDBEngine(Lake(home), CHICAGO)
    seen = 0
    while not stop.is_set():
        ((crimes, ids, states, shared, torn),) = engine.query(SEEN).rows
        assert (ids, states, shared, torn) == (crimes, 1, len(SHARED), 0), (crimes, ids, states, shared, torn)
        assert crimes >= seen, "a merge that was seen is gone"
        seen = crimes
        looks.value += 1


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """Processes that start quickly: forked from one that has imported this module and done nothing else."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


@contextmanager
def started(*workers: BaseProcess) -> Iterator[None]:
    """Start these processes; leave none behind."""
    try:
        for worker in workers:
            worker.start()
        yield
    finally:
        for worker in workers:
            worker.kill()
            worker.join()


def write_at_once(home: Path, processes: ForkServerContext, deliveries: int) -> int:
    """Four writers, each with its own share and half of everyone's, and a reader; returns how often that one looked."""
    lake = Lake(home)
    merge(lake, *delivery(0))
    rng = random.Random(5)
    shares = []
    for writer in range(WRITERS):
        others = rng.sample(range(deliveries), deliveries // 2)
        share = sorted({*range(writer, deliveries, WRITERS), *others})
        rng.shuffle(share)
        shares.append(share)
    stop, looks = processes.Event(), processes.Value("i", 0)
    writers = [processes.Process(target=write, args=(home, share)) for share in shares]
    reader = processes.Process(target=read, args=(home, stop, looks))
    with started(reader, *writers):
        for writer in writers:
            writer.join(timeout=60 + 3 * deliveries)
        stop.set()
        reader.join(timeout=30)
        assert [process.exitcode for process in (*writers, reader)] == [0] * (WRITERS + 1)

    lines = [line for number in range(deliveries) for line in delivery(number)]
    assert versions(lake) == sorted(model(lines).items())
    assert len(rows(lake)) == NEW * deliveries + len(SHARED)
    assert orphans(lake) == []
    return int(looks.value)


@pytest.mark.stress
def test_four_writers_and_a_reader_for_a_while(
    tmp_path: Path, processes: ForkServerContext, thrown: Callable[[str, object], None]
) -> None:
    looks = write_at_once(tmp_path / "lake", processes, OF_FOUR_WRITERS)
    assert looks >= 30
    thrown("deliveries merged by four writers at once, each by one to four of them", OF_FOUR_WRITERS)
    thrown("looks of a reader meanwhile", looks)


def append(home: Path, number: int) -> None:
    """What a writer does that knows pyiceberg and not our lock: it appends rows, and again if it was too late."""
    lake = Lake(home)
    typed = rows(lake)[0]
    theirs = [{**typed, "id": 1_000_000 + 100 * number + n, "record_md5": f"theirs {number}-{n}"} for n in range(NEW)]
    while True:
        table = lake.catalog.load_table(("chicago", "crimes"))
        try:
            table.append(pa.Table.from_pylist(theirs, table.schema().as_arrow()))
            return
        except CommitFailedException:
            continue


def append_often(home: Path) -> None:
    for number in range(APPENDS):
        append(home, number)
        time.sleep(0.2)  # so that the appends fall all over the time that the merges take


def their_ids(appends: int) -> set[int]:
    return {1_000_000 + 100 * number + n for number in range(appends) for n in range(NEW)}


def test_a_writer_without_our_lock_between_plan_and_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake(tmp_path / "lake")
    merge(lake, *delivery(0))
    commit, overtakers, plans = tables.commit, [0, 1], 0

    def overtaken(table: tables.Table, change: Change) -> int:
        nonlocal plans
        if table.name()[-1] == "crimes":
            plans += 1
            if overtakers:
                append(lake.home, overtakers.pop())
        return commit(table, change)

    monkeypatch.setattr(tables, "commit", overtaken)
    result = merge(lake, *delivery(1))

    ours = model([*delivery(0), *delivery(1)])
    assert plans == 3
    assert sorted(row["id"] for row in rows(lake)) == sorted([*ours, *their_ids(2)])
    assert {row["id"]: row["record_md5"] for row in rows(lake) if row["id"] in ours} == ours
    assert result.rows == len(rows(lake))
    assert orphans(lake) == []
    # Theirs are rows like any other now: a merge rewrites the month that has them and loses none.
    merge(lake, *delivery(2))
    assert properties(lake)["inserted"] == str(NEW)
    assert their_ids(2) <= {row["id"] for row in rows(lake)}


def test_a_writer_without_our_lock_at_any_time(tmp_path: Path, processes: ForkServerContext) -> None:
    lake = Lake(tmp_path / "lake")
    merge(lake, *delivery(0))
    with started(theirs := processes.Process(target=append_often, args=(lake.home,))):
        for number in range(1, DELIVERIES):
            merge(lake, *delivery(number))
        theirs.join(timeout=60)
        assert theirs.exitcode == 0

    ours = model([line for number in range(DELIVERIES) for line in delivery(number)])
    assert sorted(row["id"] for row in rows(lake)) == sorted([*ours, *their_ids(APPENDS)])
    assert {row["id"]: row["record_md5"] for row in rows(lake) if row["id"] in ours} == ours
