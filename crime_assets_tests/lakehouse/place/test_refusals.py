"""What catalogs and object storage answer when they refuse or fail, each in one sentence: on servers that do so."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pydantic
import pytest
from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

from crime_assets.cloud.aws.errors import AwsError
from crime_assets.core.errors import LakeError
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import Lake, Remote
from crime_assets.lakehouse.place.refusals import refusal
from crime_assets.lakehouse.place.warehouse import CACHE
from crime_assets.streams.directory import DirectoryStore

PAGE = b"<html>Sign in first.</html>"


class Server:
    """Answers each request as `answer` says: path → HTTP status, body."""

    def __init__(self) -> None:
        self.answer: Callable[[str], tuple[int, bytes]] = lambda path: (404, b"")
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                status, body = server.answer(self.path)
                self.send_response(status)
                if status == 307:
                    self.send_header("Location", self.path)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_HEAD = do_GET  # noqa: N815 - the name is http.server's

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.host = f"127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    one = Server()
    yield one
    one.close()


@pytest.fixture
def lake(server: Server, tmp_path: Path) -> Lake:
    """A lake whose catalog is the server."""
    documents = DirectoryStore(tmp_path / "documents")
    return Lake(tmp_path / "lake", Remote("s3://a-bucket", documents, {"type": "rest", "uri": f"http://{server.host}"}))


def config(**overrides: str) -> bytes:
    return json.dumps({"defaults": {}, "overrides": overrides}).encode()


# --- storage -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (400, r"AWS refused HeadObject in s3://b/lake \(HTTP status 400\): the credentials may have expired, so renew"),
        (429, r"The storage of s3://b/lake does not answer \(HTTP status 429 during HeadObject\): run again\."),
        (500, r"The storage of s3://b/lake does not answer \(HTTP status 500 during HeadObject\): run again\."),
        (503, r"The storage of s3://b/lake does not answer \(HTTP status 503 during HeadObject\): run again\."),
        (403, r"AWS refused HeadObject in s3://b/lake \(ACCESS_DENIED\): check that the credentials are valid"),
    ],
)
def test_storage_that_says_no_code_is_told_by_its_status(server: Server, status: int, sentence: str) -> None:
    server.answer = lambda path: (status, b"")
    storage = S3FileSystem(
        access_key="key",
        secret_key="secret",
        region="us-east-1",
        scheme="http",
        endpoint_override=server.host,
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=1),
    )
    with pytest.raises(OSError, match="AWS Error") as raised:
        storage.open_input_file("b/x")

    told = refusal(raised.value, "s3://b/lake")

    assert isinstance(told, AwsError)
    assert re.match(sentence, str(told))


# --- catalogs ----------------------------------------------------------------------------------------------------

ODD = [(200, PAGE), (200, b""), (302, b""), (307, b""), (501, b"")]


@pytest.mark.parametrize(("status", "body"), ODD)
def test_what_does_not_answer_like_a_catalog_is_one_sentence(
    lake: Lake, server: Server, status: int, body: bytes
) -> None:
    odd_at = "/v1/config"

    def answer(path: str) -> tuple[int, bytes]:
        return (status, body) if odd_at in path else (200, config())

    server.answer = answer
    sentence = (
        "^The address in CRIME_CATALOG does not answer like an Iceberg catalog .*: correct it, or check any proxy"
    )
    with pytest.raises(LakeError, match=sentence):
        tables.load(lake, "chicago", "crimes")
    odd_at = "/tables/"
    with pytest.raises(LakeError, match=sentence):
        tables.load(lake, "chicago", "crimes")
    with pytest.raises(LakeError, match=sentence), lake.writing():
        lake.catalog.load_table(("chicago", "crimes"))


def test_faults_of_our_own_are_not_the_catalogs(lake: Lake) -> None:
    class Delivery(pydantic.BaseModel):
        id: int

    with pytest.raises(pydantic.ValidationError), lake.writing():
        Delivery.model_validate_json("<html>")
    with pytest.raises(NotImplementedError), lake.writing():
        raise NotImplementedError


def test_what_a_catalog_says_of_itself_does_not_move_this_machines_copies(lake: Lake, server: Server) -> None:
    theirs = {"py-io-impl": "pyiceberg.io.fsspec.FsspecFileIO", CACHE: "/elsewhere", "s3.region": "eu-west-1"}
    server.answer = lambda path: (200, config(**theirs))

    properties = lake.catalog.properties

    assert properties["py-io-impl"] == "pyiceberg.io.pyarrow.PyArrowFileIO"
    assert properties[CACHE] == str(lake.warehouse)
    assert properties["s3.region"] == "eu-west-1"
