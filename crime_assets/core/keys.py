"""Where things are in the landing store: the only module that builds and parses object keys."""

from __future__ import annotations

import re
import secrets
from datetime import date, datetime

_MERGED = re.compile(r"merged/city=[^/]+/change_day=([0-9]{4}-[0-9]{2}-[0-9]{2})[.]json")
_MANIFEST = re.compile(r"manifests/city=[^/]+/change_day=([0-9]{4}-[0-9]{2}-[0-9]{2})[.]json")
EXTRACTS = "extracts/"
"""Prefix of all extracts of all cities."""
FORECASTS = "forecasts/"
"""Prefix of all files of forecasts of all cities."""

_LINK = re.compile(
    r"live/stream=[^/]+/epoch=(?P<epoch>[^/]+)/(?P<chain>[a-z]+)/[0-9]{4,}/(?P<number>[0-9]{12,})[.](gz|ndjson)"
)
_BRIEFING = re.compile(r"briefings/city=[^/]+/as_of_day=([0-9]{4}-[0-9]{2}-[0-9]{2})[.]html")
_EXTRACT = re.compile(r"extracts/city=([^/]+)/as_of_day=([0-9]{4}-[0-9]{2}-[0-9]{2})[.]duckdb")
_FORECAST = re.compile(r"forecasts/city=([^/]+)/as_of_day=([0-9]{4}-[0-9]{2}-[0-9]{2})[.]duckdb")


def deliveries_prefix(city: str, day: date) -> str:
    """Prefix of all deliveries of a change day."""
    return f"raw/city={city}/change_day={day.isoformat()}/"


def delivery(city: str, day: date, stream: str, at: datetime) -> str:
    """A new, unique key for a delivery written by `stream` at `at` (UTC)."""
    return f"{deliveries_prefix(city, day)}{stream}-{at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(8)}.gz"


def manifest(city: str, day: date) -> str:
    """The manifest of a change day: what was put to the stream for it."""
    return f"{manifests_prefix(city)}change_day={day.isoformat()}.json"


def manifests_prefix(city: str) -> str:
    """Prefix of all keys that `manifest` gives for a city."""
    return f"manifests/city={city}/"


def inventory(city: str, day: date) -> str:
    """The inventory of a change day: what had been delivered when its deliveries were last checked."""
    return f"inventories/city={city}/change_day={day.isoformat()}.json"


def gone(city: str, day: date) -> str:
    """The crimes that the publication pulled for a change day lacks."""
    return f"gone/city={city}/change_day={day.isoformat()}.json"


def merged(city: str, day: date) -> str:
    """The inventory of a change day that the lake has merged."""
    return f"{merged_prefix(city)}change_day={day.isoformat()}.json"


def refill(city: str) -> str:
    """The mark that the city's tables were lost and have to be filled again."""
    return f"refills/city={city}.json"


def merged_prefix(city: str) -> str:
    """Prefix of all keys that `merged` gives for a city."""
    return f"merged/city={city}/"


def extract(city: str, day: date) -> str:
    """What the dashboard shows of an as-of day."""
    return f"{extracts_prefix(city)}as_of_day={day.isoformat()}.duckdb"


def extracts_prefix(city: str) -> str:
    """Prefix of all extracts of a city."""
    return f"{EXTRACTS}city={city}/"


def extract_day(key: str) -> date | None:
    """The as-of day of a key that `extract` gives; None for any other key."""
    match = _EXTRACT.fullmatch(key)
    return _day(match[2]) if match else None


def extract_city(key: str) -> str | None:
    """The city of a key that `extract` gives; None for any other key."""
    match = _EXTRACT.fullmatch(key)
    return match[1] if match else None


def forecast(city: str, day: date) -> str:
    """What pages show of the forecasts of an as-of day."""
    return f"{forecasts_prefix(city)}as_of_day={day.isoformat()}.duckdb"


def forecasts_prefix(city: str) -> str:
    """Prefix of all files of forecasts of a city."""
    return f"{FORECASTS}city={city}/"


