"""The change days: the daily partitions of everything that changes daily, and how a run names its days."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import dagster as dg

from crime_assets.profiles import Profile

_DAY = "dagster/partition"
_FIRST, _LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def change_days(profile: Profile) -> dg.DailyPartitionsDefinition:
    """Days on the city's clock, from the lake's first change day to the last complete one."""
    return dg.DailyPartitionsDefinition(start_date=profile.first_change_day.isoformat(), timezone=profile.city.timezone)


def range_tags(first: date, last: date) -> dict[str, str]:
    """The tags of one run of all days from `first` to `last`."""
    return {_FIRST: first.isoformat(), _LAST: last.isoformat()}


def days_in_tags(tags: Mapping[str, str]) -> tuple[date, date] | None:
    """The first and the last day of a run with these tags; None for a run of no days."""
    first = tags.get(_FIRST, tags.get(_DAY))
    if first is None:
        return None
    return date.fromisoformat(first), date.fromisoformat(tags.get(_LAST, first))
