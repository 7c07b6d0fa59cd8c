"""Landing stores of each kind, for tests that every kind must pass."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crime_assets.streams import LandingStore
from crime_assets.streams.directory import DirectoryStore
from crime_assets.streams.s3 import S3Store
from crime_assets_tests.cloud.aws.servers import Seaweed


@dataclass(frozen=True)
class Landing:
    """An empty store, and how anyone takes an object away from it."""

    store: LandingStore
    delete: Callable[[str], Any]

    def keys(self, prefix: str) -> list[str]:
        """Keys that begin with the prefix."""
        return [found.key for found in self.store.list(prefix)]


def in_directory(home: Path) -> Landing:
    """A store in a directory `landing` of `home`."""
    return Landing(DirectoryStore(home / "landing"), lambda key: (home / "landing" / key).unlink())


def in_bucket(server: Seaweed, bucket: str) -> Landing:
    """A store below a new prefix of the bucket, beside which lie objects that are not its own."""
    client = server.client()
    prefix = f"police-{secrets.token_hex(4)}/landing"
    for key in (f"{prefix}-2/raw/stranger", prefix, prefix[:-1]):
        client.put_object(Bucket=bucket, Key=key, Body=b"x")
    return Landing(
        S3Store(client, bucket, prefix), lambda key: client.delete_object(Bucket=bucket, Key=f"{prefix}/{key}")
    )
