"""Kills a migration's steps while the department works: for tests that say which, and how often."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import psycopg2

from crime_assets.core.errors import StoreError
from crime_assets.migration import Verdict
from crime_assets.migration.finish import finish
from crime_assets.migration.follow import catch_up
from crime_assets.migration.load import load
from crime_assets.migration.sample import create, fill
from crime_assets.migration.verify import verify
from crime_assets.migration.work import Work
from crime_assets.sources.cities.chicago import CITY
from crime_assets.sources.feeds.sample import SampleFeed
from crime_assets_tests.migration.plain import unequal
from crime_assets_tests.migration.servers import PostgresServer
from crime_assets_tests.stress.legacy_command import WHERE, quiet, road_of

TODAY = date(2018, 11, 19)


@dataclass
class Working:
    """The department at work, in a thread."""

    changes: int = 0
    trouble: BaseException | None = None


class Department:
    """The sample department on a server, and a migration of it in a directory."""

    def __init__(self, server: PostgresServer, database: str, place: Path, crimes: int) -> None:
        self.place = place
        self._where = server.where(database)
        (place / WHERE).write_text(json.dumps(self._where))
        feed = SampleFeed(CITY, origin=date(2018, 11, 12), today=TODAY, rows=crimes)
        with closing(self.connect()) as connection:
            create(connection, "postgresql")
            fill(connection, "postgresql", CITY, feed, TODAY, most=crimes)

    def connect(self) -> Any:
        return psycopg2.connect(**self._where)

    @contextmanager
    def at_work(self, seed: int, pause: float) -> Iterator[Working]:
        """Change after change until it is left, with a pause after each."""
        working, stop = Working(), threading.Event()

        def work() -> None:
            try:
                with closing(self.connect()) as connection:
                    changing = Work(connection, "postgresql", seed)
                    while not stop.wait(pause):
                        changing.change()
                        working.changes += 1
            except BaseException as error:
                working.trouble = error

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield working
        finally:
            stop.set()
            thread.join()
        if working.trouble:
            raise working.trouble

    def begin(self, step: str, stage: str = "never", nth: int = 1) -> subprocess.Popen[str]:
        """A step in a process of its own, which has begun."""
        command = [sys.executable, "-m", "crime_assets_tests.stress.legacy_command", self.place, step, stage, nth]
        process = subprocess.Popen(
            [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        assert process.stdout
        assert process.stdout.readline() == "begun\n", process.communicate()[1]
        return process

    def kill_at(self, step: str, stage: str, nth: int = 1) -> bool:
        """Run a step that is killed at a stage; whether it came so far."""
        return self._ended(self.begin(step, stage, nth))

    def kill_after(self, step: str, seconds: float) -> bool:
        """Run a step that is killed at any moment; whether it was still running."""
        process = self.begin(step)
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGKILL)
        return self._ended(process)

    def _ended(self, process: subprocess.Popen[str]) -> bool:
        _, told = process.communicate(timeout=120)
        # Nothing else may end it: an error would be a kill that was survived by luck.
        assert process.returncode in (0, -signal.SIGKILL), told
        return process.returncode != 0

    def plant(self) -> None:
        """What somebody did to the store by hand: a document is lost, one is other, one is too many."""
        import sqlite3

        with closing(sqlite3.connect(self.place / "documents.db")) as connection, connection:
            ids = connection.execute("SELECT id FROM documents ORDER BY id LIMIT 2").fetchall()
            connection.execute("DELETE FROM documents WHERE id = ?", ids[0])
            connection.execute("UPDATE documents SET item = replace(item, 'id', 'x') WHERE id = ?", ids[1])
            strange = ("crime#123456789", "-", '{"id":{"S":"crime#123456789"}}')
            connection.execute("INSERT INTO documents VALUES (?, ?, ?)", strange)

    def drained(self) -> tuple[Verdict, dict[str, tuple[int, int]]]:
        """Load and follow to the end; what a verification says, and what the plain reader finds unequal."""
        road = road_of(self.place)
        load(road, quiet)
        catch_up(road)
        verdict = verify(road, False, quiet)
        with closing(self.connect()) as connection:
            return verdict, unequal(connection, self.place / "documents.db", self.place / "landing")

    def left(self) -> list[Any]:
        """What is left in the database after it is finished."""
        try:
            finish(road_of(self.place))
        except StoreError as error:
            return [error]
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT slot_name FROM pg_replication_slots WHERE database = current_database() "
                "UNION ALL SELECT pubname FROM pg_publication"
            )
            return list(cursor.fetchall())
