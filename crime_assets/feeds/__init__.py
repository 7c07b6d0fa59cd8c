"""Where records come from. One interface, `Feed`; socrata, export and sample stand side by side.

A feed only reads its source. Windows, batches, envelopes and typing are not its business.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Protocol

import pyarrow as pa

Record = dict[str, object]
"""A source's record as its API would return it: field names of the API, texts verbatim, empty fields absent."""

DAMAGE = "_damage"
RAW = "_raw"


class Feed(Protocol):
    """A city's records. Change days are inclusive, in the city's own clock."""

    name: str

    def columns(self) -> frozenset[str]:
        """Field names that the source publishes now."""

    def latest_day(self) -> date:
        """The last change day that the source has completed."""

    def changes(self, first: date, last: date) -> Iterator[Record]:
        """Every record whose latest change stamp is on a day from `first` to `last`, in no promised order.

        A record may come twice; a record that is incomplete but whose stamp can be read comes as it is.
        Raises FeedError if the source cannot be read completely.
        """

    def count(self, first: date, last: date) -> int:
        """How many records `changes(first, last)` should yield, as the source counts them."""

    def undated(self) -> int:
        """How many records and damaged lines of the source belong to no change day, and so to no `changes`.

        `history` has them; those that come to the source after it was loaded must at least be noticed.
        """

    def history(self, before: date) -> pa.RecordBatchReader:
        """Every record with a change stamp before `before`, and those that belong to no change day.

        One column per source field: texts as string, flags as bool, objects as canonical JSON in a string column
        whose field metadata is {"json": "true"}. Two more string columns, both NULL for a whole record: `_damage`
        (why a line cannot be a record) and `_raw` (that line as it stands, all other columns NULL).
        Memory is bounded; nothing promises an order or one row per key.
        """
