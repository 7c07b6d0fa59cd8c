"""A small lake for dbt: a few crimes of three months, and insights of one as-of day."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from crime_assets.core.insights import Insight
from crime_assets.defs.work.steps import compute
from crime_assets.profiles import Profile
from crime_assets_tests.build import envelope, export_profile, record
from crime_assets_tests.lakehouse.lakes import merge

DAY = date(2024, 1, 28)
"""The as-of day; the last complete day is 2024-01-20."""

CRIMES = [
    ("2023-11-30", "THEFT", "06"),
    ("2023-12-01", "THEFT", "06"),
    ("2023-12-31", "BATTERY", "04B"),
    ("2023-12-31", "THEFT", "06"),
    ("2024-01-01", "THEFT", "06"),
]
"""Day of occurrence, category, FBI code."""

BY_MONTH = [
    (date(2023, 11, 1), "property", 1),
    (date(2023, 12, 1), "property", 2),
    (date(2023, 12, 1), "violent", 1),
]
"""What the mart must say of them: January had not ended by the last complete day."""


def small_lake(home: Path, insights: Sequence[Insight]) -> Profile:
    """The lake in a directory, with these insights."""
    return filled(export_profile(home, "none.csv"), insights)


def filled(profile: Profile, insights: Sequence[Insight]) -> Profile:
    """The same in a lake that has not begun."""
    profile.begin(DAY)
    crimes = (
        envelope(record(number, f"{DAY}", occurred, primary_type=kind, fbi_code=code), f"{DAY}")
        for number, (occurred, kind, code) in enumerate(CRIMES, start=1)
    )
    merge(profile.lake, *crimes)
    for insight in insights:
        compute(profile, profile.engine, insight, [DAY])
    return profile
