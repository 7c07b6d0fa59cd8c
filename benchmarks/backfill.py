"""365 change days of batches, deliveries and crimes in one command, beside the same graph with empty steps.

The command keeps the SQLite files open to which Dagster writes its events (`crime_assets.cli.runner`); the peer is
Dagster as it comes, which opens and closes them for each event.
"""

from __future__ import annotations

import shutil
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from benchmarks.measuring import Figure, module, spend

_DAYS = 365
_PROGRAM = Path(sys.executable).with_name("crime-assets")
_PROJECT = Path(__file__).parents[1]


def figures(place: Path) -> list[Figure]:
    """A sample city of the usual size, whose history is loaded before."""
    home, empty = place / "backfill", place / "empty-backfill"
    last = datetime.now(UTC).date() - timedelta(days=2)
    first = last - timedelta(days=_DAYS - 1)
    environment = {"CRIME_HOME": str(home), "CRIME_FEED": "sample", "DAGSTER_HOME": ""}
    _run(first - timedelta(days=1), first - timedelta(days=1), environment)
    ours = _run(first, last, environment)
    empty.mkdir()
    shutil.copy(_PROJECT / "dagster.yaml", empty)
    command = module("empty_graph", first, last, "backfill_change_days")
    peer = spend(command, {"DAGSTER_HOME": str(empty)}).seconds
    return [
        Figure(
            f"{_DAYS} change days from feed to crimes, one command",
            f"{ours:.1f} s",
            f"the same graph with empty steps: {peer:.1f} s",
            ours / peer,
            2,
        )
    ]


def _run(first: date, last: date, environment: dict[str, str]) -> float:
    command = [str(_PROGRAM), "run", "--from", str(first), "--to", str(last), "--no-insights"]
    return spend(command, environment).seconds
