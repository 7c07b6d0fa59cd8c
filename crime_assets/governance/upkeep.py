"""Which gates are made ahead and which are removed, and whether those that are there hold what they should."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass
from datetime import date

import duckdb

from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.governance.access import Access
from crime_assets.governance.cutting import FEWEST
from crime_assets.governance.gates import GATE, Held
from crime_assets.governance.masks import PLACE
from crime_assets.governance.policy import Policy
from crime_assets.governance.scopes import Scope
from crime_assets.governance.trail import Trail

_PLACES = "FROM crimes SELECT count(*) AS crimes WHERE latitude IS NOT NULL GROUP BY latitude, longitude"


@dataclass(frozen=True)
class Kept:
    """Scopes for which there are gates now, and the names of gates that were removed."""

    made: list[Scope]
    removed: list[str]


def keep_gates(access: Access, since: date, today: date) -> Kept:
    """Make the gates of those who were answered since a day, of all principals if nobody was; remove those of nobody.

    Removed is also what is of an older state of the lake: it may hold crimes that were removed since.
    """
    policy = access.policy()
    scopes = scopes_of(access, policy, today)
    lately = answered(access.trail, since) & scopes.keys() or scopes.keys()
    made = {scopes[name].digest: scopes[name] for name in sorted(lately)}
    for scope in made.values():
        access.gates.gate(scope)
    return Kept(list(made.values()), access.gates.keep_only(list(scopes.values())))


def scopes_of(access: Access, policy: Policy, today: date) -> dict[str, Scope]:
    """Principal → scope, for those who have access and do not see the lake itself."""
    present = (found for found in policy.principals.values() if found.expires is None or found.expires >= today)
    scopes = {found.name: access.scope(policy, found) for found in present}
    return {name: scope for name, scope in scopes.items() if scope is not None}


def answered(trail: Trail, since: date) -> set[str]:
    """The principals who got an answer since a day (UTC)."""
    return {str(entry.fields.get("principal")) for entry in trail.entries(since) if entry.event == "answer"}


def faults(access: Access, scopes: Collection[Scope]) -> dict[str, list[str]]:
    """Gate → what is wrong with it, for each gate of these scopes that is there, held against the lake's own tables."""
    with closing(DuckDBEngine(access.gates.lake, access.gates.city)) as engine:
        return {held.gate.place.name: _faults(engine, held) for held in access.gates.held(scopes)}


def _faults(engine: DuckDBEngine, held: Held) -> list[str]:
    scope, said = held.scope, []
    if "crimes" not in scope.tables or not scope.columns:
        return []
    counted = f"SELECT {'district' if _shows_districts(scope) else 'NULL'}, count(*)"
    gone = "FROM crimes_removed SELECT id WHERE id NOT IN (FROM crimes_now SELECT id)"
    asked = f"FROM crimes {counted} WHERE ({scope.rows}) AND id NOT IN ({gone}) GROUP BY 1"
    wanted = sorted(map(str, engine.query(asked, str(held.day)).rows))
    with duckdb.connect(str(held.gate.place / GATE), read_only=True) as con:
        if sorted(map(str, con.execute(f"FROM crimes {counted} GROUP BY 1").fetchall())) != wanted:
            said.append("it has other crimes than the lake has for its scope")
        if scope.mask_of(*PLACE) is not None:
            ((least,),) = con.execute(f"FROM ({_PLACES}) SELECT min(crimes)").fetchall()
            if least is not None and least < FEWEST:
                said.append(f"a place in it stands for {least} crimes")
    return said


def _shows_districts(scope: Scope) -> bool:
    return "district" in scope.columns and scope.columns["district"] is None
