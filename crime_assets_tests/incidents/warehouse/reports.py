"""Reports as deliveries have them, and which of them a warehouse must keep, found out in plain Python."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import md5
from typing import Any

from crime_assets.incidents.contract import FIELDS
from crime_assets.streams import LandingStore

FIRST = datetime(2026, 1, 5, tzinfo=UTC)
TIMES = tuple(field.name for field in FIELDS if field.type == "timestamptz")
Line = dict[str, Any]


def report(number: int, version: int = 1, arrived: float | None = 30.0, **other: Any) -> Line:
    """A version of a report as a line has it; `arrived` in seconds after it was registered."""
    registered = FIRST + timedelta(hours=number % 2_000, microseconds=number)
    line = {
        "event_id": f"e-{number}-{version}",
        "kind": "registered" if version == 1 else "amended",
        "fir_id": f"SX/101/PS7/2026/{number}",
        "version": version,
        "state": "SX",
        "district": "101",
        "police_station": "PS7",
        "fir_no": number,
        "fir_year": 2026,
        "registered_at": _time(registered),
        "is_zero_fir": number % 7 == 0,
        "acts_sections": '[{"act":"BNS","section":"303"}]',
        "major_head": "theft",
        "lat_milli": 28_600 + number % 50,
        "lon_milli": -77_200,
        "beat": "B (3)",
        "distance_km": number / 8,
        "vehicles": "[]",
        "is_sensitive": False,
        "arrived_at": None if arrived is None else _time(registered + timedelta(seconds=arrived)),
        **other,
    }
    told = json.dumps({**line, "arrived_at": None}, sort_keys=True)
    whole = {**line, "md5": md5(told.encode()).hexdigest(), "_shard": "s1", "_sequence": str(number), "_tick": 1}
    return {name: value for name, value in whole.items() if value is not None}


def _time(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def write(store: LandingStore, key: str, lines: Sequence[Line], members: int = 3) -> str:
    """A delivery of several gzip members; its key."""
    packed = [json.dumps(line).encode() + b"\n" for line in lines]
    store.write(key, b"".join(gzip.compress(b"".join(packed[n::members])) for n in range(members)))
    return key


def kept(lines: Iterable[Line]) -> dict[str, dict[str, Any]]:
    """Report → the one version that is right: the newest, of its copies the first to arrive, then by digest."""
    found: dict[str, Line] = {}
    for line in lines:
        there = found.get(line["fir_id"])
        if there is None or _place(line) < _place(there):
            found[line["fir_id"]] = line
    return {fir_id: _typed(line) for fir_id, line in found.items()}


def _place(line: Line) -> tuple[int, str, str]:
    return -line["version"], line.get("arrived_at", "9999"), line["md5"]


def _typed(line: Line) -> dict[str, Any]:
    row = {field.name: line.get(field.name) for field in FIELDS}
    return {name: datetime.fromisoformat(v) if name in TIMES and v else v for name, v in row.items()}


def overlapping(chance: random.Random, objects: int, size: int, reports: int, tag: str = "") -> list[list[Line]]:
    """Objects that repeat each other: copies that arrive later, versions in any order, and a changed copy at times."""
    found = []
    for n in range(objects):
        lines = []
        for _ in range(size):
            number, version = chance.randrange(reports), chance.choice((1, 1, 1, 2, 3))
            later = chance.choice((30.0, 30.0, 90.5, None))
            other = {"action_taken": "refused"} if chance.random() < 0.02 else {}
            lines.append(report(number, version, later, gd_no=f"{tag}{version}", **other))
        found.append(lines if n % 5 else [*lines, *lines[: size // 2]])
    return found
