"""Runs of the command as processes of their own: started, watched, killed; and what a lake holds in the end."""

from __future__ import annotations

import math
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa

from crime_assets.defs.checks.verdicts import delivery_complete
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.duck import connection
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.place.warehouse import local_path
from crime_assets.streams.deliveries import delivered_batches
from crime_assets.streams.directory import DirectoryStore
from crime_assets.streams.inventory import take_inventory
from crime_assets.streams.watch import unmerged

_PROJECT = Path(__file__).parents[2]
_STEPS = ("crime_history", "raw_crime_batches", "crime_deliveries", "check_crime_deliveries", "crimes", "check_crimes")
_PATIENCE_SECONDS = 180.0
_LOOK_SECONDS = 0.004
"""How often a run is looked at that is to be killed: often enough to hit the shortest step."""


@dataclass(frozen=True)
class Scenario:
    """A ten-day run of the sample city: the command, and the scenario whose lake it goes on with, if any."""

    name: str
    rows: int
    first: date
    insights: bool = False
    after: Scenario | None = None

    @property
    def days(self) -> list[date]:
        """The change days of the run."""
        return [self.first + timedelta(days=n) for n in range(10)]

    @property
    def all_days(self) -> list[date]:
        """The change days of the lake after the run."""
        return [*(self.after.all_days if self.after else []), *self.days]

    def start(self, home: Path, log: Path) -> subprocess.Popen[bytes]:
        """Start the command, on the morning after its last day, in a process group of its own."""
        last = self.days[-1]
        arguments = ["run", "--from", str(self.first), "--to", str(last), *([] if self.insights else ["--no-insights"])]
        moment = f"{last + timedelta(days=1)}T12:00:00"
        # Dagster's home is set by the command, which some other test may have run in this process.
        inherited = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
        city = {"CRIME_FEED": "sample", "CRIME_SAMPLE_ROWS": str(self.rows), "CRIME_HOME": str(home)}
        with log.open("wb") as output:
            return subprocess.Popen(
                [sys.executable, "-m", f"{__package__}.command", moment, *arguments],
                cwd=_PROJECT,
                env={**inherited, **city},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def run(self, home: Path, log: Path) -> float:
        """Run the command to its end, which must be a good one; the seconds that it took."""
        begun = time.monotonic()
        process = self.start(home, log)
        try:
            assert process.wait(_PATIENCE_SECONDS) == 0, f"{self.name}: {log.read_text()}"
        finally:
            _kill(process)
        return time.monotonic() - begun


@dataclass(frozen=True)
class Moment:
    """When to kill: `share` of the run's seconds, or of the files that it makes, or seconds after a step has ended."""

    at: str
    share: float

    def __str__(self) -> str:
        return f"{self.at} {self.share:.3f}"


@dataclass(frozen=True)
class Undisturbed:
    """A run that nobody disturbed: how long it took, how many files it began and ended with, what the lake holds."""

    seconds: float
    files: tuple[int, int]
    contents: dict[str, object]
    log: str

    def rows(self, name: str) -> int:
        """How many rows a table has in the end."""
        table = self.contents[name]
        return table.num_rows if isinstance(table, pa.Table) else 0


def random_moment(rng: random.Random, steps: Sequence[str]) -> Moment:
    """A moment by time, by files made, or soon after the end of a step."""
    kind = rng.choice(["seconds", "files", "step"])
    if kind == "step":
        return Moment(rng.choice(steps), rng.choice([0.02, 0.1, 0.3, 0.6]) * rng.uniform(0.1, 1.0))
    return Moment(kind, rng.uniform(0.05, 1.0))


def steps_of(log: str) -> list[str]:
    """The steps that a log says are done."""
    return re.findall(r"^  (\w+)  [0-9.]+ s$", log, re.MULTILINE)


def killed_in(log: str) -> str:
    """In which step a run was, as far as its log goes."""
    done = steps_of(log)
    if not done:
        return "crime_history" if "Loading the history" in log else "raw_crime_batches" if "Running" in log else "start"
    if done[-1] not in _STEPS:
        return "insights"
    place = _STEPS.index(done[-1]) + 1
    return _STEPS[place] if place < len(_STEPS) else "insights, or the end"


def run_and_kill(scenario: Scenario, undisturbed: Undisturbed, moment: Moment, home: Path, log: Path) -> str | None:
    """Start the command and kill it with all its children at that moment; the step it was in, None if it had ended."""
    process = scenario.start(home, log)
    begun = time.monotonic()
    try:
        has_come = _trigger(undisturbed, moment, home, log, begun)
        while process.poll() is None and not has_come():
            assert time.monotonic() < begun + _PATIENCE_SECONDS, log.read_text()
            time.sleep(_LOOK_SECONDS)
    finally:
        _kill(process)
    assert process.returncode in (0, -signal.SIGKILL), f"{scenario.name}: {log.read_text()}"
    return killed_in(log.read_text()) if process.returncode else None


def files_in(home: Path) -> int:
    """How many files the lake has, Dagster's own apart."""
    found = 0
    for parent, directories, names in os.walk(home):
        if Path(parent) == home and "dagster" in directories:
            directories.remove("dagster")
        found += len(names)
    return found


def contents(home: Path, scenario: Scenario) -> dict[str, object]:
    """What lakes are compared by: every table's rows but for the times of ingestion, and what has landed of each day.

    Fails where an id has two rows, a delivery is incomplete, repeated or not merged, or something begun is left over.
    """
    lake, landing = Lake(home), DirectoryStore(home / "landing")
    found: dict[str, object] = {name: _rows(lake, name) for name in tables.names(lake, "chicago")}
    crimes = _rows(lake, "crimes")
    assert crimes is not None
    ids = crimes.column("id").to_pylist()
    assert len(ids) == len(set(ids))
    # Made by whichever run first has a row for it.
    for name in ("crimes_superseded", "crimes_quarantine"):
        found.setdefault(name, None)
    inventories = {day: take_inventory(landing, "chicago", day) for day in scenario.all_days}
    assert delivery_complete(inventories).passed
    assert [day for day, seen in inventories.items() if seen.records != seen.distinct] == []
    # Those of days before have been copied since, which makes other objects of them.
    assert [waiting.day for waiting in unmerged(landing, "chicago", scenario.days)] == []
    assert list((home / "staging").glob("history-*")) == []
    for day in scenario.all_days:
        found[f"landed on {day}"] = set().union(*delivered_batches(landing, "chicago", day).values())
    return found


def differing(found: dict[str, object], wanted: dict[str, object]) -> list[str]:
    """The parts in which two lakes differ."""
    return [name for name in sorted({*found, *wanted}) if found.get(name) != wanted.get(name)]


def copy_lake(source: Path, home: Path) -> None:
    """Put a copy of a lake in place of another; tables know their own paths, so it only works at the home it had."""
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(source, home, symlinks=True)


def _rows(lake: Lake, name: str) -> pa.Table | None:
    table = tables.load(lake, "chicago", name)
    assert table is not None
    files = [local_path(file.file_path) for file in tables.data_files(table)]
    if not files:
        return None
    with connection(lake.staging) as con:
        kept = ", ".join(f'"{field.name}"' for field in table.schema().fields if field.name != "ingested_at")
        query = f"SELECT {kept} FROM read_parquet(?, hive_partitioning = false) ORDER BY ALL"
        return con.sql(query, params=[files]).to_arrow_table()


def _trigger(undisturbed: Undisturbed, moment: Moment, home: Path, log: Path, begun: float) -> Callable[[], bool]:
    if moment.at == "seconds":
        return lambda: time.monotonic() >= begun + moment.share * undisturbed.seconds
    if moment.at == "files":
        before, after = undisturbed.files
        enough = before + math.ceil(moment.share * (after - before))
        return lambda: files_in(home) >= enough
    ended: list[float] = []

    def soon_after() -> bool:
        if not ended and moment.at in steps_of(log.read_text()):
            ended.append(time.monotonic())
        return bool(ended) and time.monotonic() >= ended[0] + moment.share

    return soon_after


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the group of a process that we started, if it is still there."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
