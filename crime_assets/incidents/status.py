"""What a consumer of live reports says of itself in the landing store, for those who look at it from outside."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crime_assets.core import keys
from crime_assets.core.errors import LandingError
from crime_assets.streams import LandingStore


@dataclass(frozen=True)
class Status:
    """How far a consumer was when it wrote this; about once a second while it runs."""

    epoch: str
    written_at: datetime
    lag_seconds: float
    """Behind the newest report of the last tick; 0 if nothing had come."""
    lost_since: str | None
    """Since when the stream may have forgotten reports before they were read."""
    reports: int
    alerts: int
    quarantined: int


def read_status(store: LandingStore, stream: str) -> Status | None:
    """The status of the stream's consumer; None if there never was one. LandingError if it cannot be read."""
    found = _document(store, keys.live(stream, "status.json"))
    if found is None:
        return None
    try:
        lost = found.get("lost_since")
        return Status(
            epoch=str(found["epoch"]),
            written_at=datetime.fromisoformat(found["written_at"]),
            lag_seconds=float(found["lag_seconds"]),
            lost_since=None if lost is None else str(lost),
            reports=int(found["reports"]),
            alerts=int(found["alerts"]),
            quarantined=int(found["quarantined"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(keys.live(stream, "status.json")) from error


def read_epoch(store: LandingStore, stream: str) -> str | None:
    """The epoch whose chains count; None if the stream has no consumer yet. LandingError if it cannot be read."""
    key = keys.live(stream, "epoch.json")
    found = _document(store, key)
    if found is None:
        return None
    if not isinstance(found.get("epoch"), str):
        raise _damaged(key)
    return str(found["epoch"])


def _document(store: LandingStore, key: str) -> dict[str, Any] | None:
    content = store.read(key)
    if content is None:
        return None
    try:
        found = json.loads(content)
    except ValueError as error:
        raise _damaged(key) from error
    if not isinstance(found, dict):
        raise _damaged(key)
    return found


def _damaged(key: str) -> LandingError:
    return LandingError(f"{key} in the landing store is damaged: restore it, or start the consumer, which writes it.")
