"""Live alerts by the policy: those of the own districts, each with its line on the trail before it leaves.

Looking on is no use of a session: who does nothing else is logged out like anybody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from crime_assets.core.errors import UsageError
from crime_assets.governance.policy import ALERTS, Role
from crime_assets.governance.tokens import digest_of
from crime_assets.governance.trail import Trail
from crime_assets.governance.turns import Turns
from crime_assets.publishing.dashboard.alerts import Alert
from crime_assets.publishing.dashboard.live import Viewer
from crime_assets.publishing.governed.login import COOKIE, to_login

if TYPE_CHECKING:
    from crime_assets.publishing.governed.app import LoggedIn


class Find(Protocol):
    """Says who a browser's session is of; None if there is none any more."""

    def __call__(self, text: str, *, is_use: bool = True) -> LoggedIn | None:
        """Who that is."""


@dataclass(frozen=True, kw_only=True)
class Admitted(Viewer):
    """Somebody by the policy, and what their browser keeps."""

    by: LoggedIn
    text: str = field(repr=False)


class ByPolicy:
    """A door for who is logged in and has alerts by the policy."""

    flush_seconds = 1.0
    """A line of the trail is seen onto the disk: one a second of each who looks is enough."""

    def __init__(self, find: Find, trail: Trail, turns: Turns) -> None:
        self._find = find
        self._trail = trail
        self._turns = turns

    async def enter(self, request: Request, *, is_use: bool) -> Viewer | Response:
        """Who asks, or the login. UsageError for who has no alerts."""
        text = request.cookies.get(COOKIE, "")
        async with self._turns.turn(f"browser {text or request.client}"):
            found = await run_in_threadpool(partial(self._find, text, is_use=is_use))
        if found is None:
            return to_login(request.scope)
        role, principal = found.policy.roles[found.principal.role], found.principal
        _check(role)
        return Admitted(
            # Without rows there is nothing by which some would be left out.
            districts=frozenset(principal.districts) if role.rows else None,
            who=principal.name,
            said=f"the alerts of {_districts(principal.districts) if role.rows else 'all districts'}",
            browser=digest_of(text),
            by=found,
            text=text,
        )

    async def is_open(self, request: Request, viewer: Viewer) -> bool:
        """Whether it is the same person, who may see the same by the same policy."""
        assert isinstance(viewer, Admitted)  # noqa: S101 - it is what `enter` gave
        return await run_in_threadpool(partial(self._find, viewer.text, is_use=False)) == viewer.by

    async def note(self, request: Request, viewer: Viewer, event: str, alerts: Sequence[Alert]) -> None:
        """Write a line. LakeError if that is not possible."""
        assert isinstance(viewer, Admitted)  # noqa: S101 - it is what `enter` gave
        await run_in_threadpool(partial(self._trail.append, event, **_told(request, viewer, alerts)))


def _check(role: Role) -> None:
    """UsageError for a role that sees no alerts."""
    if role.purpose_required:
        raise UsageError(f"The role {role.name} must say what for, and pages do not ask: it sees no alerts.")
    if ALERTS not in role.tables and not role.is_unrestricted:
        raise UsageError(f"The role {role.name} does not have the table alerts: ask who keeps the policy for it.")


def _districts(districts: Sequence[str]) -> str:
    return f"district{'s'[: len(districts) > 1]} {', '.join(districts)}"


def _told(request: Request, viewer: Admitted, alerts: Sequence[Alert]) -> dict[str, Any]:
    """The fields of a line."""
    by = viewer.by
    return {
        "principal": by.principal.name,
        "role": by.principal.role,
        "districts": list(by.principal.districts),
        "scope": by.scope,
        "policy": by.policy.digest,
        "page": request.url.path,
        "tables": [ALERTS],
        "columns_read": [],
        "ids_exact": False,
        "rows": len(alerts),
        "alerts": [f"{one.id}.{one.revision}" for one in alerts],
        **by.who.told,
    }
