"""Which columns say more than the mask of another one lets see: a mask hides nothing that stands beside it."""

from __future__ import annotations

from collections.abc import Mapping

from crime_assets.governance.masks import PLACE, PLANE, Mask
from crime_assets.governance.scopes import Scope

DIGESTS = ("record_md5",)
"""Digests of whole records: who guesses what a mask hides can see whether it was right."""

AREAS: Mapping[str, int] = {"block": 15, "beat": 7, "community_area": 6, "ward": 6, "district": 6}
"""Area → the finest H3 resolution whose cells are larger.

Chicago has 606 square kilometres: 277 beats of 2.2, 77 community areas of 7.9, 50 wards of 12 and 23 districts of 26;
cells of resolution 8 have 0.7, of 7 5.2, and of 6 36.
"""

_OF_DAY = ("hour", "time_of_day")
_DAYS = ("occurred_on", "iso_weekday")
# Numbers are given in the order in which crimes are reported, and most crimes are published a week after they occurred.
_ABOUT_THEN = ("id", "case_number", "reported_at", "updated_on", "change_day", "ingested_at")

TIMES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "occurred_at": {
        "hour": (),
        "day": _OF_DAY,
        "month": (*_OF_DAY, *_DAYS, *_ABOUT_THEN),
        "year": (*_OF_DAY, *_DAYS, "month", *_ABOUT_THEN),
    },
    "reported_at": {
        "hour": (),
        "day": (),
        "month": ("id", "case_number", "change_day", "ingested_at", "updated_on"),
        "year": ("id", "case_number", "change_day", "ingested_at", "updated_on"),
    },
    # A change is pulled on the day after it.
    "updated_on": {
        "hour": (),
        "day": (),
        "month": ("change_day", "ingested_at"),
        "year": ("change_day", "ingested_at"),
    },
    "ingested_at": {
        "hour": (),
        "day": (),
        "month": ("change_day", "updated_on"),
        "year": ("change_day", "updated_on"),
    },
}
"""Time → what it is truncated to → columns that say more of it."""

_CODES = ("iucr", "offense_code", "description", "nibrs_code")

TEXTS: Mapping[str, tuple[str, ...]] = {
    "case_number": (),
    "report_type": (),
    "offense_code": ("description",),
    "nibrs_code": ("offense_code", "description"),
    "nibrs_offense": ("fbi_code", *_CODES),
    "neighborhood": ("beat", "block", *PLACE, *PLANE),
    "block": (*PLACE, *PLANE),
    "iucr": ("description",),
    "primary_type": ("primary_type_published", *_CODES, "fbi_code"),
    "primary_type_published": ("primary_type", *_CODES, "fbi_code"),
    "description": ("iucr",),
    "location_description": (),
    "beat": ("block", *PLACE, *PLANE),
    "district": ("beat", "block", *PLACE, *PLANE),
    "fbi_code": ("iucr", "primary_type", "primary_type_published", "description"),
    "offense_class": (
        *("is_violent", "is_property", "is_index", "fbi_code", "nibrs_offense", *_CODES),
        *("primary_type", "primary_type_published"),
    ),
    "time_of_day": ("hour", "occurred_at"),
    "record_md5": (),
}
"""Text → columns that say what it was, wholly or nearly, where it is hashed: of all texts of crimes."""


def finer_than_masks(scope: Scope) -> list[str]:
    """Columns seen clear that say more of another one than its mask does."""
    finer: list[str] = []
    for column, mask in scope.columns.items():
        if mask is not None:
            finer += [*_finer(column, mask), *DIGESTS]
    return [name for name in dict.fromkeys(finer) if name in scope.columns and scope.columns[name] is None]


def _finer(column: str, mask: Mask) -> tuple[str, ...]:
    """The columns that say more of a column than its mask."""
    match mask.kind:
        case "h3_center":
            return tuple(name for name, finest in AREAS.items() if int(mask.value) <= finest)
        case "truncate":
            return TIMES.get(column, {}).get(str(mask.value), ())
        case _:
            return TEXTS.get(column, ())
