"""Messages of the contract fir/1 for tests."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from crime_assets.incidents.contract import Record, event_id

REF, OTHER_REF = "K1a2b3c-0123456789abcdef", "K1a2b3c-fedcba9876543210"
REGISTERED = datetime(2026, 3, 2, 4, 45, 30, tzinfo=UTC)
"""10:15:30 in India."""


def message(number: int = 1, **other: Any) -> dict[str, Any]:
    """A report of a stolen vehicle; what is given as None is left out."""
    version = other.get("version", 1)
    fir_id = other.get("fir_id", f"SX/101/PS7/2026/{number}")
    whole = {
        "schema": "fir/1",
        "event_id": event_id(fir_id, version),
        "kind": "registered" if version == 1 else "amended",
        "fir_id": fir_id,
        "version": version,
        "state": "SX",
        "district": "101",
        "police_station": "PS7",
        "fir_no": number,
        "fir_year": 2026,
        "registered_at": "2026-03-02T10:15:30+05:30",
        "acts_sections": [{"act": "BNS", "section": "303"}],
        "occurred_from": "2026-03-01T22:00:00+05:30",
        "place": {"lat": 28.613, "lon": 77.209, "beat": "B3", "direction": "NE", "distance_km": 1.5, "type": "street"},
        "complainant": {"ref": REF, "gender": "female", "age_band": "30-44"},
        "vehicles": [{"ref": OTHER_REF, "role": "stolen"}],
        "is_sensitive": False,
        "sent_at": "2026-03-02T10:15:31+05:30",
        **other,
    }
    return {name: value for name, value in whole.items() if value is not None}


def sensitive(**other: Any) -> dict[str, Any]:
    """A report that was coarsened before the stream."""
    coarse: dict[str, Any] = dict.fromkeys(("police_station", "fir_no", "place", "complainant"))
    acts = [{"act": "BNS", "section": "64"}]
    return message(
        **{**coarse, "fir_id": "SX/101/~K1a2b3c-00000000000000aa", "acts_sections": acts, "is_sensitive": True, **other}
    )


def record(told: dict[str, Any] | bytes, after: float = 30, sequence: str = "1", shard: str = "s1") -> Record:
    """A message that arrived so many seconds after REGISTERED."""
    data = told if isinstance(told, bytes) else json.dumps(told).encode()
    return Record(shard, sequence, REGISTERED + timedelta(seconds=after), data)
