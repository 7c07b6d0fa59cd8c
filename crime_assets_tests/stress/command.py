"""`crime-assets` as a process of its own that believes it is another day: `python -m … MOMENT run --from …`.

The sample city shows other versions every day; with a clock of its own a run is the same whenever it is made.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from functools import partial

from crime_assets.cli.main import main as cli
from crime_assets.profiles import Profile


def program(moment: datetime) -> None:
    """The console script, begun at that moment; the time goes on as usual."""
    # The command makes its profile itself, and its clock is the one part that no variable sets.
    ahead = moment - datetime.now(UTC)
    cli.open_profile = partial(Profile, clock=lambda: datetime.now(UTC) + ahead)  # type: ignore[assignment]
    del sys.argv[1]
    cli.program()


if __name__ == "__main__":
    program(datetime.fromisoformat(sys.argv[1]).replace(tzinfo=UTC))
