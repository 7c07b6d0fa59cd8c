"""Files of DuckDB that carry tables out of the lake: written whole, and opened read-only on the reader's machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa

from crime_assets.core.errors import CrimeAssetsError
from crime_assets.lakehouse.iceberg.duck import connection, identifier, literal


def packed(staging: Path, tables: Mapping[str, pa.Table]) -> bytes:
    """A DuckDB file with the tables, as bytes; `staging` is a directory for scratch files."""
    staging.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=staging, prefix="extract-") as scratch:
        path = Path(scratch, "extract.duckdb")
        with connection(Path(scratch)) as con:
            con.execute("SET preserve_insertion_order = true")
            con.execute(f"ATTACH {literal(str(path))} AS extract")
            for name, rows in tables.items():
                con.register("incoming", rows)
                con.execute(f"CREATE TABLE extract.{identifier(name)} AS FROM incoming")
                con.unregister("incoming")
            con.execute("DETACH extract")
        return path.read_bytes()


def opened(path: Path) -> duckdb.DuckDBPyConnection:
    """A file, read-only, from which no statement reaches anything else. duckdb.Error if it is damaged."""
    found = duckdb.connect(str(path), read_only=True)
    found.execute("SET enable_external_access = false")
    found.execute("SET lock_configuration = true")
    return found


@contextmanager
def copied(cache: Path, content: bytes) -> Iterator[Path]:
    """A copy of a file on this machine, to be opened now. CrimeAssetsError if `cache` cannot hold it."""
    path = cache / f"{token_hex(8)}.duckdb"
    try:
        try:
            cache.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError as error:
            raise CrimeAssetsError(
                f"{cache} cannot hold a copy of the extract ({error.strerror}): fix that, or set another CRIME_HOME."
            ) from error
        yield path
    finally:
        # An open file stays readable after its removal; a copy that is not removed here would stay forever.
        with suppress(OSError):
            path.unlink()
