"""Reads a GeoJSON document of a city's areas: rings by area, or one sentence on why it cannot be used.

Documents are hostile until parsed: nothing about them is taken for granted, and nothing is written here.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeGuard

from crime_assets.core.errors import FeedError, SourceMoved
from crime_assets.core.shapes import Ring
from crime_assets.sources.cities import City

MOST_BYTES = 32 << 20
"""Largest document, compressed or not: ten times Chicago's largest."""
MOST_FEATURES = 5_000
MOST_POINTS = 250_000
"""Of a document."""

_MARGIN = 0.05
"""Degrees (about five kilometers) by which shapes may extend beyond the city's bounding box."""
_LEAST_CORNERS = 4
_GZIP = b"\x1f\x8b"
_NAME = re.compile(r"[A-Za-z0-9]{1,16}")


class _Unusable(Exception):
    """What is wrong, as a part of a sentence."""


@dataclass(frozen=True)
class Document:
    """A document of the areas of one layer; `place` is where it was read, for messages."""

    city: City
    layer: str
    place: str
    content: bytes

    def areas(self) -> dict[str, list[Ring]]:
        """The rings of every area, by its name as `crimes` has it, in the order of the names.

        Several features of one area are one area; a ring that comes twice counts once. FeedError if the document is
        anything but polygons of named areas within the city.
        """
        found: dict[str, dict[Ring, None]] = defaultdict(dict)
        points = 0
        try:
            for number, feature in enumerate(self._features(), start=1):
                if not isinstance(feature, dict) or feature.get("type") != "Feature":
                    raise _Unusable(f"entry {number} of its features is not a feature")
                rings = found[self._name(feature, number)]
                for polygon in _polygons(feature.get("geometry"), number):
                    for corners in polygon:
                        ring = self._ring(corners, number)
                        rings[ring] = None
                        points += len(ring)
                        if points > MOST_POINTS:
                            raise _Unusable(f"it has more than {MOST_POINTS} points")
        except _Unusable as error:
            raise FeedError(
                f"{self.place} has no usable shapes ({error}), so the earlier boundaries stay in use: to "
                "replace them, set CRIME_BOUNDARIES to a directory with sound GeoJSON."
            ) from error
        return {name: list(found[name]) for name in sorted(found)}

    def _features(self) -> list[object]:
        try:
            document = json.loads(_plain(self.content).decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise _Unusable("it is not JSON") from error
        features = document.get("features") if isinstance(document, dict) else None
        if not isinstance(features, list) or document.get("type") != "FeatureCollection":
            raise _Unusable("it is not a FeatureCollection")
        if not 0 < len(features) <= MOST_FEATURES:
            raise _Unusable(f"it has {len(features)} features, not 1 to {MOST_FEATURES}")
        return features

    def _name(self, feature: dict[str, object], number: int) -> str:
        properties, wanted = feature.get("properties"), self.city.boundaries[self.layer].name_property
        if not isinstance(properties, dict) or wanted not in properties:
            raise SourceMoved(
                f"Feature {number} of {self.place} has no property {wanted!r} with its name: put the current name "
                f"property of the {self.layer} layer in crime_assets/sources/cities/{self.city.name}.py."
            )
        value = properties[wanted]
        name = str(value) if type(value) in (str, int) else ""
        if not _NAME.fullmatch(name):
            raise _Unusable(f"feature {number} has a name that is not a code")
        return name.zfill(self.city.code_widths.get(self.layer, 0))

    def _ring(self, corners: object, number: int) -> Ring:
        if not isinstance(corners, list):
            raise _Unusable(f"feature {number} has a ring that is not a list of points")
        ring = tuple(self._point(corner, number) for corner in corners)
        if len(ring) < _LEAST_CORNERS or ring[0] != ring[-1]:
            raise _Unusable(f"feature {number} has a ring of fewer than four points or one that is not closed")
        return ring

    def _point(self, corner: object, number: int) -> tuple[float, float]:
        south, west, north, east = self.city.bounding_box
        match corner:
            case [x, y] | [x, y, _] if _is_between(x, west, east) and _is_between(y, south, north):
                return float(x), float(y)
        raise _Unusable(f"feature {number} has a point that is not a longitude and latitude in {self.city.title}")


def _is_between(value: object, least: float, most: float) -> TypeGuard[float]:
    """Whether it is a number between the two, or not far beyond; NaN and infinity are not."""
    return isinstance(value, int | float) and not isinstance(value, bool) and least - _MARGIN <= value <= most + _MARGIN


def _polygons(geometry: object, number: int) -> Iterator[list[object]]:
    match geometry:
        case {"type": "Polygon", "coordinates": [_, *_] as polygon}:
            yield _rings(polygon, number)
        case {"type": "MultiPolygon", "coordinates": [_, *_] as polygons}:
            yield from (_rings(polygon, number) for polygon in polygons)
        case _:
            raise _Unusable(f"feature {number} is neither Polygon nor MultiPolygon")


def _rings(polygon: object, number: int) -> list[object]:
    if not isinstance(polygon, list) or not polygon:
        raise _Unusable(f"feature {number} has a polygon without rings")
    return polygon


def _plain(content: bytes) -> bytes:
    """The content, unpacked if its first bytes are those of gzip."""
    if content.startswith(_GZIP):
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
                content = file.read(MOST_BYTES + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise _Unusable("it is incomplete or damaged gzip") from error
    if len(content) > MOST_BYTES:
        raise _Unusable(f"it is larger than {MOST_BYTES >> 20} MiB")
    return content
