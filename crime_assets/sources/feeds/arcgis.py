"""The live portal of a city that publishes a map service of ArcGIS Server, with a layer for each year.

A source is named by the service and by what its layers are called, `path/of/MapServer/Crimes * [0-9][0-9][0-9][0-9]`.
Numbers of layers are in no order: each reading finds them by name, and a new year is there with its layer. Facts about
queries, limits and statistics: https://developers.arcgis.com/rest/services-reference/enterprise/map-service/. Errors
come with status 200. Whatever the server says is parsed and bounded.

Field names are lower case, as exports have them: ArcGIS does not tell upper from lower case in names. Numbers become
texts, and times, which the server gives in milliseconds of UTC, times of the city's clock.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from fnmatch import fnmatchcase
from functools import partial
from itertools import pairwise
from typing import Any, Literal, TypeVar
from zoneinfo import ZoneInfo

import pyarrow as pa
import requests

from crime_assets.core.errors import FeedError, FeedUnavailable, SourceMoved
from crime_assets.sources.cities import City, Source
from crime_assets.sources.feeds import DAMAGE, RAW, History, Publication
from crime_assets.sources.feeds.retries import TransientError, asked_wait, patiently

T = TypeVar("T")

PAGE_LIMIT = 2_000
"""Records asked for at once, if the layer gives that many: its own limit is usually 1,000 or 2,000."""
MOST_RECORDS = 2_000_000
"""In a layer; a year of Washington has some 30,000."""
LONGEST_ANSWER = 64 << 20
"""Bytes: a page of Washington has about one million."""

_MOST_LAYERS = 100
_OID, _DATE, _GEOMETRY = "esriFieldTypeOID", "esriFieldTypeDate", "esriFieldTypeGeometry"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_YEAR = re.compile(r"[12][0-9]{3}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_DAY = timedelta(days=1)
_PASSING = frozenset({202, 400, 408, 425, 429})
"""400 too: it is what ArcGIS says while its database is away."""
_REFUSED = frozenset({401, 403, 498, 499})  # The last two are ArcGIS's own: about a token.


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Layer:
    """A layer of the service, as it describes itself."""

    path: str
    """On the server, with the layer's number."""
    name: str
    kinds: Mapping[str, str]
    """Field, as the layer spells it → its type; without shapes."""
    key: str
    """The field with its own number of a row, by which it is read page by page; rebuilt layers have new numbers."""
    page_size: int
    edited: int | None
    """When it was edited last, in milliseconds since 1970, if it says so."""
    has_statistics: bool

    def taken(self, city: City) -> dict[str, str]:
        """Fields that are read → their names here: not the number of the row, nor load stamps."""
        named = {field: field.lower() for field in self.kinds if field != self.key}
        return {field: name for field, name in named.items() if name not in city.load_stamps}


