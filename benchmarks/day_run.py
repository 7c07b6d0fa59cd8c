"""A day's run as a command, the lake already loaded, beside the same graph with empty steps.

Takes the real export from CRIME_SHARED_DATA (or shared/data beside the project), else a sample city of as many rows.
Each round starts from a copy of the loaded lake, so that every day's run merges a day that is new to it.
"""

import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.measuring import Figure

ROUNDS = 5
PROJECT = Path(__file__).parents[1]
PROGRAM = Path(sys.executable).with_name("crime-assets")
ROWS = 767_264


def _timed(command: list[str], environment: dict[str, str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def _source(environment: dict[str, str]) -> tuple[list[str], list[str], str]:
    """Arguments of the run that loads the lake, those of the day's run, and what is measured."""
    shared = Path(os.environ.get("CRIME_SHARED_DATA", PROJECT.parent / "shared" / "data")) / "chicago"
    if shared.is_dir():
        environment.update(CRIME_FEED="export", CRIME_EXPORT=str(shared / "Crimes_-_201[678].csv.gz"))
        day = ["--from", "2018-11-19", "--to", "2018-11-19"]
        return ["--from", "2018-11-10", "--to", "2018-11-18"], day, "real export, 2016 to 2018"
    yesterday = time.strftime("%Y-%m-%d", time.localtime(time.time() - 86_400))
    environment.update(CRIME_FEED="sample", CRIME_SAMPLE_ROWS=str(ROWS))
    return (
        ["--to", time.strftime("%Y-%m-%d", time.localtime(time.time() - 2 * 86_400))],
        ["--from", yesterday],
        "sample",
    )


def figures(place: Path) -> list[Figure]:
    """Both, in turn, several times."""
    home, loaded, empty = place / "lake", place / "loaded", place / "empty"
    environment = {**os.environ, "CRIME_HOME": str(home)}
    environment.pop("DAGSTER_HOME", None)
    load, day, what = _source(environment)
    _timed([str(PROGRAM), "run", *load], environment)
    home.rename(loaded)
    empty.mkdir()
    shutil.copy(PROJECT / "dagster.yaml", empty)
    peer = [sys.executable, "-m", "benchmarks.empty_graph", "2018-11-19", "2018-11-19"]
    ours, theirs = [], []
    for turn in range(ROUNDS + 1):
        shutil.copytree(loaded, home, symlinks=True)
        os.sync()  # what the copy left to be written is not the run's to wait for
        seconds = _timed([str(PROGRAM), "run", *day], environment)
        peer_seconds = _timed(peer, {**environment, "DAGSTER_HOME": str(empty)})
        shutil.rmtree(home)
        if turn:  # the first round warms the caches of both
            ours.append(seconds)
            theirs.append(peer_seconds)
    return [
        Figure(
            f"a day's run as a command, {ROWS:,} rows loaded ({what}, median of {ROUNDS})",
            f"{statistics.median(ours):.2f} s",
            f"the same graph with empty steps, in process: {statistics.median(theirs):.2f} s",
            statistics.median(a / b for a, b in zip(ours, theirs, strict=True)),
            2.5,
        )
    ]
