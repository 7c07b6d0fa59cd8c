"""A MariaDB for tests whose sessions speak Oracle's words: the nearest to an Oracle database that can be run here.

It needs only the program `mariadbd` (Debian and Ubuntu: mariadb-server-core): no service, no user, no port.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
import pytest

from crime_assets.migration.databases.flashback import FlashbackDatabase
from crime_assets.migration.databases.mariadb import MariaDialect, connecting
from crime_assets.migration.documents import DocumentMapping
from crime_assets_tests.migration.servers import Department

_WORDS = "SET sql_mode = 'ORACLE,EMPTY_STRING_IS_NULL'"
_SYSTEM = (Path("/usr/share/mysql"), Path("/usr/share/mariadb"))
"""Where releases have the statements that make the server's own tables."""
_START_SECONDS = 60


@dataclass(frozen=True)
class MariaServer:
    socket: Path
    restart: Callable[[], None]

    def connect(self, database: str | None = None) -> Any:
        connection = pymysql.connect(unix_socket=str(self.socket), user="root", database=database, charset="utf8mb4")
        with connection.cursor() as cursor:
            cursor.execute(_WORDS)
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        return connection

    @contextmanager
    def department(self) -> Iterator[Department]:
        """An empty database, which is dropped."""
        name = f"legacy_{uuid.uuid4().hex[:12]}"
        self._run(f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")

        def open_it(*mappings: DocumentMapping) -> FlashbackDatabase:
            connect = connecting(unix_socket=str(self.socket), user="root", database=name)
            return FlashbackDatabase(connect, MariaDialect(), f"mariadb://test/{name}", mappings)

        address = f"mariadb://root@localhost/{name}?socket={self.socket}"
        try:
            yield Department(lambda: self.connect(name), open_it, address)
        finally:
            self._run(f"DROP DATABASE {name}")

    def _run(self, statement: str) -> None:
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(statement)


@contextmanager
def mariadb_served() -> Iterator[MariaServer]:
    """A server of its own on a socket. Skips without the program; fails where CI is set, which installs it."""
    program = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin")
    if program is None:
        missing = "There is no mariadbd: install mariadb-server-core."
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    with tempfile.TemporaryDirectory(prefix="maria", ignore_cleanup_errors=True) as directory:
        place = Path(directory)
        (place / "data").mkdir()
        command = [
            program,
            "--no-defaults",
            f"--datadir={place / 'data'}",
            f"--socket={place / 'socket'}",
            f"--pid-file={place / 'pid'}",
            f"--tmpdir={place}",
            "--skip-networking",
            "--skip-grant-tables",
            "--skip-log-bin",
            "--innodb-buffer-pool-size=32M",
            "--innodb-log-file-size=16M",
            # It refuses to be root's unless it is told so.
            *(["--user=root"] if os.getuid() == 0 else []),
        ]
        share = next(path for path in _SYSTEM if (path / "mysql_system_tables.sql").exists())
        system = [(share / f"mysql_system_tables{part}.sql").read_text() for part in ("", "_data")]
        made = subprocess.run(
            [*command, "--bootstrap"],
            input="CREATE DATABASE mysql;\nUSE mysql;\n" + "\n".join(system),
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stderr
        running = [_started(command, place)]

        def restart() -> None:
            _ended(running.pop())
            running.append(_started(command, place))

        try:
            yield MariaServer(place / "socket", restart)
        finally:
            _ended(running.pop())


def _started(command: list[str], place: Path) -> subprocess.Popen[bytes]:
    with (place / "log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    end = time.monotonic() + _START_SECONDS
    while True:
        try:
            pymysql.connect(unix_socket=str(place / "socket"), user="root").close()
        except pymysql.Error:
            assert process.poll() is None, (place / "log").read_text()
            assert time.monotonic() < end, (place / "log").read_text()
            time.sleep(0.05)
        else:
            return process


def _ended(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait()


@pytest.fixture(scope="session")
def mariadb_legacy() -> Iterator[MariaServer]:
    """One for all tests of a worker."""
    with mariadb_served() as server:
        yield server
