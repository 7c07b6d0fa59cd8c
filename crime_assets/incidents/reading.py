"""Messages of the stream as rows, by the contract; what does not fit it is quarantined with the reason.

Nothing here remembers earlier messages: what a message becomes depends on its bytes and its arrival alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from hashlib import md5
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from crime_assets.incidents.contract import ARRIVED, LARGEST, Quarantined, Record, event_id
from crime_assets.incidents.heads import head_of, is_sensitive
from crime_assets.incidents.message import Complainant, Message, Place
from crime_assets.incidents.times import (
    BLOCK,
    DAY,
    GRACE,
    HORIZON,
    HOUR,
    IN_FUTURE,
    KNOWN_DAYS,
    MOST_AHEAD,
    Calendar,
    Seconds,
)

_PLACE_BLOCK = 5
"""Cells of a thousandth of a degree that make a block, north and east."""
_FIELD = re.compile(r"`\$\.([a-z_]+)")
_MISSING = re.compile(r"missing required field `([a-z_]+)`")
_PARTS = {part.name: part.type for part in msgspec.structs.fields(Message)}
_OF_STATION = {"police_station", "fir_no", "fir_id", "event_id", "gd_no", "outside_station"}
"""Fields that tell at which station a report is, and which one it is: event_id is computed from fir_id."""
_MOMENTS = ("registered_at", "occurred_from", "occurred_to", "received_at", "gd_time", "sent_at")
_moments = attrgetter(*_MOMENTS)
_FIRST_YEAR, _LAST_YEAR = 1, 9999
_LISTS = ("acts_sections", "vehicles")
_OF_PLACE = {"beat": "beat", "direction": "direction", "distance_km": "distance_km", "place_type": "type"}
_OF_COMPLAINANT = {f"complainant_{part}": part for part in ("ref", "gender", "age_band")}
_NOWHERE, _NOBODY = Place(), Complainant()


class _Unfit(Exception):
    """The reason why a message is no report."""


class _Fit(NamedTuple):
    """A message that is a report, and what was computed to know that."""

    record: Record
    message: Message
    place: Place
    complainant: Complainant
    head: str
    latitude: int | None
    longitude: int | None
    claimed: float
    arrived: float


class Reader:
    """Types messages. One reader serves one thread."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._decoder = msgspec.json.Decoder(Message)
        self._encode = msgspec.json.Encoder().encode

    def read(self, records: Sequence[Record]) -> tuple[pa.Table, list[Quarantined]]:
        """The reports, as ARRIVED has them, in the order in which they came; and all other messages."""
        fit: list[_Fit] = []
        bad: list[Quarantined] = []
        for record in records:
            try:
                fit.append(self._fit(record))
            except _Unfit as unfit:
                where = (record.shard, record.sequence, record.arrived_at, _digest(record.data), len(record.data))
                bad.append(Quarantined(str(unfit), *where, _allowed(record.data)))
        return self._table(fit) if fit else ARRIVED.empty_table(), bad

    def _message(self, data: bytes) -> Message:
        if len(data) > LARGEST:
            raise _Unfit("too_large")
        try:
            return self._decoder.decode(data)
        except msgspec.ValidationError as error:
            raise _Unfit(_reason(str(error))) from error
        except (msgspec.DecodeError, RecursionError) as error:
            raise _Unfit("not_json") from error

    def _fit(self, record: Record) -> _Fit:
        message = self._message(record.data)
        is_stolen = bool(message.vehicles) and any(vehicle.role == "stolen" for vehicle in message.vehicles)
        head, is_hidden = _classified(tuple([(one.act, one.section) for one in message.acts_sections]), is_stolen)
        _check_whole(message, is_hidden=is_hidden or message.is_sensitive)
        _check_years(message)
        place = message.place or _NOWHERE
        latitude, longitude = _thousandths(place.lat), _thousandths(place.lon)
        claimed, arrived = message.registered_at.timestamp(), record.arrived_at.timestamp()
        if claimed > arrived + IN_FUTURE:
            raise _Unfit("registered_in_future")
        return _Fit(record, message, place, message.complainant or _NOBODY, head, latitude, longitude, claimed, arrived)

    def _table(self, fit: Sequence[_Fit]) -> pa.Table:
        """Column by column, as their times are counted together in a fraction of the time."""
        records, messages, places, complainants, heads, latitudes, longitudes, claimed, arrived = zip(*fit, strict=True)
        columns: dict[str, Any] = {
            **{name: _each(name, messages) for name in _PARTS},
            **{name: _each(part, places) for name, part in _OF_PLACE.items()},
            **{name: _each(part, complainants) for name, part in _OF_COMPLAINANT.items()},
            **{name: _each(name, records) for name in ("arrived_at", "shard", "sequence")},
            **{name: [self._encode(getattr(one, name)).decode() for one in messages] for name in _LISTS},
            "lat_milli": latitudes,
            "lon_milli": longitudes,
            "block_lat": [_block(one) for one in latitudes],
            "block_lon": [_block(one) for one in longitudes],
            "major_head": heads,
            "md5": [_digest(record.data) for record in records],
            "station": [_station(message) for message in messages],
            **self._counted(messages, np.array(claimed), np.array(arrived)),
        }
        return pa.table([pa.array(columns[field.name], field.type) for field in ARRIVED], ARRIVED)

    def _counted(self, messages: Sequence[Message], claimed: Seconds, arrived: Seconds) -> dict[str, Any]:
        """What rules count by: those columns of COUNTED that are made of times."""
        is_ahead = claimed > arrived + MOST_AHEAD
        event = np.where(is_ahead, arrived, claimed)
        occurred = [
            one.occurred_from.timestamp() if one.occurred_from is not None else otherwise
            for one, otherwise in zip(messages, event.tolist(), strict=True)
        ]
        local, late = self._calendar.locals(event), arrived - event
        is_admitted = late <= HORIZON
        return {
            "hour_number": local // HOUR,
            "block_number": local // BLOCK,
            "day_number": local // DAY,
            "occurred_day": self._calendar.locals(np.array(occurred)) // DAY,
            "registered_s": event,
            "claimed_s": claimed,
            "arrived_s": arrived,
            "is_admitted": is_admitted,
            "is_counted": is_admitted & np.array([one.kind == "registered" for one in messages]),
            "is_in_time": arrived <= self._calendar.blocks_end(local // BLOCK) + GRACE,
            "is_known": late <= KNOWN_DAYS * DAY,
            "is_ahead": is_ahead,
        }


@lru_cache(maxsize=10_000)
def _classified(acts: tuple[tuple[str, str], ...], is_vehicle_stolen: bool) -> tuple[str, bool]:
    """The major head, and whether a section is a sensitive one; few combinations make up nearly all reports."""
    return head_of(acts, is_vehicle_stolen=is_vehicle_stolen), is_sensitive(acts)


def _check_whole(message: Message, *, is_hidden: bool) -> None:
    """What fields must be together."""
    if (message.kind == "registered") != (message.version == 1):
        raise _Unfit("version_not_of_kind")
    if message.event_id != event_id(message.fir_id, message.version):
        raise _Unfit("event_id_not_of_version")
    area = f"{message.state}/{message.district}/"
    station, number = message.police_station, message.fir_no
    if is_hidden:
        told = (station, number, message.outside_station, message.gd_no, message.place, message.complainant)
        if any(told) or not message.is_sensitive or not message.fir_id.startswith(f"{area}~"):
            raise _Unfit("not_coarsened")
    elif station is None or number is None:
        raise _Unfit("missing:police_station" if station is None else "missing:fir_no")
    elif message.fir_id != f"{area}{station}/{message.fir_year}/{number}":
        raise _Unfit("bad_value:fir_id")


def _check_years(message: Message) -> None:
    """In another zone, a moment of the first or the last year may be none that anybody can write."""
    for number, moment in enumerate(_moments(message)):
        if moment is not None and not _FIRST_YEAR < moment.year < _LAST_YEAR:
            raise _Unfit(f"bad_value:{_MOMENTS[number]}")


def _each(name: str, of: Sequence[object]) -> list[Any]:
    """An attribute of each of them. Arrow takes lists in half the time that it needs for anything else."""
    return list(map(attrgetter(name), of))


def _station(message: Message) -> str | None:
    station = message.police_station
    return f"{message.state}/{message.district}/{station}" if station is not None else None


def _block(thousandths: int | None) -> int | None:
    return thousandths // _PLACE_BLOCK if thousandths is not None else None


def _thousandths(degrees: float | None) -> int | None:
    if degrees is None:
        return None
    found = degrees * 1_000.0
    nearest = round(found)
    if abs(found - nearest) > 1e-6:
        raise _Unfit("too_precise")
    return nearest


def _reason(error: str) -> str:
    """A reason for what the decoder says, without any value of the message."""
    if "unknown field" in error:
        return "unknown_field"
    if missing := _MISSING.search(error):
        return f"missing:{missing[1]}"
    place = _FIELD.search(error)
    name = place[1] if place else "schema"
    if name == "schema":
        return "not_fir_1"
    if "timezone" in error:
        return "no_zone"
    is_type = error.startswith("Expected") and ", got " in error
    return f"bad_type:{name}" if is_type else f"bad_value:{name}"


def _allowed(data: bytes) -> str:
    """Those fields of a message that fit by themselves, as JSON; nested ones are left out."""
    try:
        message = msgspec.json.decode(data) if len(data) <= LARGEST else None
    except (msgspec.DecodeError, RecursionError):
        message = None
    if not isinstance(message, dict):
        return "{}"
    kept, left_out = {}, set() if _is_open(message) else _OF_STATION
    for name, value in message.items():
        if name in _PARTS and name not in left_out and not isinstance(value, dict | list):
            try:
                msgspec.convert(value, _PARTS[name])
            except msgspec.ValidationError:
                continue
            kept[name] = value
    return msgspec.json.encode(kept).decode()


def _is_open(message: dict[str, Any]) -> bool:
    """Whether a message surely is about nothing that has to be hidden."""
    try:
        acts = msgspec.convert(message.get("acts_sections"), _PARTS["acts_sections"])
    except msgspec.ValidationError:
        return False
    return message.get("is_sensitive") is False and not is_sensitive(tuple((one.act, one.section) for one in acts))


def _digest(data: bytes) -> str:
    return md5(data, usedforsecurity=False).hexdigest()
