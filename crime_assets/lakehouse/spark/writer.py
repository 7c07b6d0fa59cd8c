"""Spark as a `Writer` (lakehouse/writers.py) of one city's tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import TYPE_CHECKING

from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.spark import history, merge
from crime_assets.lakehouse.spark.attached import AttachedLake
from crime_assets.lakehouse.writing.history import HistoryResult
from crime_assets.lakehouse.writing.merge import MergeResult
from crime_assets.sources.cities import City
from crime_assets.sources.feeds import Feed
from crime_assets.streams import LandingStore
from crime_assets.streams.inventory import Inventory

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class SparkWriter:
    """Spark, here or on a cluster; `session` starts it when it is first needed."""

    name = "spark"

    def __init__(self, lake: Lake, city: City, landing: LandingStore, session: Callable[[], SparkSession]) -> None:
        self._city = city
        self._landing = landing
        self._spark = AttachedLake(lake, session)

    def load_history(self, feed: Feed, before: date, run_id: str) -> HistoryResult:
        """Load all that the source holds with a change stamp before `before`, unless that was done already."""
        with self._spark.working(f"load the history of {self._city.name}"):
            return history.load_history(self._spark, self._city, feed, before, run_id)

    def merge(self, inventories: Mapping[date, Inventory], properties: Mapping[str, str]) -> MergeResult:
        """Merge what has landed for these days as one set; `properties` are kept with the snapshot."""
        with self._spark.working(f"merge into the tables of {self._city.name}"):
            return merge.merge(self._spark, self._city, self._landing, inventories, properties)

    def close(self) -> None:
        """Release the session; the next call opens another."""
        self._spark.close()
