"""Logins to pages: who is logged in, since when, and what ends that. All of it is in this process, and on the trail.

A browser has a random text, and nothing else: what it stands for ends with the session, whatever the browser keeps.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
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
        self._open: dict[str, Session] = {}
        """By the digest of what the browser has."""
        self._failed: dict[str, list[datetime]] = {}

    def begin(self, who: Who, principal: Principal, policy: str) -> str:
        """Begin a session; returns what the browser is to keep."""
        text, now = secrets.token_urlsafe(32), self._clock()
        name = digest_of(text)
        who = replace(who, session=name[:16])
        self._trail.append("login", principal=principal.name, role=principal.role, policy=policy, **who.told)
        with self._lock:
            self._open[name] = Session(who, principal.name, policy, now, now)
        return text

    def of(self, text: str) -> Session | None:
        """The session of a browser, used now; None if there is none any more."""
        self.sweep()
        name, now = digest_of(text), self._clock()
        with self._lock:
            found = self._open.get(name)
            if found is not None:
                self._open[name] = found = replace(found, used=now)
        return found

    def end(self, text: str, event: str, reason: str) -> None:
        """End a session, if there is one: `event` is logout or session_ended."""
        with self._lock:
            found = self._open.pop(digest_of(text), None)
        if found is not None:
            self._trail.append(event, principal=found.principal, reason=reason, **found.who.told)

    def sweep(self) -> None:
        """End what was not used for too long, or has lasted too long."""
        now = self._clock()
        with self._lock:
            ended = {
                name: "idle" if now - found.used > IDLE else "too long"
                for name, found in self._open.items()
                if now - found.used > IDLE or now - found.begun > LONGEST
            }
            gone = [(self._open.pop(name), reason) for name, reason in ended.items()]
        for found, reason in gone:
            self._trail.append("session_ended", principal=found.principal, reason=reason, **found.who.told)

    def close(self) -> None:
        """End all."""
        with self._lock:
            gone = list(self._open.values())
            self._open.clear()
        for found in gone:
            self._trail.append("session_ended", principal=found.principal, reason="stopped", **found.who.told)

    def check_not_locked(self, address: str) -> None:
        """UsageError if too many logins from an address have failed lately."""
        with self._lock:
            failed = self._lately(address)
        if len(failed) >= FAILURES:
            until = failed[-1] + WINDOW
            raise UsageError(f"Too many logins from here have failed: try again after {until:%H:%M} UTC.")

    def failed(self, who: Who, reason: str) -> None:
        """A login has failed."""
        with self._lock:
            failed = [*self._lately(who.source), self._clock()]
            self._failed.pop(who.source, None)
            self._failed[who.source] = failed
            if len(self._failed) > _MOST:
                del self._failed[next(iter(self._failed))]
        told: dict[str, Any] = {"locked": True} if len(failed) >= FAILURES else {}
        self._trail.append("login_failed", reason=reason, **told, **who.told)

    def _lately(self, address: str) -> list[datetime]:
        now = self._clock()
        return [at for at in self._failed.get(address, ()) if now - at < WINDOW]
