"""A process that dies between two steps, or in the middle of one, leaves a lake that a plain re-run puts right."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from crime_assets.defs.automation.jobs import BACKFILL, RUN
from crime_assets.streams.watch import unmerged
from crime_assets_tests.build import export_profile, record, write_export
from crime_assets_tests.graph import Graph

pytestmark = pytest.mark.slow

FIRST, SECOND = "2024-01-25", "2024-01-26"
DAYS = (date(2024, 1, 25), date(2024, 1, 26))
DIED = 9


@dataclass(frozen=True)
class Death:
    """Die in a function of the package (`module:name`), at its `call`-th call: before it, or after it was done.

    What dies before crimes is merged is about no insight, and most of a run's time is theirs.
    """

    function: str
    after: bool = False
    call: int = 1
    job: str = BACKFILL


DEATHS = {
    "objects have landed, no manifest": Death("crime_assets.streams.pull:_landed_entries"),
    "raw_crime_batches is done": Death("crime_assets.defs.assets.crime_deliveries:take_inventories"),
    "crime_deliveries is done": Death("crime_assets.defs.checks.crime_deliveries:read_inventory"),
    "quarantine is written, superseded not": Death("crime_assets.lakehouse.writing.merge:quarantine", after=True),
    "superseded is written, crimes not": Death("crime_assets.lakehouse.writing.merge:_keep_superseded", after=True),
    "data files of crimes are written, no snapshot": Death("crime_assets.lakehouse.iceberg.tables:commit", call=3),
    "crimes is merged, not recorded": Death("crime_assets.defs.work.steps:record_merged", job=RUN),
    "crimes is done": Death("crime_assets.defs.checks.crimes:days_checked", job=RUN),
    "three insights are done": Death("crime_assets.defs.work.steps:replace_days", call=4, job=RUN),
}


def _crimes(days: int) -> list[dict[str, object]]:
    """What the city publishes after so many days: new crimes, an edited one, one that cannot be typed."""
    crimes = [record(n, "2024-01-10", f"2024-01-0{n % 9 + 1}", domestic=n % 3 == 0) for n in range(1, 41)]
    crimes += [record(n, "2024-01-25", f"2023-12-{n - 20}") for n in range(41, 46)]
    crimes.append(record(98, "2024-01-10", year="long ago"))
    if days > 1:
        # Enough for two batches.
        crimes += [record(n, "2024-01-26", "2024-01-18", primary_type="BATTERY") for n in range(100, 320)]
        crimes[6] = record(7, "2024-01-26", "2024-01-08", arrest=True)
        crimes.append(record(99, "2024-01-26", ward="somewhere"))
    return crimes


def _graph(home: Path, export: Path) -> Graph:
    return Graph(export_profile(home, export))


def _die(home: Path, export: Path, death: Death, work: str = "second day") -> None:
    """Load the history or run the second day in this process, which ends by the way."""
    module, _, path = death.function.partition(":")
    owner: object = importlib.import_module(module)
    *outer, name = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    original: Callable[..., object] = getattr(owner, name)
    calls = 0

    def deadly(*args: object, **kwargs: object) -> object:
        nonlocal calls
        calls += 1
        result = original(*args, **kwargs) if calls < death.call or death.after else None
        if calls == death.call:
            os._exit(DIED)
        return result

    setattr(owner, name, deadly)
    graph = _graph(home, export)
    _ = graph.load() if work == "history" else graph.run(SECOND, job=death.job)


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_export(tmp_path_factory.mktemp("export") / "crimes.csv", _crimes(days=1))


@pytest.fixture(scope="module")
def first_day(tmp_path_factory: pytest.TempPathFactory, export: Path) -> tuple[Path, Path]:
    """A lake with its history and its first day: where it lives (tables know their own paths), and a copy of it."""
    home, copy = tmp_path_factory.mktemp("lake"), tmp_path_factory.mktemp("copy")
    graph = _graph(home, export)
    graph.load()
    graph.run(FIRST)
    shutil.copytree(home, copy, dirs_exist_ok=True)
    write_export(export, _crimes(days=2))
    return home, copy


@pytest.fixture
def lake(first_day: tuple[Path, Path]) -> Path:
    """The lake after its first day, anew for each test."""
    home, copy = first_day
    shutil.rmtree(home)
    shutil.copytree(copy, home)
    return home


@pytest.fixture(scope="module")
def undisturbed(first_day: tuple[Path, Path], export: Path) -> dict[object, object]:
    """What the tables hold when nothing happens."""
    home, copy = first_day
    shutil.rmtree(home)
    shutil.copytree(copy, home)
    graph = _graph(home, export)
    graph.run(SECOND)
    assert [len(graph.rows(name)) for name in ("crimes", "crimes_superseded", "crimes_quarantine")] == [265, 1, 2]
    return graph.contents(*DAYS)


@pytest.fixture(scope="module")
def processes() -> multiprocessing.context.ForkServerContext:
    """Processes that start quickly: forked from one that has imported the graph and done nothing else."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


@pytest.mark.parametrize("moment", DEATHS)
def test_a_run_after_a_crash_ends_as_if_there_had_been_none(
    moment: str,
    lake: Path,
    export: Path,
    undisturbed: dict[object, object],
    processes: multiprocessing.context.ForkServerContext,
) -> None:
    death = DEATHS[moment]
    process = processes.Process(target=_die, args=(lake, export, death))
    process.start()
    process.join(timeout=60)
    assert process.exitcode == DIED, "the moment never came"

    graph = _graph(lake, export)
    if graph.rows() != undisturbed["crimes"]:
        waiting = unmerged(graph.profile.landing, "chicago", DAYS[1:])
        assert [found.day for found in waiting] == [DAYS[1]], "the sensor must see that there is something to do"
    graph.run(SECOND, job=death.job)
    found = graph.contents(*(DAYS if death.job == RUN else ()))
    assert found == {name: undisturbed[name] for name in found}


def test_a_history_load_after_a_crash_ends_as_if_there_had_been_none(
    tmp_path: Path, processes: multiprocessing.context.ForkServerContext
) -> None:
    export = write_export(tmp_path / "crimes.csv", _crimes(days=1))
    # The second commit would be that of crimes; the first one put a record into quarantine.
    death = Death("crime_assets.lakehouse.iceberg.tables:commit", call=2)
    process = processes.Process(target=_die, args=(tmp_path / "lake", export, death, "history"))
    process.start()
    process.join(timeout=60)
    assert process.exitcode == DIED

    graph = _graph(tmp_path / "lake", export)
    assert [len(graph.rows(name)) for name in ("crimes", "crimes_quarantine")] == [0, 1]
    graph.load()
    assert [row["id"] for row in sorted(graph.rows(), key=lambda row: str(row["id"]).zfill(3))] == list(range(1, 41))
    assert [row["id"] for row in graph.rows("crimes_quarantine")] == ["98"]
    graph.run(FIRST)
    assert len(graph.rows()) == 45
