"""Messages of a sample at their time: whoever looks on sees them come as from a real state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from crime_assets.incidents.sample import Sent


def as_they_come(
    messages: Iterable[Sent], clock: Callable[[], datetime], wait: Callable[[float], bool]
) -> Iterator[list[Sent]]:
    """Messages once the clock says that they have arrived; those that are due at once come together.

    `wait` waits for so many seconds and says whether to stop; it may come back too soon.
    """
    due: list[Sent] = []
    for message in messages:
        while (seconds := (message.arrived_at - clock()).total_seconds()) > 0:
            if due:
                yield due
                due = []
            elif wait(seconds):
                return
        due.append(message)
    if due:
        yield due
