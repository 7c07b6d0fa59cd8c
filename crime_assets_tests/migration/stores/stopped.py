"""A load into DynamoDB that stops itself before its second batch; it is started with the place for its files.

It is stopped when it has just seen that it may send, as a machine that is suspended can be. Prints why it ended.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crime_assets.cloud.aws.clients import Clients
from crime_assets.core.errors import StoreBusy
from crime_assets.migration import load as loading
from crime_assets.migration.stores import wire
from crime_assets.migration.stores.dynamodb import DynamoStore
from crime_assets.migration.stores.lease import Pace
from crime_assets_tests.migration.roads import filled, quiet, road_of
from crime_assets_tests.migration.tiny import BOTH

CHUNK = 10
# A writer on a busy machine must not seem to be stopped.
PACE = Pace(beat=0.2, silence=4, look=0.2)


def store() -> DynamoStore:
    """The table of both, where seconds are as minutes."""
    return DynamoStore(Clients("us-east-1"), "documents", BOTH, PACE)


def main(place: Path) -> None:
    """Load the cases that tests have."""
    send, sent = wire.send, 0

    def stopping(client: Any, table: str, body: bytes) -> Sequence[dict[str, Any]]:
        nonlocal sent
        sent += 1
        if sent == 2:
            os.kill(os.getpid(), signal.SIGSTOP)
        return send(client, table, body)

    wire.send = stopping  # type: ignore[assignment]
    loading.ROOTS = CHUNK
    try:
        loading.load(road_of(place, filled(), store()), quiet)
    except StoreBusy as error:
        print(error)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
