"""The S3 store beyond what every store does: pages, folders, refusals, and connections that break."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config

from crime_assets.cloud.aws.clients import Clients
from crime_assets.cloud.aws.errors import AwsError
from crime_assets.core import keys
from crime_assets.streams.s3 import S3Store
from crime_assets_tests.cloud.aws.filling import fill
from crime_assets_tests.cloud.aws.servers import Seaweed

DAY = date(2018, 11, 1)


@pytest.fixture
def client(aws: Seaweed) -> Any:
    return Clients().client("s3")


@pytest.fixture
def bucket(aws: Seaweed) -> str:
    return aws.bucket()


def test_all_pages_of_a_day_and_of_no_day_that_begins_alike(aws: Seaweed, client: Any, bucket: str) -> None:
    prefix = keys.deliveries_prefix("chicago", DAY)
    names = [f"{prefix}{n:04}.gz" for n in range(2500)]
    fill(aws, bucket, [*names, *(f"raw/city=chicago/change_day=2018-11-1{n}/x.gz" for n in range(10))])
    store = S3Store(client, bucket)
    assert [found.key for found in store.list(prefix)] == names
    assert len(list(store.list("raw/city=chicago/change_day=2018-11-1"))) == 10
    assert len(list(store.list(""))) == 2510


def test_what_a_console_makes_for_a_folder_is_no_object(client: Any, bucket: str) -> None:
    store = S3Store(client, bucket, "landing/")
    for key in ("landing/", "landing/raw/", "landing/raw/day=1/"):
        client.put_object(Bucket=bucket, Key=key, Body=b"")
    assert list(store.list("")) == []
    store.write("raw/day=1/a", b"x")
    assert [found.key for found in store.list("")] == ["raw/day=1/a"]


@pytest.mark.parametrize("prefix", ["", "/", "a", "/a/b/"])
def test_prefixes_are_written_as_one_likes(client: Any, bucket: str, prefix: str) -> None:
    store = S3Store(client, bucket, prefix)
    store.write("raw/a", b"x")
    (found,) = client.list_objects_v2(Bucket=bucket)["Contents"]
    assert found["Key"] == "/".join([*(part for part in prefix.split("/") if part), "raw/a"])
    assert [found.key for found in store.list("raw/")] == ["raw/a"]
    assert store.location("raw/a") == f"s3://{bucket}/{found['Key']}"


def test_a_bucket_that_is_not_there(aws: Seaweed, client: Any) -> None:
    store = S3Store(client, "no-such-bucket")
    for action in (lambda: list(store.list("raw/")), lambda: store.read("raw/a"), lambda: next(store.chunks("raw/a"))):
        with pytest.raises(
            AwsError, match=r"the bucket no-such-bucket: it does not exist .* or correct CRIME_LANDING\.$"
        ):
            action()


def test_a_bucket_that_is_not_there_cannot_be_written_to(moto: str) -> None:
    # SeaweedFS would make it.
    with pytest.raises(AwsError, match=r"write to the bucket no-such-bucket: it does not exist"):
        S3Store(boto3.client("s3"), "no-such-bucket").write("raw/a", b"x")


def test_keys_that_are_refused(client: Any, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    S3Store(client, bucket).write("raw/a", b"x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    store = S3Store(Clients().client("s3"), bucket)
    for action in (
        lambda: list(store.list("raw/")),
        lambda: store.read("raw/a"),
        lambda: next(store.chunks("raw/a")),
        lambda: store.write("raw/a", b"y"),
        lambda: store.write_new("raw/a", b"y"),
    ):
        with pytest.raises(AwsError, match=f"^AWS refused to .* the bucket {bucket} "):
            action()
    assert S3Store(client, bucket).read("raw/a") == b"x"


class Cutting:
    """Passes everything on to a server, and cuts the connection after so many bytes of so many answers."""

    def __init__(self, to: str) -> None:
        self.cuts_left = 0
        self.cut_after = 1_500_000
        self._to = (urlsplit(to).hostname, urlsplit(to).port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            far = socket.create_connection(self._to)
            threading.Thread(target=self._pass_on, args=(near, far), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(far, near, True), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, is_answer: bool = False) -> None:
        passed = 0
        with suppress(OSError):
            while piece := source.recv(65_536):
                target.sendall(piece)
                passed += len(piece)
                if is_answer and passed > self.cut_after and self.cuts_left:
                    self.cuts_left -= 1
                    break
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listening.close()


class TestBrokenConnections:
    CONTENT = random.Random(5).randbytes(6_000_000)

    @pytest.fixture
    def cutting(self, aws: Seaweed) -> Iterator[Cutting]:
        proxy = Cutting(aws.s3)
        yield proxy
        proxy.close()

    @pytest.fixture
    def store(self, client: Any, bucket: str, cutting: Cutting) -> S3Store:
        S3Store(client, bucket).write("raw/a", self.CONTENT)
        once = Config(retries={"mode": "standard", "total_max_attempts": 1})
        return S3Store(boto3.client("s3", endpoint_url=cutting.url, config=once), bucket)

    def test_reading_goes_on_where_it_broke(self, store: S3Store, cutting: Cutting) -> None:
        cutting.cuts_left = 3
        assert b"".join(store.chunks("raw/a")) == self.CONTENT
        assert cutting.cuts_left == 0
        cutting.cuts_left = 2
        assert store.read("raw/a") == self.CONTENT

    def test_a_connection_that_always_breaks_is_one_sentence(self, store: S3Store, cutting: Cutting) -> None:
        cutting.cuts_left, cutting.cut_after = 100, 200_000
        with pytest.raises(AwsError, match=r"^It was not possible to read from the bucket .* then run again\.$"):
            store.read("raw/a")

    def test_an_object_that_was_rewritten_meanwhile_is_not_patched_together(
        self, store: S3Store, client: Any, bucket: str, cutting: Cutting
    ) -> None:
        cutting.cuts_left = 1
        pieces = store.chunks("raw/a")
        next(pieces)
        S3Store(client, bucket).write("raw/a", self.CONTENT[::-1])
        with pytest.raises(AwsError, match="PreconditionFailed"):
            list(pieces)
