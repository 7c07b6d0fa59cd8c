"""Which gates are made ahead and which are removed, and whether those that are there hold what they should."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass
from datetime import date

import duckdb

from crime_assets.analysis.small_numbers import TOTAL
from crime_assets.core.insights import all_insights
from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.governance.access import Access
from crime_assets.governance.audits import GIVEN
from crime_assets.governance.cutting import FEWEST
from crime_assets.governance.gates import GATE, GateMaker, Held
from crime_assets.governance.masks import PLACE
from crime_assets.governance.policy import AUDITS, CITY_INSIGHTS, INSIGHTS, Policy
from crime_assets.governance.scopes import Scope
from crime_assets.governance.trail import Trail

_ROWS = ("crimes", "crimes_superseded")
"""Tables with rows of crimes that a scope may have."""
_INSIGHTS = frozenset(insight.table for insight in all_insights())
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


def faults(gates: GateMaker, scopes: Collection[Scope]) -> dict[str, list[str]]:
    """Gate → what is wrong with it, for each gate of these scopes that is there, held against the lake's own tables."""
    with closing(DuckDBEngine(gates.lake, gates.city)) as engine:
        return {held.gate.place.name: _faults(engine, held) for held in gates.held(scopes)}


def _faults(engine: DuckDBEngine, held: Held) -> list[str]:
    scope = held.scope
    with duckdb.connect(str(held.gate.place / GATE), read_only=True) as con:
        there = {str(name) for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
        said = [f"it has the table {name}, which is not for its scope" for name in sorted(there - _tables(scope))]
        for name in _ROWS:
            if name in scope.tables and scope.columns and _told(con, name, scope) != _wanted(engine, name, held):
                said.append(f"it has other {name} than the lake has for its scope")
        if insights := sorted(_with_districts(con) & _INSIGHTS):
            known = _districts(engine, held)
            said += [f"{name} has districts that its scope has not" for name in insights if _of(con, name) - known]
        if "crimes" in scope.tables and scope.mask_of(*PLACE) is not None:
            ((least,),) = con.execute(f"FROM ({_PLACES}) SELECT min(crimes)").fetchall()
            if least is not None and least < FEWEST:
                said.append(f"a place in it stands for {least} crimes")
    return said


def _tables(scope: Scope) -> set[str]:
    """The tables that a gate of a scope may have."""
    cut = {name for name in _ROWS if name in scope.tables and scope.columns}
    own = _INSIGHTS if INSIGHTS in scope.tables else frozenset[str]()
    city = {f"city_{name}" for name in _INSIGHTS} if CITY_INSIGHTS in scope.tables else set()
    return {*cut, *own, *city, *(name for what in AUDITS if what in scope.tables for name in GIVEN[what])}


def _sums(scope: Scope) -> str:
    """How many rows of each district there are, and which: all that the scope sees clear of that."""
    clear = {name for name, mask in scope.columns.items() if mask is None}
    which = "sum(id), bit_xor(hash(id))" if "id" in clear else "NULL, NULL"
    return f"SELECT {'district' if 'district' in clear else 'NULL'}, count(*), {which}"


def _told(con: duckdb.DuckDBPyConnection, table: str, scope: Scope) -> list[str] | None:
    """These sums of a table of a gate; None if it does not have it."""
    try:
        return sorted(map(str, con.execute(f"FROM {table} {_sums(scope)} GROUP BY 1").fetchall()))
    except duckdb.Error:
        return None


def _wanted(engine: DuckDBEngine, table: str, held: Held) -> list[str]:
    """What these sums should be, by the lake."""
    gone = "FROM crimes_removed SELECT id WHERE id NOT IN (FROM crimes_now SELECT id)"
    asked = f"FROM {table} {_sums(held.scope)} WHERE ({held.scope.rows}) AND id NOT IN ({gone}) GROUP BY 1"
    return sorted(map(str, engine.query(asked, str(held.day)).rows))


def _with_districts(con: duckdb.DuckDBPyConnection) -> set[str]:
    named = "SELECT DISTINCT table_name FROM duckdb_columns() WHERE column_name = 'district'"
    return {str(name) for (name,) in con.execute(named).fetchall()}


def _of(con: duckdb.DuckDBPyConnection, table: str) -> set[object]:
    """The districts of an insight in a gate."""
    return {row[0] for row in con.execute(f"FROM {table} SELECT DISTINCT district").fetchall()} - {TOTAL}


def _districts(engine: DuckDBEngine, held: Held) -> set[object]:
    """The districts that the lake has for a scope, of whatever version of a crime."""
    seen = " UNION ".join(f"FROM {name} SELECT district WHERE {held.scope.rows}" for name in _ROWS)
    return {row[0] for row in engine.query(seen, str(held.day)).rows}
