"""How much a comparison with the source may change at once: answers that must not be acted on are refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from crime_assets.core.errors import FeedError
from crime_assets.lakehouse.writing.settling import MOST_LACKING, most_lacking
from crime_assets.sources.cities import City
from crime_assets.sources.feeds import StampedFeed

_FEWEST_PULLED = 10_000
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Limits:
    """The most crimes that may be removed and pulled at once, set by a person; None: what the lake's size allows.

    By default at most half a per cent of the rows are removed, or 100 in a small lake, and always less than half of
    them; at most half a per cent are pulled, or 10,000.
    """

    most_removed: int | None = None
    most_pulled: int | None = None

    def removed(self, rows: int) -> int:
        """The most of `rows` rows that may be removed."""
        return most_lacking(rows) if self.most_removed is None else self.most_removed

    def pulled(self, rows: int) -> int:
        """The most records that may be pulled into a lake of `rows` rows."""
        return max(_FEWEST_PULLED, int(rows * MOST_LACKING)) if self.most_pulled is None else self.most_pulled


@dataclass(frozen=True)
class Guard:
    """Rejects answers of the source that must not be acted on: an empty source, half of it, another dataset."""

    city: City
    limits: Limits
    rows: int

    def total(self, source: int, feed: StampedFeed, until: date) -> None:
        """Judge how many records the source counts, before anything is compared record by record."""
        if self.rows - source > self.limits.removed(self.rows):
            # Records that changed since `until` are still at the source; there may be a million of them.
            changed = feed.count(until + _ONE_DAY, feed.latest_day() + _ONE_DAY)
            self.gone(self.rows - source - changed, self.rows - source)

    def missing(self, number: int, candidates: int) -> None:
        """Judge how many records the lake lacks: `number` or more, `candidates` at most."""
        most = self.limits.pulled(self.rows)
        if number > most:
            raise FeedError(
                f"The source of {self.city.title} has {number:,} or more records that the lake lacks or has in an "
                f"older version, beside {self.rows:,} rows in it, and at most {most:,} are pulled at once, so nothing "
                "was changed: run the missing change days with `crime-assets run`, or check that "
                f"{self.city.source_page} is the right dataset and, if so, allow this many with `crime-assets "
                f"reconcile --most-pulled {candidates}` (in Dagster: the run config most_pulled)."
            )

    def gone(self, number: int, candidates: int) -> None:
        """Judge how many rows the source lacks: `number` or more, `candidates` at most."""
        most = self.limits.removed(self.rows)
        if number > most:
            raise FeedError(
                f"The source of {self.city.title} lacks {number:,} or more of the {self.rows:,} rows compared, and at "
                f"most {most:,} are removed at once, so nothing was changed: check {self.city.source_page} and, if it "
                f"is right, allow this many with `crime-assets reconcile --most-removed {candidates}` (in Dagster: the "
                "run config most_removed)."
            )
