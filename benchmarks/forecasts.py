"""Fifteen forecasts over a loaded lake, beside DuckDB reading the columns that they are made of once.

    python -m benchmarks.forecasts HOME area                        the study area, made once for a lake
    python -m benchmarks.forecasts HOME ours|trees|replays|peer

Prints seconds. `ours` and `trees` are five targets at three horizons, from the lake to their tables; `replays` is what
a lake with history does once, before its first forecast: what would have been said on 36 days, scored.
"""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.history import FIRST_DAY
from benchmarks.insights import files
from benchmarks.measuring import Figure, Spent, module, spend
from crime_assets.analysis.forecast_statements import statements_of
from crime_assets.analysis.forecasts import HORIZONS, trees
from crime_assets.analysis.forecasts.days import replay_days
from crime_assets.analysis.forecasts.making import forecast
from crime_assets.analysis.forecasts.pairs import Inputs
from crime_assets.analysis.forecasts.replaying import replays
from crime_assets.defs.work.forecasting import inputs, make_places
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.duck import connection, literal
from crime_assets.lakehouse.writing.forecasts import put_scores
from crime_assets.profiles import Profile, Settings

_DAY = FIRST_DAY + timedelta(days=3)
"""The first Sunday of the lake."""
_ROUNDS = 3
_COLUMNS = (
    "id",
    "occurred_on",
    "change_day",
    "record_md5",
    "latitude",
    "longitude",
    "community_area",
    "fbi_code",
    "domestic",
    "location_description",
    "is_index",
)
"""What sql/forecasts reads of crimes."""


def area(home: Path) -> None:
    """The study area becomes a table of the lake."""
    profile = _profile(home)
    make_places(profile, profile.engine)


def ours(home: Path, *, with_trees: bool) -> None:
    """All forecasts of a day."""
    start, _, given = _begun(home)
    forecast(replace(given, with_trees=with_trees))
    print(time.perf_counter() - start)


def replayed(home: Path) -> None:
    """Scores of the days of which nothing was said, without trees; they are kept, for verdicts."""
    start, profile, given = _begun(home)
    days = {day for horizon in HORIZONS for day in replay_days(given.t, horizon, given.lag, given.first_record)}
    rows = replays(replace(given, with_trees=False), sorted(days))
    print(time.perf_counter() - start)
    put_scores(profile.lake, profile.city, rows, statements_of(profile.city).release)


def peer(home: Path) -> None:
    """One scan: every value of the columns is read."""
    held = ", ".join(literal(path) for path in files(home))
    read = ", ".join(f"max({column})" for column in _COLUMNS)
    with connection(home / "staging") as con:
        start = time.perf_counter()
        con.execute(f"SELECT {read} FROM read_parquet([{held}])").fetchall()
        print(time.perf_counter() - start)


def figures(rows: int, small: int, few: Path, many: Path) -> list[Figure]:
    """Of both lakes; those of trees only where they are installed."""
    for home in (few, many):
        spend(module("forecasts", home, "area"))
    first = _measured(many, "replays")
    pairs = [(_measured(many, "ours"), _measured(many, "peer")) for _ in range(_ROUNDS)]
    seconds = statistics.median(_seconds(made) for made, _ in pairs)
    scan = statistics.median(_seconds(read) for _, read in pairs)
    peak = max(made.peak for made, _ in pairs)
    less = statistics.median(_seconds(_measured(few, "ours")) for _ in range(_ROUNDS))
    read = f"DuckDB reading the same columns once: {scan:.2f} s"
    found = [
        Figure(f"fifteen forecasts, {rows:,} rows (median of {_ROUNDS})", f"{seconds:.1f} s", read, seconds / scan, 15),
        Figure("the same in seconds", f"{seconds:.1f}", "bound: 30", seconds / 30, 1),
        Figure("its memory, GiB", f"{peak:.2f}", "bound: 1", peak, 1),
        Figure(f"the same, from {small:,} to {rows:,} rows", f"{seconds:.1f} s", f"{less:.1f} s", seconds / less, 6),
        Figure(
            "once, what 36 earlier days would have said, scored",
            f"{_seconds(first):.1f} s, {first.peak:.2f} GiB",
            "bound: 60 s",
            _seconds(first) / 60,
            1,
        ),
    ]
    if trees.are_there():
        grown = _measured(many, "trees")
        what = f"fifteen forecasts with boosted trees, {rows:,} rows"
        found.append(Figure(what, f"{_seconds(grown):.1f} s, {grown.peak:.2f} GiB", read, _seconds(grown) / scan, 60))
    return found


def _profile(home: Path) -> Profile:
    return Profile(Settings(home=home, feed="sample"), clock=lambda: datetime(2025, 11, 24, 12, tzinfo=UTC))


def _begun(home: Path) -> tuple[float, Profile, Inputs]:
    """When it began, in a run that has opened the catalog before, and what was read from the lake since."""
    profile = _profile(home)
    tables.load(profile.lake, profile.city.name, "crimes")
    start = time.perf_counter()
    return start, profile, inputs(profile, profile.engine, _DAY)


def _measured(home: Path, what: str) -> Spent:
    return spend(module("forecasts", home, what))


def _seconds(spent: Spent) -> float:
    return float(spent.printed)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    {
        "area": area,
        "ours": lambda home: ours(home, with_trees=False),
        "trees": lambda home: ours(home, with_trees=True),
        "replays": replayed,
        "peer": peer,
    }[sys.argv[2]](place)
