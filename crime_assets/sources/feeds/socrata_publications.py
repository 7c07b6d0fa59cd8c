"""The live portal of a city whose records have no change stamps: its datasets, each read whole.

A portal says when it last changed the rows of a dataset. Only then are they read again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

import pyarrow as pa

from crime_assets.sources.feeds import History, Publication
from crime_assets.sources.feeds.socrata import SocrataFeed, literal, midnight


@dataclass(frozen=True)
class SocrataPublications:
    """All datasets of the portal that `portal` reads. Implements `crime_assets.sources.feeds.PublishedFeed`."""

    portal: SocrataFeed

    name = "socrata"

    def columns(self) -> frozenset[str]:
        """Field names of all datasets together."""
        return frozenset[str]().union(*(dataset.columns() for dataset in self._datasets))

    def latest_day(self) -> date:
        """Yesterday by the city's clock."""
        return self.portal.latest_day()

    def total(self) -> None:
        """See Feed."""

    def undated(self) -> int:
        """None: every record belongs to its publication."""
        return 0

    def publication(self) -> Publication:
        """See PublishedFeed."""
        updated = {dataset.dataset: dataset.updated_at() for dataset in self._datasets}
        day = self.portal.city.today(datetime.fromtimestamp(max(updated.values()), UTC))
        return Publication(day, json.dumps([self.portal.city.domain, updated]), self._tables)

    @contextmanager
    def history(self, before: date) -> Iterator[History]:
        """See Feed. A part is a month of occurrence of one dataset, or what has no time of occurrence."""
        publication = self.publication()
        histories = {dataset.dataset: dataset.parts(_own(dataset), "") for dataset in self._datasets}
        parts = {f"{name} {part}": (name, part) for name, history in histories.items() for part in history.parts}

        def read(part: str) -> pa.Table:
            name, own = parts[part]
            return histories[name].read(own)

        yield History(f"{publication.version} before {before}", list(parts), read)

    def _tables(self) -> Iterator[pa.Table]:
        for dataset in self._datasets:
            yield from dataset.tables(_own(dataset))

    @property
    def _datasets(self) -> list[SocrataFeed]:
        return [replace(self.portal, source=source) for source in self.portal.city.sources]


def _own(dataset: SocrataFeed) -> str:
    """What is taken of a dataset: all, or what occurred before the next one begins."""
    until = dataset.source.until if dataset.source else None
    if until is None:
        return ":id IS NOT NULL"
    occurred = dataset.occurrence_field
    return f"({occurred} < {literal(midnight(until))} OR {occurred} IS NULL)"
