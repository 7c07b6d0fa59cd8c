"""The contract fir/1: what a report in the stream is, and which columns it becomes. `reading` types reports by it.

Names, addresses and what the complainant told are no fields, and no report that has others than these is taken.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha1
from typing import Literal, NamedTuple, get_args

import pyarrow as pa

SCHEMA = "fir/1"
LARGEST = 65_536
"""Bytes of a report."""
DIGITS = 3
"""Of a place's degrees: some 110 m."""
Kind = Literal["registered", "amended", "transferred", "cancelled"]
Information = Literal["written", "oral", "electronic"]
Gender = Literal["female", "male", "other", "unknown"]
AgeBand = Literal["18-29", "30-44", "45-59", "60+", "unknown"]
Role = Literal["stolen", "used", "seen"]
Known = Literal["yes", "no", "partly"]
Delay = Literal["none", "distance", "fear", "illness", "talks", "other"]
Action = Literal["investigation", "refused", "transferred"]
PlaceType = Literal["home", "shop", "street", "transport", "field", "office", "school", "worship", "other"]
Direction = Literal["N", "NE", "E", "SE", "S", "SW", "W", "NW"]

KINDS: tuple[str, ...] = get_args(Kind)
INFORMATION: tuple[str, ...] = get_args(Information)
GENDERS: tuple[str, ...] = get_args(Gender)
AGE_BANDS: tuple[str, ...] = get_args(AgeBand)
ROLES: tuple[str, ...] = get_args(Role)
KNOWN: tuple[str, ...] = get_args(Known)
DELAYS: tuple[str, ...] = get_args(Delay)
ACTIONS: tuple[str, ...] = get_args(Action)
PLACES: tuple[str, ...] = get_args(PlaceType)
DIRECTIONS: tuple[str, ...] = get_args(Direction)

_SPACE = uuid.UUID("6f1d1b6e-2a53-5f0e-9a64-6c0d8d3f5b11").bytes
_VARIANT = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))
"""Of a UUID's 17th digit, the upper two bits say who defined it."""


@dataclass(frozen=True)
class Field:
    """A column of a report: the name of its Iceberg type and what it means."""

    name: str
    type: str
    doc: str


FIELDS = (
    Field("event_id", "string", "Identifies the message; the same for each copy. See `event_id`."),
    Field("kind", "string", "registered, amended, transferred or cancelled."),
    Field("fir_id", "string", "state/district/station/year/number; where that would tell too much, a keyed hash."),
    Field("version", "int", "1 when registered, and one more with every change."),
    Field("state", "string", "Code of the state."),
    Field("district", "string", "Code of the police district."),
    Field("police_station", "string", "Code of the station; NULL for sensitive reports."),
    Field("fir_no", "int", "Number of the report at its station and in its year; NULL for sensitive reports."),
    Field("fir_year", "int", "Year of that number."),
    Field("registered_at", "timestamptz", "When the station registered it, by its clock; the same in all versions."),
    Field("is_zero_fir", "boolean", "Registered for another station, which has the place."),
    Field("outside_station", "string", "Station that has the place, of a zero FIR."),
    Field("outside_district", "string", "District that has the place, of a zero FIR."),
    Field("acts_sections", "string", "Acts and sections as a JSON array of {act, section}."),
    Field("major_head", "string", "Kind of crime, derived from acts and sections here."),
    Field("occurred_from", "timestamptz", "Earliest time at which it happened, where known."),
    Field("occurred_to", "timestamptz", "Latest time at which it happened, where known."),
    Field("received_at", "timestamptz", "When the station was told."),
    Field("gd_no", "string", "Number in the station's general diary."),
    Field("gd_time", "timestamptz", "Time of that entry."),
    Field("information_type", "string", "written, oral or electronic."),
    Field("lat_milli", "int", "Latitude in thousandths of a degree; NULL where unknown or sensitive."),
    Field("lon_milli", "int", "Longitude in thousandths of a degree; NULL where unknown or sensitive."),
    Field("beat", "string", "Beat of the station."),
    Field("direction", "string", "Direction from the station, such as NE."),
    Field("distance_km", "double", "Distance from the station, kilometers."),
    Field("place_type", "string", "Kind of place."),
    Field("complainant_ref", "string", "Keyed hash that tells whether two complainants are one; NULL if sensitive."),
    Field("complainant_gender", "string", "female, male, other or unknown."),
    Field("complainant_age_band", "string", "18-29, 30-44, 45-59, 60+ or unknown."),
    Field("vehicles", "string", "Vehicles as a JSON array of {ref, role}; ref is a keyed hash of the number plate."),
    Field("accused_known", "string", "Whether the accused are known: yes, no, partly."),
    Field("accused_count", "int", "How many."),
    Field("delay_reason", "string", "Why it was reported late."),
    Field("property_value_inr", "double", "Value of the property, rupees."),
    Field("action_taken", "string", "investigation, refused or transferred."),
    Field("is_sensitive", "boolean", "Sexual offences and minors: coarsened before the stream."),
    Field("sent_at", "timestamptz", "When it was sent, by the sender's clock."),
    Field("arrived_at", "timestamptz", "When the stream took it, by the stream's clock."),
    Field("md5", "string", "Digest of the message as it came."),
)
"""A report as it is kept, column by column."""

_ARROW = {
    "string": pa.string(),
    "int": pa.int32(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "timestamptz": pa.timestamp("us", tz="UTC"),
}
COUNTED = pa.schema(
    [
        # state/district/police_station; NULL for sensitive reports.
        ("station", pa.string()),
        ("hour_number", pa.int32()),
        ("block_number", pa.int32()),
        ("day_number", pa.int32()),
        # Day on which it happened, or was registered if that is not known.
        ("occurred_day", pa.int32()),
        ("block_lat", pa.int32()),
        ("block_lon", pa.int32()),
        # Seconds since 1970: registered as far as the station's clock is believed.
        ("registered_s", pa.float64()),
        # Seconds since 1970: registered, whatever the clock says.
        ("claimed_s", pa.float64()),
        ("arrived_s", pa.float64()),
        # Arrived soon enough for rules to count it.
        ("is_admitted", pa.bool_()),
        # That, and of kind registered.
        ("is_counted", pa.bool_()),
        # Arrived before its block of six hours was closed.
        ("is_in_time", pa.bool_()),
        ("is_known", pa.bool_()),
        ("is_ahead", pa.bool_()),
        ("shard", pa.string()),
        ("sequence", pa.string()),
    ]
)
"""What rules count by, computed when a report is read."""

ARRIVED = pa.schema([*((field.name, _ARROW[field.type]) for field in FIELDS), *COUNTED])


@dataclass(frozen=True, slots=True)
class Record:
    """A message of the stream as it came."""

    shard: str
    sequence: str
    arrived_at: datetime
    data: bytes


class Quarantined(NamedTuple):
    """A message that is no report of the contract.

    `kept` are those of its fields that the contract allows, as JSON: values of others, and text that cannot be read,
    could be names. They stay readable in the stream, by shard and sequence, for as long as that keeps them.
    """

    reason: str
    shard: str
    sequence: str
    arrived_at: datetime
    md5: str
    size: int
    kept: str


def event_id(fir_id: str, version: int) -> str:
    """The identity of a version of a report, a UUID of version 5: who sends it again, sends the same."""
    # As uuid.uuid5 makes it, in a fifth of the time.
    text = sha1(_SPACE + f"{fir_id}#{version}".encode(), usedforsecurity=False).hexdigest()
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:32]}"
