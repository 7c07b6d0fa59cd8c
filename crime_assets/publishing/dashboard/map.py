"""What the map in the browser is made of: shapes, which a browser keeps, and the figures of a choice.

The figures are those of the tables of `figures`, in the same words, and a number hidden there is in nothing here.
What is drawn where, and at which zoom, is decided in static/map.js.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import orjson

from crime_assets.core.errors import UsageError
from crime_assets.publishing.cells import AREAS, ring
from crime_assets.publishing.charts.key import NOT_SHOWN, entries
from crime_assets.publishing.charts.maps import middle
from crime_assets.publishing.charts.scales import NOTHING, Classes, classes, number
from crime_assets.publishing.dashboard.changed import as_of_today
from crime_assets.publishing.dashboard.choice import ALL, MAPS, Choice, maps_of
from crime_assets.publishing.dashboard.figures import Figures
from crime_assets.publishing.dashboard.page import completeness
from crime_assets.publishing.dashboard.pictures import described, hot_cells, hotspots_described
from crime_assets.publishing.dashboard.polygons import Polygons, polygons
from crime_assets.publishing.dashboard.values import signed
from crime_assets.publishing.reading import Extract
from crime_assets.publishing.shapes import Rings, shapes_of
from crime_assets.streams import LandingStore

LIBRARY = "/static/maplibre-gl-6.17.0"
"""Where MapLibre's files are, with its version: another version has another address."""
KEPT = "private, max-age=31536000, immutable"
"""The Cache-Control of what never changes at its address."""

_LEVELS = ("district", "community_area", "beat")
_HIDDEN = "hidden"


