"""Answers a principal's query: finds the scope, has its gate made, and asks a confined worker."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

from crime_assets.core.errors import LakeError, UsageError
from crime_assets.core.insights import all_insights
from crime_assets.engines.answers import Answer, rows_of, whole
from crime_assets.engines.known import Merged
from crime_assets.governance import confine
from crime_assets.governance.gates import GateMaker, seen_columns
from crime_assets.governance.keys import mask_key
from crime_assets.governance.policy import Policy, Principal, read_policy
from crime_assets.governance.pool import Pool
from crime_assets.governance.scopes import Scope, check_columns, scope_of
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.sources.cities import City


class Access:
    """One city's lake under a policy. `today` returns today's date: access ends by it."""

    def __init__(
        self, policy: Path, lake: Lake, city: City, merged: Merged, today: Callable[[], date], pool: Pool | None = None
    ) -> None:
        self._path = policy
        self._lake = lake
        self._city = city
        self._merged = merged
        self._today = today
        self._pool = pool or Pool()

    def policy(self) -> Policy:
        """The policy as it is now; UsageError if it is wrong, or for another city."""
        found = read_policy(self._path)
        if found.city != self._city.name:
            raise UsageError(
                f"The policy {self._path} is for {found.city}: set CRIME_POLICY to that of {self._city.name}."
            )
        check_columns(found, seen_columns(self._lake, self._city))
        return found

    def of_os_user(self, user: str) -> Principal:
        """The principal that an account of this machine is; UsageError if it is none."""
        return self.policy().of_os_user(user, self._today())

    def scope(self, principal: str) -> Scope | None:
        """What a principal may see; None if that is the lake itself. UsageError if there is no such principal."""
        policy = self.policy()
        found = policy.principal(principal, self._today())
        if policy.roles[found.role].is_unrestricted:
            return None
        return scope_of(policy, found, seen_columns(self._lake, self._city))

    def answer(self, scope: Scope, sql: str) -> Answer:
        """The answer to a query in a scope; UsageError if there is none. LakeError where nothing can be confined."""
        if not confine.landlock_version():
            raise LakeError("This kernel has no Landlock, so nobody is answered by a policy: use Linux 5.13 or newer.")
        key = mask_key(self._lake.home / "governance")
        maker = GateMaker(self._lake, self._city, self._merged, all_insights(), key, self._lake.home / "gates")
        found = self._pool.ask(maker.gate(scope), sql)
        return whole(found.columns, rows_of(found.rows, "VARCHAR"))

    def close(self) -> None:
        """End the workers."""
        self._pool.close()
