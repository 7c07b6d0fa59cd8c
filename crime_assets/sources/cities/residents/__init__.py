"""How many people live in the areas of a city: a table for each city that has one.

`chicago.csv`: the 77 community areas and who lived in them on April 1, 2020, by the census (U.S. Census Bureau, in the
public domain), as public lists of the areas have it. Nothing but the exposure of forecasts reads it: no forecast knows
who lives where.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType


@cache
def of(city: str) -> Mapping[str, int]:
    """Area, by the code that records have → residents; empty if the city has no table."""
    file = files(__name__).joinpath(f"{city}.csv")
    if not file.is_file():
        return MappingProxyType({})
    reader = csv.DictReader(file.read_text(encoding="utf-8").splitlines())
    return MappingProxyType({row["area"]: int(row["residents"]) for row in reader})
