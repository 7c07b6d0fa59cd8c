"""Filling a bucket with many objects, and books that call them merged, without reading each."""

from __future__ import annotations

import hashlib
import struct
import subprocess
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from crime_assets.core import keys
from crime_assets.streams import LandingStore
from crime_assets.streams.inventory import Inventory, InventoryItem, record_merged
from crime_assets_tests.cloud.aws.servers import Seaweed, weed

_AT_ONCE = 8


def fill(server: Seaweed, bucket: str, names: Sequence[str]) -> None:
    """Put objects of a byte, by the server's own file system, which takes them faster than its S3."""
    address = urlsplit(server.filer).netloc

    def put(part: Sequence[str]) -> None:
        connection = HTTPConnection(address)
        for name in part:
            connection.request("PUT", f"/buckets/{bucket}/{name}", b"x")
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 201, answer.status
        connection.close()

    with ThreadPoolExecutor(_AT_ONCE) as putters:
        list(putters.map(put, (names[n::_AT_ONCE] for n in range(_AT_ONCE))))


def pour(server: Seaweed, bucket: str, names: Iterable[str], file: Path) -> None:
    """The same for a million: written to `file` as the server dumps what it holds, and loaded from there."""
    at, last_names = 1_700_000_000, deque[str](maxlen=100)
    attributes = (
        _field(1, 1) + _field(2, at) + _field(3, 0o660) + _field(6, at) + _field(14, hashlib.md5(b"x").digest())
    )
    with file.open("wb") as dump:
        for name in names:
            last_names.append(name)
            folder, _, last = f"/buckets/{bucket}/{name}".rpartition("/")
            entry = _field(1, last.encode()) + _field(4, attributes) + _field(9, b"x")
            content = _field(1, folder.encode()) + _field(2, entry)
            dump.write(struct.pack(">I", len(content)) + content)
    ports = server.ports
    shell = [
        weed(),
        "shell",
        f"-master=127.0.0.1:{ports['master.port']}.{ports['master.port.grpc']}",
        f"-filer=127.0.0.1:{ports['filer.port']}.{ports['filer.port.grpc']}",
    ]
    load = f"fs.meta.load -concurrency={_AT_ONCE} {file}\nexit\n"
    subprocess.run(shell, input=load.encode(), stdout=subprocess.DEVNULL, check=True)
    # The shell ends without waiting for what it loads last.
    fill(server, bucket, list(last_names))


def _field(number: int, value: int | bytes) -> bytes:
    """A field of a protobuf message."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def seem_merged(store: LandingStore, city: str, days: Iterable[date]) -> None:
    """Record that the lake has merged all that lies there of these days."""

    def inventory(day: date) -> Inventory:
        return Inventory(
            [InventoryItem(o.key, o.etag, o.size, 0, 0) for o in store.list(keys.deliveries_prefix(city, day))]
        )

    record_merged(store, city, {day: inventory(day) for day in days})
