"""Rows a second through the Firehose stream into a stand-in server, beside the local stream into a directory.

    python -m benchmarks.firehose put firehose|local ROWS DIRECTORY
    python -m benchmarks.firehose serve DIRECTORY

The peer packs and writes the objects itself; Firehose's stream encodes and signs calls of 500 rows, and packing is the
server's. On AWS the delivery stream's own limit comes first: 100,000 rows and 1 MiB a second, or five times that.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from benchmarks.changes import changes
from benchmarks.history import CITY, FIRST_DAY
from benchmarks.measuring import Figure, module, spend
from crime_assets.cloud.aws.clients import Clients
from crime_assets.core.batches import BATCH_SIZE
from crime_assets.streams import Stream
from crime_assets.streams.directory import DirectoryStore
from crime_assets.streams.firehose import FirehoseStream, delivery_stream_settings
from crime_assets.streams.local import LocalStream
from crime_assets_tests.cloud.aws.firehose_server import ROLE, FirehoseServer

ROWS = 100_000
_HISTORY = 250_000
_NAME = "benchmark"


class _Directory:
    """As much of an S3 client as the server needs."""

    def __init__(self, root: Path) -> None:
        self._store = DirectoryStore(root)

    def put_object(self, Bucket: str, Key: str, Body: bytes) -> None:  # noqa: N803 - boto3's names
        self._store.write(f"{Bucket}/{Key}", Body)


def serve(root: Path) -> None:
    """Print the address and serve until standard input is closed."""
    server = FirehoseServer(_Directory(root))
    server.buffer_seconds = 1.0
    print(server.url, flush=True)
    sys.stdin.read()
    server.release()
    server.stop()
    assert len(server.taken) == ROWS, len(server.taken)


@contextmanager
def _firehose(root: Path) -> Iterator[Stream]:
    command = module("firehose", "serve", root)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        credentials = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}
        os.environ.update({**credentials, "AWS_ENDPOINT_URL_FIREHOSE": server.stdout.readline().strip()})
        client: Any = Clients("us-east-1").client("firehose")
        settings = delivery_stream_settings(_NAME, ROLE)
        client.create_delivery_stream(DeliveryStreamName=_NAME, ExtendedS3DestinationConfiguration=settings)
        yield FirehoseStream(client, _NAME)
        server.stdin.close()
    assert server.returncode == 0


def put(stream: Stream, rows: int) -> float:
    """Seconds until the stream has taken the rows, in batches."""
    lines = cycle(changes(_HISTORY, FIRST_DAY)[0].content.splitlines(keepends=True))
    batches = [list(islice(lines, BATCH_SIZE)) for _ in range(rows // BATCH_SIZE)]
    start = time.perf_counter()
    for batch in batches:
        stream.put(FIRST_DAY, batch)
    stream.close()
    return time.perf_counter() - start


def figures(place: Path) -> list[Figure]:
    """The one beside the other."""
    ours, peer = (
        float(spend(module("firehose", "put", kind, ROWS, place / f"stream-{kind}")).printed)
        for kind in ("firehose", "local")
    )
    return [
        Figure(
            f"put {ROWS:,} rows to Firehose, on loopback",
            f"{ours:.1f} s, {ROWS / ours:,.0f} rows/s",
            f"local stream: {peer:.1f} s, {ROWS / peer:,.0f} rows/s",
            ours / peer,
            10,
        )
    ]


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(Path(sys.argv[2]))
    elif sys.argv[2] == "firehose":
        with _firehose(Path(sys.argv[4])) as into_firehose:
            print(put(into_firehose, int(sys.argv[3])))
    else:
        print(put(LocalStream(DirectoryStore(Path(sys.argv[4])), CITY.name), int(sys.argv[3])))