def forecast_day(key: str) -> date | None:
    """The as-of day of a key that `forecast` gives; None for any other key."""
    match = _FORECAST.fullmatch(key)
    return _day(match[2]) if match else None


def forecast_city(key: str) -> str | None:
    """The city of a key that `forecast` gives; None for any other key."""
    match = _FORECAST.fullmatch(key)
    return match[1] if match else None


def briefing(city: str, day: date, kind: str) -> str:
    """The briefing of an as-of day; `kind` is html or pdf."""
    return f"{briefings_prefix(city)}as_of_day={day.isoformat()}.{kind}"


def briefings_prefix(city: str) -> str:
    """Prefix of all briefings of a city."""
    return f"briefings/city={city}/"


def briefing_day(key: str) -> date | None:
    """The as-of day of a key that `briefing` gives for html; None for any other key."""
    match = _BRIEFING.fullmatch(key)
    return _day(match[1]) if match else None


def extracts_made_by(city: str) -> str:
    """By which definitions all kept extracts of a city were made, once that is the same for all."""
    return f"extracts_made_by/city={city}.txt"


def verdicts(city: str, asset: str) -> str:
    """The latest results of an asset's checks."""
    return f"checks/city={city}/{asset}.json"


def boundaries(city: str, layer: str) -> str:
    """The shapes of a city's areas of one kind."""
    return f"boundaries/city={city}/{layer}.json"


def live(stream: str, what: str) -> str:
    """What one consumer of live reports has: its epoch, its status, its watch list (a file's name)."""
    return f"live/stream={stream}/{what}"


def live_link(stream: str, epoch: str, chain: str, number: int) -> str:
    """The object of this number, from 1 on without a gap, in a chain of objects that live reports give."""
    ending = "gz" if chain == "deliveries" else "ndjson"
    # Some ten thousand in a directory.
    return f"{live_chain_prefix(stream, epoch, chain)}{number // 10_000:04}/{number:012}.{ending}"


def live_chain_prefix(stream: str, epoch: str, chain: str) -> str:
    """Prefix of all keys that `live_link` gives for a chain."""
    return live(stream, f"epoch={epoch}/{chain}/")


def live_links_prefix(stream: str) -> str:
    """Prefix of all keys that `live_link` gives for a stream."""
    return live(stream, "epoch=")


def live_link_parts(key: str) -> tuple[str, str, int] | None:
    """The epoch, the chain and the number of a key that `live_link` gives; None for any other key."""
    match = _LINK.fullmatch(key)
    return (match["epoch"], match["chain"], int(match["number"])) if match else None


def live_begins(stream: str, epoch: str, chain: str) -> str:
    """The note of the number that a chain begins with, once its oldest objects were removed."""
    return live(stream, f"epoch={epoch}/begins/{chain}.txt")


def live_taken(stream: str, epoch: str, number: int, digest: str) -> str:
    """The mark that an object of Firehose, by the digest of its key, became the delivery of this number."""
    return f"{live_taken_prefix(stream, epoch)}{number:012}-{digest}"


def live_taken_prefix(stream: str, epoch: str) -> str:
    """Prefix of all keys that `live_taken` gives for an epoch."""
    return live(stream, f"epoch={epoch}/taken/")


def live_taken_parts(key: str) -> tuple[int, str]:
    """The number and the digest of a key that `live_taken` gives."""
    number, _, digest = key.rpartition("/")[2].partition("-")
    return int(number), digest


def load_manifest(digest: str) -> str:
    """The list of the objects that a warehouse loads at once, by its digest; it is there only while it is used."""
    return f"live/loads/{digest}.json"


def manifest_day(key: str) -> date | None:
    """The change day of a key that `manifest` gives; None for any other key."""
    match = _MANIFEST.fullmatch(key)
    return _day(match[1]) if match else None


def merged_day(key: str) -> date | None:
    """The change day of a key that `merged` gives; None for any other key."""
    match = _MERGED.fullmatch(key)
    return _day(match[1]) if match else None


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
