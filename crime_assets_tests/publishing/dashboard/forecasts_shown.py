"""A small city with an extract, boundaries and made-up forecasts, as the pages of forecasts are tested with."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from crime_assets.profiles import Profile
from crime_assets.publishing import forecasts
from crime_assets.publishing.extract import write_extracts
from crime_assets_tests.build import envelope, export_profile, record
from crime_assets_tests.lakehouse.lakes import merge
from crime_assets_tests.publishing import forecasts_made
from crime_assets_tests.publishing.dashboard.mapped import write_boundaries

DAY = date(2024, 1, 31)


def city_without_forecasts(home: Path) -> Profile:
    """A lake with a day to look at, and no forecast."""
    found = export_profile(home, "none.csv")
    found.begin(DAY)
    merge(found.lake, *(envelope(record(number, f"{DAY}", "2024-01-20"), f"{DAY}") for number in range(8)))
    write_extracts(found.lake, found.landing, found.engine, found.city, (), [DAY])
    return found


def city_with_forecasts(home: Path) -> Profile:
    """The same with forecasts, their file and boundaries."""
    found = city_without_forecasts(home)
    write_boundaries(found)
    forecasts_made.put(found)
    forecasts.write(found, forecasts_made.SUNDAY)
    return found
