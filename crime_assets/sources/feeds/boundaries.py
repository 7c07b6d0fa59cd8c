"""Where the shapes of a city's areas come from: its portal, or a directory.

`geojson` reads the documents, `core.shapes` simplifies the shapes. Nothing is written here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import requests
import urllib3

from crime_assets.core.errors import FeedError, FeedUnavailable, UsageError
from crime_assets.core.shapes import Ring, simplified
from crime_assets.sources.cities import City
from crime_assets.sources.feeds.geojson import MOST_BYTES, MOST_FEATURES, Document
from crime_assets.sources.feeds.retries import TransientError, patiently
from crime_assets.sources.feeds.soda import Judge

TOLERANCE = 15.0
"""Meters by which a border may be off: a quarter of a pixel if a city of forty kilometers is 700 pixels high."""

_CHUNK = 1 << 14
_ENDINGS = (".geojson", ".geojson.gz")


class BoundarySource(Protocol):
    """A city's boundaries, one GeoJSON document for each of its layers."""

    def place(self, layer: str) -> str:
        """Where the layer's document is, for a person."""

    def read(self, layer: str) -> bytes:
        """The layer's document, possibly gzip-compressed, at most a little longer than MOST_BYTES.

        FeedError or UsageError if it cannot be read.
        """


@dataclass(frozen=True)
class Layer:
    """The areas of one layer, simplified for a map, and how many points they had at the source."""

    place: str
    areas: dict[str, list[list[tuple[float, float]]]]
    points_before: int

    @property
    def points(self) -> int:
        """Points that the areas have now."""
        return _points(self.areas.values())


def read_boundaries(city: City, source: BoundarySource) -> dict[str, Layer]:
    """All layers of the city. FeedError or UsageError if one of them cannot be used: then none is used."""
    return {layer: _layer(Document(city, layer, source.place(layer), source.read(layer))) for layer in city.boundaries}


def _layer(document: Document) -> Layer:
    areas = document.areas()
    small = simplified(areas, TOLERANCE)
    for name, rings in small.items():
        if not rings:
            raise FeedError(
                f"{document.place} has an area {name} smaller than a meter, so the earlier boundaries stay in use: to "
                "replace them, set CRIME_BOUNDARIES to a directory with sound GeoJSON."
            )
    return Layer(document.place, small, _points(areas.values()))


def _points(areas: Iterable[Iterable[Ring]]) -> int:
    return sum(len(ring) for rings in areas for ring in rings)


@dataclass(frozen=True)
class PortalBoundaries:
    """The boundaries on the city's portal. Implements BoundarySource.

    `timeout` (seconds) bounds every wait for the portal; `attempts` counts all requests for one layer.
    `scheme` is "http" for a portal on this machine only.
    """

    city: City
    _: KW_ONLY
    app_token: str | None = field(default=None, repr=False)
    scheme: Literal["https", "http"] = "https"
    timeout: float = 60.0
    attempts: int = 6
    sleep: Callable[[float], None] = time.sleep

    def place(self, layer: str) -> str:
        """See BoundarySource."""
        return f"{self.scheme}://{self.city.domain}/resource/{self.city.boundaries[layer].dataset}.geojson"

    def read(self, layer: str) -> bytes:
        """See BoundarySource. Requests one feature more than is accepted: a layer is either whole or too large."""
        domain = self.city.domain
        try:
            return patiently(lambda: self._answer(layer), domain, self.attempts, self.sleep)
        except TransientError as error:
            raise FeedUnavailable(
                f"{domain} gave no usable answer in {self.attempts} attempts (the last: {error}): run again later, "
                "it is safe."
            ) from error
        except requests.RequestException as error:
            raise FeedError(
                f"{domain} cannot be read ({type(error).__name__}): check domain and boundaries in "
                f"crime_assets/sources/cities/{self.city.name}.py."
            ) from error

    def _answer(self, layer: str) -> bytes:
        dataset = self.city.boundaries[layer].dataset
        judge = Judge(self.city, dataset, self.app_token)
        token = {"X-App-Token": self.app_token} if self.app_token else {}
        try:
            with requests.get(
                self.place(layer),
                params={"$limit": MOST_FEATURES + 1},
                headers={"Accept-Encoding": "gzip", **token},
                timeout=self.timeout,
                stream=True,
                allow_redirects=False,
            ) as answer:
                if answer.status_code != 200:
                    judge.judge(answer)
                media_type = answer.headers.get("Content-Type", "")
                if "json" not in media_type.lower():
                    raise TransientError(f"its answer was {judge.clean(media_type)!r}, not GeoJSON")
                # Still compressed: the code that unpacks it stops at the size limit.
                return _first_bytes(answer.raw.stream(_CHUNK, decode_content=False))
        except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
            raise TransientError(f"it was silent for {self.timeout:g} s") from error
        except (requests.exceptions.ChunkedEncodingError, urllib3.exceptions.HTTPError) as error:
            raise TransientError("its answer was cut short or garbled") from error
        except requests.ConnectionError as error:
            raise TransientError("the connection failed") from error


@dataclass(frozen=True)
class DirectoryBoundaries:
    """Boundaries in files named after their layer: `district.geojson` or `district.geojson.gz`. A BoundarySource."""

    directory: Path

    def place(self, layer: str) -> str:
        """See BoundarySource."""
        return str(self._file(layer))

    def read(self, layer: str) -> bytes:
        """See BoundarySource."""
        path = self._file(layer)
        try:
            with path.open("rb") as file:
                return file.read(MOST_BYTES + 1)
        except OSError as error:
            raise FeedError(f"{path} cannot be read ({error.strerror}): make it readable.") from error

    def _file(self, layer: str) -> Path:
        names = [f"{layer}{ending}" for ending in _ENDINGS]
        for name in names:
            if (self.directory / name).is_file():
                return self.directory / name
        raise UsageError(
            f"There is no {' or '.join(names)} in {self.directory}: put the layer's GeoJSON there, or set "
            "CRIME_BOUNDARIES to another directory or to portal."
        )


def _first_bytes(pieces: Iterable[bytes]) -> bytes:
    """The content up to the size limit, and enough more to tell if it is longer."""
    content = bytearray()
    for piece in pieces:
        content += piece
        if len(content) > MOST_BYTES:
            break
    return bytes(content)
