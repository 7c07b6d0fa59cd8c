"""What happens: the offenses of the cited table as arrays to draw from, and what depends on the offense."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from crime_assets.sources.feeds.sample import shares
from crime_assets.sources.feeds.sample.draws import Draws, Ints, cumulative

_TABLE = [line.split("|") for line in shares.OFFENSES.splitlines()]
_LOCATIONS = [line.split("|") for line in shares.LOCATIONS.replace("\n+", "|").splitlines()]

FIELDS = ("iucr", "primary_type", "description", "fbi_code")
COLUMNS = {name: pa.array([row[index] for row in _TABLE]) for index, name in enumerate(FIELDS)}
ARREST = np.array([float(row[5]) / 1000 for row in _TABLE])
DOMESTIC = np.array([float(row[6]) / 1000 for row in _TABLE])
LATE_ARREST = np.array([shares.LATE_ARRESTS.get(row[3], shares.OTHER_LATE_ARRESTS) for row in _TABLE])
HOMICIDE = np.array([row[1] == "HOMICIDE" for row in _TABLE])

_TYPES = [row[0] for row in _LOCATIONS]
_TYPE_OF = np.array([_TYPES.index(row[1]) for row in _TABLE])
NO_POINT = np.array([float(row[1]) / 10_000 for row in _LOCATIONS])[_TYPE_OF]
"""Share of rows without coordinates."""

WEIGHTS = np.array([float(row[4]) for row in _TABLE])
_BOUNDS = cumulative(WEIGHTS)
_PLACES = [place.rpartition(" ") for row in _LOCATIONS for place in row[2:]]
LOCATION_DESCRIPTIONS = pa.array([name for name, _, _ in _PLACES])
# One scale for all types: the shares of type number n lie between n and n + 1.
_PLACE_BOUNDS = np.concatenate(
    [number + cumulative(float(place.rpartition(" ")[2]) for place in row[2:]) for number, row in enumerate(_LOCATIONS)]
)


def final(draws: Draws) -> Ints:
    """The offense that each record ends up as; an index into the arrays above."""
    return draws.pick("offense", _BOUNDS)


def earlier(draws: Draws) -> Ints:
    """The offense that a record to be reclassified is published as."""
    return draws.pick("earlier offense", _BOUNDS)


def location_descriptions(draws: Draws, offense: Ints) -> Ints:
    """The kind of place, by the offense's type; an index into LOCATION_DESCRIPTIONS."""
    return np.searchsorted(_PLACE_BOUNDS, _TYPE_OF[offense] + draws.uniform("kind of place"), side="right")
