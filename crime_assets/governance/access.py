"""Answers a principal's query and leaves a trail: finds the scope, has its gate made, and asks a confined worker."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crime_assets.core.errors import CrimeAssetsError, LakeError, UsageError
from crime_assets.engines.answers import Answer, rows_of, whole
from crime_assets.engines.known import change_day
from crime_assets.governance import confine
from crime_assets.governance.gates import Gate, GateMaker, seen_columns
from crime_assets.governance.history import THE_LAKE, PolicyHistory
from crime_assets.governance.policy import Policy, Principal, Role, read_policy
from crime_assets.governance.pool import Answered, Gone, Pool, Refused
from crime_assets.governance.principals import Who
from crime_assets.governance.reads import EVERYTHING
from crime_assets.governance.scopes import Scope, check_columns, scope_of
from crime_assets.governance.tokens import Tokens
from crime_assets.governance.trail import Trail

if TYPE_CHECKING:
    from crime_assets.engines import Engine


_LOG = logging.getLogger(__name__)
_LONGEST_SQL = 60_000
_LONGEST_PURPOSE = _LONGEST_OF_STRANGERS = 1_000
"""Characters that a line of the trail has, few of who is nobody by the policy; of the whole query it has the digest."""


@dataclass(frozen=True)
class Question:
    """A query as it came: from whom, of which state of the lake, and what for."""

    who: Who
    sql: str
    as_of: str | None = None
    purpose: str = ""


class Access:
    """One city's lake under a policy. `today` returns today's date: access ends by it."""

    def __init__(
        self,
        policy: Path,
        gates: GateMaker,
        today: Callable[[], date],
        engine: Callable[[], Engine],
        trail: Trail,
    ) -> None:
        """`engine` answers those who see the lake itself."""
        self._path = policy
        self._lake, self._city = gates.lake, gates.city
        self.gates = gates
        self._today = today
        self._engine = engine
        self.trail = trail
        self.tokens = Tokens(self._lake.home / "governance")
        self._history = PolicyHistory(trail, self._lake.home / "governance")
        self._pool = Pool()

    def policy(self) -> Policy:
        """The policy as it is now; UsageError if it is wrong, or for another city."""
        found = read_policy(self._path)
        self.check(found)
        return found

    def check(self, policy: Policy) -> None:
        """UsageError if a policy is for another city, or names what the lake does not have."""
        if policy.city != self._city.name:
            raise UsageError(
                f"The policy {self._path} is for {policy.city}: set CRIME_POLICY to that of {self._city.name}."
            )
        check_columns(policy, seen_columns(self._lake, self._city))

    def policy_in_force(self) -> Policy:
        """The policy by which something is to be answered: the trail has what it says of everybody.

        CrimeAssetsError if it is wrong.
        """
        try:
            policy = self.policy()
        except UsageError as error:
            # What is wrong with it is for who keeps it.
            _LOG.warning("%s", error)
            raise CrimeAssetsError("The policy cannot be used: ask who keeps it to run `policy check`.") from error
        self._history.tell(policy, lambda principal: self.scope(policy, principal))
        return policy

    def principal(self, policy: Policy, who: Who) -> Principal:
        """Who somebody is by the policy; UsageError if nobody."""
        return who.principal(policy, self.tokens, self._today())

    def described(self, who: Who) -> dict[str, object]:
        """Who somebody is, and the tables and columns of crimes that are seen; UsageError if nobody."""
        policy = self.policy()
        principal = self.principal(policy, who)
        told = {"principal": principal.name, "role": principal.role, "districts": list(principal.districts)}
        scope = self.scope(policy, principal)
        if scope is None:
            return {**told, "tables": ["*"], "columns": {}}
        columns = {name: str(mask) if mask else "clear" for name, mask in scope.columns.items()}
        return {**told, "tables": sorted(scope.tables), "columns": columns}

    def scope(self, policy: Policy, principal: Principal) -> Scope | None:
        """What a principal may see; None if that is the lake itself."""
        if policy.roles[principal.role].is_unrestricted:
            return None
        return scope_of(policy, principal, seen_columns(self._lake, self._city))

    def answer(self, question: Question) -> Answer:
        """The answer by the policy as it is now; UsageError if there is none. It is on the trail before it leaves."""
        digest = sha256(question.sql.encode("utf-8", "replace")).hexdigest()
        who: dict[str, Any] = {**question.who.told, "sql_sha256": digest}
        longest = _LONGEST_SQL if self._is_known(question.who) else _LONGEST_OF_STRANGERS
        told: dict[str, Any] = {"sql": question.sql[:longest], "as_of": question.as_of and question.as_of[:100]}
        told["purpose"] = question.purpose[:_LONGEST_PURPOSE]
        asked = self.trail.append("ask", **who, **told)
        begun = time.monotonic()
        by: dict[str, Any] = {"asked": asked.n, **who}
        try:
            answer = self._answered(question, by)
            self._check_still(question.who, by["policy"])
            self.trail.append("answer", columns=answer.columns, seconds=round(time.monotonic() - begun, 3), **by)
        except CrimeAssetsError as error:
            self._refused(by, _without_values(str(error)))
            raise
        except Exception as error:
            # Its text may hold values that are not for who asks.
            kind = type(error).__name__
            self._refused(by, kind)
            raise LakeError(f"The answer could not be made ({kind}): ask who keeps the lake.") from error
        return answer

    def _is_known(self, who: Who) -> bool:
        """Whether somebody is anybody by the policy; if that is wrong, who asks is told later."""
        try:
            self.principal(self.policy(), who)
        except CrimeAssetsError:
            return False
        return True

    def _check_still(self, who: Who, policy: str) -> None:
        """UsageError if access has changed while an answer was made: that may take a while."""
        now = self.policy_in_force()
        self.principal(now, who)
        if now.digest != policy:
            raise UsageError("The policy has changed meanwhile: ask again.")

    def _refused(self, by: dict[str, Any], reason: str) -> None:
        """Note that nothing was answered; what was read nevertheless is in `by`."""
        by.pop("seen", None)
        self.trail.append("refuse", reason=reason, **{**by, "ids_exact": False})

    def _answered(self, question: Question, by: dict[str, Any]) -> Answer:
        """The answer; by what it was made comes into `by` as soon as that is known."""
        policy = self.policy_in_force()
        principal = self.principal(policy, question.who)
        role = policy.roles[principal.role]
        by |= {"principal": principal.name, "role": role.name, "districts": principal.districts}
        by |= {"policy": policy.digest, "purpose": question.purpose[:_LONGEST_PURPOSE]}
        if role.purpose_required and not question.purpose.strip():
            raise UsageError(f"The role {role.name} must say what for: add --purpose with the number of a case.")
        scope = self.scope(policy, principal)
        if scope is None:
            # Its rows are counted by nobody before they leave: there may be more than fit into memory.
            by |= {"scope": THE_LAKE, "tables": EVERYTHING, "columns_read": EVERYTHING, "ids_exact": False}
            return self._engine().query(question.sql, question.as_of)
        day = _day_of(role, question.as_of)
        if not confine.landlock_version():
            raise LakeError("This kernel has no Landlock, so nobody is answered by a policy: use Linux 5.13 or newer.")
        by["scope"] = scope.digest
        try:
            found = self._asked(scope, day, question.sql, by)
        except Refused as error:
            by |= error.reads
            raise
        by |= {"tables": found.tables, "columns_read": found.columns_read, "ids_exact": found.ids is not None}
        by |= {"seen": found.ids, "rows": found.rows.num_rows, "bytes": found.rows.nbytes}
        return whole(found.columns, rows_of(found.rows, "VARCHAR"))

    def _asked(self, scope: Scope, day: date | None, sql: str, by: dict[str, Any]) -> Answered:
        """The answer on the scope's gate; on another one, if that was removed before it could be asked."""
        try:
            return self._pool.ask(self._gate(scope, day, by), sql)
        except Gone:
            return self._pool.ask(self._gate(scope, day, by), sql)

    def _gate(self, scope: Scope, day: date | None, by: dict[str, Any]) -> Gate:
        """The gate of a scope, which is then what is answered by; that it was made for this is on the trail."""
        begun = time.monotonic()
        gate = self.gates.gate(scope, day)
        if gate.is_new:
            told: dict[str, Any] = {"scope": scope.digest, "gate": gate.state, "role": scope.role}
            seconds = round(time.monotonic() - begun, 3)
            self.trail.append("gate_built", districts=scope.districts, seconds=seconds, **told)
        # Of a question that is stopped it is not known, and that it was stopped can tell something.
        by |= {"gate": gate.state, "tables": EVERYTHING, "columns_read": EVERYTHING}
        return gate

    def close(self) -> None:
        """End the workers."""
        self._pool.close()


def _day_of(role: Role, as_of: str | None) -> date | None:
    """The change day that a role asks for, if it may; None for the newest."""
    if as_of is None:
        return None
    if not role.as_of:
        raise UsageError(f"The role {role.name} sees the present only: leave out --as-of.")
    day = change_day(as_of)
    if day is None:
        raise UsageError(f"The role {role.name} may ask as of a change day only: write --as-of like 2026-01-31.")
    return day


def _without_values(sentence: str) -> str:
    """What went wrong, by its kind: DuckDB's own text may hold values, and the trail has none."""
    kind = sentence.split(": ")[:2]
    return ": ".join(kind) if kind[0] == "The query cannot be answered" else sentence
