"""Boundaries for the small city of `city`: a square for each beat, side by side, and districts made of them."""

from __future__ import annotations

import json
import math

from crime_assets.core import keys
from crime_assets.profiles import Profile
from crime_assets_tests.publishing.dashboard.city import BEATS

_SIDE = 0.02
_WEST, _SOUTH = -87.80, 41.78


def write_boundaries(profile: Profile) -> None:
    """Put them where `fetch_boundaries` would."""
    beats = [beat for found in BEATS.values() for beat in found]
    squares = {beat: _square(number) for number, beat in enumerate(beats)}
    layers: dict[str, dict[str, list[list[tuple[float, float]]]]] = {
        "beat": {beat: [square] for beat, square in squares.items()},
        "district": {district: [squares[beat] for beat in found] for district, found in BEATS.items()},
        # As `city` numbers them.
        "community_area": {str(20 + int(beat) % 7): [square] for beat, square in squares.items()},
    }
    for layer, areas in layers.items():
        profile.landing.write(keys.boundaries("chicago", layer), json.dumps({"areas": areas}).encode())


def on_screen(beat: str, left: float, top: float, width: float, height: float) -> tuple[float, float]:
    """Where the middle of a beat is on a map with that box which shows the whole city, 12 pixels from its borders."""
    (west, south), _, (east, north), _ = _square([one for found in BEATS.values() for one in found].index(beat))
    stretch = 1 / math.cos(math.radians(_SOUTH + _SIDE))
    unit = min((width - 24) / (3 * _SIDE), (height - 24) / (2 * _SIDE * stretch))
    x = left + width / 2 + ((west + east) / 2 - _WEST - 1.5 * _SIDE) * unit
    return x, top + height / 2 - ((south + north) / 2 - _SOUTH - _SIDE) * unit * stretch


def _square(number: int) -> list[tuple[float, float]]:
    west, south = _WEST + number % 3 * _SIDE, _SOUTH + number // 3 * _SIDE
    return [(west, south), (west + _SIDE, south), (west + _SIDE, south + _SIDE), (west, south + _SIDE)]
