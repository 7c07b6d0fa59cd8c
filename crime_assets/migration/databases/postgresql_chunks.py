"""Chunks of one snapshot of PostgreSQL: rows come by COPY as texts, and no more of them than memory is meant for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg2
import pyarrow as pa
from psycopg2 import sql

from crime_assets.core.errors import LegacyError
from crime_assets.migration import Chunk
from crime_assets.migration.databases import chunks
from crime_assets.migration.databases.chunks import child_columns, fewer_if_large, last_key, root_columns
from crime_assets.migration.databases.copied import Copied
from crime_assets.migration.databases.postgresql_tables import Table, shape_of, tables_of
from crime_assets.migration.documents import DocumentMapping, Shape
from crime_assets.migration.progress import Key, Position


class PostgresSnapshot:
    """See `Snapshot`: an open transaction of REPEATABLE READ, whose tables are locked against being rewritten."""

    def __init__(self, connection: Any, mappings: Sequence[DocumentMapping], position: Position) -> None:
        self.position = position
        self._connection = connection
        with connection.cursor() as cursor:
            self._tables = tables_of(cursor, mappings)
        if rewritten := [name for name, table in self._tables.items() if table.was_rewritten]:
            raise LegacyError(f"{', '.join(rewritten)} was emptied or rewritten at this moment: try again.")

    def shape(self) -> Shape:
        """As this snapshot shows the catalogue."""
        return shape_of(self._tables)

    def after(self, mapping: DocumentMapping, key: Key | None, rows: int) -> Chunk | None:
        """Fewer roots than asked for if these and their children have more than 64 MiB of texts."""
        return fewer_if_large(lambda roots: self._after(mapping, key, roots), rows)

    def these(self, mapping: DocumentMapping, keys: Sequence[Key]) -> Chunk:
        """All of them, whatever their size; a key that no root can have is not there."""
        wanted = self._possible(mapping, list(dict.fromkeys(keys)))
        root = self._table(mapping.table)
        of_roots = _among(root, mapping.key, wanted)
        roots = self._read(root, root_columns(mapping), of_roots, mapping.key, None).table(root_columns(mapping))
        children = {}
        for child in mapping.children:
            table, names = self._table(child.table), child_columns(child)
            copied = self._read(table, names, _among(table, child.parent, wanted), (*child.parent, *child.key), None)
            children[child.table] = copied.table(names)
        return Chunk(roots, children, last_key(mapping, roots))

    def _after(self, mapping: DocumentMapping, key: Key | None, rows: int) -> Chunk | None:
        """None if it is more than memory is meant for; never with one root."""
        most = None if rows == 1 else chunks.MOST_BYTES
        root, names = self._table(mapping.table), root_columns(mapping)
        copied = self._read(root, names, _beyond(root, mapping.key, key), mapping.key, most, rows)
        if copied.is_too_much:
            return None
        roots, size = copied.table(names), copied.size
        last = last_key(mapping, roots)
        if last is None:
            # Of the right columns, without a row.
            return self.these(mapping, [])
        children: dict[str, pa.Table] = {}
        for child in mapping.children:
            table, columns = self._table(child.table), child_columns(child)
            between = sql.SQL("{} AND {}").format(_beyond(table, child.parent, key), _up_to(table, child.parent, last))
            left = None if most is None else most - size
            copied = self._read(table, columns, between, (*child.parent, *child.key), left)
            if copied.is_too_much:
                return None
            children[child.table], size = copied.table(columns), size + copied.size
        return Chunk(roots, children, last)

    def _read(
        self,
        table: Table,
        names: Sequence[str],
        condition: sql.Composable,
        order: Sequence[str],
        most: int | None,
        rows: int | None = None,
    ) -> Copied:
        statement = sql.SQL("COPY (SELECT {} FROM {} WHERE {} ORDER BY {} LIMIT {}) TO STDOUT").format(
            sql.SQL(", ").join(_text(table, name) for name in names),
            sql.Identifier(table.schema, table.name),
            condition,
            sql.SQL(", ").join(_named(table, order)),
            sql.Literal(rows),
        )
        copied = Copied(most)
        with self._connection.cursor() as cursor:
            cursor.copy_expert(statement, copied)
        return copied

    def _table(self, name: str) -> Table:
        if name not in self._tables:
            raise LegacyError(f"There is no table {name} that can be read: grant SELECT on it.")
        return self._tables[name]

    def _possible(self, mapping: DocumentMapping, keys: list[Key]) -> list[Key]:
        """Without keys that the columns' types cannot have, such as those of a document that somebody has edited."""
        if not keys:
            return []
        with self._connection.cursor() as cursor:
            cursor.execute("SAVEPOINT keys")
            try:
                cursor.execute(
                    sql.SQL("SELECT count(k) FROM {} k").format(_keys(self._table(mapping.table), mapping.key, keys))
                )
            except (psycopg2.DataError, ValueError):
                cursor.execute("ROLLBACK TO keys")
                half = len(keys) // 2
                return self._possible(mapping, keys[:half]) + self._possible(mapping, keys[half:]) if half else []
            finally:
                cursor.execute("RELEASE keys")
        return keys


def _text(table: Table, name: str) -> sql.Composable:
    """A column as COPY shall write it: bytes as hex digits."""
    (named,) = _named(table, [name])
    return sql.SQL("encode({}, 'hex')").format(named) if table.column(name).cast == "bytea" else named


def _named(table: Table, names: Sequence[str]) -> list[sql.Composable]:
    return [sql.Identifier(table.column(name).name) for name in names]


def _row(table: Table, names: Sequence[str]) -> sql.Composable:
    return sql.SQL("({})").format(sql.SQL(", ").join(_named(table, names)))


def _literals(key: Key) -> sql.Composable:
    # Without a type of their own: they take that of the column.
    return sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Literal, key)))


def _beyond(table: Table, names: Sequence[str], key: Key | None) -> sql.Composable:
    if key is None:
        return sql.SQL("true")
    return sql.SQL("{} > {}").format(_row(table, names), _literals(key))


def _up_to(table: Table, names: Sequence[str], key: Key) -> sql.Composable:
    return sql.SQL("{} <= {}").format(_row(table, names), _literals(key))


def _among(table: Table, names: Sequence[str], keys: Sequence[Key]) -> sql.Composable:
    return sql.SQL("{} IN (SELECT * FROM {} k)").format(_row(table, names), _keys(table, names, keys))


def _keys(table: Table, names: Sequence[str], keys: Sequence[Key]) -> sql.Composable:
    """Keys as rows of the columns' types."""
    casts = sql.SQL(", ").join(
        # The name of a type is the catalogue's, which quotes it.
        sql.SQL("CAST({} AS {})").format(sql.Identifier(f"k{place}"), sql.SQL(table.column(name).cast))
        for place, name in enumerate(names)
    )
    arrays = sql.SQL(", ").join(
        sql.SQL("CAST({} AS text[])").format(sql.Literal([key[place] for key in keys])) for place in range(len(names))
    )
    aliases = sql.SQL(", ").join(sql.Identifier(f"k{place}") for place in range(len(names)))
    return sql.SQL("(SELECT {} FROM unnest({}) AS u({}))").format(casts, arrays, aliases)
