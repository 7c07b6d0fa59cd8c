"""What PostgreSQL says of committed changes: messages of its plugin pgoutput, protocol 1, as Python values.

Only what tells which rows changed is kept. Integers in messages are in network order, names end with a zero byte.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from crime_assets.core.errors import LegacyError

Row = tuple[bytes | None, ...]
"""Values as texts, in the order of the relation's columns: None is one that is not told, such as a large one that did
not change."""

NULL = b"\0"
"""The value NULL: no text of PostgreSQL has that sign."""

# The origin of a transaction, the name of a type, a message of an application: nothing of a row.
_IGNORED = frozenset(b"OYM")


@dataclass(frozen=True)
class Begin:
    """A transaction begins; `final` is where its commit lies."""

    final: int


@dataclass(frozen=True)
class Commit:
    """The transaction ends; `end` is the place after its commit."""

    end: int


@dataclass(frozen=True)
class Relation:
    """What a table looks like from here on."""

    number: int
    schema: str
    table: str
    columns: tuple[str, ...]

    def places(self, names: Iterable[str]) -> tuple[int, ...] | None:
        """Where columns are, whose names are given in small letters; None if there is not each of them."""
        known = [name.lower() for name in self.columns]
        try:
            return tuple(known.index(name) for name in names)
        except ValueError:
            return None


@dataclass(frozen=True)
class Changed:
    """A row was inserted, updated or deleted: `new` and `old`, so far as they are known.

    Of an old row only what its replica identity has is there; of an updated one nothing, if that is as before.
    """

    relation: int
    new: Row | None = None
    old: Row | None = None


@dataclass(frozen=True)
class Emptied:
    """Tables were truncated."""

    relations: tuple[int, ...]


Message = Begin | Commit | Relation | Changed | Emptied


def read(message: bytes) -> Message | None:
    """A message; None for one that says nothing of rows. LegacyError if it is none of protocol 1."""
    try:
        return _read(message)
    except (struct.error, IndexError, ValueError) as error:
        raise LegacyError(
            "PostgreSQL sent a message of changes that cannot be read: is it version 14 to 18?"
        ) from error


def key_of(places: Sequence[int], new: Row | None, old: Row | None = None) -> tuple[str, ...] | None:
    """The texts at some places of a row; what it does not say is as in the old one. None if neither says it.

    Without any text if one of them is NULL: no root has such a key.
    """
    found = []
    for place in places:
        value = next((row[place] for row in (new, old) if row and place < len(row) and row[place] is not None), None)
        if value is None:
            return None
        found.append(value)
    return () if NULL in found else tuple(value.decode() for value in found)


def _read(message: bytes) -> Message | None:
    match message[:1]:
        case b"B":
            return Begin(*struct.unpack_from(">Q", message, 1))
        case b"C":
            return Commit(*struct.unpack_from(">Q", message, 10))
        case b"R":
            return _relation(message)
        case b"I" | b"U" | b"D":
            return _changed(message)
        case b"T":
            (count,) = struct.unpack_from(">I", message, 1)
            return Emptied(struct.unpack_from(f">{count}I", message, 6))
        case _ if message and message[0] in _IGNORED:
            return None
    raise ValueError("no such message")


def _relation(message: bytes) -> Relation:
    (number,) = struct.unpack_from(">I", message, 1)
    schema, at = _name(message, 5)
    table, at = _name(message, at)
    # The replica identity is not needed: old rows have what it has.
    (count,) = struct.unpack_from(">H", message, at + 1)
    at += 3
    columns = []
    for _ in range(count):
        # Before the name a flag, behind it type and length.
        name, at = _name(message, at + 1)
        at += 8
        columns.append(name)
    return Relation(number, schema, table, tuple(columns))


def _name(message: bytes, at: int) -> tuple[str, int]:
    end = message.index(b"\0", at)
    return message[at:end].decode(), end + 1


def _changed(message: bytes) -> Changed:
    (number,) = struct.unpack_from(">I", message, 1)
    found: dict[str, Row] = {}
    at = 5
    while at < len(message):
        sign = chr(message[at])
        which = {"N": "new", "K": "old", "O": "old"}.get(sign)
        if which is None:
            raise ValueError("no such row")
        row, at = _row(message, at + 1)
        # An old key comes as a row in which all other columns are NULL, whatever they were.
        found[which] = tuple(None if value == NULL else value for value in row) if sign == "K" else row
    return Changed(number, **found)


def _row(message: bytes, at: int) -> tuple[Row, int]:
    (count,) = struct.unpack_from(">H", message, at)
    at += 2
    values: list[bytes | None] = []
    for _ in range(count):
        kind = message[at : at + 1]
        at += 1
        if kind == b"t":
            (length,) = struct.unpack_from(">I", message, at)
            at += 4
            if at + length > len(message):
                raise ValueError("a value is cut")
            values.append(message[at : at + length])
            at += length
        elif kind in (b"n", b"u"):
            values.append(NULL if kind == b"n" else None)
        else:
            raise ValueError("no such value")
    return tuple(values), at
