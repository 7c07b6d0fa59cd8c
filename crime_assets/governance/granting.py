"""Grants access and takes it away, in the policy's own file: its comments and its order stay as they are."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from secrets import token_hex
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from crime_assets.core.errors import UsageError
from crime_assets.governance.policy import Policy, Principal, parse_policy, read_policy
from crime_assets.governance.tokens import Tokens
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

        self._change(put, "grant", principal.name, role=principal.role, districts=list(principal.districts))

    def revoke(self, name: str) -> int:
        """Take a principal out of the policy, and all its tokens away; returns how many tokens those were.

        UsageError if there is neither.
        """
        is_there = name in read_policy(self._path).principals
        revoked = self._tokens.revoke(name)
        if is_there:
            self._change(lambda document: document["principals"].remove(name), "revoke", name, tokens=revoked)
        elif revoked:
            self._trail.append("revoke", principal=name, by=self._account, tokens=revoked)
        else:
            raise UsageError(f"{name[:130]!r} is not in the policy: there is nothing to revoke.")
        return revoked

    def token(self, name: str, today: date, days: int) -> str:
        """A new token of a principal; UsageError if it is in no policy."""
        policy = read_policy(self._path)
        principal = policy.principal(name, today)
        told: dict[str, Any] = {"role": principal.role, "policy": policy.digest}
        self._trail.append("token", principal=name, by=self._account, days=days, **told)
        return self._tokens.make(name, today, days)

    def _change(self, change: Callable[[Any], None], event: str, name: str, **told: Any) -> None:
        """Change the file at once, or not at all; the trail says so before."""
        with writer_lock(self._path.with_name(f".{self._path.name}.lock"), _PATIENCE_SECONDS):
            try:
                document = tomlkit.parse(self._path.read_text("utf-8"))
                change(document)
                content = tomlkit.dumps(document).encode()
            except TOMLKitError as error:
                raise UsageError(f"{self._path} cannot be changed ({error}): edit it by hand.") from error
            policy = parse_policy(content)
            self._check(policy)
            self._trail.append(event, principal=name, by=self._account, policy=policy.digest, **told)
            self._write(content)

    def _write(self, content: bytes) -> None:
        state = self._path.stat()
        partial = self._path.with_name(f".{self._path.name}-{token_hex(8)}")
        try:
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                os.fchown(file.fileno(), state.st_uid, state.st_gid)
                os.fchmod(file.fileno(), state.st_mode & 0o777)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            partial.rename(self._path)
        finally:
            partial.unlink(missing_ok=True)
