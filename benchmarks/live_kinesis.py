"""Live reports through a server of Kinesis, beside bare DuckDB that ingests and counts the same messages.

    python -m benchmarks.live_kinesis produce PORT STREAM SECONDS RATE     messages, of which some name wanted vehicles
    python -m benchmarks.live_kinesis consume PORT STREAM SECONDS PLACE    a consumer, which has read for an hour before
    python -m benchmarks.live_kinesis ingest PORT STREAM SECONDS           DuckDB: insert, count, commit

The last two say when they are ready, and print when each alert was published, or each message was counted, how many
seconds after it was sent, and their memory at the peak. It needs one of the servers that `make test-kinesis` installs;
KINESIS_SERVERS says where they are.
"""

from __future__ import annotations

import gzip
import json
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from benchmarks.measuring import Figure, module, spend
from crime_assets.core import keys
from crime_assets.incidents import watch_list
from crime_assets.incidents.chain import ALERTS, DELIVERIES, Chain
from crime_assets.incidents.contract import event_id
from crime_assets.incidents.loop import Loop
from crime_assets.incidents.rules import all_rules
from crime_assets.incidents.sources.kinesis import KinesisSource
from crime_assets.incidents.sources.producing import KinesisProducer
from crime_assets.incidents.state import State
from crime_assets.incidents.times import Calendar
from crime_assets.streams.directory import DirectoryStore
from crime_assets_tests.incidents.sources.kinesis_servers import HERE, WITHOUT, KinesisServer, client_of, start

NAME, ZONE = "fir", "Asia/Kolkata"
RATE, SECONDS = 1_000, 60
STOPPED, BEHIND = 60, 5.0
"""Seconds for which a consumer is stopped, and by how many it may then be behind."""
_WANTED = 50
"""One message in so many names a wanted vehicle."""
_KNOWN, _CELLS = 3_600_000, 500_000
"""Reports of an hour at this rate, and cells with reports of three months."""
COUNTS = "SELECT station, hour, count(DISTINCT event_id) FROM reports GROUP BY ALL"
TABLE = "CREATE TABLE reports (event_id VARCHAR, station VARCHAR, hour TIMESTAMP, message VARCHAR)"


@dataclass(frozen=True)
class Taken:
    """When messages were done with, how many seconds after they were sent, by time; and GiB of memory at the peak."""

    done: list[tuple[float, float]]
    peak: float

    def within(self, share: float) -> float:
        """Seconds in which this share of them was done."""
        seconds = sorted(one for _, one in self.done)
        return seconds[min(int(len(seconds) * share), len(seconds) - 1)]

    def behind_until(self) -> float:
        """The moment from which on none was more than BEHIND."""
        return max((at for at, seconds in self.done if seconds > BEHIND), default=0.0)


def produce(port: int, stream: str, seconds: int, rate: int) -> None:
    """Messages at a steady rate, a tenth of a second's together."""
    producer = KinesisProducer(client_of(port), stream, linger_seconds=1e9)
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


def consume(port: int, stream: str, seconds: int, place: Path) -> None:
    """A consumer for so long."""
    now = datetime.now(UTC)
    calendar, store = Calendar(ZONE), DirectoryStore(place / "landing")
    wanted = [watch_list.Watched(_ref(n), now, now + timedelta(days=1), "") for n in range(0, seconds * RATE, _WANTED)]
    watch_list.write(store, NAME, wanted)
    State(place / "state", NAME, calendar, all_rules(), _now).close()
    with duckdb.connect(str(place / "state/state.duckdb")) as con:
        con.execute(
            "INSERT INTO known_events SELECT uuid(), ? - random() * 3600, md5(i::VARCHAR) FROM range(?) AS t(i)",
            [now.timestamp(), _KNOWN],
        )
        con.execute(
            "INSERT INTO cells SELECT 'theft', 28500 + i % 400, 77000 + i % 397, (28500 + i % 400) // 5, "
            "(77000 + i % 397) // 5, ? - i % 90, 1 FROM range(?) AS t(i)",
            [calendar.day(now.timestamp()), _CELLS],
        )
    state = State(place / "state", NAME, calendar, all_rules(), _now)
    loop = Loop(KinesisSource(client_of(port), stream, NAME), state, store, calendar, _now)
    threading.Timer(seconds, loop.stop).start()
    print("ready", flush=True)
    loop.run()
    peak = _peak()
    state.close()
    print(json.dumps({"done": sorted(_published(store)), "peak": peak}))


