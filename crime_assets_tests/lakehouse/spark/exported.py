"""A pair of lakes filled from a portal export, and insights that differ between them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from crime_assets.core.insights import all_insights
from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.engines.spark import SparkEngine
from crime_assets.sources.feeds.export import ExportFeed
from crime_assets_tests.build import CHICAGO
from crime_assets_tests.engines.changing import FORECASTS, sorted_rows
from crime_assets_tests.lakehouse.spark.pairs import Pair, difference, line

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def spark_engine(pair: Pair) -> SparkEngine:
    session = pair.spark.session
    assert session is not None
    return SparkEngine(pair.spark.lake, CHICAGO, lambda: session)


def of_export(spark: SparkSession, directory: Path, pattern: Path, days: list[date]) -> Pair:
    """A pair with the history before the days, and the days."""
    pair = Pair(directory / "pair", spark)
    feed = ExportFeed(CHICAGO, str(pattern), cache=directory / "cache", today=date(2019, 1, 1))
    pair.load(feed, days[0])
    for day in days:
        pair.deliver(day, "one", (line(found, day) for found in feed.changes(day, day)))
    pair.merge(*days)
    return pair


def differing_insights(pair: Pair, day: date) -> Iterator[str]:
    engines = DuckDBEngine(pair.duckdb.lake, CHICAGO), spark_engine(pair)
    for insight in (*all_insights(), *FORECASTS):
        expected, found = (engine.insight(insight, day) for engine in engines)
        if told := difference(f"{insight.name} on {day}", expected, found):
            yield from told
        elif sorted_rows(insight, found) != sorted_rows(insight, expected):
            yield f"{insight.name} on {day}: another order"
    for engine in engines:
        engine.close()
