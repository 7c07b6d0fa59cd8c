"""How several tables become one document: declared, so that it can be read in both directions.

A *root* is the row that a document stands for, a *child* a row that lies in its document. Declarations only: statements
are made of them in `rendering`, those of the department's own tables are in `mappings`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from crime_assets.core.errors import UsageError
from crime_assets.migration.columns import Column

RESERVED = frozenset(["id", "part", "kind", "parts", "_odd"])
"""Attributes that every document has, or can have, beside those of its columns."""

_KIND = re.compile(r"[a-z][a-z_]*")
_NAME = re.compile(r"[a-z_][a-z0-9_$#]*")


@dataclass(frozen=True)
class Child:
    """A table whose rows lie in the documents of their roots, as a list in the order of `key`."""

    table: str
    attribute: str
    parent: tuple[str, ...]
    """Columns with the root's key, in its order. The document's id says them; they are not among `columns`."""
    key: tuple[str, ...]
    """Columns that tell the children of one root apart; they are among `columns`."""
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Index:
    """A second way to documents: of those with one value of `partition`, in the order of `sort` (attributes)."""

    name: str
    partition: str
    sort: str


@dataclass(frozen=True)
class DocumentMapping:
    """One kind of document. UsageError, which names what is wrong, if it could not be read in both directions."""

    kind: str
    """What documents' ids begin with: small letters and _."""
    table: str
    key: tuple[str, ...]
    """The root's primary key; its columns are among `columns`."""
    columns: tuple[Column, ...]
    children: tuple[Child, ...] = ()
    derived: tuple[tuple[str, str], ...] = ()
    """Attributes that come from columns and need not come back: their name, and SQL over the columns."""
    indexes: tuple[Index, ...] = ()
    left_out: frozenset[str] = frozenset()
    """Columns that are known and not migrated, as `table.column`."""

    def __post_init__(self) -> None:
        if not _KIND.fullmatch(self.kind):
            raise UsageError(f"{self.kind!r} is no kind of document: name it with small letters and _.")
        lists = [child.attribute for child in self.children]
        more = [*lists, *(attribute for attribute, _ in self.derived)]
        self._check(self.table, self.columns, self.key, [*RESERVED, *more])
        for child in self.children:
            self._check(child.table, child.columns, child.key, ["_odd"])
            if len(child.parent) != len(self.key) or {column.name for column in child.columns} & {*child.parent}:
                raise UsageError(
                    f"The mapping of {child.table} has the parent {', '.join(child.parent)}: name a column for each of "
                    f"{', '.join(self.key)}, and none of them among its columns."
                )
        known = {*RESERVED, *more, *(column.attribute for column in self.columns)}
        for index in self.indexes:
            if unknown := {index.partition, index.sort} - known:
                raise UsageError(f"The index {index.name} is over {min(unknown)}: no document has that attribute.")

    @staticmethod
    def _check(table: str, columns: Sequence[Column], key: Sequence[str], taken: Iterable[str]) -> None:
        names = [column.name for column in columns]
        for name in (table, *names):
            if not _NAME.fullmatch(name):
                raise UsageError(f"The mapping of {table} names {name!r}: write names in small letters.")
        attributes = [*(column.attribute for column in columns), *taken]
        for found in (names, attributes):
            if twice := [name for name in found if found.count(name) > 1]:
                raise UsageError(f"The mapping of {table} has {twice[0]} twice: give one of them another name.")
        if not key or not set(key) <= set(names):
            raise UsageError(f"The mapping of {table} has no column for its key: name all of {', '.join(key) or 'it'}.")

    @property
    def tables(self) -> Mapping[str, tuple[Column, ...]]:
        """The columns of each table whose values become attributes: the root's table first."""
        return {self.table: self.columns, **{child.table: child.columns for child in self.children}}


@dataclass(frozen=True)
class Shape:
    """What tables look like in the database now: the type of each column as its catalogue writes it, lower case.

    `columns`: such as `crimes.iucr` → `character(5)`.
    """

    columns: Mapping[str, str]
    identities: Mapping[str, str] = field(default_factory=dict)
    """By table a text that is another one if the table is, or was altered; none where `touched` notices that itself."""

    def differs(self, mappings: Iterable[DocumentMapping]) -> list[str]:
        """What the database has and mappings do not expect, or the reverse: a sentence each; none if they agree."""
        return [sentence for mapping in mappings for sentence in self._differs(mapping)]

    def _differs(self, mapping: DocumentMapping) -> Iterable[str]:
        parents = {child.table: child.parent for child in mapping.children}
        for table, columns in mapping.tables.items():
            here = {name.partition(".")[2]: text for name, text in self.columns.items() if name.startswith(f"{table}.")}
            if not here:
                yield f"There is no table {table} that can be read: grant SELECT on it, or leave it out of the mapping."
                continue
            expected = {column.name for column in columns} | {*parents.get(table, ())}
            for name in sorted(expected - here.keys()):
                yield f"There is no column {table}.{name}: it was dropped or renamed, so change the mapping."
            for column in columns:
                if column.name in here and not column.fits(here[column.name]):
                    yield (
                        f"{table}.{column.name} is {here[column.name]}, which is not the {column.kind.value} that its "
                        "mapping declares: change the mapping."
                    )
            for name in sorted(here.keys() - expected):
                if f"{table}.{name}" not in mapping.left_out:
                    yield f"No mapping names {table}.{name}: add it, or say in left_out that it stays behind."
