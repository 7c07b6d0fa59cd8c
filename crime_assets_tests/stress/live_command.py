"""A consumer that ends itself: python -m crime_assets_tests.stress.live_command PLACE STAGE NTH MOST."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from crime_assets_tests.incidents.consumed import Consumed


def main(place: Path, stage: str, nth: int, most: int) -> None:
    """Consume all there is, and end by SIGKILL when the stage is reached for the nth time."""
    reached = 0

    def kill(name: str) -> None:
        nonlocal reached
        reached += name == stage
        if name == stage and reached == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    print("begun", flush=True)
    Consumed(place).run(most=most, stage=kill)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
