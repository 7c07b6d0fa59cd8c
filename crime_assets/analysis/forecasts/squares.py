"""The study area in squares of 600 feet, the largest of NIJ's forecasting challenge of 2017. Scores only: to compare.

The challenge asked for forecasts of 0.25 to 0.75 square miles.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from crime_assets.analysis.forecasts.places import EARTH_RADIUS_M, Places, cells_of
from crime_assets.analysis.statistics.figures import Floats, Ints

NAME = "nij-600ft"
SIDE_M = 182.88
_KM2 = (SIDE_M / 1000) ** 2
_LEAST_KM2, _MOST_KM2 = 0.647497, 1.942491
"""0.25 and 0.75 square miles."""
_AROUND = 2
"""Squares by which a square in a cell may be away from that of the cell's center: cells reach some 200 m."""


@dataclass(frozen=True)
class Squares(Places):
    """Squares whose center is in a cell of the study area, of which they have the `area_id`.

    The plane begins in the south-west corner of the area; an identifier is the row and the column of a square on it.
    """

    south: float
    west: float
    """Degrees, of the corner."""

    def ids_at(self, latitudes: Floats, longitudes: Floats) -> Ints:
        """The identifier of the square that each point, in degrees, lies in, whether or not it is one of these."""
        north, east = _steps(self.south)
        return _id(np.floor((latitudes - self.south) / north), np.floor((longitudes - self.west) / east))


def squares(places: Places) -> Squares:
    """The squares of a study area; there must be a cell in it."""
    south, west = float(places.latitude.min()), float(places.longitude.min())
    north, east = _steps(south)
    rows = np.floor((places.latitude - south) / north)
    columns = np.floor((places.longitude - west) / east)
    steps = range(-_AROUND, _AROUND + 1)
    near = np.unique([_id(rows + up, columns + right) for up, right in product(steps, steps)])
    row, column = _place(near)
    latitude, longitude = south + (row + 0.5) * north, west + (column + 0.5) * east
    cell = cells_of(latitude, longitude)
    found = np.searchsorted(places.ids, cell)
    is_in = np.append(places.ids, -1)[found] == cell
    of_cell = found[is_in]
    return Squares(
        ids=near[is_in],
        latitude=latitude[is_in],
        longitude=longitude[is_in],
        xy=np.stack([column, row], axis=1)[is_in] * SIDE_M,
        area=places.area[of_cell],
        areas=places.areas,
        km2=np.full(len(of_cell), _KM2),
        is_inside=places.is_inside[of_cell],
        area_id=places.area_id,
        south=south,
        west=west,
    )


def shares(places: Squares) -> tuple[float, ...]:
    """Percent of the area that are the fewest and the most squares that the challenge admitted, if it has so many."""
    fewest, most = np.ceil(_LEAST_KM2 / _KM2), np.floor(_MOST_KM2 / _KM2)
    return tuple(100 * number / len(places) for number in (float(fewest), float(most)) if number <= len(places))


def _steps(south: float) -> tuple[float, float]:
    """Degrees of latitude and of longitude that a side is at a latitude."""
    north = float(np.degrees(SIDE_M / EARTH_RADIUS_M))
    return north, north / float(np.cos(np.radians(south)))


def _id(rows: Floats, columns: Floats) -> Ints:
    # Rows and columns may be negative: points lie around the area too.
    found: Ints = (rows.astype(np.int64) << 32) + columns.astype(np.int64)
    return found


def _place(ids: Ints) -> tuple[Floats, Floats]:
    column = ((ids + 2**31) & (2**32 - 1)) - 2**31
    return ((ids - column) >> 32).astype(np.float64), column.astype(np.float64)
