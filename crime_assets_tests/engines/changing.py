"""A city in which everything happens that an engine has to tell: edits, removals, returns, quarantine, new columns.

Engines are held against each other on it, and asked all statements of ours.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from crime_assets.analysis.forecast_statements import load_forecasts
from crime_assets.core.insights import Insight, all_insights
from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.lakehouse.place.lake import CityState, Lake
from crime_assets.lakehouse.reconciliation.removal import Gone, Removal, remove
from crime_assets.lakehouse.writing.insights import replace_days
from crime_assets_tests.build import CHICAGO, envelope, record
from crime_assets_tests.lakehouse.lakes import merge, rows
from crime_assets_tests.lakehouse.writing.versions import version

FIRST, LAST = date(2024, 1, 10), date(2024, 1, 15)
DAYS = tuple(FIRST + timedelta(days=n) for n in (-1, 0, 2, 3, 4, 5, 9))
"""Before anything, days of it, and after the last change."""

MEASURES: Mapping[str, Mapping[str, date | float]] = {
    "arrest_share_of_targets": {},
    "arrest_shares": {},
    "codes": {},
    "coordinates": {"south": 41.6, "north": 41.9, "west": -87.9, "east": -87.5},
    "daily_counts": {"newest_day": date(2024, 1, 4)},
    "freshness": {},
    "newest_rows": {},
    "one_row_per_id": {},
    "quarantine": {},
    "recorded": {
        "first_28d": date(2023, 12, 10),
        "first_365d": date(2023, 1, 7),
        "first_ytd": date(2024, 1, 1),
        "first_90d": date(2023, 10, 16),
        "last_complete_day": date(2024, 1, 6),
    },
    "repeated_ids": {},
}
"""Statement of sql/checks → parameters of its own."""

FORECASTS = (load_forecasts().events, load_forecasts().completeness, load_forecasts().cells_seen)
"""What forecasts are made of."""

_KINDS = (("THEFT", "06"), ("BATTERY", "04B"), ("ROBBERY", "03"), ("NARCOTICS", "18"), ("CRIM SEXUAL ASSAULT", "02"))
_BLOCKS = ("001XX N STATE ST", "001XX n state st", '002XX "A, B" AV', "003XX S MAY ST", None)


def sorted_rows(insight: Insight, rows: pa.Table) -> list[dict[str, object]]:
    """The rows in their order; those of FORECASTS, which come in none, sorted."""
    found: list[dict[str, object]] = rows.to_pylist()
    return sorted(found, key=str) if insight in FORECASTS else found


def fill(lake: Lake, seed: int = 5, crimes: int = 120) -> None:
    """Let it happen, day by day; the rows are the same for one seed."""
    rng = random.Random(seed)
    for day in (FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)):
        new = range(crimes) if day == FIRST else sorted(rng.sample(range(crimes + 30), 40))
        merge(lake, *(envelope(_crime(rng, n, day), f"{day}", f"{day}T23:00:00") for n in new))
        if day == date(2024, 1, 12):
            _remove(lake, rng, day, 6)
        if day == date(2024, 1, 14):
            _remove(lake, rng, day, 6)
    # A late delivery of a version in between.
    merge(lake, *(envelope(_crime(rng, n, FIRST + timedelta(days=1)), pulled="2024-01-16T08:00:00") for n in range(5)))


def edited_lake(home: Path) -> Lake:
    """Three crimes, one of them edited, one quarantined, and two insights of one day."""
    lake = Lake(home)
    engine = DuckDBEngine(lake, CHICAGO)
    lake.begin_city("chicago", CityState("export", "2024-01-20", 0, 0))
    merge(lake, version(1, "2024-01-20"), version(2, "2024-01-20", "2024-02-01"), version(9, "2024-01-20", ward="W"))
    merge(lake, version(1, "2024-01-22"), version(3, "2024-01-22", "2024-03-01"))
    for insight in all_insights()[:2]:
        replace_days(lake, CHICAGO, insight, {date(2024, 1, 22): engine.insight(insight, date(2024, 1, 22))})
    engine.close()
    return lake


def _crime(rng: random.Random, number: int, day: date) -> dict[str, object]:
    kind, code = rng.choice(_KINDS)
    hour = rng.randrange(24)
    fields: dict[str, object] = {
        "primary_type": kind,
        "fbi_code": code,
        "block": rng.choice(_BLOCKS),
        "arrest": rng.random() < 0.2,
        "domestic": rng.random() < 0.3,
        "district": rng.choice(("001", "016", None)),
        "beat": rng.choice(("0111", "1611")),
        "location_description": rng.choice(("STREET", "BAR", "", None)),
        "description": rng.choice(("$500 AND UNDER", 'line\nbreak, "quoted"', "Ünïcode ✓")),
        "ward": rng.choice(("42", "1", None)) if rng.random() > 0.02 else "no ward",
    }
    if rng.random() < 0.1:
        fields |= {"latitude": None, "longitude": None}
    if day >= date(2024, 1, 13):
        fields["weapon"] = rng.choice(("KNIFE", None))
    occurred = date(2024, 1, 2) - timedelta(days=int(rng.expovariate(1 / 60)))
    return record(number, f"{day}T{rng.randrange(24):02}:00:00.000", f"{occurred}T{hour:02}:10:00.000", **fields)


def _remove(lake: Lake, rng: random.Random, day: date, number: int) -> None:
    gone = [Gone(row["id"], row["updated_on"]) for row in rng.sample(rows(lake), number)]
    remove(lake, CHICAGO, Removal(gone, day, datetime(day.year, day.month, day.day, 23, 30, tzinfo=UTC)), {})
