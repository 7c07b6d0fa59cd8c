"""MariaDB 10.6 or later with tables that are versioned by transaction: the nearest to Oracle that tests can run.

Positions are commit ids of `mysql.transaction_registry`, for transactions commit in another order than they begin in;
times in it are not used. A transaction whose last change failed is committed without being registered (seen in 10.11):
it then counts as committed at its own id, which is greater than every position that was given before it ended.
A column with a time zone is a DATETIME beside a CHAR(6) of its name and `_offset`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from crime_assets.core.errors import UsageError
from crime_assets.migration import Lag
from crime_assets.migration.databases.dialects import Dialect, VersionedColumn, VersionedTable, gathered, of_t, quoted
from crime_assets.migration.progress import Position

try:
    import pymysql
except ImportError:  # pragma: no cover - only tests have it
    pymysql = None

_OFFSET = "_offset"
_ZONED = "timestamp with time zone"
_VERSIONS_TYPE = "type of versions"
_NOW = 2**64 - 1
"""The end of a version that is not over."""
# The server answers who writes from a copy, which it renews when nobody has asked for a tenth of a second.
_COPIED_SECONDS = 0.15
_SESSION = (
    "SET sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT'",
    "SET time_zone = '+00:00'",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET max_statement_time = 600",
)
_COLUMNS = """
SELECT lower(c.table_name), c.table_name, lower(c.column_name), c.column_name, lower(c.column_type),
       coalesce(c.collation_name, ''), c.column_key = 'PRI', coalesce(c.generation_expression, '')
FROM information_schema.columns c JOIN information_schema.tables t
  ON t.table_schema = c.table_schema AND t.table_name = c.table_name
WHERE c.table_schema = database() AND lower(c.table_name) IN ({})
ORDER BY c.table_name, c.ordinal_position
"""
# A table's number stays if one of its columns is dropped and made anew, its time if tables are swapped within a second.
# InnoDB names tables as files are.
_IDENTITIES = """
SELECT lower(t.table_name), concat_ws(' ', max(t.create_time), group_concat(s.table_id ORDER BY s.table_id))
FROM information_schema.tables t LEFT JOIN information_schema.innodb_sys_tables s
  ON CAST(substring_index(s.name, '#P#', 1) AS BINARY) = concat(
    CAST(CONVERT(t.table_schema USING filename) AS BINARY), '/', CAST(CONVERT(t.table_name USING filename) AS BINARY))
