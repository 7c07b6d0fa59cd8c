"""The warehouse of live reports: one row a report, loaded from deliveries, each object once.

`addresses` says where it is, `loading` in which order reports are loaded, `postgres` and `redshift` what differs; the
statements are in `sql/warehouse`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

from crime_assets.streams import LandingStore


@dataclass(frozen=True)
class Loaded:
    """What a transaction has done."""

    objects: int
    """Objects that were loaded; the others had been before."""
    reports: int
    """Lines of those objects."""
    changed: int
    """Rows of the history that are new, or newer than they were."""


@dataclass(frozen=True)
class MonthFigures:
    """What the history has of a month (UTC): two that have the same rows have the same figures."""

    month: date
    """Its first day."""
    reports: int
    versions: int
    """The sum of the versions of its reports."""
    newest: datetime
    """When the last of them was registered (UTC)."""


class Warehouse(Protocol):
    """Tables `fir_history`, one row a report, and `fir_ledger`, one row an object. Building one opens nothing."""

    def prepare(self) -> None:
        """Make the tables unless they are there. WarehouseError if that cannot be done."""

    def load(self, store: LandingStore, keys: Sequence[str]) -> Loaded:
        """Load the objects that the ledger does not have, in one transaction; several may load at once.

        Which rows the history has in the end depends on the set of objects alone: not on their order, nor on how often
        they are given, nor on who was stopped in between. LandingError if an object cannot be read, WarehouseError if
        the warehouse cannot be reached or refuses it; then nothing was loaded.
        """

    def figures(self) -> list[MonthFigures]:
        """The history month by month, in order. WarehouseError if it cannot be asked."""

    def last(self, prefix: str) -> str | None:
        """The last key, in order, of the objects below a prefix that were loaded; None if none was."""

    def newest(self, most: int) -> list[dict[str, Any]]:
        """At most so many rows of the history, by FIELDS: those that were registered last."""
