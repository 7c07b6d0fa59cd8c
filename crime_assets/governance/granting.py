"""Grants access and takes it away, in the policy's own file: comments and order of everything else stay."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from crime_assets.core.errors import UsageError
from crime_assets.governance.policy import Policy, Principal, parse_policy, read_policy
from crime_assets.governance.tokens import Tokens, check_days, replace_file
from crime_assets.governance.trail import Trail
from crime_assets.lakehouse.place.lock import writer_lock

_PATIENCE_SECONDS = 30.0


class Granting:
    """Changes the principals of a policy. `account` is who does it; `check` refuses a policy that does not fit."""

    def __init__(
        self, policy: Path, trail: Trail, tokens: Tokens, account: str, check: Callable[[Policy], None]
    ) -> None:
        self._path = policy.resolve()
        self._trail = trail
        self._tokens = tokens
        self._account = account
        self._check = check

    def grant(self, principal: Principal) -> None:
        """Put a principal into the policy, in place of an earlier one of the name; UsageError if it does not fit."""
        fields: dict[str, Any] = {
            "role": principal.role,
            "districts": list(principal.districts),
            "os_user": principal.os_user,
            "oidc": principal.oidc,
            "iam_role": principal.iam_role,
            "expires": principal.expires,
        }

        def put(document: Any) -> None:
            told = tomlkit.table()
            for name, value in fields.items():
                if value:
                    told.add(name, value)
            document.setdefault("principals", tomlkit.table(is_super_table=True))[principal.name] = told

        with self._alone():
            if principal.name not in read_policy(self._path).principals:
                # Those of somebody who had the name before.
                self._tokens.revoke(principal.name)
            self._change(put, "grant", principal.name, role=principal.role, districts=list(principal.districts))

    def revoke(self, name: str) -> int:
        """Take a principal out of the policy, and all its tokens away; returns how many tokens those were.

        UsageError if there is neither.
        """
        with self._alone():
            is_there = name in read_policy(self._path).principals
            if is_there:
                self._change(lambda document: document["principals"].__delitem__(name), "revoke", name)
            revoked = self._tokens.revoke(name)
            if not is_there and revoked:
                self._trail.append("revoke", principal=name, by=self._account, tokens=revoked)
        if not is_there and not revoked:
            raise UsageError(f"{name[:130]!r} is not in the policy: there is nothing to revoke.")
        return revoked

    def token(self, name: str, today: date, days: int) -> str:
        """A new token of a principal; UsageError if it is in no policy."""
        check_days(days)
        with self._alone():
            policy = read_policy(self._path)
            principal = policy.principal(name, today)
            told: dict[str, Any] = {"role": principal.role, "policy": policy.digest}
            self._trail.append("token", principal=name, by=self._account, days=days, **told)
            return self._tokens.make(name, today, days)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else changes access meanwhile."""
        with writer_lock(self._path.with_name(f".{self._path.name}.lock"), _PATIENCE_SECONDS):
            yield

    def _change(self, change: Callable[[Any], None], event: str, name: str, **told: Any) -> None:
        """Change the file at once, or not at all; the trail says so before."""
        before = self._path.read_bytes()
        try:
            document = tomlkit.parse(before.decode("utf-8"))
            change(document)
            content = tomlkit.dumps(document).encode()
        except (TOMLKitError, ValueError, AttributeError, LookupError, TypeError) as error:
            raise UsageError(f"{self._path} cannot be changed ({type(error).__name__}): edit it by hand.") from error
        policy = parse_policy(content)
        self._check(policy)
        self._trail.append(event, principal=name, by=self._account, policy=policy.digest, **told)
        state = self._path.stat()
        replace_file(self._path, content, state.st_mode & 0o777, (state.st_uid, state.st_gid))
