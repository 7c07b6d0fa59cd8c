"""Live reports beside bare DuckDB that ingests and counts the same messages: a replay, and a stream of Kinesis.

    python -m benchmarks.live put PLACE RATE              nine weeks of simulated reports, as a directory
    python -m benchmarks.live replay PLACE                read by a consumer, with all rules
    python -m benchmarks.live count PLACE                 the same files by DuckDB, one transaction a file
    python -m benchmarks.live produce PORT STREAM SECONDS RATE     messages that name wanted vehicles, as time passes
    python -m benchmarks.live consume PLACE PORT STREAM SECONDS    a consumer: prints how long alerts took, in seconds
    python -m benchmarks.live ingest PORT STREAM SECONDS           DuckDB: prints how long messages took to be counted

The stream needs one of the servers that `make test-kinesis` installs; KINESIS_SERVERS says where they are. How long an
alert took is from the message's `sent_at` to the published object.
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.measuring import Figure, module, spend
from crime_assets.core import keys
from crime_assets.incidents import watch_list
from crime_assets.incidents.chain import ALERTS, DELIVERIES, Chain
from crime_assets.incidents.contract import event_id
from crime_assets.incidents.loop import Loop
from crime_assets.incidents.rules import all_rules
from crime_assets.incidents.sample import SampleReports
from crime_assets.incidents.sources import Source
from crime_assets.incidents.sources.directory import DirectorySource
from crime_assets.incidents.sources.producing import DirectoryProducer, KinesisProducer
from crime_assets.incidents.state import State
from crime_assets.incidents.times import Calendar
from crime_assets.streams.directory import DirectoryStore

NAME, ZONE = "fir", "Asia/Kolkata"
FIRST = datetime(2026, 1, 5, tzinfo=UTC)
RATE = 20_500
"""Reports a week: with copies and amendments some 200,000 messages in nine weeks."""
A_SECOND, SECONDS = 1_000, 60
_WANTED = 50
"""One message in so many names a wanted vehicle."""
_COUNTS = "SELECT station, hour, count(DISTINCT event_id) FROM reports GROUP BY ALL"


def put(place: Path, rate: int) -> None:
    """Simulated reports as a stream in a directory."""
    at = [FIRST]
    producer = DirectoryProducer(place / "source", lambda: at[0], linger_seconds=1e9)
    for sent in SampleReports(1, FIRST, 9, rate).records():
        at[0] = sent.arrived_at
        producer.put(sent.key, sent.data)
    producer.close()
    producer.end()


def replay(place: Path) -> None:
    """All of it through a consumer."""
    state, loop = _consumer(place, DirectorySource(place / "source", NAME, is_live=False))
    print(loop.run(until_ended=True).records)
    state.close()


def count(place: Path) -> None:
    """All of it into a table, with counts a station and hour after each file."""
    with duckdb.connect(str(place / "peer.duckdb"), config={"threads": 1}) as con:
        con.execute("CREATE TABLE reports (event_id VARCHAR, station VARCHAR, hour TIMESTAMP, message VARCHAR)")
        for path in sorted((place / "source/shards").glob("*/*.ndjson")):
            con.execute("BEGIN")
            con.execute(
                "INSERT INTO reports SELECT data->>'event_id', data->>'police_station', date_trunc('hour', "
                "TRY_CAST(data->>'registered_at' AS TIMESTAMP)), data FROM read_json(?, format = 'newline_delimited', "
                "columns = {data: 'JSON'}, ignore_errors = true)",
                [str(path)],
            )
            con.execute(_COUNTS).fetchall()
            con.execute("COMMIT")
        print(con.execute("SELECT count(*) FROM reports").fetchall()[0][0])


def produce(port: int, stream: str, seconds: int, rate: int) -> None:
    """Messages at a steady rate, a tenth of a second's together."""
    producer = KinesisProducer(_client(port), stream, linger_seconds=1e9)
    begun, number = time.time(), 0
    while number < seconds * rate:
        due = min(int((time.time() - begun) * rate), seconds * rate)
        if number < due:
            for one in range(number + 1, due + 1):
                producer.put(f"SX/101/P{one % 60}/2026/{one}", _message(one))
            producer.flush()
            number = due
        time.sleep(0.1)
    producer.close()


def consume(place: Path, port: int, stream: str, seconds: int) -> None:
    """A consumer for so long; afterwards, how long each alert took."""
    now = datetime.now(UTC)
    store = DirectoryStore(place / "landing")
    wanted = [watch_list.Watched(_ref(n), now, now + timedelta(days=1), "") for n in range(seconds * A_SECOND)]
    watch_list.write(store, NAME, wanted[::_WANTED])
    state, loop = _consumer(place, _kinesis(port, stream))
    threading.Timer(seconds, loop.stop).start()
    print("ready", flush=True)
    loop.run()
    state.close()
    print(json.dumps(sorted(_latencies(store))))


def ingest(port: int, stream: str, seconds: int) -> None:
    """Bare DuckDB for so long; afterwards, how long each message took."""
    source, taken = _kinesis(port, stream), []
    with tempfile.TemporaryDirectory() as place, duckdb.connect(f"{place}/peer.duckdb", config={"threads": 1}) as con:
        con.execute("CREATE TABLE reports (event_id VARCHAR, station VARCHAR, hour TIMESTAMP, message VARCHAR)")
        source.open({})
        print("ready", flush=True)
        until = time.time() + seconds
        while time.time() < until:
            batch = source.take(5_000, 0.05)
            if not batch.records:
                continue
            messages = [record.data.decode() for record in batch.records]
            con.execute("BEGIN")
            con.execute(
                "INSERT INTO reports SELECT m->>'event_id', m->>'police_station', date_trunc('hour', "
                "CAST(m->>'registered_at' AS TIMESTAMP)), m FROM (SELECT unnest(CAST(? AS JSON[])) AS m)",
                [messages],
            )
            con.execute(_COUNTS).fetchall()
            con.execute("COMMIT")
            done = time.time()
            taken += [done - datetime.fromisoformat(json.loads(one)["sent_at"]).timestamp() for one in messages]
        source.close()
    print(json.dumps(sorted(taken)))


