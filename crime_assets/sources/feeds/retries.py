"""Asking a server again: after which errors, how often, and with what waits. Knows nothing about any one server."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

FIRST_WAIT = 2.0
LONGEST_WAIT = 120.0
"""Seconds: the ceiling of the first wait, which doubles each time, and the ceiling of every wait."""

_log = logging.getLogger(__name__)


class TransientError(Exception):
    """This answer is unusable, but the next one may be good. `asked`: seconds that the server asked for, if any."""

    def __init__(self, reason: str, asked: float | None = None) -> None:
        super().__init__(reason)
        self.asked = asked


def patiently(ask: Callable[[], T], whom: str, attempts: int, sleep: Callable[[float], None]) -> T:
    """What `ask` returns; after a TransientError it is called again, and the error of the last of `attempts` is raised.

    `whom` is the server's name for the log.
    """
    for attempt in range(1, attempts):
        try:
            return ask()
        except TransientError as problem:
            wait = _wait(attempt, problem.asked)
            _log.warning(
                "%s: %s; asking again in %.1f s (attempt %d of %d).", whom, problem, wait, attempt + 1, attempts
            )
        sleep(wait)
    return ask()


def asked_wait(retry_after: str | None) -> float | None:
    """Seconds in a Retry-After header. None without one, and for its date form, which relies on another clock."""
    text = (retry_after or "").strip()
    return float(text) if text.isascii() and text.isdigit() else None


def _wait(attempt: int, asked: float | None) -> float:
    # Full jitter: many clients rejected at the same moment must not come back at the same moment.
    ceiling = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (attempt - 1))
    jittered = random.uniform(0, ceiling)  # noqa: S311 - spreads load, guards no secret
    return min(LONGEST_WAIT, max(jittered, asked or 0.0))
