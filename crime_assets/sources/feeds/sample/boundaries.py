"""The sample city's boundaries as GeoJSON, as a portal would publish them; `geography` decides what they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import orjson

from crime_assets.sources.cities import City
from crime_assets.sources.feeds.sample import geography

DRAWN = "chicago"
"""The city whose areas the map has: the precincts of the simulated New York have points, but no shapes."""


@dataclass(frozen=True)
class SampleBoundaries:
    """The boundaries of the simulated city. Implements BoundarySource."""

    city: City

    def place(self, layer: str) -> str:
        """See BoundarySource."""
        return f"the sample city's map ({layer})"

    def read(self, layer: str) -> bytes:
        """See BoundarySource."""
        named = self.city.boundaries[layer].name_property
        features = [
            {
                "type": "Feature",
                "properties": {named: name},
                # A ring around a hole is a polygon of its own here: maps draw a hole wherever two rings overlap.
                "geometry": {"type": "MultiPolygon", "coordinates": [[_closed(ring)] for ring in rings]},
            }
            for name, rings in geography.layers()[layer].items()
        ]
        return orjson.dumps({"type": "FeatureCollection", "features": features})


def _closed(ring: geography.Ring) -> list[list[float]]:
    corners: list[list[float]] = np.stack(geography.degrees(*np.array(ring).T), axis=1).tolist()
    return [*corners, corners[0]]
