"""The sensor over a landing store of a million keys: nothing missed, nothing for nothing, and how long a tick takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from crime_assets.cloud.aws.clients import Clients
from crime_assets.core import keys
from crime_assets.streams.s3 import S3Store
from crime_assets_tests.cloud.aws.filling import fill, pour, seem_merged
from crime_assets_tests.cloud.aws.servers import start_seaweed
from crime_assets_tests.defs.automation.test_sensor import House
from crime_assets_tests.defs.automation.test_sensor_s3 import PREFIX, keys_of, profile_on

KEYS, LARGE, OF_A_DAY = 1_000_000, 10_000, 1_320
FIRST = date(2024, 1, 25)
DAYS = [FIRST + timedelta(days=n) for n in range((KEYS - LARGE) // OF_A_DAY + 1)]
LARGE_DAY = DAYS[300]


class Timed(House):
    """A house that keeps how long its ticks take."""

    seconds: list[float]

    def round(self) -> list[str]:
        """The days asked for until the sweep has come to the first change day, each once."""
        asked: set[str] = set()
        while True:
            start = time.perf_counter()
            asked |= {str(request.partition_key) for request in self.tick()}
            self.seconds.append(time.perf_counter() - start)
            if self.cursor == str(FIRST):
                return sorted(asked)


@pytest.mark.stress
def test_a_million_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, thrown: Callable[[str, object], None]) -> None:
    server = start_seaweed(tmp_path / "seaweed")
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    try:
        bucket = server.bucket()
        client = Clients().client("s3")
        landing = S3Store(client, bucket, PREFIX)
        names = (key for day in DAYS for key in keys_of(day, *range(LARGE if day == LARGE_DAY else OF_A_DAY)))
        pour(server, bucket, names, tmp_path / "names")
        assert sum(1 for _ in landing.list("raw/")) == KEYS
        with dg.DagsterInstance.ephemeral() as instance:
            house = Timed(profile_on(tmp_path, landing), instance)
            house.graph.load()
            house.at(f"{DAYS[-1] + timedelta(days=1)}T12:00:00")
            house.seconds = []
            seem_merged(landing, "chicago", DAYS)
            assert house.round() == []

            late = [FIRST, DAYS[1], DAYS[-30], DAYS[-1]]
            fill(server, bucket, [key for day in late for key in keys_of(day, "late")])
            fill(server, bucket, keys_of(LARGE_DAY, "zzz"))
            landing.write(f"{keys.deliveries_prefix('chicago', DAYS[7])}7.gz", b"rewritten")
            client.delete_object(Bucket=bucket, Key=keys_of(DAYS[8], 8)[0])
            assert house.round() == sorted(map(str, [*late, LARGE_DAY, DAYS[7]]))
        mean = sum(house.seconds) / len(house.seconds)
        thrown("keys in S3 below the sensor's prefix, 10,000 of them of one day", f"{KEYS:,}")
        thrown(
            "seconds of a tick of the sensor over them, mean and longest",
            f"{mean:.1f} and {max(house.seconds):.1f} ({len(house.seconds)} ticks)",
        )
    finally:
        server.process.kill()
        server.process.wait()
