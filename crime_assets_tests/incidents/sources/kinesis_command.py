"""A consumer of Kinesis that ends itself: python -m crime_assets_tests.incidents.sources.kinesis_command PLACE PORT
STREAM STAGE NTH."""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from crime_assets.incidents.loop import Loop
from crime_assets.incidents.rules import all_rules
from crime_assets.incidents.state import State
from crime_assets.incidents.times import Calendar
from crime_assets.streams.directory import DirectoryStore
from crime_assets_tests.incidents.consumed import NAME, ZONE
from crime_assets_tests.incidents.sources.kinesis_servers import client_of
from crime_assets_tests.incidents.sources.streams import KinesisStream


def main(place: Path, port: int, stream: str, stage: str, nth: int) -> None:
    """Consume what is there, and end by SIGKILL when the stage is reached for the nth time."""
    reached = 0

    def kill(name: str) -> None:
        nonlocal reached
        reached += name == stage
        if name == stage and reached == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    source = KinesisStream(client_of(port), stream).source()
    source.name = NAME
    calendar = Calendar(ZONE)
    state = State(place / "state", NAME, calendar, all_rules(), _now, stage=kill)
    Loop(source, state, DirectoryStore(place / "landing"), calendar, _now, stage=kill).run(until_ended=True)
    state.close()


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5]))