@dataclass(frozen=True)
class ArcgisFeed:
    """All layers of the city's services. Implements `crime_assets.sources.feeds.PublishedFeed`.

    `timeout` (seconds) bounds every wait for the server; `attempts` counts all requests for one answer.
    `scheme` is "http" for a server on this machine only. `now` must return an aware time.
    """

    city: City
    _: KW_ONLY
    scheme: Literal["https", "http"] = "https"
    page_size: int = PAGE_LIMIT
    timeout: float = 60.0
    attempts: int = 6
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = _utc_now

    name = "arcgis"

    def columns(self) -> frozenset[str]:
        """Field names of all layers together."""
        return frozenset(name for layer in self._layers() for name in layer.taken(self.city).values())

    def latest_day(self) -> date:
        """Yesterday by the city's clock."""
        return self.city.today(self.now()) - _ONE_DAY

    def total(self) -> None:
        """See Feed."""

    def undated(self) -> int:
        """See Feed."""
        return 0

    def publication(self) -> Publication:
        """See PublishedFeed. Where a layer does not say when it was edited, it counts as edited today."""
        return self._publication(self._layers())

    def _publication(self, layers: list[Layer]) -> Publication:
        versions = [[layer.path, layer.name, self._version(layer)] for layer in layers]
        edited = [layer.edited for layer in layers if layer.edited is not None]
        day = self.city.today(self.now())
        if len(edited) == len(layers):
            day = min(day, self.city.today(_moment(max(edited)) or self.now()))
        return Publication(day, json.dumps([self.city.domain, versions]), lambda: map(self._read, layers))

    @contextmanager
    def history(self, before: date) -> Iterator[History]:
        """See Feed. A part is a layer: the reports of a year."""
        layers = {layer.path: layer for layer in self._layers()}
        version = self._publication([*layers.values()]).version

        def read(part: str) -> pa.Table:
            table = self._read(layers[part])
            nothing = pa.nulls(len(table), pa.string())
            return table.append_column(DAMAGE, nothing).append_column(RAW, nothing)

        yield History(f"{version} before {before}", list(layers), read)

    def _version(self, layer: Layer) -> object:
        """Another one if anything in the layer may be different.

        Without a time of its last edit, counts and extremes tell of records that came, went or were numbered anew, as
        all are when a layer is rebuilt. An edit in place may leave them as they are: so all is read once a week.
        """
        if layer.edited is not None:
            return layer.edited
        today = self.city.today(self.now())
        if not layer.has_statistics:
            return [self._count(layer), f"{today}"]
        wanted = [("count", layer.key), ("min", layer.key), ("max", layer.key)]
        wanted += [("max", field) for field, kind in layer.kinds.items() if kind == _DATE]
        asked = [
            {"statisticType": how, "onStatisticField": field, "outStatisticFieldName": f"s{number}"}
            for number, (how, field) in enumerate(wanted)
        ]
        query = {"where": "1=1", "outStatistics": json.dumps(asked), "returnGeometry": "false"}
        return [self._ask(f"{layer.path}/query", query, _statistics), "{}-{}".format(*today.isocalendar())]

    def _layers(self) -> list[Layer]:
        return [layer for source in self.city.sources for layer in self._layers_of(source)]

    def _layers_of(self, source: Source) -> list[Layer]:
        """The layers that a source names, by year; FeedError if a year is missing among them, or there twice."""
        service, _, pattern = source.dataset.rpartition("/")
        found = [one for one in self._ask(service, {}, _layer_names) if fnmatchcase(one[1], pattern)]
        if not 0 < len(found) <= _MOST_LAYERS:
            raise SourceMoved(
                f"{self._where(service)} has {len(found)} layers that are named like {pattern!r}: look at the service "
                f"and put their name in crime_assets/sources/cities/{self.city.name}.py."
            )
        years = sorted(filter(None, (_year(name) for _, name in found)))
        wanted = [*range(years[0], max(years[-1] + 1, self.city.today(self.now()).year))] if years else []
        if wrong := sorted({*wanted} - {*years}) or [year for year, after in pairwise(years) if year == after]:
            raise FeedError(
                f"{self._where(service)} has no layer of {wrong[0]} now, or more than one, so nothing was read: crimes "
                "would be taken for withdrawn, or count twice; run again later, and look at the service if it stays so."
            )
        return [self._layer(f"{service}/{number}", name) for number, name in sorted(found, key=lambda one: one[1][-4:])]

    def _layer(self, path: str, name: str) -> Layer:
        layer = self._ask(path, {}, partial(_described, path, name))
        names = [field.lower() for field in layer.kinds]
        if not layer.key or len({*names}) < len(names) or not all(map(_NAME.fullmatch, names)):
            raise FeedError(
                f"{self._where(path)} describes its fields in a way that cannot be read: look at the service, and at "
                "whether it is still one of ArcGIS."
            )
        return replace(layer, page_size=min(layer.page_size, self.page_size))

    def _read(self, layer: Layer) -> pa.Table:
        """All records of a layer, each once; FeedError if they are not all.

        Counting after the pull, not before, also finds records that came in behind the last page.
        """
        schema = pa.schema([(name, pa.string()) for name in layer.taken(self.city).values()])
        for _ in range(2):
            pages = [pa.RecordBatch.from_pylist(page, schema) for page in self._pages(layer)]
            pulled, counted = sum(map(len, pages)), self._count(layer)
            if pulled == counted:
                return pa.Table.from_batches(pages, schema)
        raise FeedError(
            f"{self._where(layer.path)} counts {counted} records but gave {pulled}, twice: the pull is incomplete; run "
            "again later, it is safe."
        )

    def _pages(self, layer: Layer) -> Iterator[list[dict[str, str | None]]]:
        """Pages by the number of the row, the only stable order."""
        last, pulled, is_more = -1, 0, True
        while is_more:
            query: dict[str, str | int] = {
                "where": f"{layer.key}>{last}",
                "outFields": "*",
                "orderByFields": layer.key,
                "resultRecordCount": layer.page_size,
                "returnGeometry": "false",
            }
            rows, is_limited = self._ask(f"{layer.path}/query", query, _rows)
            numbers = _whole(row.get(layer.key) for row in rows)
            pulled += len(rows)
            is_in_order = all(before < after for before, after in pairwise([last, *numbers]))
            if not is_in_order or not len(numbers) == len(rows) <= layer.page_size or pulled > MOST_RECORDS:
                raise FeedError(
                    f"{self._where(layer.path)} does not page as asked (a page too long, out of order or with rows "
                    "that came before): nothing read so far can be called complete; run again later."
                )
            yield [self._record(layer, row) for row in rows]
            # A full page may be the last; a short one is, unless the server says that it holds some back.
            is_more = bool(rows) and (is_limited or len(rows) == layer.page_size)
            last = max([last, *numbers])

    def _record(self, layer: Layer, row: Mapping[str, Any]) -> dict[str, str | None]:
        if unknown := row.keys() - layer.kinds.keys():
            raise FeedError(
                f"{self._where(layer.path)} gives a field {_clean(min(unknown))!r} that it does not describe: run "
                "again and, if that does not help, look at the service."
            )
        zone = ZoneInfo(self.city.timezone)
        return {
            name: _text(row.get(field), zone if layer.kinds[field] == _DATE else None)
            for field, name in layer.taken(self.city).items()
        }

    def _count(self, layer: Layer) -> int:
        return self._ask(f"{layer.path}/query", {"where": "1=1", "returnCountOnly": "true"}, _number)

    def _where(self, path: str) -> str:
        return f"{self.scheme}://{self.city.domain}/{path}"

    def _ask(self, path: str, question: Mapping[str, str | int], read: Callable[[dict[str, Any]], T]) -> T:
        where = self._where(path)
        try:
            return patiently(lambda: read(self._answer(where, question)), self.city.domain, self.attempts, self.sleep)
        except TransientError as error:
            raise FeedUnavailable(
                f"{where} gave no usable answer in {self.attempts} attempts (the last: {error}): run again later, it "
                "is safe."
            ) from error
        except requests.RequestException as error:
            raise FeedError(
                f"{where} cannot be read ({type(error).__name__}): check domain and source in "
                f"crime_assets/sources/cities/{self.city.name}.py."
            ) from error

    def _answer(self, where: str, question: Mapping[str, str | int]) -> dict[str, Any]:
        """The object that the server answers; TransientError if it is none, FeedError if asking again is of no use."""
        asked = {**question, "f": "json"}
        try:
            with requests.get(where, asked, timeout=self.timeout, stream=True, allow_redirects=False) as response:
                self._judge(where, response.status_code, f"status {response.status_code}", response.headers)
                answer = _object(response)
        except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError) as error:
            raise TransientError("its answer was cut short or garbled") from error
        except requests.Timeout as error:
            raise TransientError(f"it was silent for {self.timeout:g} s") from error
        except requests.ConnectionError as error:
            raise TransientError("the connection failed") from error
        if "error" in answer:
            said = answer["error"] if isinstance(answer["error"], dict) else {}
            code, message = said.get("code"), said.get("message")
            self._judge(where, code if code in (*_REFUSED, 404) else 500, _clean(f"{code} {message}"))
        return answer

    def _judge(self, where: str, status: int, said: str, headers: Mapping[str, str] | None = None) -> None:
        """The error for a status, of HTTP or in an answer; nothing for 200."""
        if status in _PASSING or status >= 500:
            raise TransientError(said, asked_wait((headers or {}).get("Retry-After")))
        module = f"crime_assets/sources/cities/{self.city.name}.py"
        if status in _REFUSED:
            raise FeedError(f"{where} refuses access ({said}): see whether the city still publishes it, and where.")
        if status != 200:
            target = _clean((headers or {}).get("Location", "nowhere"))
            raise SourceMoved(f"{where} is not there ({said}) and points to {target}: put its new address in {module}.")


