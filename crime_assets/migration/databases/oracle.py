"""Oracle 12.2 or later by flashback queries: AS OF SCN, and VERSIONS BETWEEN SCN.

None of this has met an Oracle database: the algorithm is run against MariaDB, the statements here are asserted as
texts. Positions are system change numbers. A zone's name becomes its offset, for the one cannot be told from the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from crime_assets.core.errors import UsageError
from crime_assets.migration import Lag
from crime_assets.migration.databases.dialects import Dialect, VersionedColumn, VersionedTable, gathered, of_t, quoted
from crime_assets.migration.progress import Position

_SESSION = (
    "ALTER SESSION SET TIME_ZONE = '+00:00'",
    "ALTER SESSION SET NLS_SORT = BINARY NLS_COMP = BINARY NLS_NUMERIC_CHARACTERS = '.,' NLS_CALENDAR = GREGORIAN",
)
_SCHEMA = re.compile(r"[A-Za-z][A-Za-z0-9_$#]{0,127}", re.ASCII)
_COLUMNS = """
SELECT LOWER(c.table_name), c.table_name, LOWER(c.column_name), c.column_name, c.data_type, c.data_precision,
       c.data_scale, c.char_length, NVL2(p.column_name, 1, 0)
FROM all_tab_columns c
JOIN all_tables t ON t.owner = c.owner AND t.table_name = c.table_name
LEFT JOIN (
  SELECT k.table_name, k.column_name FROM all_constraints r
  JOIN all_cons_columns k ON k.owner = r.owner AND k.constraint_name = r.constraint_name
  WHERE r.owner = SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA') AND r.constraint_type = 'P'
) p ON p.table_name = c.table_name AND p.column_name = c.column_name
WHERE c.owner = SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA') AND LOWER(c.table_name) IN ({})
ORDER BY c.table_name, c.column_id
"""
# Numbers of objects are never given twice.
_IDENTITIES = """
SELECT LOWER(object_name), object_id || ' ' || TO_CHAR(last_ddl_time, 'YYYY-MM-DD HH24:MI:SS') FROM all_objects
WHERE owner = SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA') AND object_type = 'TABLE' AND LOWER(object_name) IN ({})
"""
_EXPECTED = (
    "SELECT num_rows FROM all_tables WHERE owner = SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA') "
    "AND LOWER(table_name) = :name AND num_rows IS NOT NULL"
)
_POSITION = "SELECT DBMS_FLASHBACK.GET_SYSTEM_CHANGE_NUMBER FROM DUAL"
_FORGOT = frozenset([1466, 1555, 8180, 8181, 22924, 30052])
"""Table altered since; snapshot too old, of rows and of large values; no such number; beyond what is kept."""
_REFUSED = frozenset([942, 1031, 6550])
_TYPE = re.compile(r"(?P<word>[a-z_0-9 ]+?)(\((?P<first>\d+)(,(?P<second>-?\d+))?\))?(?P<rest> [a-z ]+)?")
# A number without its zero before the point is one, and not as others write it.
_ANY_NUMBER = "REGEXP_REPLACE(TO_CHAR({}, 'TM9', 'NLS_NUMERIC_CHARACTERS=''.,'''), '^(-?)\\.', '\\10.')"


def connecting(schema: str = "", **where: object) -> Callable[[], Any]:
    """What opens connections, with sessions that write values as chunks have them; `schema` is who owns the tables.

    UsageError if the driver is not installed, or for what is no name.
    """
    driver = _driver()
    # Large values come whole: as locators, each would take a turn of its own. It can only be said for all connections.
    driver.defaults.fetch_lobs = False
    if schema and not _SCHEMA.fullmatch(schema):
        raise UsageError("The schema in CRIME_LEGACY is no name: use letters, digits, _, $ and #.")
    session = [*_SESSION, *([f'ALTER SESSION SET CURRENT_SCHEMA = "{schema.upper()}"'] if schema else [])]

    def connect() -> Any:
        connection = driver.connect(**where, tcp_connect_timeout=15)
        connection.call_timeout = 600_000
        with connection.cursor() as cursor:
            for statement in session:
                cursor.execute(statement)
        return connection

    return connect


class OracleDialect(Dialect):
    """See `Dialect`."""

    warning = (
        "Old versions are kept no longer than undo is: set UNDO_RETENTION, and the size of its tablespace, to more "
        "than the longest time that nobody follows."
    )

    def __init__(self) -> None:
        self.Error: type[Exception] = _driver().Error

    def is_alive(self, connection: Any) -> bool:
        """Asks the server."""
        try:
            connection.ping()
        except self.Error:
            return False
        return True

    def mark(self, name: str) -> str:
        """As the driver has it."""
        return f":{name}"

    def tables(self, cursor: Any, names: Sequence[str]) -> dict[str, VersionedTable]:
        """Of the session's schema. Texts are ordered by their bytes: the session says so."""
        given = {f"name{number}": name for number, name in enumerate(names)}
        marks = ", ".join(map(self.mark, given))
        cursor.execute(_IDENTITIES.format(marks), given)
        identities = dict(cursor.fetchall())
        cursor.execute(_COLUMNS.format(marks), given)
        found = gathered(
            (table, name, lower, VersionedColumn(column, _sql_type(*size)), bool(is_key))
            for table, name, lower, column, *size, is_key in cursor.fetchall()
        )
        return {name: replace(table, identity=identities.get(name, "")) for name, table in found.items()}

    def expected(self, cursor: Any, name: str) -> int | None:
        """As of the last time that statistics were gathered."""
        cursor.execute(_EXPECTED, {"name": name})
        return next((int(rows) for (rows,) in cursor.fetchall()), None)

    def refuses(self, name: str, table: VersionedTable) -> str:
        """Undo has old versions of every table; statements that fail are told when they are tried."""
        del name, table
        return ""

    def is_exact(self, column: VersionedColumn) -> bool:
        """As the session compares, which is by bytes."""
        del column
        return True

    def position(self, cursor: Any) -> Position:
        """What is committed up to the present number is seen at it, whatever is open."""
        cursor.execute(_POSITION)
        ((number,),) = cursor.fetchall()
        return Position(int(number))

    def remembers(self, cursor: Any, position: Position) -> bool:
        """The database tells it by an error of its own."""
        del cursor, position
        return True

    def text(self, column: VersionedColumn, table: VersionedTable) -> str:
        """In the same form whatever the session's language; RAW as hex digits, BLOB as bytes."""
        del table
        value, found = of_t(column.name), _TYPE.fullmatch(column.sql_type)
        word = found["word"] if found else column.sql_type
        match word:
            case "number" if found and found["first"]:
                return f"TO_CHAR({value}, '{_digits(int(found['first']), int(found['second'] or 0))}')"
            case "number" | "float" | "binary_float" | "binary_double":
                return _ANY_NUMBER.format(value)
            case "date":
                return f"LTRIM(TO_CHAR({value}, 'SYYYY-MM-DD HH24:MI:SS'))"
            case "timestamp":
                fraction = ".FF" + found["first"] if found and int(found["first"] or 0) else ""
                zone = "TZH:TZM" if found and found["rest"] else ""
                return f"LTRIM(TO_CHAR({value}, 'SYYYY-MM-DD HH24:MI:SS{fraction}{zone}'))"
            case "raw":
                return f"LOWER(RAWTOHEX({value}))"
        return value

    def as_of(self, table: VersionedTable) -> tuple[str, str]:
        """Behind the table's name: as a hint, which libraries make of it, it would do nothing and say nothing."""
        return f"{quoted(table.name)} AS OF SCN :until t", "1 = 1"

    def changed(self, table: VersionedTable) -> tuple[str, str]:
        """A version that was there before has no number at its start, one that is there now none at its end."""
        return (
            f"{quoted(table.name)} VERSIONS BETWEEN SCN :since AND :until t",
            "t.VERSIONS_STARTSCN > :since OR t.VERSIONS_ENDSCN > :since",
        )

    def lag(self, cursor: Any) -> Lag:
        """Undo is not kept for us."""
        del cursor
        return Lag(None, "kept as long as undo is")

    def forgot(self, error: Exception) -> bool:
        """By the error's number."""
        return _code(error) in _FORGOT

    def told(self, error: Exception) -> str:
        """Number and text of the database, without what follows in other lines."""
        text = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
        if _code(error) in _REFUSED:
            return f"{text} (grant SELECT and FLASHBACK on the tables, and EXECUTE on DBMS_FLASHBACK)"
        return text


def _driver() -> Any:
    try:
        import oracledb
    except ImportError as error:
        raise UsageError("A legacy database in Oracle needs oracledb: pip install 'crime-assets[legacy]'.") from error
    return oracledb


def _code(error: Exception) -> int:
    return int(getattr(error.args[0], "code", 0) or 0) if error.args else 0


def _sql_type(word: str, precision: int | None, scale: int | None, length: int | None) -> str:
    """Such as `number(12,9)`, `char(5)` or `timestamp(6) with time zone`."""
    word = word.lower()
    if word == "number" and (precision is not None or scale is not None):
        # INTEGER has a scale and no precision.
        return f"number({38 if precision is None else precision},{scale or 0})"
    return f"{word}({length})" if length else word


def _digits(precision: int, scale: int) -> str:
    """A format that writes every digit: no blank before the number, zeros behind its point."""
    before = "9" * (max(precision - scale, 1) - 1) + "0"
    return f"FM{before}.{'0' * scale}" if scale > 0 else f"FM{before}"
