"""Addresses of legacy databases: postgresql://, oracle+oracledb:// and mariadb://, each with user, host and database.

The password comes apart. No error repeats an address, for somebody may have written a password into it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from crime_assets.core.errors import UsageError
from crime_assets.migration import LegacyDatabase
from crime_assets.migration.documents import DocumentMapping

_OPTIONS = {
    "postgresql": frozenset(["host", "sslmode", "sslrootcert"]),
    "oracle+oracledb": frozenset(["schema"]),
    "mariadb": frozenset(["socket", "ssl_ca"]),
}
"""What may follow the question mark; `host` and `socket` name a directory, and a file, on this machine."""
_ORACLE_PORT = 1521
_MARIADB_PORT = 3306


def open_database(address: str, password: str, slot: str, mappings: Sequence[DocumentMapping]) -> LegacyDatabase:
    """The database at an address; nothing is opened before it is asked for something. UsageError if it is none.

    `slot`: the name of what PostgreSQL keeps changes by, of small letters, digits and _.
    """
    parts, options = _split(address)
    name = f"{parts.scheme}://{parts.hostname}{parts.path}"
    database, user = unquote(parts.path.removeprefix("/")), unquote(parts.username or "")
    match parts.scheme:
        case "postgresql":
            return _postgresql(parts, options, {"dbname": database, "user": user, "password": password}, slot, mappings)
        case "mariadb":
            from crime_assets.migration.databases.flashback import FlashbackDatabase
            from crime_assets.migration.databases.mariadb import MariaDialect
            from crime_assets.migration.databases.mariadb import connecting as to_mariadb

            where: dict[str, object] = {"host": parts.hostname, "port": parts.port or _MARIADB_PORT}
            if "socket" in options:
                where = {"unix_socket": options["socket"]}
            if "ssl_ca" in options:
                where["ssl"] = {"ca": options["ssl_ca"]}
            connect = to_mariadb(**where, user=user, password=password, database=database)
            return FlashbackDatabase(connect, MariaDialect(), name, mappings)
    from crime_assets.migration.databases.flashback import FlashbackDatabase
    from crime_assets.migration.databases.oracle import OracleDialect
    from crime_assets.migration.databases.oracle import connecting as to_oracle

    connect = to_oracle(
        options.get("schema", ""),
        host=parts.hostname,
        port=parts.port or _ORACLE_PORT,
        service_name=database,
        user=user,
        password=password,
    )
    return FlashbackDatabase(connect, OracleDialect(), name, mappings)


def _postgresql(
    parts: SplitResult,
    options: Mapping[str, str],
    who: Mapping[str, str],
    slot: str,
    mappings: Sequence[DocumentMapping],
) -> LegacyDatabase:
    try:
        from crime_assets.migration.databases.postgresql import PostgresDatabase, connecting
    except ImportError as error:
        raise UsageError("A database in PostgreSQL needs psycopg2: pip install 'crime-assets[legacy]'.") from error
    where = {"host": parts.hostname, "port": parts.port, **options, **who}
    connect = connecting(**{name: value for name, value in where.items() if value})
    return PostgresDatabase(connect, f"postgresql://{parts.hostname}{parts.path}", slot, mappings)


def _split(address: str) -> tuple[SplitResult, dict[str, str]]:
    try:
        parts = urlsplit(address)
        _ = parts.port
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True) if parts.query else []
    except ValueError:
        parts, pairs = SplitResult("", "", "", "", ""), []
    options = dict(pairs)
    is_whole = (
        parts.scheme in _OPTIONS
        and parts.hostname
        and parts.username
        and parts.password is None
        and parts.path.count("/") == 1
        and len(parts.path) > 1
        and not parts.fragment
        and parts.netloc.count("@") == 1
        and "@" not in parts.path + parts.query
    )
    # Not raised from the error, which repeats what it could not read.
    if not is_whole or len(options) < len(pairs) or not options.keys() <= _OPTIONS[parts.scheme]:
        raise UsageError(
            "CRIME_LEGACY is not the address of a legacy database: write it like postgresql://user@host:5432/database, "
            "oracle+oracledb://user@host:1521/service?schema=owner or mariadb://user@host:3306/database, and signs "
            "such as @ : / # ? in a name as %40 %3A %2F %23 %3F."
        )
    return parts, options
