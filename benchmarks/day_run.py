"""A day's run as a command, the lake already loaded, and seven days as one range.

The peer is what nobody can do without: the same graph with empty steps, and the SQL of the insights in DuckDB alone
over one sorted Parquet file. Takes the real export from CRIME_SHARED_DATA (or shared/data beside the project), else a
sample city of as many rows; and a large sample city. Each round starts from a copy of the loaded lake, so that every
run merges days that are new to it.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from benchmarks.measuring import Figure, module, spend

_PROJECT = Path(__file__).parents[1]
_PROGRAM = Path(sys.executable).with_name("crime-assets")
_ROWS = 767_264
_RANGE = 7


@dataclass(frozen=True)
class _Lake:
    """A loaded lake: what is in it, its variables, the first day after those that it has, and where it is kept."""

    what: str
    environment: dict[str, str]
    day: date
    loaded: Path
    home: Path
    peer_home: Path

    def run(self, first: date, last: date) -> float:
        """Seconds of a run of days as a command, in the copy."""
        return spend([str(_PROGRAM), "run", "--from", str(first), "--to", str(last)], self.environment).seconds

    def copied(self, work: Callable[[], list[float]]) -> list[float]:
        """What the work takes in a copy of the lake."""
        shutil.copytree(self.loaded, self.home, symlinks=True)
        os.sync()  # what the copy left to be written is not the run's to wait for
        try:
            return work()
        finally:
            shutil.rmtree(self.home)

    def peer(self) -> float:
        """Seconds of the empty graph, and of the insights' SQL over one file."""
        graph = spend(module("empty_graph", "2018-11-19", "2018-11-19"), {"DAGSTER_HOME": str(self.peer_home)}).seconds
        file = self.loaded.with_name(f"{self.loaded.name}.parquet")
        day = self.day - timedelta(days=1)
        return graph + float(spend(module("insights", self.home, "peer", file, day)).printed)


def figures(place: Path, large: int) -> list[Figure]:
    """A day of the real export, seven days of it, and a day of a large city."""
    real = _loaded(place / "real", _source(place / "real"))
    found = [_day(real, _ROWS, 5), _range(real)]
    city = _loaded(place / "city", _sample(place / "city", large))
    return [*found, _day(city, large, 3)]


def _source(place: Path) -> _Lake:
    shared = Path(os.environ.get("CRIME_SHARED_DATA", _PROJECT.parent / "shared" / "data")) / "chicago"
    if not shared.is_dir():
        return _sample(place, _ROWS)
    variables = {"CRIME_FEED": "export", "CRIME_EXPORT": str(shared / "Crimes_-_201[678].csv.gz")}
    return _lake(place, "real export, 2016 to 2018", variables, date(2018, 11, 13))


def _sample(place: Path, rows: int) -> _Lake:
    day = datetime.now(UTC).date() - timedelta(days=_RANGE + 1)
    return _lake(place, "sample", {"CRIME_FEED": "sample", "CRIME_SAMPLE_ROWS": str(rows)}, day)


def _lake(place: Path, what: str, variables: dict[str, str], day: date) -> _Lake:
    environment = {**variables, "CRIME_HOME": str(place / "lake"), "DAGSTER_HOME": ""}
    return _Lake(what, environment, day, place / "loaded", place / "lake", place / "peer")


def _loaded(place: Path, lake: _Lake) -> _Lake:
    """Load the lake: nine days before the day that is measured, so that there is something to learn from."""
    place.mkdir()
    lake.run(lake.day - timedelta(days=9), lake.day - timedelta(days=1))
    lake.home.rename(lake.loaded)
    lake.peer_home.mkdir()
    shutil.copy(_PROJECT / "dagster.yaml", lake.peer_home)
    return lake


def _day(lake: _Lake, rows: int, rounds: int) -> Figure:
    """Both, in turn, several times; the first time writes the peer's file and warms the caches."""
    pairs = [lake.copied(lambda: [lake.peer(), lake.run(lake.day, lake.day)]) for _ in range(rounds + 1)][1:]
    return Figure(
        f"a day's run as a command, {rows:,} rows loaded ({lake.what}, median of {rounds})",
        f"{statistics.median(ours for _, ours in pairs):.2f} s",
        "the same graph with empty steps, and DuckDB running the insights' SQL over one sorted Parquet file: "
        f"{statistics.median(peer for peer, _ in pairs):.2f} s",
        statistics.median(ours / peer for peer, ours in pairs),
        1.5,
    )


def _range(lake: _Lake) -> Figure:
    days = [lake.day + timedelta(days=number) for number in range(_RANGE)]
    (together,) = lake.copied(lambda: [lake.run(days[0], days[-1])])
    single = sum(lake.copied(lambda: [lake.run(day, day) for day in days]))
    return Figure(
        f"{_RANGE} days as one range ({lake.what})",
        f"{together:.1f} s",
        f"{_RANGE} runs of one day: {single:.1f} s",
        together / single,
        1 / 3,
    )
