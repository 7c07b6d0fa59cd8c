"""Fixtures of the servers that stand for AWS; every room may use them."""

import secrets
from collections.abc import Iterator

import boto3
import pytest
import requests

from crime_assets.streams.firehose import delivery_stream_settings
from crime_assets_tests.cloud.aws.athena_server import AthenaServer
from crime_assets_tests.cloud.aws.firehose_server import ROLE, DeliveryStream, FirehoseServer
from crime_assets_tests.cloud.aws.servers import ACCESS_KEY, REGION, SECRET_KEY, Seaweed, start_moto, start_seaweed


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    """S3 and an Iceberg REST catalog; `aws` leads boto3 there."""
    server = start_seaweed(tmp_path_factory.mktemp("seaweed"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def moto_server() -> Iterator[str]:
    """The address of moto."""
    server, address = start_moto()
    yield address
    server.stop()


@pytest.fixture
def aws(seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch) -> Seaweed:
    """S3 is SeaweedFS, credentials and region are set; any other service leads nowhere."""
    for name, value in seaweed.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    return seaweed


@pytest.fixture
def moto(moto_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every service that no variable of its own leads elsewhere is moto, empty; with `aws`, S3 is SeaweedFS."""
    requests.post(f"{moto_server}/moto-api/reset", timeout=10).raise_for_status()
    for name, value in {
        "AWS_ENDPOINT_URL": moto_server,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
    }.items():
        monkeypatch.setenv(name, value)
    return moto_server


@pytest.fixture(scope="session")
def landing_bucket(seaweed: Seaweed) -> str:
    """A bucket that tests share, each below a prefix of its own: making one takes longer than many a test."""
    return seaweed.bucket()


@pytest.fixture
def firehose(aws: Seaweed, landing_bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[DeliveryStream]:
    """A delivery stream into a prefix of its own; boto3 is led to the server, whose faults a test can plan."""
    server = FirehoseServer(aws.client())
    monkeypatch.setenv("AWS_ENDPOINT_URL_FIREHOSE", server.url)
    stream = DeliveryStream(server, "crimes", landing_bucket, f"police-{secrets.token_hex(4)}/landing")
    boto3.client("firehose").create_delivery_stream(
        DeliveryStreamName=stream.name,
        ExtendedS3DestinationConfiguration=delivery_stream_settings(stream.bucket, ROLE, stream.prefix),
    )
    yield stream
    server.stop()


@pytest.fixture(scope="session")
def athena_server(seaweed: Seaweed) -> Iterator[AthenaServer]:
    """Athena's API; `athena` leads boto3 there."""
    server = AthenaServer(seaweed.client())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def athena(aws: Seaweed, athena_server: AthenaServer, monkeypatch: pytest.MonkeyPatch) -> AthenaServer:
    """Athena with one workgroup, `crimes`, whose limit is 1 GB; set its `runs` to what is to run statements."""
    athena_server.forget()
    athena_server.workgroup("crimes", aws.bucket())
    monkeypatch.setenv("AWS_ENDPOINT_URL_ATHENA", athena_server.address)
    return athena_server