def ingest(port: int, stream: str, seconds: int) -> None:
    """Bare DuckDB for so long."""
    source, taken = KinesisSource(client_of(port), stream, NAME), []
    with tempfile.TemporaryDirectory() as place, duckdb.connect(f"{place}/peer.duckdb", config={"threads": 1}) as con:
        con.execute(TABLE)
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
            con.execute(COUNTS).fetchall()
            con.execute("COMMIT")
            done = time.time()
            sent = (datetime.fromisoformat(json.loads(one)["sent_at"]).timestamp() for one in messages)
            taken += [(done, done - at) for at in sent]
        source.close()
    print(json.dumps({"done": taken, "peak": _peak()}))


def figures(place: Path) -> list[Figure]:
    """How long an alert takes, what that needs, and how soon a consumer is back after a stop."""
    if not HERE:
        print(f"Left out: a stream of Kinesis, because {WITHOUT}", flush=True)
        return []
    server = start("ministack", place)
    try:
        ours, _ = _through(server, "consume", place / "steady")
        peer, _ = _through(server, "ingest")
        late, resumed = _through(server, "consume", place / "stopped", stopped=STOPPED)
        late_peer, resumed_peer = _through(server, "ingest", stopped=STOPPED)
    finally:
        server.stop()
    found = [
        Figure(
            f"{RATE:,} live reports a second for {SECONDS} s, message to published alert, {name} of "
            f"{len(ours.done):,}, {_KNOWN:,} known reports, {ours.peak:.2f} GiB",
            f"{ours.within(share):.2f} s",
            f"DuckDB, message to counted, of {len(peer.done):,}: {peer.within(share):.2f} s",
            ours.within(share) / peer.within(share),
            most,
        )
        for name, share, most in (("median", 0.5, 2), ("99th of 100", 0.99, 2.5))
    ]
    back, back_peer = (max(one.behind_until() - at, 0.1) for one, at in ((late, resumed), (late_peer, resumed_peer)))
    return [
        *found,
        Figure(
            f"stopped for {STOPPED} s of {RATE:,} live reports a second, until {BEHIND:.0f} s behind",
            f"{back:.1f} s",
            f"DuckDB, inserting and counting: {back_peer:.1f} s",
            back / back_peer,
            4,
        ),
    ]


def _through(server: KinesisServer, work: str, place: Path | None = None, stopped: int = 0) -> tuple[Taken, float]:
    """What a consumer prints of a stream of its own, and when it went on after a stop."""
    stream, seconds = server.stream(2), SECONDS + stopped
    command = module("live_kinesis", work, server.port, stream.name, seconds + 8, *([place] if place else []))
    resumed = 0.0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as consumer:
        assert consumer.stdout is not None
        assert consumer.stdout.readline() == "ready\n"
        producing = threading.Thread(
            target=spend, args=(module("live_kinesis", "produce", server.port, stream.name, seconds, RATE),)
        )
        producing.start()
        if stopped:
            time.sleep(SECONDS / 4)
            consumer.send_signal(signal.SIGSTOP)
            time.sleep(stopped)
            consumer.send_signal(signal.SIGCONT)
            resumed = time.time()
        producing.join()
        told = json.loads(consumer.stdout.read())
    return Taken([(at, took) for at, took in told["done"]], told["peak"]), resumed


def _published(store: DirectoryStore) -> Iterator[tuple[float, float]]:
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
                yield written, written - sent[alert["event_ids"][0]]


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


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _now() -> datetime:
    return datetime.now(UTC)


def _main(work: str, port: str, stream: str, seconds: str, more: Sequence[str]) -> None:
    match work:
        case "produce":
            produce(int(port), stream, int(seconds), int(more[0]))
        case "consume":
            consume(int(port), stream, int(seconds), Path(more[0]))
        case "ingest":
            ingest(int(port), stream, int(seconds))


if __name__ == "__main__":
    _main(*sys.argv[1:5], sys.argv[5:])
