"""Kills a migration's steps while the department works: for tests that say which, and how often."""

from __future__ import annotations

import multiprocessing
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from signal import SIGKILL
from typing import Any

from crime_assets.migration import Verdict
from crime_assets.migration.finish import finish
from crime_assets.migration.follow import catch_up
from crime_assets.migration.load import load
from crime_assets.migration.progress import State
from crime_assets.migration.sample import Dialect, create, fill
from crime_assets.migration.verify import verify
from crime_assets.migration.work import Work
from crime_assets.sources.cities.chicago import CITY
from crime_assets.sources.feeds.sample import SampleFeed
from crime_assets_tests.migration import killed_step
from crime_assets_tests.migration.killed_step import TROUBLE, documents_of, quiet, road_of
from crime_assets_tests.migration.plain import unequal
from crime_assets_tests.migration.servers import Department

TODAY = date(2018, 11, 19)
_LEFT = {
    "postgresql": "SELECT slot_name FROM pg_replication_slots WHERE database = current_database() "
    "UNION ALL SELECT pubname FROM pg_publication",
    "mariadb": "SELECT table_name FROM information_schema.tables WHERE table_schema = database() "
    "AND table_name NOT IN ('crimes', 'crime_roles', 'crime_notes', 'offense_codes')",
}
"""What a migration may have made in a database."""


@dataclass
class Working:
    """The department at work, in a thread; who has `still` stops it for so long."""

    changes: int = 0
    trouble: BaseException | None = None
    still: threading.Lock = field(default_factory=threading.Lock)


class Migration:
    """Of the sample department's tables, in a directory of its own; its steps run in processes that can be killed."""

    def __init__(self, department: Department, dialect: Dialect, place: Path, crimes: int) -> None:
        self._department, self._dialect, self._place = department, dialect, place
        # Forked from one that has imported the steps: to import them takes longer than to run them.
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload([killed_step.__name__])
        feed = SampleFeed(CITY, origin=date(2018, 11, 12), today=TODAY, rows=crimes)
        with closing(department.connect()) as connection:
            create(connection, dialect)
            fill(connection, dialect, CITY, feed, TODAY, most=crimes)
        self.begin_anew()

    def begin_anew(self) -> None:
        """With an empty store: what the one before has made in the database is still there."""
        shutil.rmtree(self._place, ignore_errors=True)
        self._place.mkdir()

    @contextmanager
    def at_work(self, seed: int, pause: float) -> Iterator[Working]:
        """Change after change until it is left, with a pause after each."""
        working, stop = Working(), threading.Event()

        def work() -> None:
            try:
                with closing(self._department.connect()) as connection:
                    changing = Work(connection, self._dialect, seed)
                    while not stop.wait(pause):
                        with working.still:
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

    def run(self, step: str) -> float:
        """Run a step to its end; the seconds it took."""
        process = self._begun(step, "never", 1)
        begun = time.monotonic()
        assert not self._was_killed(process)
        return time.monotonic() - begun

    def kill_at(self, step: str, stage: str, nth: int = 1) -> bool:
        """Run a step that is killed at a stage; whether it came so far."""
        return self._was_killed(self._begun(step, stage, nth))

    def kill_after(self, step: str, seconds: float) -> bool:
        """Run a step that is killed at any moment; whether it was still running."""
        process = self._begun(step, "never", 1)
        process.join(seconds)
        process.kill()
        return self._was_killed(process)

    def plant(self) -> None:
        """What somebody did to the store by hand: a document is lost, one is other, one is too many."""
        with closing(sqlite3.connect(documents_of(self._place))) as connection, connection:
            ids = connection.execute("SELECT id FROM documents ORDER BY id LIMIT 2").fetchall()
            connection.execute("DELETE FROM documents WHERE id = ?", ids[0])
            connection.execute("UPDATE documents SET item = replace(item, 'id', 'x') WHERE id = ?", ids[1])
            # It is there already if it was planted before, and nothing has repaired it.
            strange = ("crime#123456789", "-", '{"id":{"S":"crime#123456789"}}')
            connection.execute("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", strange)

    def is_loaded(self) -> bool:
        """Whether all of it was loaded."""
        known = self._road().store.progress()
        return known is not None and known.state is State.FOLLOWING

    def drained(self) -> tuple[Verdict, dict[str, tuple[int, int]]]:
        """Load and follow to the end; what a verification says, and what the plain reader finds unequal."""
        load(self._road(), quiet)
        catch_up(self._road())
        verdict = verify(self._road(), False, quiet)
        with closing(self._department.connect()) as connection:
            return verdict, unequal(connection, self._dialect, documents_of(self._place), self._place / "landing")

    def left(self) -> list[Any]:
        """What is left in the database after it is finished."""
        finish(self._road())
        return self._department.ask(_LEFT[self._dialect])

    def _road(self) -> Any:
        return road_of(self._department.address, self._place)

    def _begun(self, step: str, stage: str, nth: int) -> ForkServerProcess:
        begun = self._processes.Event()
        told = (self._department.address, self._place, step, stage, nth, begun)
        process = self._processes.Process(target=killed_step.run, args=told)
        process.start()
        while not begun.wait(0.1) and process.is_alive():
            pass
        return process

    def _was_killed(self, process: ForkServerProcess) -> bool:
        process.join(600)
        # Nothing else may end it: an error would be a kill that was survived by luck.
        trouble = self._place / TROUBLE
        assert process.exitcode in (0, -SIGKILL), trouble.read_text() if trouble.exists() else process.exitcode
        return process.exitcode != 0
