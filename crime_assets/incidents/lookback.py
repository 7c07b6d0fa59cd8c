"""What rules look back on: which rows of the tables of what is known are still needed."""

from __future__ import annotations

from collections.abc import Mapping

from crime_assets.incidents.times import BLOCK, DAY, HORIZON, HOUR, Calendar

_NUMBERS: Mapping[str, tuple[str, int, int]] = {
    "hours": ("hour_number", HOUR, 63),
    "blocks": ("block_number", BLOCK, 63),
    "cells": ("day_number", DAY, 92),
    "complaints": ("day_number", DAY, 9),
    "named": ("day_number", DAY, 35),
}
"""Table → its number of the time, what that counts in seconds, and the days of it that rules look back on."""
_MOMENTS: Mapping[str, tuple[str, int]] = {
    # A copy of a report is told for as long as it could be counted.
    "known_events": ("claimed_s", HORIZON),
    # Nothing older can raise an alert again: reports are known for a week.
    "alerts": ("seen_s", 35 * DAY),
}
"""Table → its seconds since 1970, and how many of them are needed."""
AGING = (*_MOMENTS, *_NUMBERS)
"""The tables whose rows grow old."""


def oldest(table: str, watermark: float, calendar: Calendar) -> tuple[str, float]:
    """A column of one of AGING, and its least value that is still needed."""
    if table in _MOMENTS:
        name, seconds = _MOMENTS[table]
        return name, watermark - seconds
    name, length, days = _NUMBERS[table]
    return name, (calendar.local(watermark) - days * DAY) // length
