"""The shapes of a city's areas: its boundaries where they were fetched, else the cells that its crimes lie in."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence

from crime_assets.core import keys
from crime_assets.publishing.cells import AREAS, ring
from crime_assets.publishing.reading import Extract
from crime_assets.streams import LandingStore

Rings = Sequence[Sequence[tuple[float, float]]]
"""Rings of points (longitude, latitude)."""


def shapes_of(landing: LandingStore, extract: Extract, level: str) -> tuple[Mapping[str, Rings], bool]:
    """Area → its shape, and whether these are boundaries rather than cells. `level` is one of `cells.AREAS`."""
    content = landing.read(keys.boundaries(extract.about.city, level)) if level in AREAS else None
    if content is not None:
        found: Mapping[str, Rings] = json.loads(content)["areas"]
        return found, True
    rings: dict[str, list[Sequence[tuple[float, float]]]] = defaultdict(list)
    for row in extract.ask("FROM cells", {}).to_pylist():
        if row[level] is not None:
            rings[row[level]].append(ring(row["cell"]))
    return rings, False
