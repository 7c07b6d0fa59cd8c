"""A load into DynamoDB that stops itself before its second batch; it is started with the place for its files.

It is stopped when it has just seen that it may send, as a machine that is suspended can be. Prints why it ended.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from crime_assets.cloud.aws.clients import Clients
from crime_assets.core.errors import StoreBusy
from crime_assets.migration import load as loading
from crime_assets.migration.stores import dynamodb, wire
from crime_assets.migration.stores.dynamodb import DynamoStore
from crime_assets.migration.stores.lease import Lease, Pace
from crime_assets_tests.migration.roads import filled, quiet, road_of
from crime_assets_tests.migration.tiny import BOTH

CHUNK = 10


def store(clock: Callable[[], float]) -> DynamoStore:
    """The table of both, with minutes as they are; whose lease counts them by a clock."""
    dynamodb.Lease = partial(Lease, clock=clock)
    return dynamodb.DynamoStore(Clients("us-east-1"), "documents", BOTH, Pace(look=30))


def main(place: Path) -> None:
    """Load the cases that tests have."""
    send, sent, now = wire.send, 0, 0.0

    def stopping(client: Any, table: str, body: bytes) -> Sequence[dict[str, Any]]:
        nonlocal sent, now
        sent += 1
        if sent == 2:
            os.kill(os.getpid(), signal.SIGSTOP)
            now = 130.0
        return send(client, table, body)

    wire.send = stopping
    loading.ROOTS = CHUNK
    try:
        loading.load(road_of(place, filled(), store(lambda: now)), quiet)
    except StoreBusy as error:
        print(error)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
