"""The tables of a migration as PostgreSQL's catalogue has them, and what of them forbids it to follow their changes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crime_assets.core.errors import LegacyError
from crime_assets.migration.columns import Kind
from crime_assets.migration.documents import DocumentMapping, Shape

# Of tables on the search path only what may be read. The cast has no length: a key must come as it is.
_COLUMNS = """
SELECT lower(c.relname), n.nspname, c.relname, c.oid, c.relfilenode, pg_relation_filenode(c.oid), c.relhassubclass,
       lower(a.attname), a.attname, format_type(a.atttypid, a.atttypmod), format_type(a.atttypid, -1), a.attcollation,
       coalesce(l.collisdeterministic, true), a.xmin::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
LEFT JOIN pg_collation l ON l.oid = a.attcollation
WHERE n.nspname = ANY(current_schemas(false)) AND lower(c.relname) = ANY(%s)
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped
  AND has_column_privilege(c.oid, a.attnum, 'SELECT')
ORDER BY c.oid, a.attnum
"""
# The columns that a deleted row tells of itself: all with FULL, else those of an index.
_TRAITS = """
SELECT c.oid, c.relkind::text, c.relhassubclass, c.relreplident::text, row_security_active(c.oid),
       pg_has_role(c.relowner, 'USAGE'),
       ARRAY(SELECT lower(a.attname) FROM pg_index i
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey)
             WHERE i.indrelid = c.oid AND i.indisprimary),
       ARRAY(SELECT lower(a.attname) FROM pg_index i
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey)
             WHERE i.indrelid = c.oid
               AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident END)
FROM pg_class c WHERE c.oid = ANY(%s)
"""
# What the last ANALYZE or VACUUM found; before the first there is -1.
_EXPECTED = """
SELECT c.reltuples::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY(current_schemas(false)) AND lower(c.relname) = %s AND c.reltuples >= 0
"""
_SERVER = """
SELECT current_setting('server_version_num')::int, pg_is_in_recovery(), current_setting('wal_level'),
       current_setting('server_encoding'), current_setting('max_slot_wal_keep_size'), current_user::text,
       EXISTS (SELECT 1 FROM pg_roles r WHERE r.rolname = current_user AND (r.rolreplication OR r.rolsuper))
       OR EXISTS (SELECT 1 FROM pg_roles r WHERE r.rolname = 'rds_replication' AND pg_has_role(r.oid, 'MEMBER')),
       has_database_privilege(current_database(), 'CREATE')
"""


_TEXTS = frozenset([Kind.TEXT, Kind.PADDED, Kind.LARGE])
_WHOLE = frozenset("smallint integer bigint".split())
_DECIMALS = re.compile(r"numeric\([0-9]+,(-?[0-9]+)\)")


@dataclass(frozen=True)
class TableColumn:
    """A column: its name and type as the catalogue writes them, the type without length, the number of its order."""

    name: str
    sql_type: str
    cast: str
    collation: int
    is_exact: bool
    """Whether texts are only the same to its collation if they are written so."""
    altered: str
    """The transaction that wrote down last what the column is."""


@dataclass(frozen=True)
class Table:
    """A table; its columns by their names in small letters."""

    schema: str
    name: str
    number: int
    columns: dict[str, TableColumn]
    was_rewritten: bool
    """Since the snapshot in which this was read: its rows cannot be seen in that."""
    has_heirs: bool
    """Whether other tables inherit from it: their rows are seen in it, and their changes are not told."""

    def column(self, name: str) -> TableColumn:
        """A column of a mapping. LegacyError if it is not there."""
        if name not in self.columns:
            raise LegacyError(f"There is no column {self.name}.{name} that can be read: it was dropped or renamed.")
        return self.columns[name]


def tables_of(cursor: Any, mappings: Iterable[DocumentMapping]) -> dict[str, Table]:
    """Tables of the mappings that are there and can be read, by their names in small letters.

    LegacyError if two tables or two columns have the same name but for large and small letters.
    """
    cursor.execute(_COLUMNS, (sorted({table for mapping in mappings for table in mapping.tables}),))
    found: dict[str, Table] = {}
    for lower, schema, name, number, then, now, has_heirs, lower_column, *column in cursor.fetchall():
        table = found.setdefault(lower, Table(schema, name, number, {}, then != now, has_heirs))
        if table.number != number:
            raise LegacyError(f"There are two tables {lower}, of {table.schema} and {schema}: leave one search_path.")
        if lower_column in table.columns:
            raise LegacyError(f"{lower} has two columns {lower_column}: rename one of them.")
        table.columns[lower_column] = TableColumn(*column)
    return found


def expected_rows(cursor: Any, table: str) -> int | None:
    """About how many rows a table has; None if nobody has looked at it yet."""
    cursor.execute(_EXPECTED, (table,))
    row = cursor.fetchone()
    return int(row[0]) if row else None


def shape_of(tables: Mapping[str, Table]) -> Shape:
    """What they look like."""
    return Shape(
        {
            f"{name}.{lower}": column.sql_type
            for name, table in tables.items()
            for lower, column in table.columns.items()
        }
    )


def identity_of(tables: Mapping[str, Table], mappings: Iterable[DocumentMapping]) -> str:
    """A text that is another one if a table is another one, or a column of a mapping was altered since.

    What ALTER TABLE writes anew, or a table that takes the name of another, is no change of a row: nobody tells of it.
    """
    named: dict[str, set[str]] = {}
    for mapping in mappings:
        for name, declared in mapping.tables.items():
            named.setdefault(name, set()).update(column.name for column in declared)
        for child in mapping.children:
            named[child.table].update(child.parent)
    told = [
        [name, table.number, table.has_heirs, *sorted((one, table.columns[one].altered) for one in columns)]
        for name, columns in sorted(named.items())
        if (table := tables.get(name)) and columns <= table.columns.keys()
    ]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def check_tables(cursor: Any, mappings: Sequence[DocumentMapping]) -> tuple[list[str], list[str]]:
    """What forbids to follow these tables, and what should be known of the server: a sentence each."""
    cursor.execute(_SERVER)
    refused, warned = _server(*cursor.fetchone())
    tables = tables_of(cursor, mappings)
    cursor.execute(_TRAITS, ([table.number for table in tables.values()],))
    traits = {number: rest for number, *rest in cursor.fetchall()}
    refused += shape_of(tables).differs(mappings)
    for name, table in tables.items():
        refused += _follows(name, traits[table.number], mappings)
    for mapping in mappings:
        refused += _keys(mapping, tables)
    return refused, warned


def _server(  # noqa: PLR0913, PLR0917 - a row
    version: int, is_copy: bool, level: str, encoding: str, limit: str, user: str, may_follow: bool, may_publish: bool
) -> tuple[list[str], list[str]]:
    refused, warned = [], []
    if version < 140000:
        refused.append("PostgreSQL is older than 14: move to a newer one first, such as by pg_upgrade.")
    if is_copy:
        refused.append("This server is a standby: use the address of its primary.")
    if level != "logical":
        refused.append(f"wal_level is {level}: ALTER SYSTEM SET wal_level = 'logical', and restart the server.")
    if encoding == "SQL_ASCII":
        refused.append("The database has no encoding (SQL_ASCII): restore a dump of it into one that has UTF8.")
    if not may_follow:
        refused.append(f"{user} may not follow changes: ALTER ROLE {user} REPLICATION.")
    if not may_publish:
        refused.append(f"{user} may not publish tables: GRANT CREATE on this database to {user}.")
    if limit == "-1":
        warned.append(
            "Changes are kept on the server's disk without a limit while nobody follows them: set "
            "max_slot_wal_keep_size to what it can spare."
        )
    return refused, warned


def _uses(name: str, mappings: Iterable[DocumentMapping]) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Columns by which mappings tell a table's rows apart, and those that a deleted row has to tell."""
    for mapping in mappings:
        if mapping.table == name:
            yield mapping.key, mapping.key
        for child in mapping.children:
            if child.table == name:
                yield (*child.parent, *child.key), child.parent


