"""The sample department's tables as documents, and what a document of any mapping is called.

A crime's attributes have the names of the city's own fields, so that the feed needs no table of names.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict

from crime_assets.core.errors import StoreError
from crime_assets.migration.columns import Column, Kind
from crime_assets.migration.documents import Child, DocumentMapping, Index
from crime_assets.migration.progress import Key

_SIGNS = re.compile(r"[%#\x00-\x1f\x7f]")
_WRITTEN = re.compile(r"%([0-9A-F]{2})")


def document_id(mapping: DocumentMapping, key: Key) -> str:
    """Such as `crime#10224738`: the kind and the key's parts, joined by `#`, in which some signs are written %23."""
    return "#".join([mapping.kind, *(_SIGNS.sub(lambda sign: f"%{ord(sign[0]):02X}", part) for part in key)])


def key_of(mapping: DocumentMapping, document: str) -> Key:
    """The key in a document's id. StoreError if it is no id of the mapping."""
    parts = document.split("#")[1:]
    key = tuple(_WRITTEN.sub(lambda code: chr(int(code[1], 16)), part) for part in parts)
    if len(key) != len(mapping.key) or document_id(mapping, key) != document:
        raise StoreError(
            f"{document!r} is no id of a {mapping.kind}: somebody else wrote to the store, so remove that document."
        )
    return key


def fingerprint(mappings: Iterable[DocumentMapping]) -> str:
    """SHA-256 of what is declared: another declaration makes other documents."""
    told = [asdict(mapping) | {"left_out": sorted(mapping.left_out)} for mapping in mappings]
    return hashlib.sha256(json.dumps(told, default=lambda kind: kind.value).encode()).hexdigest()


def _number(name: str, precision: int, scale: int = 0, attribute: str = "") -> Column:
    return Column(name, Kind.NUMBER, attribute, precision=precision, scale=scale)


def _padded(name: str, width: int) -> Column:
    return Column(name, Kind.PADDED, width=width)


def _flag(name: str) -> Column:
    return Column(name, Kind.FLAG, true="Y", false="N")


CRIME = DocumentMapping(
    kind="crime",
    table="crimes",
    key=("id",),
    columns=(
        _number("id", 10, attribute="crime_id"),
        Column("case_number", Kind.TEXT),
        Column("date", Kind.DATE),
        Column("block", Kind.TEXT),
        _padded("iucr", 5),
        Column("primary_type", Kind.TEXT),
        Column("description", Kind.TEXT),
        Column("location_description", Kind.TEXT),
        _flag("arrest"),
        _flag("domestic"),
        _padded("beat", 4),
        _padded("district", 3),
        _number("ward", 3),
        _number("community_area", 3),
        Column("fbi_code", Kind.TEXT),
        _number("x_coordinate", 10),
        _number("y_coordinate", 10),
        _number("year", 4),
        Column("updated_on", Kind.TIME),
        _number("latitude", 12, 9),
        _number("longitude", 12, 9),
        Column("location", Kind.TEXT),
    ),
    children=(
        Child(
            table="crime_roles",
            attribute="roles",
            parent=("crime_id",),
            key=("role_no",),
            columns=(_number("role_no", 3), Column("role", Kind.TEXT), _padded("sex", 1), _number("age", 3)),
        ),
        Child(
            table="crime_notes",
            attribute="notes",
            parent=("crime_id",),
            key=("number",),
            columns=(_number("number", 12), Column("written_at", Kind.TIME_ZONE), Column("comment", Kind.LARGE)),
        ),
    ),
    derived=(
        # One key of an index takes a thousand writes a second: a district's day is small enough.
        ("district_day", """rtrim(district) || '#' || left("date", 10)"""),
        ("occurred", """replace("date", ' ', 'T') || '#' || id"""),
    ),
    indexes=(Index("by_case", "case_number", "id"), Index("by_district_day", "district_day", "occurred")),
)
"""A crime with the roles of persons, who have no names, and its notes."""

CODE = DocumentMapping(
    kind="code",
    table="offense_codes",
    key=("code_set", "code"),
    columns=(
        Column("code_set", Kind.TEXT),
        Column("code", Kind.TEXT),
        _padded("title", 60),
        Column("comment", Kind.TEXT),
    ),
)
"""An offense code. It lies in no crime: one changed code would change a hundred thousand documents."""

ALL = (CRIME, CODE)
