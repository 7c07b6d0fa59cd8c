"""A portal's maps on the loopback, and GeoJSON to put on them. No expectation of any test."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping

from crime_assets.sources.cities import City
from crime_assets_tests.sources.feeds.soda_query import RefusedError
from crime_assets_tests.sources.feeds.soda_server import Answer, Request, SodaServer

GEOJSON = "application/vnd.geo+json;charset=utf-8"


class MapServer(SodaServer):
    """The GeoJSON resources of a portal, by the id of their dataset; it misbehaves as `SodaServer` does."""

    def __init__(self, documents: Mapping[str, bytes], *, app_token: str | None = None) -> None:
        super().__init__([], app_token=app_token)
        self.documents = dict(documents)
        # One who has read enough hangs up; that is no news.
        self._http.handle_error = lambda *_: None  # type: ignore[method-assign]

    def city(self, like: City) -> City:
        """That city, with its maps here."""
        return dataclasses.replace(like, domain=self.domain)

    def _answer(self, request: Request) -> Answer:
        resource = re.fullmatch(r"/resource/(.+)\.geojson", request.path)
        if resource is None or (self.app_token and request.headers.get("x-app-token") != self.app_token):
            return super()._answer(request)
        if resource[1] not in self.documents:
            raise RefusedError(404, "code", "dataset.missing", "Not found", {"id": resource[1]})
        return Answer(body=self.documents[resource[1]], content_type=GEOJSON)


def square(west: float, south: float, side: float = 0.01) -> list[list[float]]:
    """A ring with its corners in degrees."""
    east, north = west + side, south + side
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


def feature(name: object, *polygons: list[list[list[float]]], named: str = "dist_num") -> dict[str, object]:
    """A feature as the portal writes it, of polygons of rings."""
    return {
        "type": "Feature",
        "properties": {":id": "row-wqqh-z4xx-4ggj", "dist_label": "17TH", named: name},
        "geometry": {"type": "MultiPolygon", "coordinates": list(polygons)},
    }


def collection(*features: object) -> bytes:
    """A document of these features."""
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()
