"""The change days: one daily partition for everything of a city that changes daily."""

from __future__ import annotations

import dagster as dg

from crime_assets.profiles import Profile


def change_days(profile: Profile) -> dg.DailyPartitionsDefinition:
    """Days of the city's own clock, from the lake's first change day to the last complete one."""
    return dg.DailyPartitionsDefinition(start_date=profile.first_change_day.isoformat(), timezone=profile.city.timezone)
