"""What leaves a station: its full report becomes a message of fir/1, before the stream.

Only what is listed here is taken, and of that only codes, times, numbers and words of closed lists: no sentence that
somebody wrote can pass, in whatever field it stands. People and number plates become keyed hashes; of sexual offences
and of children, nothing is left that tells the place or the person. Typing what comes out of the stream does not
belong here.

A full report has the fields of the message (but `event_id`, which follows from the others), and beside them, all of
them optional: in `complainant` name, parent, born (ISO date), age, passport, phone, address; in `place` address and
exact degrees; in `vehicles` plate instead of ref; victims and accused as lists of {name, age}; narrative.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from hashlib import sha256
from math import isfinite
from typing import Any

from crime_assets.incidents.contract import (
    ACTIONS,
    AGE_BANDS,
    DELAYS,
    DIGITS,
    DIRECTIONS,
    GENDERS,
    INFORMATION,
    KINDS,
    KNOWN,
    PLACES,
    ROLES,
    SCHEMA,
    event_id,
)
from crime_assets.incidents.heads import is_sensitive

OF_AGE = 18
_BLOCK = 64
"""Bytes of a block of SHA-256, to which HMAC fills a key up (RFC 2104)."""
_FROM_AGE = (18, 30, 45, 60)
_IS_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}").fullmatch
_IS_ACT = re.compile(r"[A-Z][A-Z0-9]{1,11}").fullmatch
_IS_SECTION = re.compile(r"[0-9]{1,4}[A-Z]{0,2}(\([0-9A-Za-z]{1,4}\))*").fullmatch
_IS_DAY = re.compile(r"\d{4}-\d\d-\d\d").fullmatch
_IS_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?").fullmatch
_Keep = Callable[[Any], Any]


Hasher = Callable[[str, str], str]
"""Keyed hashes of a kind and a text, such as "K1a2b3c-" and 16 hexadecimal digits; equal texts of different kinds have
different ones."""


def keyed(key: bytes) -> Hasher:
    """Hashes with a key of 32 bytes that is at hand; a lake's key is not, see `governance.keys`."""
    filled = key.ljust(_BLOCK, b"\0")
    mark = f"K{sha256(b'crime-assets mask key ' + key).hexdigest()[:6]}-"
    inner, outer = (sha256(bytes(byte ^ pad for byte in filled)) for pad in (0x36, 0x5C))

    def hashed(kind: str, text: str) -> str:
        first, second = inner.copy(), outer.copy()
        first.update(f"{kind}\0{text}".encode())
        second.update(first.digest())
        return mark + second.hexdigest()[:16]

    return hashed


def plate_ref(plate: str, hashed: Hasher) -> str:
    """The reference of a number plate, however it is written: DL 3C AB-1234 and dl3cab1234 are one."""
    return hashed("plate", "".join(filter(str.isalnum, plate)).upper())


def complainant_ref(person: Mapping[str, Any], hashed: Hasher) -> str | None:
    """The reference of a person by name, parent's name and day of birth; None without all of the three."""
    told = [" ".join(str(person.get(part) or "").casefold().split()) for part in ("name", "parent", "born")]
    return hashed("complainant", "\n".join(told)) if all(told) else None


def masked(full: Mapping[str, Any], hashed: Hasher) -> dict[str, Any]:
    """The message of a full report. ValueError, which names no value, if the report cannot be told from others.

    A report that says `is_sensitive` is taken for it, whatever its sections: so it stays that after an amendment.
    """
    acts, is_hidden = _acts(full.get("acts_sections"))
    ages = [_age(person, full.get("registered_at")) for person in _people(full)]
    is_hidden |= full.get("is_sensitive") is True or any(age is not None and age < OF_AGE for age in ages)
    fir_id = _fir_id(full)
    if is_hidden:
        fir_id = f"{full['state']}/{full['district']}/~{hashed('fir', fir_id)}"
    version = full.get("version")
    message = {
        "schema": SCHEMA,
        "event_id": event_id(fir_id, version) if type(version) is int else None,
        "fir_id": fir_id,
        "acts_sections": acts,
        "vehicles": _vehicles(full.get("vehicles"), hashed) or None,
        "is_sensitive": is_hidden,
        **_kept(full, _ALWAYS),
    }
    if not is_hidden:
        message |= _kept(full, _PLAIN)
        message["place"] = _kept(full.get("place") or {}, _PLACE) or None
        message["complainant"] = _complainant(full.get("complainant") or {}, ages[0], hashed)
    return {name: value for name, value in message.items() if value is not None}


