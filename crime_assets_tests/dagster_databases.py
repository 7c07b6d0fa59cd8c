"""Dagster's SQLite files for less work: what it computes anew for each file, or each event, is computed once.

Files and what is in them are the same. To record a small run in files takes about half as long.
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster._core.storage.event_log import in_memory as events_in_memory
from dagster._core.storage.event_log.sqlite import sqlite_event_log as events
from dagster._core.storage.runs import in_memory as runs_in_memory
from dagster._core.storage.runs.sqlite import sqlite_run_storage as runs
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage as schedules
from sqlalchemy import Engine, create_engine, event


def share_work() -> None:
    """For all that this process does with Dagster; processes that it starts know nothing of it."""
    _read_revisions_once()
    _compile_once()
    _lay_out_once()


def _read_revisions_once() -> None:
    """Dagster stamps each new database with its newest revision: alembic need not read all of them anew each time."""
    read: Callable[[Config], ScriptDirectory] = ScriptDirectory.from_config
    known: dict[str | None, ScriptDirectory] = {}

    def read_once(config: Config) -> ScriptDirectory:
        place = config.get_main_option("script_location")
        if place not in known:
            known[place] = read(config)
        return known[place]

    # Dagster has no place to hand one in: the type checker is right that it is replaced.
    ScriptDirectory.from_config = staticmethod(read_once)  # type: ignore[method-assign, assignment]


def _compile_once() -> None:
    """Dagster makes an engine for each event, which compiles all statements anew; no connection is kept open.

    Nor does a test wait until what it wrote is on the disk.
    """
    first = create_engine("sqlite://")
    with first.connect():
        pass  # The dialect knows SQLite's version from now on.

    def sharing(url: str, **options: Any) -> Engine:
        engine = create_engine(url, **options)
        # What is compiled is found by the dialect.
        engine.dialect = engine.pool._dialect = first.dialect
        engine._compiled_cache = first._compiled_cache
        return engine

    @lru_cache(maxsize=64)
    def kept(url: str, poolclass: type, timeout: float | None) -> Engine:
        engine = sharing(url, poolclass=poolclass, connect_args={} if timeout is None else {"timeout": timeout})
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous = OFF"))
        return engine

    def of_file(url: str, *, poolclass: type, connect_args: dict[str, float] | None = None) -> Engine:
        return kept(url, poolclass, (connect_args or {}).get("timeout"))

    for module in (events_in_memory, runs_in_memory):
        vars(module)["create_engine"] = sharing
    for module in (events, runs, schedules):
        vars(module)["create_engine"] = of_file


def _lay_out_once() -> None:
    """Each run has a file of its own with the same empty tables: all but the first are copies."""
    lay_out = events.SqliteEventLogStorage._initdb
    laid_out: list[bytes] = []

    def copy(storage: events.SqliteEventLogStorage, engine: Engine, for_index_shard: bool = False) -> None:
        path = Path(str(engine.url.database))
        if path.exists():
            lay_out(storage, engine, for_index_shard)
        elif laid_out:
            begun = path.with_suffix(".begun")
            begun.write_bytes(laid_out[0])
            begun.rename(path)
        else:
            lay_out(storage, engine, for_index_shard)
            laid_out.append(path.read_bytes())

    # Likewise.
    events.SqliteEventLogStorage._initdb = copy  # type: ignore[method-assign]
