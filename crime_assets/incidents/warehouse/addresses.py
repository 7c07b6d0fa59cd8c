"""Addresses of warehouses: postgresql://… as libpq takes it, redshift://user:password@host:5439/database?role=ARN.

An address has a password in it. No error repeats one, and what a warehouse is called has neither password nor user.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from crime_assets.core.errors import UsageError

if TYPE_CHECKING:
    from crime_assets.incidents.warehouse import Warehouse

_PORT = 5439
_NEEDED = {"host": "the host", "user": "the user", "password": "the password", "database": "the database"}


def open_warehouse(address: str) -> Warehouse:
    """The warehouse at an address; nothing is opened before it is asked for something. UsageError if it is none."""
    parts = _split(address)
    name = f"{parts.scheme}://{parts.hostname or ''}{parts.path}"
    if parts.scheme == "redshift":
        from crime_assets.incidents.warehouse.redshift import RedshiftWarehouse, connecting

        where, role = _redshift(parts)
        return RedshiftWarehouse(connecting(**where), name, role)
    from crime_assets.incidents.warehouse.postgres import PostgresWarehouse, connected

    return PostgresWarehouse(lambda: connected(address), name)


def _split(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        parts = SplitResult("", "", "", "", "")
    # Not raised from the error, which repeats what it could not read. An @ in the path: the password has a slash.
    if parts.scheme not in ("postgresql", "postgres", "redshift") or "@" in parts.path:
        raise UsageError(
            "CRIME_WAREHOUSE cannot be read: write signs such as @ : / # ? in a password as %40 %3A %2F %23 %3F."
        )
    return parts


def _redshift(parts: SplitResult) -> tuple[dict[str, object], str]:
    """What opens a connection, and the role by which the warehouse reads deliveries."""
    role = dict(parse_qsl(parts.query)).get("role", "")
    where: dict[str, object] = {
        "host": parts.hostname,
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "database": unquote(parts.path.strip("/")),
    }
    if lacking := [what for name, what in _NEEDED.items() if not where[name]]:
        raise UsageError(
            f"CRIME_WAREHOUSE lacks {' and '.join(lacking)}: write it like "
            "redshift://user:password@host:5439/database?role=arn:aws:iam::123456789012:role/name."
        )
    return {**where, "port": parts.port or _PORT}, role