def _fir_id(full: Mapping[str, Any]) -> str:
    for name in ("state", "district", "police_station"):
        if _code(full.get(name)) is None:
            raise ValueError(f"a report has no {name} that is a code")
    for name in ("fir_year", "fir_no"):
        if type(full.get(name)) is not int:
            raise ValueError(f"a report has no {name}")
    return "{state}/{district}/{police_station}/{fir_year}/{fir_no}".format_map(full)


def _acts(told: Iterable[Mapping[str, Any]] | None) -> tuple[list[dict[str, str]], bool]:
    """Acts and sections that are such, and whether they are sensitive: what cannot be judged is taken for it."""
    judged = [_judged(str(one.get("act", "")), str(one.get("section", ""))) for one in told or ()]
    acts = [one for one in judged if one is not None]
    return [{"act": act, "section": section} for act, section in acts], not acts or None in judged or is_sensitive(acts)


@lru_cache(10_000)
def _judged(act: str, section: str) -> tuple[str, str] | None:
    act, section = act.upper().replace(".", ""), section.replace(" ", "").upper()
    return (act, section) if _IS_ACT(act) and _IS_SECTION(section) else None


def _people(full: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    yield full.get("complainant") or {}
    yield from full.get("victims") or ()
    yield from full.get("accused") or ()


def _age(person: Mapping[str, Any], registered_at: Any) -> int | None:
    """As it was told, else by the day of birth; in whole years."""
    told = person.get("age")
    if (isinstance(told, int | float) and isfinite(told)) or (isinstance(told, str) and told.strip().isdecimal()):
        return int(told)
    born = person.get("born")
    if not (isinstance(born, str) and _IS_DAY(born) and _time(registered_at)):
        return None
    day = str(registered_at)
    return int(day[:4]) - int(born[:4]) - (day[5:10] < born[5:10])


def _complainant(person: Mapping[str, Any], age: int | None, hashed: Hasher) -> dict[str, str] | None:
    if not person:
        return None
    gender, ref = person.get("gender"), complainant_ref(person, hashed)
    return {
        **({"ref": ref} if ref else {}),
        "gender": gender if gender in GENDERS else "unknown",
        "age_band": "unknown" if age is None else AGE_BANDS[sum(age >= start for start in _FROM_AGE) - 1],
    }


def _vehicles(told: Iterable[Mapping[str, Any]] | None, hashed: Hasher) -> list[dict[str, str]]:
    return [
        {"ref": plate_ref(one["plate"], hashed), "role": one["role"]}
        for one in told or ()
        if one.get("role") in ROLES and any(map(str.isalnum, str(one.get("plate") or "")))
    ]


def _kept(told: Mapping[str, Any], fields: Mapping[str, _Keep]) -> dict[str, Any]:
    """The fields that are there and may pass."""
    kept = {}
    for name, keep in fields.items():
        value = told.get(name)
        if value is not None and (passed := keep(value)) is not None:
            kept[name] = passed
    return kept


def _code(value: Any) -> str | None:
    return value if isinstance(value, str) and _IS_CODE(value) else None


def _numbered(value: Any) -> str | None:
    return _code(value) if any(map(str.isdigit, str(value))) else None


def _time(value: Any) -> str | None:
    return value if isinstance(value, str) and _IS_TIME(value) else None


def _whole(value: Any) -> int | None:
    return value if type(value) is int else None


def _number(value: Any) -> float | None:
    return value if type(value) in (int, float) and isfinite(value) else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _degrees(value: Any) -> float | None:
    return None if _number(value) is None else round(float(value), DIGITS)


def _among(words: tuple[str, ...]) -> _Keep:
    listed = frozenset(words)
    return lambda value: value if isinstance(value, str) and value in listed else None


_ALWAYS: Mapping[str, _Keep] = {
    "kind": _among(KINDS),
    "version": _whole,
    "state": _code,
    "district": _code,
    "fir_year": _whole,
    "registered_at": _time,
    "is_zero_fir": _flag,
    "outside_district": _code,
    "occurred_from": _time,
    "occurred_to": _time,
    "received_at": _time,
    "gd_time": _time,
    "information_type": _among(INFORMATION),
    "accused_known": _among(KNOWN),
    "accused_count": _whole,
    "delay_reason": _among(DELAYS),
    "property_value_inr": _number,
    "action_taken": _among(ACTIONS),
    "sent_at": _time,
}
"""Fields of any report, and what of them may pass."""
_PLAIN: Mapping[str, _Keep] = {
    "police_station": _code,
    "fir_no": _whole,
    "outside_station": _code,
    "gd_no": _numbered,
}
"""Fields that tell where it was, or which entry of a station's diary."""
_PLACE: Mapping[str, _Keep] = {
    "lat": _degrees,
    "lon": _degrees,
    "beat": _numbered,
    "direction": _among(DIRECTIONS),
    "distance_km": _number,
    "type": _among(PLACES),
}
