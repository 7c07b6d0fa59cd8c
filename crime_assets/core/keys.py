"""Where things lie in the landing store: the one place that builds and reads object keys."""

from __future__ import annotations

import re
import secrets
from datetime import date, datetime

_DELIVERY = re.compile(r"^raw/city=(?P<city>[a-z_]+)/change_day=(?P<day>\d{4}-\d{2}-\d{2})/[^/]+$")


def deliveries_prefix(city: str, day: date | None = None) -> str:
    """Prefix of all deliveries of a city, or of one change day."""
    prefix = f"raw/city={city}/"
    return prefix if day is None else f"{prefix}change_day={day.isoformat()}/"


def delivery(city: str, day: date, stream: str, at: datetime) -> str:
    """A new, unique key for a delivery written by `stream` at `at` (UTC)."""
    return f"{deliveries_prefix(city, day)}{stream}-{at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(8)}.gz"


def delivery_day(key: str) -> date | None:
    """The change day a delivery's key belongs to; None for a key that is no delivery."""
    match = _DELIVERY.match(key)
    if match is None:
        return None
    try:
        return date.fromisoformat(match["day"])
    except ValueError:
        return None


def manifest(city: str, day: date) -> str:
    """What a change day was put to the stream as."""
    return f"manifests/city={city}/change_day={day.isoformat()}.json"


def inventory(city: str, day: date) -> str:
    """What was found delivered for a change day when it was last looked at."""
    return f"inventories/city={city}/change_day={day.isoformat()}.json"


def merged(city: str, day: date) -> str:
    """The inventory of a change day that the lake has merged."""
    return f"merged/city={city}/change_day={day.isoformat()}.json"
