"""Taking over, reloading and reconciling, killed at any moment: the same command again ends as if nothing had been."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from crime_assets.lakehouse.place.lake import Lake
from crime_assets_tests.build import record, some_crime, write_export
from crime_assets_tests.lakehouse.lakes import rows

KILLS = {"query": 50, "reload": 25, "reload of lost tables": 25, "reconcile": 25}
PROGRAM = Path(sys.executable).with_name("crime-assets")
COMMANDS: dict[str, Sequence[str]] = {
    "query": ["query", "SELECT count(*) FROM crimes"],
    "reload": ["reload"],
    "reload of lost tables": ["reload"],
    "reconcile": ["reconcile", "--most-pulled", "9999", "--most-removed", "9999"],
}

pytestmark = pytest.mark.stress

Held = dict[str, list[dict[str, object]]]


def held(home: Path) -> Held:
    """What the tables hold, but for when it was read."""
    return {
        name: sorted(
            (
                {k: v for k, v in row.items() if k not in ("ingested_at", "noticed_at")}
                for row in rows(Lake(home), name)
            ),
            key=str,
        )
        for name in ("crimes", "crimes_superseded", "crimes_quarantine", "crimes_removed")
    }


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of a source that lacked some crimes, with the mended source beside it."""
    directory, chance = tmp_path_factory.mktemp("ready"), random.Random(7)
    crimes = [some_crime(chance, number, f"2024-01-{1 + number % 28:02}") for number in range(800)]
    export = directory / "crimes.csv"
    write_export(export, [{**one, "block": "WRONG"} if n % 9 == 0 else one for n, one in enumerate(crimes) if n % 5])
    run(directory, "run", "--from", "2024-01-26", "--to", "2024-01-28", "--no-insights")
    write_export(export, [*crimes[20:], record(9_000, "2024-01-20")])
    return directory


def start(directory: Path, *command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [PROGRAM, *command],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith(("CRIME_", "DAGSTER_"))},
            "CRIME_HOME": str(directory / "lake"),
            "CRIME_FEED": "export",
            "CRIME_EXPORT": str(directory / "crimes.csv"),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def run(directory: Path, *command: str) -> float:
    begun = time.monotonic()
    process = start(directory, *command)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said.decode()
    return time.monotonic() - begun


def put(source: Path, directory: Path, name: str) -> None:
    """The lake in another place, with its source; without its tables where these are lost."""
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(source, directory, symlinks=True)
    if "lost" in name:
        shutil.rmtree(directory / "lake" / "warehouse")


@pytest.mark.parametrize("name", KILLS)
def test_killed(ready: Path, tmp_path: Path, name: str, thrown: Callable[[str, object], None]) -> None:
    place, chance = tmp_path / "elsewhere", random.Random(name)
    original = {path: path.read_bytes() for path in ready.rglob("*") if path.is_file()}
    put(ready, place, name)
    lasts = run(place, *COMMANDS[name])
    undisturbed = held(place / "lake")
    assert name == "query" or undisturbed != held(ready / "lake"), "there was something to do"

    hit = 0
    for _ in range(KILLS[name]):
        put(ready, place, name)
        process = start(place, *COMMANDS[name])
        time.sleep(chance.uniform(0.25, 1.0) * lasts)
        hit += process.poll() is None
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        run(place, *COMMANDS[name])
        assert held(place / "lake") == undisturbed

    assert {path: path.read_bytes() for path in ready.rglob("*") if path.is_file()} == original
    thrown(f"kills of `crime-assets {name}` on a lake that was copied, {hit} before its end", KILLS[name])
