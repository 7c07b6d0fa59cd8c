"""A legacy database in memory, with positions and a log of changes.

Only for tests of stores and steps: a real database is in `databases`. It is as strict as one: a snapshot does not move,
changes are there only while somebody keeps them, and a position is exact only where it was asked for.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyarrow as pa

from crime_assets.core.errors import SourceForgot
from crime_assets.migration import Chunk, Lag, Touches
from crime_assets.migration.columns import Column, Kind
from crime_assets.migration.documents import Child, DocumentMapping, Shape
from crime_assets.migration.progress import Key, Position

Row = dict[str, str | None]
Tables = dict[str, dict[Key, Row]]

CASE = DocumentMapping(
    kind="case",
    table="cases",
    key=("number",),
    columns=(Column("number", Kind.NUMBER, "case_number", precision=10), Column("title", Kind.TEXT)),
    children=(
        Child(
            table="notes",
            attribute="notes",
            parent=("case_number",),
            key=("line",),
            columns=(Column("line", Kind.NUMBER, precision=5), Column("text", Kind.TEXT)),
        ),
    ),
)
"""Two columns and a child."""

LABEL = DocumentMapping(
    kind="label",
    table="labels",
    key=("list", "code"),
    columns=(Column("list", Kind.TEXT), Column("code", Kind.TEXT), Column("title", Kind.TEXT)),
)
"""A key of two texts, and no child."""

BOTH = (CASE, LABEL)
_TYPES = {
    Kind.NUMBER: "numeric({precision},{scale})",
    Kind.TEXT: "text",
    Kind.LARGE: "text",
    Kind.PADDED: "character({width})",
    Kind.FLAG: "character(1)",
    Kind.DATE: "timestamp(0) without time zone",
    Kind.TIME: "timestamp(0) without time zone",
    Kind.TIME_ZONE: "timestamp(6) with time zone",
}


@dataclass
class Touched:
    """Roots whose rows changed, by kind."""

    keys: dict[str, set[Key]] = field(default_factory=lambda: defaultdict(set))
    all: set[str] = field(default_factory=set)

    def add(self, kind: str, keys: Iterable[Key]) -> None:
        self.keys[kind].update(keys)

    def add_all(self, kind: str) -> None:
        self.all.add(kind)


class TinyDatabase:
    """`commit` is the department's own work; the rest is what a migration reads. Threads may use it at once."""

    def __init__(self, mappings: Sequence[DocumentMapping] = BOTH) -> None:
        self.name = "tiny://memory"
        self.mappings = mappings
        self.roots_read = 0
        self.columns = _shape(mappings)
        """Types of columns by `table.column`: a test changes them, as DDL would."""
        self.identities = {table: "the first" for mapping in mappings for table in mapping.tables}
        """By table: a test changes them, as if another one took the name."""
        self._tables: Tables = {table: {} for mapping in mappings for table in mapping.tables}
        self._position = 100
        self._log: dict[int, Touched] = {}
        self._kept_from: int | None = None
        self._lock = threading.RLock()

    @contextmanager
    def commit(self) -> Iterator[Work]:
        """One transaction; an exception rolls it back."""
        with self._lock:
            work = Work(self.mappings, {table: dict(rows) for table, rows in self._tables.items()})
            yield work
            self._position += 1
            self._tables = work.tables
            if self._kept_from is not None:
                self._log[self._position] = work.touched

    def lose(self) -> None:
        """Changes are thrown away, as by a server whose disk was too small for them."""
        with self._lock:
            self._kept_from = None
            self._log.clear()

    def count_read(self, roots: int) -> None:
        """Roots that a chunk was made of."""
        with self._lock:
            self.roots_read += roots

    def dump(self) -> Tables:
        """All rows, by table and primary key."""
        with self._lock:
            return {table: dict(rows) for table, rows in self._tables.items()}

    @property
    def position(self) -> Position:
        """The last commit."""
        return Position(self._position)

    def check(self) -> list[str]:
        return []

    def expected(self, mapping: DocumentMapping) -> int | None:
        with self._lock:
            return len(self._tables[mapping.table])

    def begin(self) -> Position:
        with self._lock:
            self._log.clear()
            self._kept_from = self._position
            return self.position

    @contextmanager
    def snapshot(self) -> Iterator[TinySnapshot]:
        with self._lock:
            # No position that anybody could rely on.
            now = TinySnapshot(self, self._tables, Position(0))
        yield now

    @contextmanager
    def exact(self, patience: float) -> Iterator[TinySnapshot]:
        del patience
        with self._lock:
            if self._kept_from is None:
                raise SourceForgot("The tiny database keeps no changes: begin anew.")
            now = TinySnapshot(self, self._tables, self.position)
        yield now

    def touched(self, since: Position, until: Position | None, into: Touches) -> Position:
        with self._lock:
            if self._kept_from is None or since < self._kept_from:
                raise SourceForgot("The tiny database no longer has those changes: verify with repair.")
            end = self.position if until is None else until
            found = [self._log[position] for position in sorted(self._log) if since < position <= end]
        for one in found:
            for kind, keys in one.keys.items():
                into.add(kind, keys)
            for kind in one.all:
                into.add_all(kind)
        return end

    def advance(self, position: Position) -> None:
        with self._lock:
            if self._kept_from is not None and position > self._kept_from:
                self._kept_from = position
                self._log = {one: touched for one, touched in self._log.items() if one > position}

    def lag(self) -> Lag:
        with self._lock:
            return Lag(len(self._log), "lost" if self._kept_from is None else "kept")

    def finish(self) -> list[str]:
        with self._lock:
            was_kept = self._kept_from is not None
            self.lose()
        return ["Changes are no longer kept."] if was_kept else []


