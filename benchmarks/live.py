"""Live reports read again from a directory, by both engines, beside bare DuckDB that ingests and counts the same files.

    python -m benchmarks.live put PLACE RATE              nine weeks of simulated reports, so many a week
    python -m benchmarks.live replay PLACE                read by a consumer, with all rules
    python -m benchmarks.live spark PLACE                 read by Spark, with all rules; prints the seconds of it
    python -m benchmarks.live count PLACE                 the same files by DuckDB, one transaction a file

The first three print how many messages there were.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import duckdb

from benchmarks import live_kinesis
from benchmarks.live_kinesis import COUNTS, NAME, TABLE, ZONE
from benchmarks.measuring import Figure, module, spend
from crime_assets.incidents.loop import Loop
from crime_assets.incidents.rules import all_rules
from crime_assets.incidents.sample import SampleReports
from crime_assets.incidents.sources.directory import DirectorySource
from crime_assets.incidents.sources.producing import DirectoryProducer
from crime_assets.incidents.spark.consumer import SparkLoop
from crime_assets.incidents.spark.site import claim
from crime_assets.incidents.state import State
from crime_assets.incidents.times import Calendar
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.spark.session import missing, spark_settings
from crime_assets.streams.directory import DirectoryStore

FIRST = datetime(2026, 1, 5, tzinfo=UTC)
RATE = 20_500
"""Reports a week: with copies and amendments some 200,000 messages in nine weeks."""


def put(place: Path, rate: int) -> None:
    """Simulated reports as a stream in a directory."""
    at, messages = [FIRST], 0
    producer = DirectoryProducer(place / "source", lambda: at[0], linger_seconds=1e9)
    for sent in SampleReports(1, FIRST, 9, rate).records():
        at[0] = sent.arrived_at
        producer.put(sent.key, sent.data)
        messages += 1
    producer.close()
    producer.end()
    print(messages)


def replay(place: Path) -> None:
    """All of it through a consumer."""
    calendar, store = Calendar(ZONE), DirectoryStore(place / "landing")
    state = State(place / "state", NAME, calendar, all_rules(), _now)
    source = DirectorySource(place / "source", NAME, is_live=False)
    print(Loop(source, state, store, calendar, _now).run(until_ended=True).records)
    state.close()


def spark(place: Path) -> None:
    """All of it through Spark."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder
    for name, value in spark_settings(Lake(place / "lake")).items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    site = claim(str(place / "source"), DirectoryStore(place / "landing-spark"), NAME, ZONE, _now())
    start = time.perf_counter()
    SparkLoop(session, site, Calendar(ZONE), all_rules(), _now).run(until_ended=True)
    print(time.perf_counter() - start)
    session.stop()


def count(place: Path) -> None:
    """All of it into a table, with counts a station and hour after each file."""
    with duckdb.connect(str(place / "peer.duckdb"), config={"threads": 1}) as con:
        con.execute(TABLE)
        for path in sorted((place / "source/shards").glob("*/*.ndjson")):
            con.execute("BEGIN")
            con.execute(
                "INSERT INTO reports SELECT data->>'event_id', data->>'police_station', date_trunc('hour', "
                "TRY_CAST(data->>'registered_at' AS TIMESTAMP)), data FROM read_json(?, format = 'newline_delimited', "
                "columns = {data: 'JSON'}, ignore_errors = true)",
                [str(path)],
            )
            con.execute(COUNTS).fetchall()
            con.execute("COMMIT")


def figures(place: Path) -> list[Figure]:
    """The replay by both engines, and the stream if there is a server for it."""
    place /= "live"
    messages = int(spend(module("live", "put", place, RATE)).printed)
    ours, peer = (spend(module("live", work, place)) for work in ("replay", "count"))
    beside = f"DuckDB, inserting and counting: {peer.seconds:.1f} s"
    found = [
        Figure(
            f"replay of {messages:,} live reports, all rules",
            f"{ours.seconds:.1f} s, {messages / ours.seconds:,.0f} a second, {ours.peak:.2f} GiB",
            beside,
            ours.seconds / peer.seconds,
            6,
        )
    ]
    if reason := missing():
        print(f"Left out: Spark's replay, because {reason}", flush=True)
    else:
        took = float(spend(module("live", "spark", place)).printed.splitlines()[-1])
        what = f"the same by Spark {version('pyspark')}, its session up"
        found.append(Figure(what, f"{took:.1f} s, {messages / took:,.0f} a second", beside, took / peer.seconds, 60))
    return found + live_kinesis.figures(place)


def _now() -> datetime:
    return datetime.now(UTC)


def _main(work: str, place: Path, *more: str) -> None:
    match work:
        case "put":
            put(place, int(more[0]))
        case "replay":
            replay(place)
        case "spark":
            spark(place)
        case "count":
            count(place)


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
