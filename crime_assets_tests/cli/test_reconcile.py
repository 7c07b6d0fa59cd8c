"""The command `reconcile`: what it finds, does and prints, and how it ends."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.lakehouse.place.lake import Lake
from crime_assets_tests.build import CHICAGO, record, write_export
from crime_assets_tests.cli.test_cli import Result, assert_one_sentence, run

pytestmark = pytest.mark.slow

__all__ = ["run"]

Run = Callable[..., Result]


@pytest.fixture
def lake(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lake with two change days, 2024-01-20 and -22, and the export that it was made of, which has changed since."""
    export = write_export(tmp_path / "crimes.csv", _crimes())
    monkeypatch.setenv("CRIME_FEED", "export")
    monkeypatch.setenv("CRIME_EXPORT", str(export))
    for day in ("2024-01-20", "2024-01-22"):
        assert run("run", "--no-insights", "--from", day, "--to", day).code == 0
    changed = {str(crime["id"]): crime for crime in _crimes()}
    del changed["3"]
    # Of the day that nobody asked for: a new crime and an edit.
    changed["40"] = record(40, "2024-01-20T20:00:00", "2024-01-12")
    changed["5"] = record(5, "2024-01-20T21:00:00", "2024-01-02", arrest=True)
    return write_export(export, changed.values())


def _crimes() -> list[dict[str, object]]:
    crimes = [record(n, "2024-01-10", "2024-01-02") for n in range(1, 11)]
    return [*crimes, record(20, "2024-01-20", "2024-01-12"), record(21, "2024-01-22", "2024-01-12")]


def _crimes_held() -> dict[int, bool]:
    rows = DuckDBEngine(Lake(Path(os.environ["CRIME_HOME"])), CHICAGO).query("SELECT id, arrest FROM crimes").rows
    return dict(rows)


def test_what_was_missed_is_pulled_and_what_is_gone_removed(run: Run, lake: Path) -> None:
    done = run("reconcile")

    assert done.code == 0, done.err
    assert "changes up to 2024-01-22 (export feed)" in done.out
    assert "crime_reconciliation" in done.out
    said = done.out[done.out.index("Compared:") :].splitlines()
    assert said[:3] == [
        "Compared: 12 rows in 1 months; 1 months differ.",
        "Pulled: 2 records that the lake lacked or had in an older version; 1 rows are new, 1 replaced.",
        "Removed: 1 rows that the source no longer has.",
    ]
    assert "is not seen" in said[3]
    assert said[4] == "Change days that were never merged: 1 (2024-01-21). Run `crime-assets run`."
    held = _crimes_held()
    assert (3 in held, 40 in held, held[5]) == (False, True, True)

    again = run("reconcile")
    assert (again.code, "0 months differ" in again.out) == (0, True)
    assert _crimes_held() == held


def test_limits_are_for_a_person_to_set(run: Run, lake: Path) -> None:
    before = _crimes_held()
    for option in ("--most-removed", "--most-pulled"):
        refused = run("reconcile", option, "0")
        assert refused.code == 1
        assert_one_sentence(refused)
        assert f"`crime-assets reconcile {option} " in refused.err
    assert _crimes_held() == before
    assert run("reconcile", "--most-removed", "1", "--most-pulled", "2").code == 0
    assert _crimes_held() != before


@pytest.mark.parametrize("number", ["-1", "many", "1.5", "", "²"])
def test_a_limit_that_is_no_number_is_wrong_usage(run: Run, number: str) -> None:
    done = run("reconcile", f"--most-removed={number}")
    assert done.code == 2
    assert "is not a number: give a whole number, 0 or more" in done.err


def test_there_is_nothing_to_compare_before_a_change_day(run: Run) -> None:
    done = run("reconcile")
    assert done.code == 1
    assert_one_sentence(done)
    assert "run `crime-assets run` first" in done.err


def test_simulated_crimes_are_not_held_against_real_ones(run: Run, lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _crimes_held()
    monkeypatch.setenv("CRIME_FEED", "sample")
    done = run("reconcile")
    assert done.code == 2
    assert "never mixed" in done.err
    assert _crimes_held() == before
