"""A consumer is killed 200 times, at each stage and at any moment, while shards split: nothing is lost or doubled."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path

import pytest

from crime_assets.incidents.sample import SampleReports, Sent
from crime_assets.incidents.sources.producing import DirectoryProducer
from crime_assets_tests.incidents.consumed import Consumed
from crime_assets_tests.incidents.oracle import alerts
from crime_assets_tests.incidents.test_oracle import FIRST

pytestmark = pytest.mark.stress
KILLS = 200
STAGES = (
    *("read", "typed", "begun", "counted", "ruled", "committed", "shard_ended"),
    *("alerts_written", "quarantine_written", "deliveries_written"),
)


class Stream:
    """A stream that is put a piece at a time; every tenth piece, a shard splits or two are merged."""

    def __init__(self, place: Path, sent: list[Sent], pieces: int) -> None:
        self._at = sent[0].arrived_at
        self._producer = DirectoryProducer(place / "source", lambda: self._at, shards=2, linger_seconds=1e9)
        self._sent, self._pieces, self._next = sent, pieces, 0

    def put(self) -> bool:
        """Put the next piece; whether there was one."""
        first, self._next = self._next, self._next + 1
        size = -(-len(self._sent) // self._pieces)
        for one in self._sent[first * size : (first + 1) * size]:
            self._at = one.arrived_at
            self._producer.put(one.key, one.data)
        self._producer.close()
        shards = self._producer.shards()
        if first % 10 == 5:
            if len(shards) < 4:
                self._producer.split(shards[0])
            else:
                self._producer.merge(shards[0], shards[1])
        return first < self._pieces

    def end(self) -> None:
        """Put what is left, and end the stream."""
        while self.put():
            pass
        self._producer.end()


def killed(place: Path, stage: str, nth: int, after: float | None) -> bool:
    """Run a consumer until it is at the stage, or for so many seconds; whether it was killed before it had ended."""
    command = [sys.executable, "-m", "crime_assets_tests.stress.live_command", str(place), stage, str(nth), "40"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        if after is not None:
            time.sleep(after)
            process.kill()
        process.wait(300)
        assert process.returncode in (0, -9)
        return process.returncode == -9


def test_kills_at_every_stage_lose_and_double_nothing(tmp_path: Path, thrown: Callable[[str, object], None]) -> None:
    rng, sample = random.Random(18), SampleReports(5, FIRST, 9, 2_000)
    sent = list(sample.records())
    stream, consumed = Stream(tmp_path, sent, KILLS + 60), Consumed(tmp_path)
    consumed.watch(sample.watched())
    kills: Counter[str] = Counter()
    for stage in cycle((*STAGES, *["at any moment"] * 6)):
        if kills.total() == KILLS or not stream.put():
            break
        if stage == "at any moment":
            kills[stage] += killed(tmp_path, "", 0, rng.uniform(0, 1.5))
        else:
            kills[stage] += killed(tmp_path, stage, rng.randrange(1, 3), None)
    stream.end()
    consumed.run()

    until = datetime.fromtimestamp(consumed.status["watermark"], UTC)
    whole = [(one.arrived_at, one.data) for one in sent if not one.fault]
    assert consumed.raised().keys() == alerts(whole, sample.watched(), sample.zone, until)
    assert set(consumed.raised().values()) == {1}
    delivered = Counter(
        line["event_id"]
        for line in consumed.delivered()
        if datetime.fromisoformat(line["arrived_at"]).timestamp()
        - datetime.fromisoformat(line["registered_at"]).timestamp()
        <= 3_600
    )
    assert set(delivered.values()) == {1}
    assert {line["event_id"] for line in consumed.delivered()} == {
        json.loads(one.data)["event_id"] for one in sent if not one.fault
    }
    assert len(consumed.quarantined()) == sum(bool(one.fault) for one in sent)
    assert kills.total() == KILLS
    thrown("kills of a consumer of live reports, by stage", ", ".join(f"{n} {stage}" for stage, n in kills.items()))
