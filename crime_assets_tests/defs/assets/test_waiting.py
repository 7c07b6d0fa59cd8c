"""A day whose objects Firehose writes late: waited for, missed aloud when patience has ended, merged once they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import boto3
import dagster as dg
import pytest
from botocore.config import Config

from crime_assets.defs.assets import crime_deliveries
from crime_assets.streams.firehose import FirehoseStream
from crime_assets.streams.s3 import S3Store
from crime_assets.streams.waiting import wait_for_missing
from crime_assets_tests.build import clock_at, export_profile, record, write_export
from crime_assets_tests.cloud.aws.firehose_server import DeliveryStream, FirehoseServer
from crime_assets_tests.cloud.aws.servers import Seaweed
from crime_assets_tests.defs.automation.test_sensor import House
from crime_assets_tests.graph import failing, verdicts

pytestmark = pytest.mark.slow

DAY, NEXT = "2024-01-25", "2024-01-26"
CRIMES = [
    *(record(n, "2024-01-10") for n in range(1, 4)),
    *(record(n, DAY) for n in range(100, 350)),
    *(record(n, NEXT) for n in range(400, 410)),
]


class Late(House):
    """A lake in a directory, deliveries by Firehose, and a clock that goes on only while somebody waits."""

    server: FirehoseServer
    slept: float = 0.0
    while_asleep: Callable[[float], object] = staticmethod(lambda _: None)

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.while_asleep(self.slept)

    def clock(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.slept)

    def tick(self) -> list[dg.RunRequest]:
        """A tick of the sensor on a day when the days are recent; S3 itself lives in the present."""
        now, self.profile.clock = self.profile.clock, clock_at("2024-02-01T12:00:00")
        found = super().tick()
        self.profile.clock = now
        return found

    def ids(self) -> list[object]:
        return sorted(int(str(row["id"])) for row in self.graph.rows())


@pytest.fixture
def house(tmp_path: Path, aws: Seaweed, firehose: DeliveryStream, monkeypatch: pytest.MonkeyPatch) -> Iterator[Late]:
    profile = export_profile(tmp_path / "lake", write_export(tmp_path / "crimes.csv", CRIMES))
    profile.landing = S3Store(aws.client(), firehose.bucket, firehose.prefix)
    once = Config(retries={"mode": "standard", "total_max_attempts": 1})
    profile.stream = lambda: FirehoseStream(boto3.client("firehose", config=once), firehose.name, sleep=lambda _: None)
    with dg.DagsterInstance.ephemeral() as instance:
        found = Late(profile, instance)
        found.graph.load()
        found.server = firehose.server
        profile.clock = found.clock
        monkeypatch.setattr(crime_deliveries, "wait_for_missing", partial(wait_for_missing, sleep=found.sleep))
        yield found


ALL = [1, 2, 3, *range(100, 350)]


def test_what_lands_minutes_later_is_waited_for_and_what_lands_twice_counts_once(house: Late) -> None:
    house.server.delivers_twice = True
    house.server.hold()
    house.while_asleep = lambda slept: house.server.release() if slept > 300 else None
    result = house.graph.run(DAY, job="backfill_change_days")
    assert house.slept > 300
    assert "delivery_complete" not in failing(result)
    assert house.ids() == ALL
    assert house.graph.materialized("crime_deliveries")[DAY]["dagster/partition_row_count"].value == 500
    assert house.tick() == []


def test_what_comes_after_patience_has_ended_is_merged_by_the_sensor(house: Late) -> None:
    house.server.hold()
    result = house.graph.run(DAY, NEXT, job="backfill_change_days", fails=True)
    assert 1500 <= house.slept < 1600
    assert "2024-01-25: 2 of 2 batches are missing" in str(verdicts(result)["delivery_complete"].description)
    assert house.ids() == [1, 2, 3]
    assert house.tick() == [], "there is nothing to merge yet"

    house.server.release()
    days = [str(request.partition_key) for request in house.tick()]
    assert days == [NEXT, DAY]
    for day in days:
        house.graph.run(day, job="merge_change_day")
    assert house.ids() == [*ALL, *range(400, 410)]
    assert house.tick() == []


def test_what_never_comes_is_delivered_by_another_pull_and_not_waited_for_twice(house: Late) -> None:
    house.server.hold()
    house.graph.run(DAY, job="pull_change_day")
    assert house.server.lose() == 250
    house.graph.run(DAY, job="merge_change_day", fails=True)
    waited = house.slept
    house.graph.run(DAY, job="merge_change_day", fails=True)
    assert house.slept == waited, "after the first time it is known"

    house.slept = 0.0
    house.while_asleep = lambda _: house.server.release()
    house.graph.run(DAY, job="backfill_change_days")
    assert house.ids() == ALL


def test_a_throttled_firehose_delays_a_day_and_a_refusal_fails_it_until_the_next_run(
    house: Late, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.while_asleep = lambda _: house.server.release()
    house.server.fail_every = 3
    house.server.throttled_calls = 1
    house.graph.run(DAY, job="backfill_change_days")
    assert house.ids() == ALL

    monkeypatch.setenv("AWS_ENDPOINT_URL_FIREHOSE", "http://127.0.0.1:9")
    house.graph.run(NEXT, job="backfill_change_days", fails=True)
    monkeypatch.setenv("AWS_ENDPOINT_URL_FIREHOSE", house.server.url)
    house.graph.run(NEXT, job="backfill_change_days")
    assert house.ids() == [*ALL, *range(400, 410)]
