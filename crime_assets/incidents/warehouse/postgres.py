"""The warehouse in PostgreSQL 15 or later, which has MERGE. Reports go there from here, a mebibyte at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from io import BytesIO
from typing import Any

from crime_assets.core.errors import UsageError
from crime_assets.incidents.deliveries import read_reports
from crime_assets.incidents.warehouse.loading import COLUMNS, Loading, statements
from crime_assets.streams import LandingStore

_PIECE = 1 << 20
_CONFLICTS = {
    "40001",  # serialization failure
    "40P01",  # deadlock
    "23505",  # two made the same table at once: its name is unique, nothing else of ours is
    "42710",  # the same, a little later
    "42P07",  # the same, later still
}
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def connected(address: str) -> Any:
    """A connection to an address as libpq takes it. UsageError if the driver is not installed."""
    connection = _driver().connect(address)
    connection.set_client_encoding("UTF8")
    with connection.cursor() as cursor:
        # Without this, a loader whose machine vanishes would hold the lock for hours.
        cursor.execute("SET idle_in_transaction_session_timeout = '10min'")
    connection.commit()
    return connection


class PostgresWarehouse(Loading):
    """See `Warehouse`. Loading reads the whole history once: there is no index."""

    def _copy(self, cursor: Any, store: LandingStore, keys: Sequence[str]) -> None:
        (copy,) = statements("copy_postgres")
        for key in keys:
            for piece in _pieces(_line(report) for report in read_reports(store, key)):
                cursor.copy_expert(copy, BytesIO(piece))

    def _errors(self) -> type[Exception]:
        error: type[Exception] = _driver().Error
        return error

    def _is_conflict(self, error: Exception) -> bool:
        return getattr(error, "pgcode", None) in _CONFLICTS

    def _told(self, error: Exception) -> str:
        """Only the first line: the others can repeat values."""
        diagnosis = getattr(error, "diag", None)
        return (getattr(diagnosis, "message_primary", None) or "").rstrip(".")


def _driver() -> Any:
    try:
        import psycopg2
    except ImportError as error:
        raise UsageError("A warehouse in PostgreSQL needs psycopg2: pip install 'crime-assets[live]'.") from error
    return psycopg2


def _line(report: dict[str, Any]) -> bytes:
    return ("\t".join([_field(report[name]) for name in COLUMNS]) + "\n").encode()


def _field(value: Any) -> str:
    if value is None:
        return r"\N"
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value).translate(_ESCAPES)


def _pieces(lines: Iterator[bytes]) -> Iterator[bytes]:
    """The lines together, about a mebibyte at a time. Read before the driver is called: it would hide their errors."""
    piece = bytearray()
    for line in lines:
        piece += line
        if len(piece) >= _PIECE:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)