WHERE t.table_schema = database() AND lower(t.table_name) IN ({}) GROUP BY t.table_name
"""
_EXPECTED = (
    "SELECT table_rows FROM information_schema.tables "
    "WHERE table_schema = database() AND lower(table_name) = %(name)s AND table_rows IS NOT NULL"
)
_COMMITTED = "SELECT coalesce(max(commit_id), 0) FROM mysql.transaction_registry WHERE commit_id <= %(most)s"
_KNOWN = "SELECT count(*) FROM mysql.transaction_registry WHERE commit_id = %(position)s"
_WRITING = (
    "SELECT trx_id, trx_mysql_thread_id FROM information_schema.innodb_trx WHERE trx_id > 0 ORDER BY trx_id LIMIT 1"
)


def connecting(**where: object) -> Callable[[], Any]:
    """What opens connections, with sessions that write values as chunks have them. UsageError without the driver."""
    if pymysql is None:
        raise UsageError("A legacy database in MariaDB needs pymysql: pip install pymysql.")

    def connect() -> Any:
        # Values come as texts: nothing is turned into numbers or times here.
        connection = pymysql.connect(
            **where, charset="utf8mb4", autocommit=True, conv=dict(pymysql.converters.encoders), connect_timeout=15
        )
        with connection.cursor() as cursor:
            for statement in _SESSION:
                cursor.execute(statement)
        return connection

    return connect


class MariaDialect(Dialect):
    """See `Dialect`."""

    warning = "Old versions must be kept as long as anybody follows: do not run DELETE HISTORY, nor drop partitions."

    def __init__(self) -> None:
        self.Error: type[Exception] = pymysql.Error
        self._asked = threading.Lock()
        self._last_asked = 0.0

    def is_alive(self, connection: Any) -> bool:
        """Asks the server, and opens nothing anew: that session would be another."""
        try:
            connection.ping(reconnect=False)
        except pymysql.Error:
            return False
        return True

    def mark(self, name: str) -> str:
        """As the driver writes it."""
        return f"%({name})s"

    def tables(self, cursor: Any, names: Sequence[str]) -> dict[str, VersionedTable]:
        """Of the connection's database; columns of versions and offsets are helpers and no columns."""
        marks = ", ".join(["%s"] * len(names))
        cursor.execute(_IDENTITIES.format(marks), list(names))
        identities = dict(cursor.fetchall())
        cursor.execute(_COLUMNS.format(marks), list(names))
        rows = cursor.fetchall()
        helpers = _helpers(rows)
        found = gathered(
            (
                table,
                name,
                lower,
                VersionedColumn(column, _ZONED)
                if column in helpers[table]
                else VersionedColumn(column, sql_type, collation),
                bool(int(is_key)),
            )
            for table, name, lower, column, sql_type, collation, is_key, _ in rows
            if column not in helpers[table].values()
        )
        return {
            name: replace(table, helpers=helpers[name], identity=identities.get(name, ""))
            for name, table in found.items()
        }

    def expected(self, cursor: Any, name: str) -> int | None:
        """Old versions count too: the statistics do not tell them from rows."""
        cursor.execute(_EXPECTED, {"name": name})
        return next((int(rows) for (rows,) in cursor.fetchall()), None)

    def refuses(self, name: str, table: VersionedTable) -> str:
        """Versions by time are not exact: two transactions can have the same."""
        if table.helpers.get(_VERSIONS_TYPE, "").startswith("bigint"):
            return ""
        return (
            f"{name} keeps no versions by transaction: ALTER TABLE {name} ADD COLUMN rs BIGINT UNSIGNED GENERATED "
            "ALWAYS AS ROW START INVISIBLE, ADD COLUMN re BIGINT UNSIGNED GENERATED ALWAYS AS ROW END INVISIBLE, ADD "
            "PERIOD FOR SYSTEM_TIME (rs, re), ADD SYSTEM VERSIONING."
        )

    def is_exact(self, column: VersionedColumn) -> bool:
        """Most collations are blind to the size of letters, or to accents, and all but NOPAD to blanks at the end."""
        ending = "_bin" if column.sql_type.startswith("char") else "_nopad_bin"
        return not column.collation or column.collation.endswith(ending)

    def position(self, cursor: Any) -> Position:
        """The last commit below all transactions that write: one of them may have a commit id and not be seen yet.

        First the last commit, then who writes: what began to write in between commits behind that.
        """
        cursor.execute(_COMMITTED, {"most": _NOW})
        ((last,),) = cursor.fetchall()
        writing = self._writing(cursor)
        if writing is None:
            return Position(int(last))
        cursor.execute(_COMMITTED, {"most": min(int(last), int(writing[0]) - 1)})
        ((safe,),) = cursor.fetchall()
        return Position(int(safe))

    def remembers(self, cursor: Any, position: Position) -> bool:
        """The registry has a row for each position that was ever given."""
        cursor.execute(_KNOWN, {"position": int(position)})
        ((found,),) = cursor.fetchall()
        return position == 0 or int(found) > 0

    def text(self, column: VersionedColumn, table: VersionedTable) -> str:
        """CHAR is padded, which the server leaves out; bytes come as they are."""
        value, word = of_t(column.name), column.sql_type.partition("(")[0]
        match word:
            case "char":
                width = int(column.sql_type.removeprefix("char(").removesuffix(")"))
                return f"RPAD({value}, {width}, ' ')"
            case "timestamp with time zone":
                return f"CONCAT(CAST({value} AS CHAR), {of_t(table.helpers[column.name])})"
            case "varchar" | "text" | "tinytext" | "mediumtext" | "longtext":
                return value
            case "blob" | "tinyblob" | "mediumblob" | "longblob" | "binary" | "varbinary":
                return f"LOWER(HEX({value}))"
        return f"CAST({value} AS CHAR)"

    def as_of(self, table: VersionedTable) -> tuple[str, str]:
        """By the registry: AS OF TRANSACTION takes no transaction that is not in it."""
        begun, ended = _committed(table)
        return _versions(table), f"{begun} <= %(until)s AND ({_is_open(table)} OR {ended} > %(until)s)"

    def changed(self, table: VersionedTable) -> tuple[str, str]:
        """Versions that began or ended in between."""
        begun, ended = _committed(table)
        between = "{0} > %(since)s AND {0} <= %(until)s"
        return _versions(table), (f"({between.format(begun)}) OR (NOT {_is_open(table)} AND {between.format(ended)})")

    def lag(self, cursor: Any) -> Lag:
        """Says who keeps the position back."""
        writing = self._writing(cursor)
        return Lag(None, "transaction {} of connection {} is open".format(*writing) if writing else "kept")

    def forgot(self, error: Exception) -> bool:
        """History that is deleted gives no error; a position that is not there is asked for with `remembers`."""
        del error
        return False

    def told(self, error: Exception) -> str:
        """Number and text of the server; pymysql has both as arguments."""
        text = " ".join(str(part) for part in error.args) or type(error).__name__
        return text.partition("\n")[0].rstrip(".")

    def _writing(self, cursor: Any) -> tuple[str, str] | None:
        """The oldest transaction that writes, and its connection."""
        with self._asked:
            time.sleep(max(0.0, self._last_asked + _COPIED_SECONDS - time.monotonic()))
            cursor.execute(_WRITING)
            found: tuple[str, str] | None = next(iter(cursor.fetchall()), None)
            self._last_asked = time.monotonic()
        return found


def _helpers(rows: Sequence[Sequence[str]]) -> dict[str, dict[str, str]]:
    """By table: columns of versions, what type they have, and for a time that has an offset the column with it."""
    found: dict[str, dict[str, str]] = {}
    types = {(row[0], row[2]): (row[3], row[4]) for row in rows}
    for table, _, lower, column, sql_type, *_, generated in rows:
        own = found.setdefault(table, {})
        if generated in ("ROW START", "ROW END"):
            own |= {generated: column, _VERSIONS_TYPE: sql_type}
        name, other = types.get((table, lower.removesuffix(_OFFSET)), ("", ""))
        if lower.endswith(_OFFSET) and sql_type == "char(6)" and other.startswith("datetime"):
            own[name] = column
    return found


def _versions(table: VersionedTable) -> str:
    begun, ended = of_t(table.helpers["ROW START"]), of_t(table.helpers["ROW END"])
    return (
        f"{quoted(table.name)} FOR SYSTEM_TIME ALL t "
        f"LEFT JOIN mysql.transaction_registry b ON b.transaction_id = {begun} "
        f"LEFT JOIN mysql.transaction_registry e ON e.transaction_id = {ended}"
    )


def _committed(table: VersionedTable) -> tuple[str, str]:
    begun, ended = of_t(table.helpers["ROW START"]), of_t(table.helpers["ROW END"])
    return f"COALESCE(b.commit_id, {begun})", f"COALESCE(e.commit_id, {ended})"


def _is_open(table: VersionedTable) -> str:
    return f"{of_t(table.helpers['ROW END'])} = {_NOW}"
