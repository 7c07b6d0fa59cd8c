"""The study area: H3 cells inside the city's boundaries, and those that records lie in. Made once, then frozen."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from h3.api import basic_int as h3
from numpy.typing import NDArray

from crime_assets.analysis.statistics.figures import Floats, Ints
from crime_assets.lakehouse.schema import arrow_schema
from crime_assets.lakehouse.schema_forecasts import FORECAST_PLACES

RESOLUTION = 9
"""Of the cells: about 0.1 km²."""

Rings = Sequence[Sequence[tuple[float, float]]]
"""Of points (longitude, latitude); what an even number of rings is around is outside."""
Positions = NDArray[np.int32]

EARTH_RADIUS_M = 6_371_008.8
_UNKNOWN = -1


@dataclass(frozen=True)
class Places:
    """The cells in ascending order of their identifiers; an entry for each."""

    ids: Ints
    latitude: Floats
    longitude: Floats
    xy: Floats
    """(n, 2) meters east and north of the south-west corner, on a plane."""
    area: NDArray[np.int16]
    """Position in `areas`; -1 where it is unknown."""
    areas: tuple[str, ...]
    km2: Floats
    is_inside: NDArray[np.bool_]
    area_id: str

    def __len__(self) -> int:
        return len(self.ids)

    def ids_at(self, latitudes: Floats, longitudes: Floats) -> Ints:
        """The identifier of the cell that each point, in degrees, lies in, whether or not it is one of these."""
        return cells_of(latitudes, longitudes)


def study_area(
    boundaries: Mapping[str, Rings], cells_seen: Ints, areas_seen: Sequence[object], records: Ints
) -> Places:
    """Cells whose center is inside a boundary, and those seen in records.

    The last three have one entry for each cell and area (None: unknown) that records have together.
    """
    area_of: dict[int, str | None] = _most(cells_seen, areas_seen, records)
    inside: set[int] = set()
    for name, rings in boundaries.items():
        found = _cells_in(rings)
        area_of.update(dict.fromkeys(found, str(name)))
        inside |= found
    ids = np.array(sorted(area_of), dtype=np.int64)
    return _places(ids, [area_of[cell] for cell in ids.tolist()], np.array([cell in inside for cell in ids.tolist()]))


def cells_of(latitudes: Floats, longitudes: Floats) -> Ints:
    """The cell of each point, in degrees; none may be NaN."""
    points = zip(latitudes.tolist(), longitudes.tolist(), strict=True)
    return np.array([h3.latlng_to_cell(*point, RESOLUTION) for point in points], dtype=np.int64)


def place_of(places: Places, latitudes: pa.ChunkedArray, longitudes: pa.ChunkedArray) -> Positions:
    """Position of the cell of each point; n, the number of cells, where it is outside or NULL."""
    if not len(latitudes):
        return np.zeros(0, dtype=np.int32)
    # Points repeat: each is looked up once. A millionth of a degree is 11 cm.
    north, east = (
        np.rint(np.nan_to_num(part.to_numpy(), nan=1e3) * 1e6).astype(np.int64) for part in (latitudes, longitudes)
    )
    coded = pa.array((north + 2**30) << 32 | (east + 2**30)).dictionary_encode()
    keys = coded.dictionary.to_numpy()
    north, east = (keys >> 32) - 2**30, (keys & (2**32 - 1)) - 2**30
    is_known = (np.abs(north) <= 90_000_000) & (np.abs(east) <= 180_000_000)
    found = np.full(len(keys), len(places), dtype=np.int32)
    found[is_known] = _positions(places, places.ids_at(north[is_known] / 1e6, east[is_known] / 1e6))
    of_row: Positions = found[coded.indices.to_numpy()]
    return of_row


def table(places: Places) -> pa.Table:
    """Rows of forecast_places."""
    return pa.table(
        [
            pa.array([h3.int_to_str(cell) for cell in places.ids.tolist()], pa.string()),
            places.latitude,
            places.longitude,
            pa.array(names_of(places), pa.string()),
            places.km2,
            places.is_inside,
            pa.array([places.area_id] * len(places), pa.string()),
        ],
        schema=arrow_schema(FORECAST_PLACES),
    )


def of_table(rows: pa.Table) -> Places:
    """The study area from rows of forecast_places, in any order."""
    ids = np.array([h3.str_to_int(cell) for cell in rows["cell"].to_pylist()], dtype=np.int64)
    order = np.argsort(ids, kind="stable")
    areas = rows["area"].to_pylist()
    is_inside = np.array(rows["is_inside"].to_pylist(), dtype=bool)
    return _places(ids[order], [areas[row] for row in order.tolist()], is_inside[order])


def names_of(places: Places) -> list[str | None]:
    """The area of each cell by name; None where it is unknown."""
    return [places.areas[area] if area != _UNKNOWN else None for area in places.area.tolist()]


def by_area(places: Places, values: NDArray[np.floating] | Ints) -> Floats:
    """(areas) sums of what the cells have; cells of no known area are left out."""
    is_known = places.area != _UNKNOWN
    found: Floats = np.bincount(places.area[is_known], values[is_known], len(places.areas)).astype(np.float64)
    return found


def _places(ids: Ints, areas: Sequence[str | None], is_inside: NDArray[np.bool_]) -> Places:
    cells = ids.tolist()
    centers = np.round(np.array([h3.cell_to_latlng(cell) for cell in cells], dtype=np.float64).reshape(-1, 2), 6)
    names = sorted({area for area in areas if area is not None})
    position = {name: number for number, name in enumerate(names)}
    return Places(
        ids=ids,
        latitude=centers[:, 0],
        longitude=centers[:, 1],
        xy=_meters(centers),
        area=np.array([_UNKNOWN if area is None else position[area] for area in areas], dtype=np.int16),
        areas=tuple(names),
        km2=np.array([round(h3.cell_area(cell, "km^2"), 6) for cell in cells], dtype=np.float64),
        is_inside=is_inside,
        area_id=hashlib.sha256("\n".join(h3.int_to_str(cell) for cell in cells).encode()).hexdigest()[:12],
    )


def _meters(centers: Floats) -> Floats:
    if not len(centers):
        return centers
    scale = np.array([1.0, np.cos(np.radians(centers[:, 0].mean()))])
    meters: Floats = np.radians(centers) * scale * EARTH_RADIUS_M
    turned: Floats = np.ascontiguousarray((meters - meters.min(axis=0))[:, ::-1])
    return turned


def _cells_in(rings: Rings) -> set[int]:
    found: set[int] = set()
    for ring in rings:
        points = [(latitude, longitude) for longitude, latitude in ring]
        found ^= set(h3.polygon_to_cells(h3.LatLngPoly(points), RESOLUTION))
    return found


def _most(cells: Ints, areas: Sequence[object], records: Ints) -> dict[int, str | None]:
    """Cell → the area that most of its records have; of equal ones the first by name."""
    most: dict[int, tuple[int, str]] = {}
    found: dict[int, str | None] = dict.fromkeys(cells.tolist())
    entries = zip(cells.tolist(), areas, records.tolist(), strict=True)
    for cell, area, number in sorted((cell, str(area), number) for cell, area, number in entries if area is not None):
        if number > most.get(cell, (0, ""))[0]:
            most[cell] = number, area
            found[cell] = area
    return found


def _positions(places: Places, cells: Ints) -> Ints:
    found = np.searchsorted(places.ids, cells)
    ids = np.append(places.ids, -1)
    return np.where(ids[found] == cells, found, len(places))
