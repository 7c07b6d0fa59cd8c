"""What is counted of reports, and what the rules say of it: tables of a DuckDB connection, added to tick by tick.

`sql/live` says what is added, `sql/alerts` what is raised. Whoever has the connection keeps both in one transaction.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from crime_assets.core.sql import render, statement
from crime_assets.incidents.rules import COLUMNS, Rule

_ADDED = ("stations", "hours", "blocks", "cells", "complaints", "named")
_EVIDENCE = 20
"""Reports that an alert names at the most."""


class Tallies:
    """Reads the connection's table or view `arrived` (see contract.ARRIVED), and leaves the table `raised`."""

    def __init__(self, con: duckdb.DuckDBPyConnection, rules: Sequence[Rule]) -> None:
        self._con = con
        self._rules = rules
        self._news = {name: render(statement("live", f"new_{name}"), "duckdb", {}) for name in ("reports", *_ADDED)}
        self._merges = [statement("live", f"merge_{name}") for name in ("known_events", *_ADDED)]

    def add(self) -> int:
        """Count what has arrived; returns how many reports are news."""
        for name, query in self._news.items():
            self._con.execute(f"CREATE OR REPLACE TEMP TABLE new_{name} AS {query}")
        for merge in self._merges:
            self._con.execute(merge)
        ((found,),) = self._con.execute("SELECT count(*) FROM new_reports").fetchall()
        return int(found)

    def ask(self, closed: tuple[int, int] | None) -> None:
        """Create `raised`: what the rules give, with the rule's name, and `alerts` does not have yet.

        `closed` are the first and the last block that have closed since the rules were last asked; None before the
        first one has.
        """
        columns = ", ".join(COLUMNS)
        self._con.execute(
            "CREATE OR REPLACE TEMP TABLE raised AS SELECT rule, subject, district, window_number, revision, at_least, "
            "before_reports, periods, cell_lat, cell_lon, CAST(NULL AS VARCHAR) AS event_id FROM alerts LIMIT 0"
        )
        for rule in self._rules:
            if closed is not None or not rule.asks_for_blocks:
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
                    f"WITH alike AS (SELECT {columns}, min(event_id, {_EVIDENCE}) AS events FROM new_reports GROUP BY "
                    f"{columns}) SELECT one.event_id, alike.events FROM new_reports AS one JOIN alike ON {same} "
                    "WHERE one.event_id IN (SELECT event_id FROM raised WHERE rule = ?)",
                    [rule.name],
                ).fetchall()
                found |= {(rule.name, event): [event, *(n for n in events if n != event)] for event, events in rows}
        return found
