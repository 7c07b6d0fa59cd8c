"""Messages of the stream as rows, by the contract; what does not fit it is quarantined with the reason.

Nothing here remembers earlier messages: what a message becomes depends on its bytes and its arrival alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from hashlib import md5
from typing import Any

import msgspec
import pyarrow as pa

from crime_assets.incidents.contract import ARRIVED, FIELDS, LARGEST, Quarantined, Record, event_id
from crime_assets.incidents.heads import head_of, is_sensitive
from crime_assets.incidents.message import Message
from crime_assets.incidents.times import DAY, GRACE, HORIZON, IN_FUTURE, KNOWN_DAYS, MOST_AHEAD, Calendar

_PLACE_BLOCK = 5
"""Cells of a thousandth of a degree that make a block, north and east."""
_NAMES = tuple(field.name for field in FIELDS)
_FIELD = re.compile(r"`\$\.([a-z_]+)")
_MISSING = re.compile(r"missing required field `([a-z_]+)`")
_PARTS = {part.name: part.type for part in msgspec.structs.fields(Message)}


class _Unfit(Exception):
    """The reason why a message is no report."""


class Reader:
    """Types messages. One reader serves one thread."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._decoder = msgspec.json.Decoder(Message)
        self._encode = msgspec.json.Encoder().encode

    def read(self, records: Sequence[Record]) -> tuple[pa.Table, list[Quarantined]]:
        """The reports, as ARRIVED has them, in the order in which they came; and all other messages."""
        rows: list[tuple[Any, ...]] = []
        bad: list[Quarantined] = []
        for record in records:
            try:
                rows.append(self._row(self._message(record.data), record))
            except _Unfit as unfit:
                where = (record.shard, record.sequence, record.arrived_at, _digest(record.data), len(record.data))
                bad.append(Quarantined(str(unfit), *where, _allowed(record.data)))
        columns = zip(*rows, strict=True) if rows else ([] for _ in ARRIVED)
        arrays = [pa.array(column, field.type) for column, field in zip(columns, ARRIVED, strict=True)]
        return pa.table(arrays, ARRIVED), bad

    def _message(self, data: bytes) -> Message:
        if len(data) > LARGEST:
            raise _Unfit("too_large")
        try:
            return self._decoder.decode(data)
        except msgspec.ValidationError as error:
            raise _Unfit(_reason(str(error))) from error
        except (msgspec.DecodeError, RecursionError) as error:
            raise _Unfit("not_json") from error

    def _row(self, message: Message, record: Record) -> tuple[Any, ...]:
        is_stolen = any(vehicle.role == "stolen" for vehicle in message.vehicles)
        head, is_hidden = _classified(tuple([(one.act, one.section) for one in message.acts_sections]), is_stolen)
        _check_whole(message, is_hidden=is_hidden or message.is_sensitive)
        place, complainant = message.place, message.complainant
        kept = msgspec.structs.asdict(message)
        if place is not None:
            kept |= {"lat_milli": _thousandths(place.lat), "lon_milli": _thousandths(place.lon), "beat": place.beat}
            kept |= {"direction": place.direction, "distance_km": place.distance_km, "place_type": place.type}
        if complainant is not None:
            kept |= {"complainant_ref": complainant.ref, "complainant_gender": complainant.gender}
            kept["complainant_age_band"] = complainant.age_band
        kept["acts_sections"] = self._encode(message.acts_sections).decode()
        kept["vehicles"] = self._encode(message.vehicles).decode()
        kept |= {"major_head": head, "arrived_at": record.arrived_at, "md5": _digest(record.data)}
        return (*map(kept.get, _NAMES), *self._counted(kept), record.shard, record.sequence)

    def _counted(self, kept: dict[str, Any]) -> tuple[Any, ...]:
        """What rules count by: the columns of COUNTED but the last two."""
        registered, arrived = kept["registered_at"].timestamp(), kept["arrived_at"].timestamp()
        if registered > arrived + IN_FUTURE:
            raise _Unfit("registered_in_future")
        is_ahead = registered > arrived + MOST_AHEAD
        event = arrived if is_ahead else registered
        calendar, late = self._calendar, arrived - event
        block, day = calendar.block(event), calendar.day(event)
        occurred = kept.get("occurred_from")
        latitude, longitude = kept.get("lat_milli"), kept.get("lon_milli")
        station = kept.get("police_station")
        return (
            f"{kept['state']}/{kept['district']}/{station}" if station is not None else None,
            calendar.hour(event),
            block,
            day,
            calendar.day(occurred.timestamp()) if occurred is not None else day,
            latitude // _PLACE_BLOCK if latitude is not None else None,
            longitude // _PLACE_BLOCK if longitude is not None else None,
            event,
            registered,
            arrived,
            late <= HORIZON,
            late <= HORIZON and kept["kind"] == "registered",
            arrived <= calendar.block_ends(block) + GRACE,
            late <= KNOWN_DAYS * DAY,
            is_ahead,
        )


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
        told = (station, number, message.outside_station, message.place, message.complainant)
        if any(told) or not message.is_sensitive or not message.fir_id.startswith(f"{area}~"):
            raise _Unfit("not_coarsened")
    elif station is None or number is None:
        raise _Unfit("missing:police_station" if station is None else "missing:fir_no")
    elif message.fir_id != f"{area}{station}/{message.fir_year}/{number}":
        raise _Unfit("bad_value:fir_id")


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
    kept = {}
    for name, value in message.items() if isinstance(message, dict) else ():
        if name in _PARTS and not isinstance(value, dict | list):
            try:
                msgspec.convert(value, _PARTS[name])
            except msgspec.ValidationError:
                continue
            kept[name] = value
    return msgspec.json.encode(kept).decode()


def _digest(data: bytes) -> str:
    return md5(data, usedforsecurity=False).hexdigest()
