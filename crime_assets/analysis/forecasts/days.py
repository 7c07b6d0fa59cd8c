"""Days as numbers since 1970, and which of them forecasts are made for and learn from."""

from __future__ import annotations

from datetime import date, timedelta

from crime_assets.analysis.forecasts import HISTORY_DAYS, MOST_REPLAYED, MOST_WINDOWS, STEP

_BEGIN = date(1970, 1, 1)
_SUNDAY = 3
"""4 January 1970."""


def ordinal(day: date) -> int:
    """The number of a day."""
    return (day - _BEGIN).days


def day_of(number: int) -> date:
    """The day of a number."""
    return _BEGIN + timedelta(days=number)


def is_sunday(day: int) -> bool:
    """Whether forecasts are made as of this day: their list is for the week that follows."""
    return (day - _SUNDAY) % 7 == 0


def is_on_grid(day: int) -> bool:
    """Whether it is one of every fourth Sunday: windows of these that are 28 days long do not overlap."""
    return (day - _SUNDAY) % STEP == 0


def newest_sunday(day: int) -> int:
    """The last Sunday up to this day."""
    return day - (day - _SUNDAY) % 7


def windows(day: int, horizon: int, lag: int, first_record: int) -> list[int]:
    """Origins whose windows are finished and known as of a day, the newest first: 28 days apart, 24 at the most.

    A day is known after `lag` days. Before an origin there must be records of 90 days.
    """
    nearest = -(-(horizon + lag) // STEP)
    origins = (day - STEP * steps for steps in range(nearest, nearest + MOST_WINDOWS))
    return [origin for origin in origins if origin - lag - first_record >= HISTORY_DAYS]


def replay_days(day: int, horizon: int, lag: int, first_record: int, most: int = MOST_REPLAYED) -> list[int]:
    """Days of the grid whose windows are finished and known as of a day, the newest first, as `windows` has them."""
    newest = day - horizon - lag
    newest -= (newest - _SUNDAY) % STEP
    origins = (newest - STEP * steps for steps in range(most))
    return [origin for origin in origins if origin - lag - first_record >= HISTORY_DAYS]
