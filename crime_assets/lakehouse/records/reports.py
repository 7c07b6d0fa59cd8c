"""Questions about live reports in the lake, for checks: how many there are, and whether others say the same of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa

from crime_assets.incidents.contract import FIELDS, event_id
from crime_assets.incidents.warehouse import MonthFigures
from crime_assets.lakehouse.iceberg.duck import connection
from crime_assets.lakehouse.iceberg.reading import explained
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.records.live import ALERTS, HISTORY, show, table_of

_NAMES = [field.name for field in FIELDS]


def rows_and_reports(lake: Lake) -> tuple[int, int]:
    """Rows of the history, and reports that they are about: as many, if all is well."""
    with _asking(lake) as con:
        if con is None:
            return 0, 0
        ((rows, reports),) = con.execute("SELECT count(*), count(DISTINCT fir_id) FROM live.fir_history").fetchall()
        return int(rows), int(reports)


def month_figures(lake: Lake) -> list[MonthFigures]:
    """The history month by month (UTC), as a warehouse gives it."""
    with _asking(lake) as con:
        if con is None:
            return []
        rows = con.sql(
            "SELECT CAST(date_trunc('month', registered_at) AS DATE) AS month, count(*) AS reports, "
            "CAST(sum(version) AS BIGINT) AS versions, max(registered_at) AS newest "
            "FROM live.fir_history GROUP BY 1 ORDER BY 1"
        )
        return [MonthFigures(**row) for row in rows.to_arrow_table().to_pylist()]


def unlike(lake: Lake, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Those reports of a warehouse's rows of which the history has another row, or none."""
    with _asking(lake) as con:
        known: dict[str, dict[str, Any]] = {}
        if con is not None:
            con.register("asked", pa.table({"fir_id": [row["fir_id"] for row in rows]}))
            found = con.sql(f"SELECT {', '.join(_NAMES)} FROM live.fir_history SEMI JOIN asked USING (fir_id)")
            known = {row["fir_id"]: row for row in found.to_arrow_table().to_pylist()}
        return [row["fir_id"] for row in rows if known.get(row["fir_id"]) != row]


def alerts_without_events(lake: Lake, since: datetime, until: datetime) -> tuple[int, list[str]]:
    """How many alerts were raised between two moments, and those that name an event that no report of the history had.

    The history has the newest versions only. Which events those before them were can be computed.
    """
    if table_of(lake, ALERTS) is None:
        return 0, []
    with _asking(lake) as con:
        if con is None:
            return 0, []
        raised = con.execute(
            "SELECT alert_id, event_ids FROM live.fir_alerts WHERE raised_at >= ? AND raised_at < ?", [since, until]
        ).fetchall()
        named = {alert: json.loads(events) for alert, events in raised}
        unknown = {event for events in named.values() for event in events}
        unknown -= _newest_of(con, unknown)
        if unknown:
            unknown -= _earlier_of(con)
        return len(raised), sorted(alert for alert, events in named.items() if unknown.intersection(events))


def _newest_of(con: duckdb.DuckDBPyConnection, events: set[str]) -> set[str]:
    con.register("asked", pa.table({"event_id": pa.array(sorted(events), pa.string())}))
    found = con.execute("SELECT event_id FROM live.fir_history SEMI JOIN asked USING (event_id)").fetchall()
    return {event for (event,) in found}


def _earlier_of(con: duckdb.DuckDBPyConnection) -> set[str]:
    changed = con.execute("SELECT fir_id, version FROM live.fir_history WHERE version > 1").fetchall()
    return {event_id(fir_id, number) for fir_id, version in changed for number in range(1, version)}


@contextmanager
def _asking(lake: Lake) -> Iterator[duckdb.DuckDBPyConnection | None]:
    """A connection that has the schema `live`; None if there is no history yet."""
    if table_of(lake, HISTORY) is None:
        yield None
        return
    with explained(lake), connection(lake.staging) as con:
        show(con, lake)
        yield con