def _follows(name: str, traits: Sequence[Any], mappings: Sequence[DocumentMapping]) -> Iterator[str]:
    kind, has_parts, identity, is_hidden, is_owned, primary, told = traits
    if kind != "r" or has_parts:
        yield f"{name} is a view, or a foreign, partitioned or inherited table: changes of it cannot be followed."
        return
    if is_hidden:
        yield f"A policy hides rows of {name}: use a role with BYPASSRLS."
    if not is_owned:
        yield f"Only who owns {name} can publish it: GRANT the role that owns it."
    if not primary or identity == "n":
        # A publication would make the department's own updates fail.
        yield (
            f"{name} has no primary key, or REPLICA IDENTITY NOTHING: ALTER TABLE {name} ADD PRIMARY KEY, and REPLICA "
            "IDENTITY DEFAULT."
        )
        return
    for apart, needed in _uses(name, mappings):
        if not set(primary) <= set(apart):
            yield f"The mapping tells rows of {name} apart by {', '.join(apart)}: use its key, {', '.join(primary)}."
        elif identity != "f" and not set(needed) <= set(told):
            yield (
                f"A deleted row of {name} does not tell its {', '.join(needed)}: ALTER TABLE {name} REPLICA IDENTITY "
                "FULL."
            )


def _keys(mapping: DocumentMapping, tables: Mapping[str, Table]) -> Iterator[str]:
    """Roots are found by their key, and children by the same texts in the same order."""
    declared = {column.name: column for column in mapping.columns}
    root = tables.get(mapping.table)
    if any(declared[name].kind is Kind.BYTES for name in mapping.key):
        yield f"The key of {mapping.table} has bytes: no document can be named by them."
    for child in mapping.children:
        table = tables.get(child.table)
        if root is None or table is None:
            continue
        for name, parent in zip(mapping.key, child.parent, strict=True):
            here, there = root.columns.get(name), table.columns.get(parent)
            if not here or not there:
                continue
            if not declared[name].fits(there.sql_type) or here.collation != there.collation:
                yield (
                    f"{child.table}.{parent} is {there.sql_type} and {mapping.table}.{name} is {here.sql_type}, or "
                    "they are collated differently: give both the same type and collation."
                )
            elif declared[name].kind not in _TEXTS and _written(here) != _written(there):
                yield (
                    f"{child.table}.{parent} is {there.sql_type} and {mapping.table}.{name} is {here.sql_type}, which "
                    "write the same value differently: give both the same type."
                )
            elif here.sql_type in {"numeric", "real", "double precision"}:
                yield (
                    f"{mapping.table}.{name} is {here.sql_type}, in which the same value can be written differently, "
                    f"such as 1.0 and 1.00: give it and {child.table}.{parent} a number of decimals."
                )
            elif not here.is_exact:
                yield (
                    f"{child.table}.{parent} and {mapping.table}.{name} have a collation that is not deterministic, to "
                    "which texts that are written differently can be the same: give both another one."
                )


def _written(column: TableColumn) -> str:
    """Types in which the same values are the same texts."""
    decimals = _DECIMALS.fullmatch(column.sql_type)
    return f"{decimals[1]} decimals" if decimals else "0 decimals" if column.cast in _WHOLE else column.cast
