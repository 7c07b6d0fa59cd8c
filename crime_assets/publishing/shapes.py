"""The shapes of a city's areas: its boundaries if they were fetched, else the cells that its crimes are in."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache

from crime_assets.core import keys
from crime_assets.publishing.cells import AREAS, outlines
from crime_assets.publishing.extract import CELLS
from crime_assets.publishing.reading import Extract
from crime_assets.streams import LandingStore

Rings = Sequence[Sequence[tuple[float, float]]]
"""Rings of points (longitude, latitude)."""


def shapes_of(landing: LandingStore, extract: Extract, level: str) -> tuple[Mapping[str, Rings], bool]:
    """Area → its shape, and whether these are boundaries rather than cells. `level` is one of `cells.AREAS`.

    Boundaries that cannot be drawn count as none. Without them, and without blocks to make cells of, there is no shape.
    """
    found = boundaries_of(landing, extract.about.city, level) if level in AREAS else None
    if found is not None:
        return found, True
    cells: dict[str, list[str]] = defaultdict(list)
    for row in extract.ask("FROM cells", {}).to_pylist() if CELLS in extract.tables() else []:
        if row[level] is not None:
            cells[row[level]].append(row["cell"])
    return {area: outlines(of_area) for area, of_area in cells.items()}, False


def boundaries_of(landing: LandingStore, city: str, level: str) -> Mapping[str, Rings] | None:
    """Area → its boundaries; None if they were not fetched, or cannot be drawn."""
    content = landing.read(keys.boundaries(city, level))
    return _drawable(content) if content is not None else None


@lru_cache(maxsize=len(AREAS))
def _drawable(content: bytes) -> Mapping[str, Rings] | None:
    """Boundaries as they were fetched; None if anything in them is not a ring of points."""
    try:
        areas = json.loads(content)["areas"]
        are_rings = [
            len(ring) > 2 and all(-180 <= longitude <= 180 and -90 <= latitude <= 90 for longitude, latitude in ring)
            for rings in areas.values()
            for ring in rings
        ]
        is_whole = bool(areas) and all(areas.values()) and all(are_rings)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return areas if is_whole else None
