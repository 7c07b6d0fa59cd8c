"""Logins to pages: who is logged in, since when, and what ends that. All of it is in this process, and on the trail.

A browser has a random text, and nothing else: what it stands for ends with the session, whatever the browser keeps.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from crime_assets.core.errors import UsageError
from crime_assets.governance.policy import Principal
from crime_assets.governance.principals import Who
from crime_assets.governance.tokens import digest_of
from crime_assets.governance.trail import Trail

IDLE = timedelta(minutes=30)
"""A session that is not used for so long ends (CJIS AC-11)."""
LONGEST = timedelta(hours=12)
FAILURES = 5
WINDOW = timedelta(minutes=15)
"""After so many failed logins in so long, an address waits until that time is over (CJIS AC-7)."""

_NEVER = datetime.min.replace(tzinfo=UTC)
"""When a session was last used that has ended, and whose line is not written yet."""
_MOST = 10_000
"""Addresses that are remembered: an attacker may have many."""


@dataclass(frozen=True)
class Session:
    """Who logged in, as which principal, by which policy, when, and when it was last used."""

    who: Who
    principal: str
    policy: str
    begun: datetime
    used: datetime


class Sessions:
    """The sessions of a service. Safe for threads."""

    def __init__(self, trail: Trail, clock: Callable[[], datetime]) -> None:
        self._trail = trail
        self._clock = clock
        self._lock = threading.Lock()
        self._ending = threading.Lock()
        self._open: dict[str, Session] = {}
        """By the digest of what the browser has."""
        self._failed: dict[tuple[str, str], list[datetime]] = {}
        """When logins have failed lately, by how they were tried, and from which address."""

    def begin(self, who: Who, principal: Principal, policy: str) -> str:
        """Begin a session; returns what the browser is to keep."""
        text, now = secrets.token_urlsafe(32), self._clock()
        name = digest_of(text)
        who = replace(who, session=name[:16])
        self._trail.append("login", principal=principal.name, role=principal.role, policy=policy, **who.told)
        with self._lock:
            self._open[name] = Session(who, principal.name, policy, now, now)
        return text

    def of(self, text: str, *, is_use: bool = True) -> Session | None:
        """The session of a browser, used now if it `is_use`; None if there is none any more."""
        self.sweep()
        name, now = digest_of(text), self._clock()
        with self._lock:
            found = self._open.get(name)
            if found is None or found.used == _NEVER:
                return None
            if is_use:
                self._open[name] = found = replace(found, used=now)
        return found

    def is_open(self, text: str) -> bool:
        """Whether a browser's session has not ended; this is no use of it."""
        with self._lock:
            found = self._open.get(digest_of(text))
        return found is not None and found.used != _NEVER

    def end(self, text: str, event: str, reason: str) -> None:
        """End a session, if there is one: `event` is logout or session_ended."""
        self._end([digest_of(text)], event, reason)

    def sweep(self) -> None:
        """End what was not used for too long, or has lasted too long."""
        now = self._clock()
        with self._lock:
            idle = [name for name, found in self._open.items() if now - found.used > IDLE]
            old = [name for name, found in self._open.items() if now - found.begun > LONGEST]
        self._end(idle, "session_ended", "idle")
        self._end(old, "session_ended", "too long")

    def close(self) -> None:
        """End all."""
        with self._lock:
            names = list(self._open)
        self._end(names, "session_ended", "stopped")

    def _end(self, names: Sequence[str], event: str, reason: str) -> None:
        """End sessions, each once. One whose line cannot be written is of no use any more; a later sweep ends it."""
        for name in names:
            with self._ending:
                with self._lock:
                    found = self._open.get(name)
                    if found is not None:
                        self._open[name] = replace(found, used=_NEVER)
                if found is not None:
                    self._trail.append(event, principal=found.principal, reason=reason, **found.who.told)
                    with self._lock:
                        self._open.pop(name, None)

    def check_not_locked(self, who: Who) -> None:
        """UsageError if too many logins of this kind from an address have failed lately."""
        with self._lock:
            failed = self._lately(who)
        if len(failed) >= FAILURES:
            until = failed[-1] + WINDOW
            raise UsageError(f"Too many logins from here have failed: try again after {until:%H:%M} UTC.")

    def failed(self, who: Who, reason: str) -> None:
        """A login has failed. Of an address that is locked already, the trail hears no more."""
        with self._lock:
            failed = self._lately(who)
            if len(failed) >= FAILURES:
                return
            failed = [*failed, self._clock()]
            self._failed.pop((who.how, who.source), None)
            self._failed[who.how, who.source] = failed
            if len(self._failed) > _MOST:
                del self._failed[next(iter(self._failed))]
        told: dict[str, Any] = {"locked": True} if len(failed) == FAILURES else {}
        self._trail.append("login_failed", reason=reason, **told, **who.told)

    def _lately(self, who: Who) -> list[datetime]:
        now = self._clock()
        return [at for at in self._failed.get((who.how, who.source), ()) if now - at < WINDOW]
