"""A writer was stopped for long, and goes on when another has taken its place: a real process, and real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from crime_assets.core.errors import StoreError
from crime_assets.migration.export import export
from crime_assets.migration.load import load
from crime_assets.migration.stores import dynamodb
from crime_assets.migration.stores.calls import Calls
from crime_assets.migration.verify import verify
from crime_assets_tests.migration.roads import filled, quiet, road_of
from crime_assets_tests.migration.stores.stopped import CHUNK, store

pytestmark = pytest.mark.slow


@contextmanager
def writing(place: Path) -> Iterator[subprocess.Popen[str]]:
    """A writer that has stopped itself."""
    command = [sys.executable, "-m", "crime_assets_tests.migration.stores.stopped", str(place)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), "it ended before it was stopped"
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.usefixtures("moto")
def test_one_batch_of_a_stopped_writer_comes_late_and_is_found_before_it_is_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(dynamodb, "Lease", dynamodb.Lease)
    monkeypatch.setattr(Calls, "wait", lambda _, seconds: now.append(now[-1] + seconds))
    database = filled()
    # Changes are kept from where the other's load has begun.
    database.begin()
    road = road_of(tmp_path / "second", database, store(lambda: now[-1]))
    with writing(tmp_path / "first") as process:
        with database.commit() as work:
            work.put("cases", number="15", title="changed")
            work.delete("cases", "16")
        before = road.store.progress()
        assert before
        assert before.loaded == {"case": (str(CHUNK),)}
        load(road, quiet)
        assert now[-1] >= 120, "the other was silent for so long"
        known = verify(road, False, quiet)
        assert (known.differences, road.store.census(["case"]).counts["case"]) == (0, 24)
        process.send_signal(signal.SIGCONT)
        told, _ = process.communicate(timeout=60)
        assert "Another process has taken the table documents, or may have" in told
    # Its batch of cases 11 to 20 as they were.
    assert road.store.census(["case"]).counts["case"] == 25
    with pytest.raises(StoreError, match="changed since they were verified: run `crime-assets legacy verify --repair`"):
        export(road)
    found = verify(road, True, quiet)
    assert {(one.id, one.column, one.kind) for one in found.named} == {
        ("case#15", "title", "differs"),
        ("case#16", "", "extra"),
    }
    assert found.repaired == 2
    assert known.verified
    assert export(road).items == known.verified.items
