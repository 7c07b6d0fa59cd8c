"""`run` without days: everything that the lake misses, however long ago, with a word about it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from crime_assets_tests.build import record, write_export
from crime_assets_tests.cli.test_cli import Result, figures, run

pytestmark = pytest.mark.slow

__all__ = ["run"]


@pytest.fixture
def export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One crime of each day from 2024-01-01 to 2024-02-09."""
    days = [date(2024, 1, 1) + timedelta(days=number) for number in range(40)]
    path = write_export(tmp_path / "crimes.csv", [record(n, str(day), "2023-12-05") for n, day in enumerate(days)])
    monkeypatch.setenv("CRIME_FEED", "export")
    monkeypatch.setenv("CRIME_EXPORT", str(path))
    return path


def test_all_holes_are_filled_at_once_and_what_was_merged_is_left_alone(
    run: Callable[..., Result], export: Path
) -> None:
    for first, last in (("2024-01-05", "2024-01-06"), ("2024-01-12", "2024-01-17")):
        run("run", "--no-insights", "--from", first, "--to", last)

    done = run("run", "--no-insights")

    assert done.code == 0, done.err
    assert "The lake lacks 21 older change days (2024-01-07 to 2024-01-11, 2024-01-18 to 2024-02-02): all" in done.out
    ran = [line for line in done.out.splitlines() if line.startswith("Running")]
    assert ran == [
        "Running change days 2024-01-07 to 2024-01-11 (export feed)",
        "Running change days 2024-01-18 to 2024-02-09 (export feed)",
    ]
    # The first range ended with a hole behind it; what counts is how it is at the end.
    assert "no_day_missing" not in done.out
    assert figures(run("status"))["change days missing before it"] == "0"
    again = run("run", "--no-insights")
    assert "misses" not in again.out
    assert "Running change days 2024-02-03 to 2024-02-09" in again.out


def test_days_that_are_asked_for_are_all_that_is_run(run: Callable[..., Result], export: Path) -> None:
    run("run", "--no-insights", "--from", "2024-01-05", "--to", "2024-01-06")
    done = run("run", "--no-insights", "--from", "2024-01-20", "--to", "2024-01-21")
    assert (done.code, "misses" in done.out) == (0, False)
    assert "no_day_missing: Change days that were never merged: 13 (2024-01-07 to 2024-01-19)." in done.out
