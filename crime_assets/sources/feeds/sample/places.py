"""The city's blocks: each at one point within its beat, named by Chicago's address grid.

The map is the same for every seed. Which block a crime falls on is not decided here.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from crime_assets.sources.feeds.sample import geography, shares
from crime_assets.sources.feeds.sample.draws import Floats, cumulative

# State and Madison, where all house numbers begin, and the eighth of a mile that a hundred of them takes; feet.
_ZERO_X, _ZERO_Y, _HUNDRED = 1_176_350.0, 1_900_330.0, 660.0
_NAMES = (
    *("STATE", "HALSTED", "ASHLAND", "WESTERN", "PULASKI", "KEDZIE", "WABASH", "CICERO", "DAMEN", "CALIFORNIA"),
    *("INDIANA", "PAULINA", "CENTRAL", "RACINE", "PRAIRIE", "MARSHFIELD", "DEARBORN", "WENTWORTH", "MORGAN", "WELLS"),
    *("LAWNDALE", "SPRINGFIELD", "HOMAN", "MAY", "KOSTNER", "SPAULDING", "DRAKE", "LARAMIE", "AUSTIN", "MADISON"),
    *("CHICAGO", "JACKSON", "ROOSEVELT", "DIVISION", "MONROE", "WASHINGTON", "LAKE", "BELMONT", "FULLERTON", "ADAMS"),
    *("HARRISON", "CERMAK", "RANDOLPH", "GRAND", "ADDISON"),
)
_SUFFIXES = ("ST", "AVE", "PL", "CT")
# Steps of the evenly filling sequence in the plane (Roberts 2018: the powers of 1 / 1.32471795724).
_STEP_X, _STEP_Y = 0.7548776662466927, 0.5698402909980532
_TRIED = 8
"""Points tried for each block: every beat fills more than an eighth of the rectangle around it."""

FIELDS = ("block", "beat", "district", "ward", "community_area")
POINT_FIELDS = ("x_coordinate", "y_coordinate", "latitude", "longitude", "location")


@dataclass(frozen=True)
class Places:
    """The blocks: one entry each in every array."""

    bounds: Floats
    """Cumulative share of crimes."""
    columns: dict[str, pa.Array]
    """Source field → its text."""
    lower_case: pa.Array
    """The block's name as it is written now and then."""


@functools.cache
def places() -> Places:
    """All blocks of the city; made once."""
    beats = geography.beats()
    numbers = np.array([beat[1:] for beat in beats], dtype=np.float64)
    rank = np.arange(1.0, shares.BLOCKS_PER_BEAT + 1)
    busy = rank**-shares.BLOCK_EXPONENT * np.exp(-rank / shares.BLOCK_DECAY)
    x, y = np.rint(_spread(numbers[:, 3:5])).reshape(-1, 2).T
    names = [_name(east, north, index % 2 == 0) for index, (east, north) in enumerate(zip(x, y, strict=True))]
    of_beat = np.repeat(np.arange(len(beats)), shares.BLOCKS_PER_BEAT)
    columns = {
        "block": pa.array(names),
        "beat": pa.array([beat[0] for beat in beats]).take(of_beat),
        "district": pa.array([f"0{beat[0][:2]}" for beat in beats]).take(of_beat),
        "ward": pa.array([beat[1] for beat in beats]).take(of_beat),
        "community_area": pa.array([beat[2] for beat in beats]).take(of_beat),
        **_points(x, y),
    }
    lower_case = pa.array([name[:8] + name[8:].title() for name in names])
    return Places(cumulative(np.outer(numbers[:, 2], busy / busy.sum()).ravel()), columns, lower_case)


def location(latitude: str, longitude: str) -> str:
    """The nested place of a record as canonical JSON."""
    address = json.dumps({"address": "", "city": "", "state": "", "zip": ""})
    return f'{{"human_address":{json.dumps(address)},"latitude":"{latitude}","longitude":"{longitude}"}}'


def _spread(means: Floats) -> Floats:
    """An x and y for each block of each beat: evenly over the part of the beat that is near its mean."""
    half = np.array(shares.BEAT_SPREAD) * 3**0.5
    steps = np.arange(1, _TRIED * shares.BLOCKS_PER_BEAT + 1)[:, None] * np.array([_STEP_X, _STEP_Y])
    found = []
    for number, (cell, mean) in enumerate(zip(geography.cells(), means, strict=True)):
        low, high = np.maximum(np.min(cell, axis=0), mean - half), np.minimum(np.max(cell, axis=0), mean + half)
        points = low + (number * 0.618034 + steps) % 1.0 * (high - low)
        found.append(points[geography.inside(cell, points)][: shares.BLOCKS_PER_BEAT])
    return np.stack(found)


def _points(x: Floats, y: Floats) -> dict[str, pa.Array]:
    degrees = zip(("longitude", "latitude"), geography.degrees(x, y), strict=True)
    texts = {name: pa.array(np.round(values, 9)).cast(pa.string()) for name, values in degrees}
    pairs = zip(texts["latitude"].to_pylist(), texts["longitude"].to_pylist(), strict=True)
    return {
        "x_coordinate": pa.array(x.astype(np.int64)).cast(pa.string()),
        "y_coordinate": pa.array(y.astype(np.int64)).cast(pa.string()),
        **texts,
        "location": pa.array([location(*pair) for pair in pairs]),
    }


def _name(x: float, y: float, along_meridian: bool) -> str:
    """The block at that point: on the street that runs north and south there, or on the one that crosses it."""
    east, north = (x - _ZERO_X) / _HUNDRED, (y - _ZERO_Y) / _HUNDRED
    if along_meridian:
        return f"{_hundreds(north)} {'N' if north >= 0 else 'S'} {_street(int(east // 1) + 200)}"
    side = "E" if east >= 0 else "W"
    if north >= 0:
        return f"{_hundreds(east)} {side} {_street(int(north // 0.5))}"
    half, south = divmod(int(-north // 0.5) + 2, 2)[::-1]
    return f"{_hundreds(east)} {side} {south}{_ordinal(south)} {('ST', 'PL')[half]}"


def _hundreds(distance: float) -> str:
    hundred = int(abs(distance))
    return f"{hundred:03d}XX" if hundred else "0000X"


def _street(number: int) -> str:
    suffix, name = divmod(number, len(_NAMES))
    return f"{_NAMES[name]} {_SUFFIXES[suffix % len(_SUFFIXES)]}"


def _ordinal(number: int) -> str:
    if number % 100 in (11, 12, 13):
        return "TH"
    return {1: "ST", 2: "ND", 3: "RD"}.get(number % 10, "TH")