def open_feed(city: City, app_token: str | None, now: Callable[[], datetime]) -> ArcgisFeed:
    """What reads the city's services. The token is for portals of another kind: it is not sent."""
    return ArcgisFeed(city, now=now)


def _object(response: requests.Response) -> dict[str, Any]:
    """The answer; TransientError if it is no whole object, or longer than any should be."""
    content = bytearray()
    for piece in response.iter_content(1 << 16):
        content += piece
        if len(content) > LONGEST_ANSWER:
            raise TransientError(f"its answer was longer than {LONGEST_ANSWER >> 20} MB")
    try:
        answer = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise TransientError("its answer was not JSON, cut short or garbled") from error
    if not isinstance(answer, dict):
        raise TransientError("its answer was not an object")
    return answer


def _layer_names(answer: dict[str, Any]) -> list[tuple[int, str]]:
    """Number and name of each layer of a service."""
    layers = answer.get("layers")
    if not isinstance(layers, list) or not all(isinstance(one, dict) for one in layers):
        raise TransientError("its answer was not a list of layers")
    named = [(one.get("id"), one.get("name")) for one in layers]
    return [(n, name) for n, name in named if isinstance(n, int) and isinstance(name, str) and name.isprintable()]


def _described(path: str, name: str, answer: dict[str, Any]) -> Layer:
    """What a layer says of itself; its key is empty if it has not exactly one."""
    match answer:
        case {"fields": [*fields]} if fields and all(isinstance(one, dict) for one in fields):
            kinds = {str(one.get("name")): str(one.get("type")) for one in fields if one.get("type") != _GEOMETRY}
            keys = [field for field, kind in kinds.items() if kind == _OID]
            editing, limit = answer.get("editingInfo"), answer.get("maxRecordCount")
            edited = editing.get("lastEditDate") if isinstance(editing, dict) else None
            return Layer(
                path=path,
                name=name,
                kinds=kinds,
                key=keys[0] if len(keys) == 1 else "",
                page_size=limit if isinstance(limit, int) and limit > 0 else PAGE_LIMIT,
                edited=edited if isinstance(edited, int) and _moment(edited) else None,
                has_statistics=answer.get("supportsStatistics") is True,
            )
    raise TransientError("its answer did not describe a layer")


