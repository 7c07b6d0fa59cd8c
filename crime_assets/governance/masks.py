"""What a mask makes of a value. Masks are applied where a gate is made, before anything that a reader writes.

The key of a keyed hash is given as a parameter of the statement: it is in no text, and never in a worker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from crime_assets.core.errors import UsageError
from crime_assets.lakehouse.iceberg.duck import identifier, literal

PLACE = ("latitude", "longitude")
"""Columns that a cell replaces together, and only together: one of them alone would say more than the cell."""
PLANE = ("x_coordinate", "y_coordinate")
"""The same place in another system: never shown where the place is masked."""


@dataclass(frozen=True)
class Kind:
    """A kind of mask: the name of its one option, and the values that it may have."""

    option: str
    values: tuple[int | str, ...]


MASKS: Mapping[str, Kind] = {
    # HMAC-SHA256: equal values stay equal, and nothing else of them is left.
    "keyed_hash": Kind("length", tuple(range(12, 65))),
    # The centre of an H3 cell: of resolution 8 (0.74 square kilometres), or larger.
    "h3_center": Kind("resolution", tuple(range(3, 10))),
    "truncate": Kind("to", ("hour", "day", "month", "year")),
}


@dataclass(frozen=True)
class Mask:
    """A mask with its option's value."""

    kind: str
    value: int | str

    def __str__(self) -> str:
        return f"{self.kind} ({MASKS[self.kind].option} {self.value})"


def check_fits(mask: Mask, column: str, type_name: str) -> None:
    """UsageError if a mask cannot be applied to a column of `crimes` of this type."""
    fits = {
        "keyed_hash": type_name == "string",
        "h3_center": column in (*PLACE, *PLANE),
        "truncate": type_name in {"timestamp", "timestamptz"},
    }[mask.kind]
    if not fits:
        raise UsageError(f"The mask {mask} does not fit the column {column}, which is a {type_name}.")


def masked(mask: Mask, column: str) -> str:
    """The DuckDB expression of a masked column.

    A keyed hash needs the parameters $inner, $outer and $mark (`keys.MaskKey`), a cell the table `cells` beside
    `permitted`.
    """
    name = f"permitted.{identifier(column)}"
    match mask.kind:
        case "keyed_hash":
            inner = f"sha256($inner || encode({name}))"
            return f"$mark || left(sha256($outer || unhex({inner})), {int(mask.value)})"
        case "h3_center":
            return f"cells.{column}"
        case _:
            return f"date_trunc({literal(str(mask.value))}, {name})::TIMESTAMP"