class MapData:
    """The map of one choice; counts below `threshold` are hidden."""

    def __init__(self, extract: Extract, choice: Choice, threshold: int, landing: LandingStore) -> None:
        self._extract = extract
        self._choice = choice
        self._threshold = threshold
        self._landing = landing

    def figures(self) -> dict[str, object]:
        """Those of all areas, and what is said about the map as a whole."""
        choice, own = self._choice, self._of(self._choice)
        known = completeness(own)
        return {
            "title": f"Map of crimes, {described(choice, own.about)}",
            "known": known and f"About {known} of the records of {own.about.last_complete_day} are known so far.",
            "coarsest": choice.map if choice.map in _LEVELS else "district",
            "city": choice.city,
            "shows_hot_spots": choice.map == "hotspots",
            "within": self._within(),
            "levels": [self._level(level) for level in _LEVELS if level in maps_of(choice.city)],
        }

    def hot_spots(self) -> dict[str, object]:
        """The hot cells of the choice, with their legend."""
        own = self._of(self._choice)
        rows = hot_cells(own)
        steps = classes([float(str(row["crimes"])) for row in rows if row["crimes"]])
        return {
            "title": f"Hot spots, {hotspots_described(self._choice, own.about)}",
            "key": _key(steps, has_nothing=False),
            "cells": [
                {
                    "ring": ring(str(row["cell"])),
                    "name": f"Hot cell {row['cell']}",
                    **_look(row["crimes"], steps),
                    "said": _said(row["crimes"]),
                }
                for row in rows
            ],
        }

    def blocks(self) -> dict[str, Any]:
        """The blocks of the chosen place, and how many of them cannot be drawn."""
        own = self._of(self._choice)
        rows = own.table("blocks").to_pylist() if own.has("blocks") else []
        counted = [row for row in rows if row["crimes"] is not None]
        placed = [row for row in counted if row["latitude"] is not None and row["longitude"] is not None]
        return {
            "hidden": len(rows) - len(counted),
            "unplaced": len(counted) - len(placed),
            "blocks": [
                [str(row["block"]), round(row["longitude"], 5), round(row["latitude"], 5), row["crimes"]]
                for row in placed
            ],
        }

    def shapes(self, level: str, digest: str) -> bytes:
        """The shapes of a level as GeoJSON. UsageError for an unknown level, or if they have another digest by now."""
        if level not in AREAS:
            raise UsageError(f"There are no shapes of {level[:40]!r}: choose one of {', '.join(AREAS)}.")
        content = _geojson(shapes_of(self._landing, self._extract, level)[0])
        if _digest(content) != digest:
            raise UsageError("The map has other shapes by now: load the page again.")
        return content

    def _of(self, choice: Choice) -> Figures:
        return Figures(self._extract, choice, self._threshold)

    def _within(self) -> tuple[str, str] | None:
        """The level and the name of the area that was chosen, if one was."""
        chosen = (("beat", self._choice.beat), ("district", self._choice.district))
        return next(((level, name) for level, name in chosen if name != ALL), None)

    def _level(self, level: str) -> dict[str, object]:
        shapes, are_boundaries = shapes_of(self._landing, self._extract, level)
        # Boundaries are the same for all days; a browser need not keep them for each.
        query = {"city": self._choice.city, **({} if are_boundaries else {"day": self._choice.day.isoformat()})}
        singular = MAPS[level].removesuffix("s")
        return {
            "level": level,
            "title": MAPS[level],
            "singular": singular,
            "shapes": f"/map/shapes/{level}-{_digest(_geojson(shapes))}.json?{urlencode(query)}",
            **self._areas(level, list(shapes)),
        }

    def _areas(self, level: str, drawn: Sequence[str]) -> dict[str, object]:
        """The figures of the areas that have a shape; they are pale beside hot spots, which have the colors."""
        figures = self._of(self._choice.but(map=level))
        rows = figures.table("areas").to_pylist()
        counts: dict[str, int | None] = {str(row["area"]): row["crimes"] for row in rows if row["area"]}
        steps = classes([float(value) for value in counts.values() if value])
        is_whole = level == "district" or self._choice.district == ALL
        changes, links = self._changes(level), figures.links(level)
        is_pale = self._choice.map == "hotspots"
        areas = {
            name: {
                **({} if is_pale else _look(counts.get(name, 0), steps)),
                "said": _said(counts.get(name, 0)),
                # It may be of more than the chosen district or of other days, and still tell what is hidden of these.
                "change": None if counts.get(name, 0) is None else changes.get(name),
                "link": links.get(name),
            }
            for name in drawn
            if is_whole or name in counts
        }
        return {"key": [] if is_pale else _key(steps), "areas": areas}

    def _changes(self, level: str) -> Mapping[str, str]:
        """Area → how it has changed, in words, as far as the tables of the page tell."""
        if level != "district":
            return self._against_own_history("beat" if level == "beat" else "community area")
        city = self._of(self._choice.but(district=ALL))
        rows = city.table("changes").to_pylist() if city.has("changes") else []
        return {
            str(row["district"]): f"In 28 days: {signed(row['change'])} against the 28 before{as_of_today(row)}."
            for row in rows
            if row["change"] is not None
        }

    def _against_own_history(self, kind: str) -> Mapping[str, str]:
        if self._choice.offense_class != ALL:
            return {}
        rows = self._of(self._choice).insight("early_warning", unit_kind=kind)
        return {
            str(row["unit"]): f"In 28 days: {_number(row['crimes'])}; its own history suggests "
            f"{_number(row['lower_limit'])} to {_number(row['upper_limit'])}."
            for row in rows
            if None not in (row["crimes"], row["lower_limit"], row["upper_limit"])
        }


def _look(value: object, steps: Classes) -> dict[str, str]:
    """The color of a count, and of the text on it; None is a hidden one."""
    if value is None:
        return {"fill": _HIDDEN, "ink": "#1f2933"}
    count = float(str(value))
    return {"fill": steps.color(count), "ink": steps.ink(count)} if count else {"fill": NOTHING, "ink": "#1f2933"}


def _said(value: object) -> str:
    """A count in words; None is a hidden one."""
    return NOT_SHOWN if value is None else f"{_number(value)} crime{'' if float(str(value)) == 1 else 's'}"


def _key(steps: Classes, *, has_nothing: bool = True) -> list[tuple[str, str]]:
    """The legend as (fill, words), in the words of the pictures."""
    return [*entries(steps, has_nothing=has_nothing), (_HIDDEN, NOT_SHOWN)]


def _number(value: object) -> str:
    return number(float(str(value)))


def _geojson(shapes: Mapping[str, Rings]) -> bytes:
    features = [
        {
            "type": "Feature",
            "properties": {"name": name, "middle": [round(degrees, 5) for degrees in middle(max(rings, key=len))]},
            "geometry": {"type": "MultiPolygon", "coordinates": _closed(polygons(rings))},
        }
        for name, rings in shapes.items()
    ]
    return orjson.dumps({"type": "FeatureCollection", "features": features})


def _closed(found: Polygons) -> list[list[list[tuple[float, float]]]]:
    return [[[*ring, ring[0]] for ring in polygon] for polygon in found]


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()[:20]