def _rows(answer: dict[str, Any]) -> tuple[list[dict[str, Any]], bool]:
    """A page, and whether the server holds some rows back that were asked for."""
    features = answer.get("features")
    if not isinstance(features, list) or not all(isinstance(one, dict) for one in features):
        raise TransientError("its answer was not a list of records")
    rows = [one.get("attributes") for one in features]
    if not all(isinstance(row, dict) for row in rows):
        raise TransientError("its answer had a record without fields")
    return rows, answer.get("exceededTransferLimit") is True


def _statistics(answer: dict[str, Any]) -> list[str]:
    rows, _ = _rows(answer)
    if len(rows) != 1:
        raise TransientError("its answer was not one row of statistics")
    return [f"{name} {value}"[:99] for name, value in sorted(rows[0].items())]


def _number(answer: dict[str, Any]) -> int:
    if not (counts := _whole([answer.get("count")])):
        raise TransientError("its answer was not a count")
    return counts[0]


def _whole(values: Iterable[object]) -> list[int]:
    """Those that are whole numbers."""
    return [value for value in values if isinstance(value, int) and not isinstance(value, bool)]


def _year(name: str) -> int:
    return int(name[-4:]) if _YEAR.fullmatch(name[-4:]) else 0


def _moment(milliseconds: Any) -> datetime | None:
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return None


def _text(value: object, zone: ZoneInfo | None) -> str | None:
    """A value as a record has it; of a time, given with its zone, the clock there. What is no time stays as it is."""
    if value is None:
        return None
    if zone and _whole([value]) and (moment := _moment(value)) and 1 < moment.year < 9999:
        return moment.astimezone(zone).replace(tzinfo=None).isoformat(timespec="milliseconds")
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))
    # JSON can hold a lone surrogate, Arrow and UTF-8 cannot.
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _clean(text: str) -> str:
    """A text of the server made fit for a message: one short printable line."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())[:200]
