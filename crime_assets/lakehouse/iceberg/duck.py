"""DuckDB connections as the lake uses them: no network, bounded memory, UTC, spilling next to the lake."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

_SETTINGS = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "TimeZone": "UTC",
    "memory_limit": "1536MB",
    "preserve_insertion_order": "false",
}


@contextmanager
def connection(spill: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """An in-memory DuckDB that spills to the directory `spill`."""
    spill.mkdir(parents=True, exist_ok=True)
    con = duckdb.connect(config={"temp_directory": str(spill / "spill")})
    try:
        for name, value in _SETTINGS.items():
            # For cursors, too: they begin with the settings of the whole database.
            con.execute(f"SET GLOBAL {name} = '{value}'")
        con.execute("SET enable_progress_bar = false")
        yield con
    finally:
        con.close()


def identifier(name: str) -> str:
    """A name quoted as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text quoted as an SQL literal, for places where DuckDB takes no parameter (COPY … TO)."""
    return "'" + text.replace("'", "''") + "'"
