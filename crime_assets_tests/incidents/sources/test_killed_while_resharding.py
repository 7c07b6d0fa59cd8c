"""Consumers of Kinesis are killed at every stage while shards split and are merged: nothing is lost or doubled."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path

import pytest

from crime_assets_tests.incidents.consumed import Consumed
from crime_assets_tests.incidents.messages import message
from crime_assets_tests.incidents.sources.kinesis_servers import KinesisServer
from crime_assets_tests.incidents.sources.streams import KinesisStream

pytestmark = pytest.mark.slow
KILLS = 20
STAGES = ("read", "counted", "committed", "shard_ended", "alerts_written", "at any moment")
MURDER, ROUNDS, REPORTS = 5, 12, 40
"""One report in so many is of a murder; so many rounds of so many reports, and other shards after each."""


def test_kills_lose_and_double_nothing(tmp_path: Path, kinesis_server: Callable[[str], KinesisServer]) -> None:
    server = kinesis_server("kinesis-local")
    stream, consumed, rng = server.stream(), Consumed(tmp_path), random.Random(18)
    sent: list[dict[str, object]] = []
    producing = threading.Thread(target=_produce, args=(stream, sent))
    producing.start()
    kills: Counter[str] = Counter()
    for stage in cycle(STAGES):
        if kills.total() == KILLS:
            break
        kills[stage] += _killed(tmp_path, server, stream, stage, rng)
    producing.join()
    assert len(sent) == ROUNDS * REPORTS

    for _ in range(2):
        assert not _ended(tmp_path, server, stream, "", 0, None)
    assert Counter(line["event_id"] for line in consumed.delivered()) == Counter(one["event_id"] for one in sent)
    grave = [one for number, one in enumerate(sent) if number % MURDER == 0]
    assert Counter(alert["subject"] for alert in consumed.alerts() if alert["rule"] == "major_head") == Counter(
        f"{one['fir_id']}|murder" for one in grave
    )
    assert kills.total() == KILLS
    assert len(kills) == len(STAGES)


def _produce(stream: KinesisStream, sent: list[dict[str, object]]) -> None:
    """Reports of now; after each round a shard splits, or two are merged."""
    for round in range(ROUNDS):
        producer = stream.producer()
        for number in range(round * REPORTS, (round + 1) * REPORTS):
            acts = [{"act": "BNS", "section": "103" if number % MURDER == 0 else "303"}]
            one = message(1 + number, registered_at=datetime.now(UTC).isoformat(), acts_sections=acts)
            producer.put(str(one["fir_id"]), json.dumps(one).encode())
            sent.append(one)
        producer.close()
        stream.merge(0) if round % 2 else stream.split(round % 3 // 2)
        # So that kills fall between changes of shards, not all behind them.
        time.sleep(1)


def _killed(place: Path, server: KinesisServer, stream: KinesisStream, stage: str, rng: random.Random) -> bool:
    if stage == "at any moment":
        return _ended(place, server, stream, "", 0, rng.uniform(0, 3))
    return _ended(place, server, stream, stage, 1, None)


def _ended(
    place: Path, server: KinesisServer, stream: KinesisStream, stage: str, nth: int, after: float | None
) -> bool:
    """Run a consumer; whether it was killed at its stage, or after so many seconds."""
    module = "crime_assets_tests.incidents.sources.kinesis_command"
    command = [sys.executable, "-m", module, str(place), str(server.port), stream.name, stage, str(nth)]
    with subprocess.Popen(command) as process:
        if after is not None:
            # Starting takes a second or so: the moments are spread over what comes after it.
            time.sleep(1.5 + after)
            process.kill()
        process.wait(120)
        assert process.returncode in (0, -9)
        return process.returncode == -9
