"""The periods of insights: their names, and which days each covers. Computing anything over them belongs elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

USUAL = ("28d", "365d", "all")
"""The periods of an insight whose header names no others."""
PERIODS = (*USUAL, "ytd", "90d")
"""All that an insight may have."""


def first_days(as_of_day: date, last_complete_day: date) -> Mapping[str, date]:
    """Period → its first day, for all but `all`, which begins with the first record."""
    return {
        "28d": last_complete_day - timedelta(days=27),
        "365d": last_complete_day - timedelta(days=364),
        "ytd": last_complete_day.replace(month=1, day=1),
        "90d": as_of_day - timedelta(days=90),
    }


def last_days(as_of_day: date, last_complete_day: date) -> Mapping[str, date]:
    """Period → its last day. `all` is everything known, and 90d is about the days that are not complete."""
    return {**dict.fromkeys(PERIODS, last_complete_day), "all": as_of_day, "90d": as_of_day}