class Work:
    """The changes of one transaction; a row that is there already is replaced."""

    def __init__(self, mappings: Sequence[DocumentMapping], tables: Tables) -> None:
        self.tables = tables
        self.touched = Touched()
        self._mappings = mappings

    def put(self, table: str, **row: str | None) -> None:
        """Insert or update; a column that is not named is NULL."""
        whole = {name: row.pop(name, None) for name in _columns(self._mappings, table)}
        assert not row, f"{table} has no {', '.join(row)}"
        self._touch(table, whole)
        self.tables[table][_key(self._mappings, table, whole)] = whole

    def delete(self, table: str, *key: str) -> None:
        """Delete the row with this primary key (of a child: parent, then key)."""
        self._touch(table, self.tables[table].pop(key))

    def move(self, table: str, *key: str, **changed: str) -> None:
        """Update a row so that its key, or its parent, is another one."""
        row = self.tables[table][key]
        self.delete(table, *key)
        self.put(table, **row | changed)

    def truncate(self, table: str) -> None:
        self.tables[table] = {}
        self.touched.add_all(_owner(self._mappings, table).kind)

    def _touch(self, table: str, row: Row) -> None:
        mapping = _owner(self._mappings, table)
        names = mapping.key if table == mapping.table else _child(mapping, table).parent
        self.touched.add(mapping.kind, [texts(row, names)])


class TinySnapshot:
    """Rows as they were when it was taken."""

    def __init__(self, database: TinyDatabase, tables: Tables, position: Position) -> None:
        self.position = position
        self._database = database
        # A commit puts new tables in their place and leaves these alone.
        self._tables = tables
        self._shape = Shape(dict(database.columns), dict(database.identities))

    def shape(self) -> Shape:
        return self._shape

    def after(self, mapping: DocumentMapping, key: Key | None, rows: int) -> Chunk | None:
        keys = [one for one in self._in_order(mapping) if key is None or _order(mapping, one) > _order(mapping, key)]
        return self.these(mapping, keys[:rows]) if keys else None

    def these(self, mapping: DocumentMapping, keys: Sequence[Key]) -> Chunk:
        wanted = {*keys}
        found = [key for key in self._in_order(mapping) if key in wanted]
        self._database.count_read(len(found))
        roots = self._tables[mapping.table]
        children: dict[str, pa.Table] = {}
        for child in mapping.children:
            rows = [row for row in self._tables[child.table].values() if texts(row, child.parent) in {*found}]
            rows.sort(key=lambda row, child=child: _child_order(mapping, child, row))
            children[child.table] = table_of(rows, _columns([mapping], child.table))
        last = found[-1] if found else None
        return Chunk(table_of([roots[key] for key in found], _columns([mapping], mapping.table)), children, last)

    def _in_order(self, mapping: DocumentMapping) -> list[Key]:
        return sorted(self._tables[mapping.table], key=lambda key: _order(mapping, key))


def table_of(rows: Sequence[Mapping[str, str | None]], names: Sequence[str]) -> pa.Table:
    """Columns of texts."""
    return pa.table({name: pa.array([row[name] for row in rows], pa.string()) for name in names})


def texts(row: Row, names: Iterable[str]) -> Key:
    """A key out of a row."""
    texts = tuple(row[name] for name in names)
    assert None not in texts, "no part of a key is NULL"
    return texts


def _owner(mappings: Iterable[DocumentMapping], table: str) -> DocumentMapping:
    return next(mapping for mapping in mappings if table in mapping.tables)


def _child(mapping: DocumentMapping, table: str) -> Child:
    return next(child for child in mapping.children if child.table == table)


def _columns(mappings: Iterable[DocumentMapping], table: str) -> list[str]:
    mapping = _owner(mappings, table)
    parent = () if table == mapping.table else _child(mapping, table).parent
    return [*parent, *(column.name for column in mapping.tables[table])]


def _key(mappings: Iterable[DocumentMapping], table: str, row: Row) -> Key:
    mapping = _owner(mappings, table)
    if table == mapping.table:
        return texts(row, mapping.key)
    child = _child(mapping, table)
    return texts(row, (*child.parent, *child.key))


def _order(mapping: DocumentMapping, key: Key) -> tuple[str | int, ...]:
    """Numbers by their value, texts by their signs, as a database does."""
    return _ordered({column.name: column for column in mapping.columns}, mapping.key, key)


def _child_order(mapping: DocumentMapping, child: Child, row: Row) -> tuple[tuple[str | int, ...], ...]:
    columns = {column.name: column for column in child.columns}
    return _order(mapping, texts(row, child.parent)), _ordered(columns, child.key, texts(row, child.key))


def _ordered(columns: Mapping[str, Column], names: Sequence[str], key: Key) -> tuple[str | int, ...]:
    pairs = zip(names, key, strict=True)
    return tuple(int(text) if columns[name].kind is Kind.NUMBER else text for name, text in pairs)


def _shape(mappings: Iterable[DocumentMapping]) -> dict[str, str]:
    found: dict[str, str] = {}
    for mapping in mappings:
        for table, columns in mapping.tables.items():
            for column in columns:
                text = _TYPES[column.kind].format(**vars(column))
                found[f"{table}.{column.name}"] = text
        for child in mapping.children:
            keys = [found[f"{mapping.table}.{name}"] for name in mapping.key]
            found |= {f"{child.table}.{name}": text for name, text in zip(child.parent, keys, strict=True)}
    return found