def figures(place: Path) -> list[Figure]:
    """The replay, and the stream if there is a server for it."""
    place /= "live"
    spend(module("live", "put", place, RATE))
    ours, peer = (spend(module("live", what, place)) for what in ("replay", "count"))
    read = int(ours.printed)
    found = [
        Figure(
            f"replay of {read:,} live reports, all rules",
            f"{ours.seconds:.1f} s, {read / ours.seconds:,.0f} a second, {ours.peak:.2f} GiB",
            f"DuckDB, inserting and counting: {peer.seconds:.1f} s",
            ours.seconds / peer.seconds,
            6,
        )
    ]
    return found + _streamed(place)


def _streamed(place: Path) -> list[Figure]:
    from crime_assets_tests.incidents.sources.kinesis_servers import HERE, WITHOUT, start

    if not HERE:
        print(f"Left out: a stream of Kinesis, because {WITHOUT}", flush=True)
        return []
    server = start("ministack", place)
    try:
        ours, peer = (_through(server, what) for what in (["consume", str(place / "stream")], ["ingest"]))
    finally:
        server.stop()
    return [
        Figure(
            f"{A_SECOND:,} live reports a second for {SECONDS} s, message to published alert, {name} of {len(ours):,}",
            f"{_at(ours, share):.2f} s",
            f"DuckDB, message to counted, of {len(peer):,}: {_at(peer, share):.2f} s",
            _at(ours, share) / _at(peer, share),
            most,
        )
        for name, share, most in (("median", 0.5, 2), ("99th of 100", 0.99, 2.5))
    ]


def _through(server: Any, what: Sequence[str]) -> list[float]:
    """What a consumer prints of a stream of its own."""
    import subprocess

    stream = server.stream(2)
    command = module("live", *what, server.port, stream.name, SECONDS + 8)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as consumer:
        assert consumer.stdout is not None
        assert consumer.stdout.readline() == "ready\n"
        spend(module("live", "produce", server.port, stream.name, SECONDS, A_SECOND))
        found: list[float] = json.loads(consumer.stdout.read())
    return found


def _at(sorted_values: Sequence[float], share: float) -> float:
    return sorted_values[min(int(len(sorted_values) * share), len(sorted_values) - 1)]


def _consumer(place: Path, source: Source) -> tuple[State, Loop]:
    calendar, store = Calendar(ZONE), DirectoryStore(place / "landing")
    state = State(place / "state", NAME, calendar, all_rules(), _now)
    return state, Loop(source, state, store, calendar, _now)


def _latencies(store: DirectoryStore) -> Iterator[float]:
    epoch = json.loads(store.read(keys.live(NAME, "epoch.json")) or b"{}")["epoch"]
    sent = {}
    for _, content in Chain(store, NAME, epoch, DELIVERIES).after(0):
        for line in gzip.decompress(content).splitlines():
            report = json.loads(line)
            sent[report["event_id"]] = datetime.fromisoformat(report["sent_at"]).timestamp()
    chain = Chain(store, NAME, epoch, ALERTS)
    for number, content in chain.after(0):
        written = Path(store.location(chain.key(number))).stat().st_mtime
        for line in content.splitlines():
            alert = json.loads(line)
            if alert["rule"] == "watch_list":
                yield written - sent[alert["event_ids"][0]]


def _message(number: int) -> bytes:
    now, station = datetime.now(UTC).isoformat(), f"P{number % 60}"
    fir_id = f"SX/101/{station}/2026/{number}"
    return json.dumps(
        {
            "schema": "fir/1",
            "event_id": event_id(fir_id, 1),
            "kind": "registered",
            "fir_id": fir_id,
            "version": 1,
            "state": "SX",
            "district": "101",
            "police_station": station,
            "fir_no": number,
            "fir_year": 2026,
            "registered_at": now,
            "acts_sections": [{"act": "BNS", "section": "303"}],
            "place": {"lat": 28.5 + number % 400 / 1000, "lon": 77.0 + number % 397 / 1000, "type": "street"},
            "complainant": {"ref": _ref(number), "gender": "unknown", "age_band": "unknown"},
            "vehicles": [{"ref": _ref(number), "role": "seen"}],
            "is_sensitive": False,
            "sent_at": now,
        }
    ).encode()


def _ref(number: int) -> str:
    return f"K000000-{number:016x}"


def _kinesis(port: int, stream: str) -> Source:
    from crime_assets.incidents.sources.kinesis import KinesisSource

    return KinesisSource(_client(port), stream, NAME)


def _client(port: int) -> Any:
    import boto3

    from crime_assets_tests.cloud.aws.servers import ACCESS_KEY, REGION, SECRET_KEY

    return boto3.client(
        "kinesis",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    work, *asked = sys.argv[1:]
    match work:
        case "put":
            put(Path(asked[0]), int(asked[1]))
        case "replay" | "count":
            {"replay": replay, "count": count}[work](Path(asked[0]))
        case "produce":
            produce(int(asked[0]), asked[1], int(asked[2]), int(asked[3]))
        case "consume":
            consume(Path(asked[0]), int(asked[1]), asked[2], int(asked[3]))
        case "ingest":
            ingest(int(asked[0]), asked[1], int(asked[2]))
