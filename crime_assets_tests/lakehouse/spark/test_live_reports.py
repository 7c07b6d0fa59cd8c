"""Live reports by Spark: the same alerts and deliveries as by DuckDB, whatever befalls messages and consumer."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from crime_assets.core.errors import LandingError
from crime_assets.incidents import watch_list
from crime_assets.incidents.loop import Totals
from crime_assets.incidents.rules import all_rules
from crime_assets.incidents.sample import SampleReports, Sent
from crime_assets.incidents.sources.producing import DirectoryProducer
from crime_assets.incidents.spark import batches
from crime_assets.incidents.spark.consumer import SparkLoop
from crime_assets.incidents.spark.site import claim
from crime_assets.incidents.times import Calendar
from crime_assets_tests.incidents.consumed import NAME, ZONE, Consumed
from crime_assets_tests.incidents.oracle import alerts

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.slow
FIRST = datetime(2026, 1, 5, tzinfo=UTC)


class Interrupted(Exception):
    """What a stage is ended by."""


class ConsumedBySpark(Consumed):
    """A place whose stream Spark reads."""

    def watch_for(self, listed: list[tuple[str, datetime, datetime]]) -> None:
        watch_list.write(self.store, NAME, [watch_list.Watched(*one, "") for one in listed])

    def run_by_spark(self, spark: SparkSession, *, files: int, stage: Callable[[str], None] = lambda _: None) -> Totals:
        site = claim(str(self.place / "source"), self.store, NAME, ZONE, _now())
        loop = SparkLoop(spark, site, Calendar(ZONE), all_rules(), _now, stage=stage)
        return loop.run(until_ended=True, files=files)

    @property
    def commits(self) -> list[dict[str, Any]]:
        return [json.loads(content) for content in self.objects("commits")]


def test_spark_says_what_duckdb_and_the_oracle_say(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shards split and are merged, files are found in another order, and it is ended between its steps."""
    sample = SampleReports(3, FIRST, 6, 500)
    sent = list(sample.records())
    by_spark, by_duckdb = ConsumedBySpark(tmp_path), Consumed(tmp_path / "duckdb")
    _put_with_reshards(tmp_path / "source", sent)
    (tmp_path / "duckdb").mkdir()
    (tmp_path / "duckdb/source").symlink_to(tmp_path / "source")
    by_spark.watch_for(list(sample.watched()))
    by_duckdb.watch(sample.watched())
    monkeypatch.setattr(batches, "_BATCHES", 2)

    for stage, nth in (("deliveries_written", 1), ("committed", 2)):
        with pytest.raises(Interrupted):
            by_spark.run_by_spark(spark, files=8, stage=_ended(stage, nth))
    totals = by_spark.run_by_spark(spark, files=8)
    by_duckdb.run()

    assert len(by_spark.commits) >= 3
    assert any(commit["held"] for commit in by_spark.commits)
    assert by_spark.commits[1]["base"] == 1
    kept = Path(by_spark.store.location(f"live/stream={NAME}/epoch={by_spark.epoch}/spark"))
    assert sorted(path.name for path in (kept / "hours").iterdir()) == ["base=1", "batch=2"]
    assert set(by_spark.raised().values()) == {1}
    until = datetime.fromtimestamp(by_spark.status["watermark"], UTC)
    whole = [(one.arrived_at, one.data) for one in sent if not one.fault]
    assert by_spark.raised().keys() == alerts(whole, sample.watched(), sample.zone, until)
    assert by_spark.raised() == by_duckdb.raised()
    assert by_spark.status["watermark"] == by_duckdb.status["watermark"]
    assert _by_sequence(by_spark.delivered()) == _by_sequence(by_duckdb.delivered())
    assert _without_ticks(by_spark.quarantined()) == _without_ticks(by_duckdb.quarantined())
    assert totals.records < len(sent) == sum(commit["ticked"]["records"] for commit in by_spark.commits)
    assert by_spark.status.keys() == by_duckdb.status.keys()
    assert by_spark.status["stations"] == by_duckdb.stations()


def test_a_damaged_line_stops_it_with_a_sentence(spark: SparkSession, tmp_path: Path) -> None:
    consumed = ConsumedBySpark(tmp_path)
    consumed.put([(FIRST, "key", b"?")])
    (path,) = (tmp_path / "source/shards").glob("*/*.ndjson")
    path.write_bytes(b'{"n":1,"at":"2026-01-05T00:00:00","key":"Asha Devi","data":{}}\n')
    with pytest.raises(LandingError, match=r"^The stream's file file:.*ndjson is not as it was written: restore it\.$"):
        consumed.run_by_spark(spark, files=8)


def test_another_consumer_is_refused(tmp_path: Path) -> None:
    consumed = Consumed(tmp_path)
    consumed.put([])
    consumed.run()
    with pytest.raises(LandingError, match="names the chains of another consumer"):
        claim(str(tmp_path / "source"), consumed.store, NAME, ZONE, _now())

    other = Consumed(tmp_path / "other")
    other.put([])
    site = claim(str(tmp_path / "other/source"), other.store, NAME, ZONE, _now())
    assert claim(str(tmp_path / "other/source"), other.store, NAME, ZONE, _now()) == site
    with pytest.raises(LandingError, match="names the chains of another consumer, or on another clock"):
        claim(str(tmp_path / "other/source"), other.store, NAME, "Asia/Tokyo", _now())
    with pytest.raises(LandingError, match="names the chains of another state"):
        other.run()


def _put_with_reshards(root: Path, sent: list[Sent]) -> None:
    """Two shards, of which one splits; then two are merged."""
    at = [sent[0].arrived_at]
    producer = DirectoryProducer(root, lambda: at[0], shards=2, linger_seconds=1e9)
    for number, one in enumerate(sent, start=1):
        at[0] = one.arrived_at
        producer.put(one.key, one.data)
        if number % 500 == 0:
            producer.flush()
        if number == 1_000:
            producer.split(producer.shards()[0])
        if number == 2_000:
            producer.merge(*producer.shards()[:2])
    producer.close()
    # Ten seconds between files, but one shard's first file is found late.
    for age, path in enumerate(sorted((root / "shards").glob("*/*.ndjson"), key=lambda path: path.stat().st_mtime_ns)):
        is_late = path.parent.name.endswith("1") and path.stem.endswith("01")
        os.utime(path, times=2 * (FIRST.timestamp() + (95 if is_late else 10 * age),))


def _ended(stage: str, nth: int) -> Callable[[str], None]:
    """Ends a consumer when it has reached a stage for the nth time."""
    reached = []

    def end(name: str) -> None:
        if name == stage:
            reached.append(name)
            if len(reached) == nth:
                raise Interrupted(stage)

    return end


def _by_sequence(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(_without_ticks(lines), key=lambda line: (line["_shard"], line["_sequence"]))


def _without_ticks(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in line.items() if name not in {"_tick", "tick"}} for line in lines]


def _now() -> datetime:
    return datetime.now(UTC)
