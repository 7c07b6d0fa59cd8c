"""Chunks of rows as they were at a position, of a database that shows old versions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from crime_assets.core.errors import LegacyError
from crime_assets.migration import Chunk, arrow
from crime_assets.migration.columns import Kind
from crime_assets.migration.databases import chunks
from crime_assets.migration.databases.chunks import child_columns, fewer_if_large, last_key, root_columns
from crime_assets.migration.databases.dialects import Dialect, VersionedTable, of_t
from crime_assets.migration.documents import DocumentMapping, Shape
from crime_assets.migration.progress import Key, Position

_FETCHED = 500
# Oracle takes no more in a list.
_LISTED = 1_000
_NUMBER = re.compile(r"-?[0-9]{1,60}(\.[0-9]{1,60})?", re.ASCII)

Condition = tuple[str, dict[str, object]]
"""SQL over the table `t`, and the values that it names."""


class FlashbackSnapshot:
    """See `Snapshot`: every statement says as of which position it is."""

    def __init__(self, cursor: Any, dialect: Dialect, tables: Mapping[str, VersionedTable], position: Position) -> None:
        self.position = position
        self._cursor = cursor
        self._dialect = dialect
        self._tables = tables

    def shape(self) -> Shape:
        """As the catalogue is now: it has no old versions."""
        return shape_of(self._tables)

    def after(self, mapping: DocumentMapping, key: Key | None, rows: int) -> Chunk | None:
        """Fewer roots than asked for if these and their children have more than 64 MiB of texts."""
        return fewer_if_large(lambda roots: self._after(mapping, key, roots), rows)

    def these(self, mapping: DocumentMapping, keys: Sequence[Key]) -> Chunk:
        """All of them, whatever their size; a key that no root can have is not there."""
        kinds = _kinds(mapping)
        wanted = [_bound(kinds, key) for key in dict.fromkeys(keys) if _is_possible(kinds, key)]
        root = self._table(mapping.table)
        read = self._read(root, root_columns(mapping), self._among(root, mapping.key, wanted), mapping.key)
        roots = read.table()
        children = {}
        for child in mapping.children:
            table, order = self._table(child.table), (*child.parent, *child.key)
            read = self._read(table, child_columns(child), self._among(table, child.parent, wanted), order)
            children[child.table] = read.table()
        return Chunk(roots, children, last_key(mapping, roots))

    def _after(self, mapping: DocumentMapping, key: Key | None, rows: int) -> Chunk | None:
        """None if it is more than memory is meant for; never with one root."""
        most = None if rows == 1 else chunks.MOST_BYTES
        kinds = _kinds(mapping)
        root = self._table(mapping.table)
        beyond = self._compared(root, mapping.key, ">", key, kinds)
        read = self._read(root, root_columns(mapping), beyond, mapping.key, most, rows)
        if read.is_too_much:
            return None
        roots, size = read.table(), read.size
        last = last_key(mapping, roots)
        children: dict[str, pa.Table] = {}
        for child in mapping.children:
            table, order = self._table(child.table), (*child.parent, *child.key)
            beyond = self._compared(table, child.parent, ">", key, kinds)
            up_to = self._compared(table, child.parent, "<=", last, kinds)
            between = f"({beyond[0]}) AND ({up_to[0]})", beyond[1] | up_to[1]
            left = None if most is None else most - size
            read = self._read(table, child_columns(child), between, order, left, None if last else 0)
            if read.is_too_much:
                return None
            children[child.table], size = read.table(), size + read.size
        return Chunk(roots, children, last)

    def _read(
        self,
        table: VersionedTable,
        names: Sequence[str],
        condition: Condition,
        order: Sequence[str],
        most: int | None = None,
        rows: int | None = None,
    ) -> _Read:
        found = _Read(names, most)
        if rows == 0:
            return found
        selected = ", ".join(self._dialect.text(table.column(name), table) for name in names)
        source, of_then = self._dialect.as_of(table)
        ordered = ", ".join(of_t(table.column(name).name) for name in order)
        statement = f"SELECT {selected} FROM {source} WHERE {of_then} AND ({condition[0]}) ORDER BY {ordered}"
        if rows is not None:
            # A number of ours; Oracle would plan anew for each value of a mark.
            statement += f" FETCH FIRST {int(rows)} ROWS ONLY"
        self._cursor.execute(statement, condition[1] | {"until": int(self.position)})
        while not found.is_too_much and (fetched := self._cursor.fetchmany(_FETCHED)):
            found.take(fetched)
        return found

    def _table(self, name: str) -> VersionedTable:
        if name not in self._tables:
            raise LegacyError(f"There is no table {name} that can be read: grant SELECT on it.")
        return self._tables[name]

    def _compared(
        self, table: VersionedTable, names: Sequence[str], sign: str, key: Key | None, kinds: Sequence[Kind]
    ) -> Condition:
        """The order of keys in plain comparisons, for Oracle compares no lists: a > x OR (a = x AND b > y)."""
        if key is None:
            return "1 = 1", {}
        which = "after" if sign == ">" else "last"
        values = {f"{which}{place}": value for place, value in enumerate(_bound(kinds, key))}
        columns = [of_t(table.column(name).name) for name in names]
        marks = [self._dialect.mark(name) for name in values]
        ways = []
        for place, (column, mark) in enumerate(zip(columns, marks, strict=True)):
            same = [f"{one} = {other}" for one, other in zip(columns[:place], marks[:place], strict=True)]
            # Only in the last column the key itself may be meant.
            here = sign if place == len(columns) - 1 else sign[0]
            ways.append(" AND ".join([*same, f"{column} {here} {mark}"]))
        return " OR ".join(f"({way})" for way in ways), values

    def _among(self, table: VersionedTable, names: Sequence[str], keys: Sequence[tuple[object, ...]]) -> Condition:
        if not keys:
            return "1 = 0", {}
        columns = ", ".join(of_t(table.column(name).name) for name in names)
        values: dict[str, object] = {}
        lists = []
        for start in range(0, len(keys), _LISTED):
            rows = []
            for number, key in enumerate(keys[start : start + _LISTED], start):
                own = {f"key{number}_{place}": value for place, value in enumerate(key)}
                values |= own
                rows.append(f"({', '.join(map(self._dialect.mark, own))})")
            lists.append(f"({columns}) IN ({', '.join(rows)})")
        return " OR ".join(lists), values


class _Read:
    """Rows by columns, at most `most` bytes of their texts."""

    def __init__(self, names: Sequence[str], most: int | None) -> None:
        self.size = 0
        self._most = most
        self._columns: dict[str, list[str | None]] = {name: [] for name in names}

    def take(self, rows: Sequence[Sequence[str | bytes | None]]) -> None:
        for name, values in zip(self._columns, zip(*rows, strict=True), strict=True):
            found = [value.hex() if isinstance(value, bytes) else value for value in values]
            self._columns[name] += found
            self.size += sum(len(text) for text in found if text)

    @property
    def is_too_much(self) -> bool:
        return self._most is not None and self.size > self._most

    def table(self) -> pa.Table:
        try:
            return arrow.table(self._columns)
        except (pa.ArrowInvalid, UnicodeEncodeError) as error:
            # Not repeated: it has values in it.
            raise LegacyError("A text of the database is not Unicode, or a chunk has more than 2 GiB.") from error


def shape_of(tables: Mapping[str, VersionedTable]) -> Shape:
    """What tables look like."""
    return Shape(
        {f"{name}.{lower}": one.sql_type for name, table in tables.items() for lower, one in table.columns.items()},
        {name: table.identity for name, table in tables.items()},
    )


def _kinds(mapping: DocumentMapping) -> list[Kind]:
    declared = {column.name: column.kind for column in mapping.columns}
    return [declared[name] for name in mapping.key]


def _is_possible(kinds: Sequence[Kind], key: Key) -> bool:
    """Whether a column can have it: somebody may have edited the document that it is of."""
    return len(key) == len(kinds) and all(
        _NUMBER.fullmatch(text) if kind is Kind.NUMBER else _is_unicode(text)
        for kind, text in zip(kinds, key, strict=True)
    )


def _bound(kinds: Sequence[Kind], key: Key) -> tuple[object, ...]:
    """A key as it is given to the driver: a number as a text would be compared as a binary fraction."""
    return tuple(Decimal(text) if kind is Kind.NUMBER else text for kind, text in zip(kinds, key, strict=True))


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
