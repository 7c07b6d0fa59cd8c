"""What each policy said of everybody: told to the trail before it is first used, so that it can be asked later."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from crime_assets.governance.policy import Policy, Principal
from crime_assets.governance.scopes import Scope
from crime_assets.governance.trail import Trail
from crime_assets.lakehouse.place.lock import writer_lock

THE_LAKE = "the lake itself"
"""The scope of who sees all."""

_PATIENCE_SECONDS = 30.0
_A_LINE = 1_000
"""Principals that a line tells of: a line of the trail has an end."""


class PolicyHistory:
    """Tells the trail of each policy once. Which one it told last is in a file beside; without it, it tells again."""

    def __init__(self, trail: Trail, directory: Path) -> None:
        self._trail = trail
        self._noted = directory / "policy.told"
        self._lock = threading.Lock()

    def tell(self, policy: Policy, scope: Callable[[Principal], Scope | None]) -> None:
        """Write lines of a policy that is another than the last one; `scope` says what a principal sees by it."""
        if self._last() == policy.digest:
            return
        self._noted.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Several may be asking when a policy is new, also other processes.
        with self._lock, writer_lock(self._noted.with_suffix(".lock"), _PATIENCE_SECONDS):
            if self._last() != policy.digest:
                names = sorted(policy.principals)
                for start in range(0, max(len(names), 1), _A_LINE):
                    some = [policy.principals[name] for name in names[start : start + _A_LINE]]
                    self._trail.append("policy_changed", policy=policy.digest, **_said(some, scope))
                self._noted.write_text(policy.digest, "ascii")

    def _last(self) -> str:
        return self._noted.read_text("ascii", "replace") if self._noted.is_file() else ""


def _said(principals: Iterable[Principal], scope: Callable[[Principal], Scope | None]) -> Mapping[str, Any]:
    """The principals with their scopes' digests, and what those see."""
    people, scopes = {}, {}
    for found in principals:
        seen = scope(found)
        digest = seen.digest if seen is not None else THE_LAKE
        scopes[digest] = _content(seen)
        people[found.name] = {
            "role": found.role,
            "districts": found.districts,
            "scope": digest,
            "recognised": recognised(found),
            "expires": str(found.expires) if found.expires is not None else None,
        }
    return {"principals": people, "scopes": scopes}


def _content(scope: Scope | None) -> Mapping[str, object]:
    if scope is None:
        return {"tables": ["*"], "rows": "TRUE", "columns": "all, clear"}
    columns = {name: str(mask) if mask else "clear" for name, mask in scope.columns.items()}
    return {"tables": sorted(scope.tables), "rows": scope.rows, "columns": columns}


def recognised(principal: Principal) -> str:
    """By what a principal is recognised: the account of this machine, the subject at the issuer, the IAM role."""
    kinds = {"account": principal.os_user, "subject": principal.oidc, "IAM role": principal.iam_role}
    return ", ".join(f"{kind} {name}" for kind, name in kinds.items() if name) or "nothing"
