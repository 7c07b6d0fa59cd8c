"""Where records come from. One interface, `Feed`; socrata, export and sample stand side by side.

A feed only reads its source. It knows nothing about windows, batches, envelopes or typing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple, Protocol, runtime_checkable

import pyarrow as pa

Record = dict[str, object]
"""A source's record as its API would return it: field names of the API, texts verbatim, empty fields absent."""

DAMAGE = "_damage"
RAW = "_raw"
EARLY = "its change stamp lies in the future"
"""Why a sound record of a future day is kept as damage: it will come again with its day."""


@dataclass(frozen=True)
class History:
    """A source's history in parts, each small enough to be held in memory: usually one month of occurrence.

    A part has one column per source field: texts as string (perhaps encoded by a dictionary), flags as bool, objects as
    canonical JSON in a string column whose field metadata is {"json": "true"}; flags may also come like that. Two more
    string columns are usually NULL: `_damage` (why a line cannot be a record) and `_raw` (that line as it stands, all
    other columns NULL). A record with a value that is not of its column's kind has that value as text, and its own
    canonical JSON in `_raw`.
    Nothing promises an order, one row per key, or that rows of a month are in one part.
    """

    source: str
    """Identifies the history: with another text, parts of the same name may hold something else."""
    parts: Sequence[str]
    read: Callable[[str], pa.Table]


@dataclass(frozen=True)
class Publication:
    """All that a source without change stamps holds at one time."""

    day: date
    """When it was published last, on the city's clock."""
    version: str
    """Another text, if anything in it may be different."""
    tables: Callable[[], Iterator[pa.Table]]
    """Reads it, some records at a time: tables with columns like those of a part of History, or some of them."""


class Stamps(NamedTuple):
    """How many records there are, and the sums of the parts of their change stamps (whole numbers, city's clock).

    An edit only ever increases a stamp. So if both sides have the same ids, and one side has no stamp newer than the
    other's, the sums are equal only if every stamp is: missed edits cannot cancel one another out.
    """

    records: int = 0
    years: int = 0
    months: int = 0
    days: int = 0
    hours: int = 0
    minutes: int = 0
    seconds: int = 0

    def plus(self, other: Stamps) -> Stamps:
        """The sums of both together."""
        return Stamps(*map(sum, zip(self, other, strict=True)))


class Feed(Protocol):
    """A city's records: a StampedFeed or a PublishedFeed."""

    name: str

    def columns(self) -> frozenset[str]:
        """Field names that the source publishes now."""

    def latest_day(self) -> date:
        """The last change day that the source has completed."""

    def total(self) -> int | None:
        """How many records the source holds in all; None if it is always complete, like a service.

        A file may be incomplete.
        """

    def undated(self) -> int:
        """How many records and damaged lines of the source belong to no change day, and so are never pulled.

        `history` has them; any that the source gains after the history was loaded must at least be noticed.
        """

    def history(self, before: date) -> AbstractContextManager[History]:
        """Every record with a change stamp before `before`, and those that belong to no change day; without change
        stamps, every record.

        What the feed keeps on disk for this is removed if the context ends without an exception; otherwise the next
        attempt finds it.
        """


@runtime_checkable
class PublishedFeed(Feed, Protocol):
    """Records without change stamps: whatever differs from what is known has changed."""

    def publication(self) -> Publication:
        """What the source holds now. FeedError, also while it is read, if it cannot be read completely."""


@runtime_checkable
class StampedFeed(Feed, Protocol):
    """Records with change stamps. Change days are inclusive, in the city's own clock."""

    def changes(self, first: date, last: date) -> Iterator[Record]:
        """Every record whose latest change stamp is on a day from `first` to `last`, in no promised order.

        A record may come twice; an incomplete record whose stamp can be read comes as it is.
        Raises FeedError if the source cannot be read completely.
        """

    def count(self, first: date, last: date) -> int:
        """How many records `changes(first, last)` should yield, as the source counts them."""

    def month_stamps(self, until: date) -> dict[date | None, Stamps]:
        """The stamps of records with a change stamp up to `until`, by month of occurrence (the month's first day).

        Key None: records without a readable time of occurrence, or with one outside the years 1900 to 2100.
        """

    def month_records(self, months: Collection[date | None], until: date) -> Iterator[Record]:
        """The records that `month_stamps(until)` counts for these months, in no promised order.

        A record may come twice. Raises FeedError if the source cannot be read completely.
        """

    def present(self, ids: Collection[int]) -> set[int]:
        """Those of the ids that the source has, whatever change stamps their records have.

        An id counts as present if that cannot be told.
        """


AnyFeed = StampedFeed | PublishedFeed
