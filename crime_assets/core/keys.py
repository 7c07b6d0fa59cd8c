"""Where things lie in the landing store: the one place that builds and reads object keys."""

from __future__ import annotations

import re
import secrets
from datetime import date, datetime

_MERGED = re.compile(r"merged/city=[^/]+/change_day=([0-9]{4}-[0-9]{2}-[0-9]{2})[.]json")


def deliveries_prefix(city: str, day: date) -> str:
    """Prefix of all deliveries of a change day."""
    return f"raw/city={city}/change_day={day.isoformat()}/"


def delivery(city: str, day: date, stream: str, at: datetime) -> str:
    """A new, unique key for a delivery written by `stream` at `at` (UTC)."""
    return f"{deliveries_prefix(city, day)}{stream}-{at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(8)}.gz"


def manifest(city: str, day: date) -> str:
    """What a change day was put to the stream as."""
    return f"manifests/city={city}/change_day={day.isoformat()}.json"


def inventory(city: str, day: date) -> str:
    """What was found delivered for a change day when it was last looked at."""
    return f"inventories/city={city}/change_day={day.isoformat()}.json"


def merged(city: str, day: date) -> str:
    """The inventory of a change day that the lake has merged."""
    return f"{merged_prefix(city)}change_day={day.isoformat()}.json"


def merged_prefix(city: str) -> str:
    """Prefix of all that `merged` names for a city."""
    return f"merged/city={city}/"


def merged_day(key: str) -> date | None:
    """The change day of a key that `merged` names; None for any other key."""
    match = _MERGED.fullmatch(key)
    try:
        return date.fromisoformat(match[1]) if match else None
    except ValueError:
        return None
