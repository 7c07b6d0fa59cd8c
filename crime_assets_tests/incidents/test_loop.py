"""A consumer gives the same alerts and deliveries however it is interrupted, and each of them once."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from crime_assets.core.errors import LakeError, LandingError
from crime_assets.incidents.rules import all_rules
from crime_assets.incidents.sources.producing import DirectoryProducer
from crime_assets.incidents.state import State, StreamBusy
from crime_assets.incidents.times import Calendar
from crime_assets_tests.incidents.consumed import Arrived, Consumed
from crime_assets_tests.incidents.messages import REF, REGISTERED, message, sensitive

STAGES = (
    *("read", "typed", "begun", "counted", "ruled", "committed", "shard_ended"),
    *("alerts_written", "quarantine_written", "deliveries_written"),
)


def arrived(told: dict[str, Any] | bytes, at: datetime, key: str) -> Arrived:
    return at, key, told if isinstance(told, bytes) else json.dumps(told).encode()


def stream(days: int = 20, each: int = 6) -> list[Arrived]:
    """Reports of five stations; with repeats, late and grave ones, some that are none, and a cluster at the end."""
    rng = random.Random(3)
    found = []
    for number in range(1, days * each + 1):
        registered = REGISTERED + timedelta(days=number / each)
        station = f"PS{rng.randrange(5)}"
        other = {
            "police_station": station,
            "fir_id": f"SX/101/{station}/2026/{number}",
            "registered_at": registered.isoformat(),
            "occurred_from": None,
            "complainant": {"ref": f"{REF[:-3]}{rng.randrange(200):03x}"},
            "place": {
                "lat": round(28.6 + rng.randrange(3) / 1000, 3) if number < days * each - 6 else 28.7,
                "lon": 77.2,
            },
        }
        told: dict[str, Any] | bytes = message(number, **other)
        if number % 40 == 0:
            told = sensitive(fir_id=f"SX/101/~K1a2b3c-{number:016x}", registered_at=registered.isoformat())
        if number % 50 == 0:
            told = b"?" * number
        late = rng.choice((20, 20, 20, 3_000, 5_000))
        found.append(arrived(told, registered + timedelta(seconds=late), other["fir_id"]))
        if number % 25 == 0:
            found.append(arrived(told, registered + timedelta(seconds=late + 9), other["fir_id"]))
    return sorted(found, key=lambda one: one[0])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Consumed:
    """All of it, consumed at once."""
    consumed = Consumed(tmp_path_factory.mktemp("whole"))
    consumed.put(stream())
    totals = consumed.run()
    assert totals.records == len(stream())
    return consumed


def test_what_a_stream_gives(whole: Consumed) -> None:
    sent = [json.loads(data) for _, _, data in stream() if data[:1] == b"{"]
    rules = {alert["rule"] for alert in whole.alerts()}

    assert {"repeat_address", "major_head", "duplicates"} <= rules
    assert set(whole.raised().values()) == {1}
    assert {line["event_id"] for line in whole.delivered()} == {one["event_id"] for one in sent}
    assert Counter(line["reason"] for line in whole.quarantined()) == Counter(
        "not_json" for _, _, data in stream() if data[:1] == b"?"
    )
    assert {alert["alert_id"] for alert in whole.alerts() if alert["event_ids"] == []} == set()
    known = {one["event_id"] for one in sent}
    assert all(set(alert["event_ids"]) <= known for alert in whole.alerts())


def test_a_delivered_line_says_what_the_message_said(whole: Consumed) -> None:
    first = min(whole.delivered(), key=lambda line: line["registered_at"])
    sent = json.loads(stream()[0][2])

    assert (first["fir_id"], first["version"], first["kind"]) == (sent["fir_id"], 1, "registered")
    assert datetime.fromisoformat(first["registered_at"]) == datetime.fromisoformat(sent["registered_at"])
    assert (first["lat_milli"], first["major_head"]) == (round(sent["place"]["lat"] * 1000), "vehicle theft")
    assert (first["_tick"], first["occurred_from"]) == (1, None)


def test_a_stream_that_was_still_for_long_goes_on(tmp_path: Path) -> None:
    """A thousand stations, and nine months of blocks that close at once."""
    consumed, found = Consumed(tmp_path), []
    for number, later in ((1, timedelta()), (2, timedelta(days=270))):
        for station in range(1_000):
            registered = REGISTERED + later + timedelta(seconds=station)
            fir_id = f"SX/101/{station}/2026/{number}"
            told = {"police_station": str(station), "fir_id": fir_id, "registered_at": registered.isoformat()}
            found.append(arrived(message(number, **told), registered, fir_id))
    consumed.put(found, is_ended=False)

    assert consumed.run(most=500).reports == 2_000


@pytest.mark.parametrize("most", [1, 7, 40])
def test_ticks_of_any_size_give_the_same(whole: Consumed, tmp_path: Path, most: int) -> None:
    part = stream()[-30:] if most == 1 else stream()
    one, other = Consumed(tmp_path / "one"), whole
    one.put(part)
    if most == 1:
        other = Consumed(tmp_path / "other")
        other.put(part)
        other.run()

    assert one.run(most=most).ticks >= len(part) / most

    assert one.raised() == other.raised()
    assert Counter(line["event_id"] for line in one.delivered()).keys() == {
        line["event_id"] for line in other.delivered()
    }


class Crash(Exception):
    pass


@pytest.mark.parametrize("stage", STAGES)
def test_a_crash_anywhere_loses_and_doubles_nothing(whole: Consumed, tmp_path: Path, stage: str) -> None:
    consumed = Consumed(tmp_path)
    consumed.put(stream())
    crashes = [0]

    def crash(reached: str) -> None:
        if reached == stage and crashes[0] < 3:
            crashes[0] += 1
            raise Crash

    for _ in range(10):
        try:
            consumed.run(most=25, stage=crash)
            break
        except Crash:
            continue

    assert crashes[0] == 3 if stage not in ("shard_ended", "deliveries_written") else crashes[0] >= 1
    assert consumed.raised() == whole.raised()
    admitted = [line for line in consumed.delivered() if line["version"] == 1]
    assert {line["event_id"] for line in admitted} == {line["event_id"] for line in whole.delivered()}
    assert len(consumed.quarantined()) == len(whole.quarantined())


def test_what_was_read_before_the_source_failed_is_taken(whole: Consumed, tmp_path: Path) -> None:
    consumed = Consumed(tmp_path)
    consumed.put(stream()[:60], is_ended=False)
    consumed.put(stream()[60:])
    damaged = sorted(tmp_path.glob("source/shards/*/000000000002.ndjson"))
    written = [path.read_bytes() for path in damaged]
    for path in damaged:
        path.write_bytes(b"?\n")

    with pytest.raises(LandingError, match="is not as it was written: restore it"):
        consumed.run(most=25)
    for path, content in zip(damaged, written, strict=True):
        path.write_bytes(content)

    assert consumed.run(most=25).records < len(stream())
    assert consumed.raised() == whole.raised()
    assert len(consumed.delivered()) == len(whole.delivered())


def test_shards_that_split_and_merge_give_the_same(whole: Consumed, tmp_path: Path) -> None:
    consumed = Consumed(tmp_path)
    told, at = stream(), [REGISTERED]
    producer = DirectoryProducer(tmp_path / "source", lambda: at[0], shards=2, linger_seconds=1e9)
    for number, (at[0], key, data) in enumerate(told):
        producer.put(key, data)
        if number % 30 == 20:
            producer.split(producer.shards()[0])
        if number % 30 == 29:
            producer.merge(*producer.shards()[:2])
    producer.end()

    assert consumed.run(most=7).records == len(told)

    assert consumed.raised() == whole.raised()
    assert {line["event_id"] for line in consumed.delivered()} == {line["event_id"] for line in whole.delivered()}


def test_nothing_new_publishes_nothing(tmp_path: Path) -> None:
    consumed = Consumed(tmp_path)
    consumed.put(stream(days=5))
    consumed.run()
    before = (consumed.raised(), len(consumed.delivered()))

    assert consumed.run().records == 0

    assert (consumed.raised(), len(consumed.delivered())) == before


def test_the_status_says_where_it_is(whole: Consumed) -> None:
    status = whole.status

    assert (status["epoch"], status["zone"]) == (whole.epoch, "Asia/Kolkata")
    assert status["alerts_number"] == len(whole.objects("alerts"))
    assert (status["records"], status["reasons"]) == (len(stream()), {"not_json": len(whole.quarantined())})
    assert [station["station"] for station in status["stations"]] == [f"SX/101/PS{n}" for n in range(5)]
    assert all(28.6 <= station["lat"] <= 28.62 for station in status["stations"])


def test_another_state_may_not_write_the_same_chains(tmp_path: Path) -> None:
    consumed = Consumed(tmp_path)
    consumed.put(stream(days=1))
    consumed.run()
    (tmp_path / "state" / "state.duckdb").unlink()

    with pytest.raises(LandingError, match="chains of another state"):
        consumed.run()


def test_a_state_is_of_one_zone(tmp_path: Path) -> None:
    consumed = Consumed(tmp_path)
    consumed.put(stream(days=1))
    consumed.run()

    with pytest.raises(LakeError, match="clock of Asia/Kolkata"):
        State(tmp_path / "state", "fir", Calendar("UTC"), all_rules(), lambda: REGISTERED)


@pytest.mark.slow
def test_a_stream_has_one_consumer(tmp_path: Path) -> None:
    opened = (
        "import sys, duckdb; con = duckdb.connect(sys.argv[1]); con.execute('CREATE TABLE t (a INT)'); "
        "print('open', flush=True); sys.stdin.read()"
    )
    (tmp_path / "state").mkdir()
    command = [sys.executable, "-c", opened, str(tmp_path / "state" / "state.duckdb")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(StreamBusy, match="stop it, or wait"):
            State(tmp_path / "state", "fir", Calendar("UTC"), all_rules(), lambda: REGISTERED)
        other.communicate("")
