"""What brings records into the curated tables. The embedded engine is here, Spark in `lakehouse.spark`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Protocol

from crime_assets.lakehouse.iceberg.reading import explained
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.writing.history import HistoryResult, load_history
from crime_assets.lakehouse.writing.merge import MergeResult, merge_deliveries
from crime_assets.sources.cities import City
from crime_assets.sources.feeds import Feed
from crime_assets.streams import LandingStore
from crime_assets.streams.inventory import Inventory, contents_of


class Writer(Protocol):
    """Brings one city's records into its tables: all writers give the same rows."""

    name: str

    def load_history(self, feed: Feed, before: date, run_id: str) -> HistoryResult:
        """Load all that the source holds with a change stamp before `before`, unless that was done already."""

    def merge(self, inventories: Mapping[date, Inventory], properties: Mapping[str, str]) -> MergeResult:
        """Merge what has landed for these days as one set; `properties` are kept with the snapshot.

        LakeBusy if other writers keep changing the tables.
        """


class EmbeddedWriter:
    """DuckDB in this process."""

    name = "duckdb"

    def __init__(self, lake: Lake, city: City, landing: LandingStore) -> None:
        self._lake = lake
        self._city = city
        self._landing = landing

    def load_history(self, feed: Feed, before: date, run_id: str) -> HistoryResult:
        """Load all that the source holds with a change stamp before `before`, unless that was done already."""
        with explained(self._lake):
            return load_history(self._lake, self._city, feed, before, run_id)

    def merge(self, inventories: Mapping[date, Inventory], properties: Mapping[str, str]) -> MergeResult:
        """Merge what has landed for these days as one set; `properties` are kept with the snapshot."""
        contents = contents_of(self._landing, self._city.name, inventories)
        with explained(self._lake):
            return merge_deliveries(self._lake, self._city, contents, properties)
