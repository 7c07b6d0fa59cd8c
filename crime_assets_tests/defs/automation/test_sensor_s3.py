"""The sensor on a landing store in S3: keys by the thousand that come, change and go, and a server that is down."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pytest
from botocore.config import Config

from crime_assets.cloud.aws.errors import AwsError
from crime_assets.core import keys
from crime_assets.profiles import Profile
from crime_assets.streams.s3 import S3Store
from crime_assets_tests.build import export_profile, record, write_export
from crime_assets_tests.cloud.aws.filling import fill, seem_merged
from crime_assets_tests.cloud.aws.servers import Seaweed, start_seaweed
from crime_assets_tests.defs.automation.test_sensor import House

DAY = date(2024, 1, 25)
FIRST, OLD = date(2024, 1, 25), date(2024, 1, 30)
PREFIX = "police/landing"


def asked(house: House, ticks: int = 1) -> list[str]:
    """The days that so many ticks ask for."""
    return [str(request.partition_key) for _ in range(ticks) for request in house.tick()]


def profile_on(home: Path, landing: S3Store) -> Profile:
    """A lake on an export, in a directory, whose deliveries lie in S3."""
    crimes = [record(n, "2024-01-10") for n in range(1, 4)] + [record(4, "2024-01-25"), record(5, "2024-01-26")]
    profile = export_profile(home / "lake", write_export(home / "crimes.csv", crimes))
    profile.landing = landing
    return profile


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


@pytest.fixture
def bucket(aws: Seaweed) -> str:
    return aws.bucket()


@pytest.fixture
def house(tmp_path: Path, aws: Seaweed, bucket: str, instance: dg.DagsterInstance) -> House:
    """The present is 2024-02-01, the history is loaded."""
    found = House(profile_on(tmp_path, S3Store(aws.client(), bucket, PREFIX)), instance)
    found.graph.load()
    return found


def keys_of(day: date, *names: object) -> list[str]:
    return [f"{PREFIX}/{keys.deliveries_prefix('chicago', day)}{name}.gz" for name in names]


def test_a_day_goes_from_landing_to_merged_with_one_run(house: House) -> None:
    assert asked(house) == []
    house.graph.run("2024-01-25", job="pull_change_day")
    assert asked(house) == ["2024-01-25"]
    house.graph.run("2024-01-25", job="merge_change_day")
    assert [row["id"] for row in house.graph.rows() if row["change_day"] == DAY] == [4]
    assert asked(house) == []


def test_keys_by_the_thousand_that_come_change_and_go(house: House, aws: Seaweed, bucket: str) -> None:
    """Days of the last weeks and old ones, one with several pages of keys. All landed within a second or two."""
    house.at("2024-03-10T12:00:00")
    days = [FIRST + timedelta(days=n) for n in range(45)]
    fill(aws, bucket, [key for day in days for key in keys_of(day, *range(10))])
    fill(aws, bucket, keys_of(OLD, *range(1100)))
    seem_merged(house.profile.landing, "chicago", days)
    assert asked(house) == [], "nothing is processed for nothing"

    client = aws.client()
    fill(aws, bucket, keys_of(days[-1], "late"))
    assert asked(house) == ["2024-03-09"]
    seem_merged(house.profile.landing, "chicago", days[-1:])

    # On the last page, of the same second and size as its neighbours; then the same on the first page, rewritten.
    fill(aws, bucket, keys_of(OLD, "zzz"))
    assert asked(house) == ["2024-01-30"]
    seem_merged(house.profile.landing, "chicago", [OLD])
    client.put_object(Bucket=bucket, Key=keys_of(OLD, 0)[0], Body=b"y")
    assert asked(house) == ["2024-01-30"]
    seem_merged(house.profile.landing, "chicago", [OLD])

    client.put_object(Bucket=bucket, Key=keys_of(OLD, 0)[0], Body=b"y")
    client.delete_object(Bucket=bucket, Key=keys_of(OLD, 1)[0])
    assert asked(house) == [], "the same content again, and what is gone, are nothing to merge"

    client.put_object(Bucket=bucket, Key=keys_of(OLD, 1)[0], Body=b"back")
    assert asked(house) == ["2024-01-30"]


def test_days_whose_names_begin_alike_are_not_taken_for_each_other(house: House, aws: Seaweed, bucket: str) -> None:
    fill(aws, bucket, [f"{PREFIX}/raw/city=chicago/change_day=2024-01-2/x.gz"])
    fill(aws, bucket, [f"{PREFIX}/raw/city=chicago/change_day=2024-01-255/x.gz"])
    fill(aws, bucket, ["raw/city=chicago/change_day=2024-01-26/x.gz"])
    assert asked(house, 2) == []


def test_a_server_that_is_down_for_a_tick(tmp_path: Path, aws: Seaweed, instance: dg.DagsterInstance) -> None:
    server = start_seaweed(tmp_path / "seaweed")
    try:
        store = S3Store(_impatient(server), server.bucket(), PREFIX)
        house = House(profile_on(tmp_path, store), instance)
        house.graph.load()
        house.graph.run("2024-01-25", "2024-01-26", job="pull_change_day")
        assert asked(house) == ["2024-01-26", "2024-01-25"]
        house.graph.run("2024-01-26", job="merge_change_day")
        cursor = house.cursor
        server.process.kill()
        server.process.wait()
        with pytest.raises(AwsError, match=r"^AWS cannot be reached to list the bucket .* then run again\.$"):
            house.tick()
        assert house.cursor == cursor
    finally:
        server.process.kill()
        server.process.wait()
    server = start_seaweed(tmp_path / "seaweed", server.ports)
    try:
        assert _asked_at_last(house) == ["2024-01-25"], "what was merged stays merged, what was not is not lost"
    finally:
        server.process.kill()
        server.process.wait()


def _asked_at_last(house: House) -> list[str]:
    """What the first tick asks for that does not fail: some parts of a server that starts come later than others."""
    for _ in range(100):
        try:
            return asked(house)
        except AwsError:
            time.sleep(0.1)
    raise AssertionError("the server does not come back")


def _impatient(server: Seaweed) -> Any:
    """A client that does not try again, so that the tick ends at once."""
    address = {"endpoint_url": server.s3, "config": Config(retries={"total_max_attempts": 1, "mode": "standard"})}
    return boto3.client("s3", **address)
