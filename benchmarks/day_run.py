"""A day's run as a command, the lake already loaded, beside the same graph with empty steps.

Takes the real export from CRIME_SHARED_DATA (or shared/data beside the project), else a sample city of as many rows.
Each round starts from a copy of the loaded lake, so that every day's run merges a day that is new to it.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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


def main() -> None:
    """Measure and print both figures and their ratio."""
    with tempfile.TemporaryDirectory(prefix="crime-assets-bench-") as place:
        home, loaded, empty = Path(place, "lake"), Path(place, "loaded"), Path(place, "empty")
        environment = {**os.environ, "CRIME_HOME": str(home)}
        environment.pop("DAGSTER_HOME", None)
        load, day, what = _source(environment)
        print(f"Loading the lake ({what}): {_timed([str(PROGRAM), 'run', *load], environment):.1f} s")
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
                print(f"  round {turn}: day's run {seconds:.2f} s, empty graph {peer_seconds:.2f} s")
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    print(
        f"Median of {ROUNDS}: day's run {statistics.median(ours):.2f} s, "
        f"empty graph {statistics.median(theirs):.2f} s, ratio {statistics.median(ratios):.2f} (at most 2.5)"
    )


if __name__ == "__main__":
    main()
