"""The form of a message of fir/1, field by field. A message with a field that is not here is refused."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from crime_assets.incidents import contract

Code = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._()-]{0,39}$")]
Ref = Annotated[str, Meta(pattern=r"^K[0-9a-f]{6}-[0-9a-f]{16}$")]
"""A keyed hash: the first part tells keys apart."""
Moment = Annotated[datetime, Meta(tz=True)]
_Several = Meta(max_length=20)
_CODES = r"[A-Za-z0-9 ._()-]+"
# After a tilde a keyed hash alone: a station and number there, or a name, would tell what was to be hidden.
_FIR_ID = rf"^{_CODES}/{_CODES}/(~K[0-9a-f]{{6}}-[0-9a-f]{{16}}|{_CODES}/[0-9]+/[0-9]+)$"


class Part(Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Any object of a message."""


class Act(Part):
    """A section of an act."""

    act: Code
    section: Code


class Place(Part):
    """Where it happened: coordinates to three digits, no address."""

    lat: Annotated[float, Meta(ge=-90, le=90)] | None = None
    lon: Annotated[float, Meta(ge=-180, le=180)] | None = None
    beat: Code | None = None
    direction: contract.Direction | None = None
    distance_km: Annotated[float, Meta(ge=0, le=1_000)] | None = None
    type: contract.PlaceType | None = None


class Complainant(Part):
    """Who reported it, as far as the stream may know."""

    ref: Ref | None = None
    gender: contract.Gender | None = None
    age_band: contract.AgeBand | None = None


class Vehicle(Part):
    """A vehicle and what it has to do with it."""

    ref: Ref
    role: contract.Role


class Message(Part):
    """A version of a report. Optional fields may be NULL, which says the same as leaving them out."""

    schema: Literal["fir/1"]
    event_id: Annotated[str, Meta(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    kind: contract.Kind
    fir_id: Annotated[str, Meta(pattern=_FIR_ID, max_length=200)]
    version: Annotated[int, Meta(ge=1, le=10_000)]
    state: Code
    district: Code
    fir_year: Annotated[int, Meta(ge=1970, le=2200)]
    registered_at: Moment
    acts_sections: Annotated[list[Act], _Several]
    is_sensitive: bool
    police_station: Code | None = None
    fir_no: Annotated[int, Meta(ge=1, le=10_000_000)] | None = None
    is_zero_fir: bool | None = None
    outside_station: Code | None = None
    outside_district: Code | None = None
    occurred_from: Moment | None = None
    occurred_to: Moment | None = None
    received_at: Moment | None = None
    gd_no: Code | None = None
    gd_time: Moment | None = None
    information_type: contract.Information | None = None
    place: Place | None = None
    complainant: Complainant | None = None
    vehicles: Annotated[list[Vehicle], _Several] = []
    accused_known: contract.Known | None = None
    accused_count: Annotated[int, Meta(ge=0, le=100_000)] | None = None
    delay_reason: contract.Delay | None = None
    property_value_inr: Annotated[float, Meta(ge=0, le=1e13)] | None = None
    action_taken: contract.Action | None = None
    sent_at: Moment | None = None
