"""What is counted of reports, and what the rules say of it: tables of a DuckDB connection, added to tick by tick.

`sql/live` says what is added, `sql/alerts` what is raised. Whoever has the connection keeps both in one transaction.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from crime_assets.core.sql import render, statement
from crime_assets.incidents.rules import COLUMNS, Rule

ADDED = ("stations", "hours", "blocks", "cells", "complaints", "named")
EVIDENCE = 20
"""Reports that an alert names at the most."""


class Tallies:
    """Reads the connection's table or view `arrived` (see contract.ARRIVED), and leaves the table `raised`."""

    def __init__(self, con: duckdb.DuckDBPyConnection, rules: Sequence[Rule]) -> None:
        self._con = con
        self._rules = rules
        self._news = {name: render(statement("live", f"new_{name}"), "duckdb", {}) for name in ("reports", *ADDED)}
        self._merges = {f"new_{name}": statement("live", f"merge_{name}") for name in ("known_events", *ADDED)}
        self._added: frozenset[str] = frozenset()

    def add(self) -> int:
        """Count what has arrived; returns how many reports are news."""
        added = {}
        for name, query in self._news.items():
            ((added[f"new_{name}"],),) = self._con.execute(
                f"CREATE OR REPLACE TEMP TABLE new_{name} AS {query}"
            ).fetchall()
        self._added = frozenset(name for name, rows in added.items() if rows)
        for name, merge in self._merges.items():
            if name in self._added or (name == "new_known_events" and self._added):
                self._con.execute(merge)
        return int(added["new_reports"])

    def ask(self, closed: tuple[int, int] | None, *, is_closing: bool) -> None:
        """Create `raised`: what the rules give, with the rule's name, and `alerts` does not have yet.

        `closed` are the first and the last block of six hours that closed with this tick, if it `is_closing`; else the
        last one that has closed, twice, or None.
        """
        columns = ", ".join(COLUMNS)
        self._con.execute(
            "CREATE OR REPLACE TEMP TABLE raised AS SELECT rule, subject, district, window_number, revision, at_least, "
            "before_reports, periods, cell_lat, cell_lon, CAST(NULL AS VARCHAR) AS event_id FROM alerts LIMIT 0"
        )
        for rule in self._rules:
            if rule.asks_for_blocks and (closed is None or not (is_closing or rule.touched_by & self._added)):
                continue
            # Planning a rule takes longer than asking it.
            if rule.asks_for_blocks or rule.touched_by & self._added:
                self._con.execute(
                    f"INSERT INTO raised SELECT $rule, {columns} FROM ({rule.query('duckdb', closed)}) AS found "
                    "WHERE NOT EXISTS (FROM alerts WHERE alerts.rule = $rule AND alerts.subject = found.subject "
                    "AND alerts.window_number = found.window_number AND alerts.revision = found.revision)",
                    {"rule": rule.name},
                )

    def evidence(self) -> dict[tuple[str, str], list[str]]:
        """Of each rule, and report of this tick by which it was raised: that report and others that say the same."""
        found: dict[tuple[str, str], list[str]] = {}
        named = {name for (name,) in self._con.execute("SELECT DISTINCT rule FROM raised").fetchall()}
        for rule in self._rules:
            if rule.name in named and rule.evidence:
                same = " AND ".join(f"one.{name} IS NOT DISTINCT FROM alike.{name}" for name in rule.evidence)
                columns = ", ".join(rule.evidence)
                # Not pairs: thousands of reports can be of one place.
                rows = self._con.execute(
                    f"WITH alike AS (SELECT {columns}, min(event_id, {EVIDENCE}) AS events FROM new_reports GROUP BY "
                    f"{columns}) SELECT one.event_id, alike.events FROM new_reports AS one JOIN alike ON {same} "
                    "WHERE one.event_id IN (SELECT event_id FROM raised WHERE rule = ?)",
                    [rule.name],
                ).fetchall()
                found |= {(rule.name, event): [event, *(n for n in events if n != event)] for event, events in rows}
        return found
