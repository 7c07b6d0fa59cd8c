"""Out of the department's legacy database: several tables become documents that are proven equal to them.

A `LegacyDatabase` is read, a `DocumentStore` is written; neither knows the other, and the steps between them (load,
follow, verify, export, finish) know only what is said here. A *document* is all of one root. An *item* is what a store
holds: a document is one item, or several that share its id (parts). A change of a row is only a reason to read its
whole document again. Positions and what a store remembers are in `progress`, declarations of tables in `documents`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from crime_assets.migration.documents import DocumentMapping, Shape
from crime_assets.migration.progress import Key, Position, Progress, Verified

if TYPE_CHECKING:
    import pyarrow as pa

    from crime_assets.streams import LandingStore


@dataclass(frozen=True)
class Chunk:
    """Roots with their children, of one snapshot: columns of texts by the mapping's names, NULL as NULL, bytes as hex.

    `roots` are in the order of their key, as the database orders it. `children`, by table, have the parent's columns
    and those of the mapping, in the order of parent and key; rows whose root is not there belong to no document.
    """

    roots: pa.Table
    children: Mapping[str, pa.Table]
    last: Key | None
    """The key of the last root; None where there is no root."""


@dataclass(frozen=True)
class Items:
    """What a store is given and gives: `table` has the texts `id`, `part` and `item`, never the same id and part twice.

    `item` is DynamoDB's JSON with all attributes, id and part among them; the part of a document's first item is `-`.
    """

    table: pa.Table


class Touches(Protocol):
    """Takes the roots whose rows changed; one can come many times."""

    def add(self, kind: str, keys: Iterable[Key]) -> None:
        """Some roots of a kind."""

    def add_all(self, kind: str) -> None:
        """All roots of a kind, those that are gone too: a table was emptied."""


class Snapshot(Protocol):
    """The tables as they were at one moment, whatever is committed meanwhile."""

    position: Position
    """Exact only where `LegacyDatabase.exact` gave the snapshot."""

    def shape(self) -> Shape:
        """Tables and columns of the mappings."""

    def after(self, mapping: DocumentMapping, key: Key | None, rows: int) -> Chunk | None:
        """At most `rows` roots whose key comes after `key`, from the first with None; None if there are no more."""

    def these(self, mapping: DocumentMapping, keys: Sequence[Key]) -> Chunk:
        """Roots with these keys; those that are not there are left out."""


@dataclass(frozen=True)
class Lag:
    """What the database keeps for us: bytes of changes if it can say, and the state it gives, such as `reserved`."""

    bytes: int | None
    state: str


class LegacyDatabase(Protocol):
    """Reads the tables of its mappings. Building one opens nothing; no error, name or repr has its password."""

    name: str
    """Such as postgresql://host/database."""

    def check(self) -> list[str]:
        """Warnings, a sentence each. LegacyError for what forbids it, or if the database is not there."""

    def expected(self, mapping: DocumentMapping) -> int | None:
        """About how many roots there are, by the catalogue's statistics; None if it has none. Nothing is counted."""

    def begin(self) -> Position:
        """From here on changes are kept. What a killed `begin` left is removed first."""

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """The tables now, for as long as a chunk takes."""

    def exact(self, patience: float) -> AbstractContextManager[Snapshot]:
        """The tables at an exact position.

        SourceForgot if changes are lost; LegacyError that names who was waited for, after `patience` in seconds.
        """

    def touched(self, since: Position, until: Position | None, into: Touches) -> Position:
        """Roots of the commits that come after `since`, up to and with those that an exact snapshot at `until` shows.

        Returns the position reached: `until`, or with None that of the last commit. SourceForgot if changes are lost.
        """

    def advance(self, position: Position) -> None:
        """What is older than the position may be forgotten: its documents are kept."""

    def lag(self) -> Lag:
        """What is kept for us at the moment."""

    def finish(self) -> list[str]:
        """Remove what `begin` made: a sentence for each thing, none if nothing is left."""


@dataclass(frozen=True)
class Quarantined:
    """A root that no item can hold: its document's id, why, and its row as JSON with bytes as hex."""

    id: str
    reason: str
    row: str


@dataclass(frozen=True)
class Census:
    """What a store has: how many documents of each kind, and ids that are of none of the kinds."""

    counts: Mapping[str, int]
    strays: Sequence[str]


class DocumentStore(Protocol):
    """Holds documents and how far they are. Building one opens nothing. StoreError where the store fails."""

    name: str

    def hold(self) -> AbstractContextManager[Progress]:
        """Take the store for oneself and learn what is known, with a new token. StoreBusy if another has it."""

    def put(self, items: Items, progress: Progress | None) -> None:
        """Write items over what is there; all of them are kept before `progress` is, or with it."""

    def replace(self, ids: Sequence[str], items: Items, progress: Progress | None) -> None:
        """Write items of these documents and no others; of those ids, what else is there is deleted, parts too."""

    def scan(self) -> Iterator[Items]:
        """Every item of documents once, a bounded piece at a time, in any order."""

    def get(self, ids: Sequence[str]) -> dict[str, dict[str, str]]:
        """Items by id and part; ids that are not there are left out."""

    def ids(self, kind: str) -> Iterator[list[str]]:
        """Ids of all documents of a kind, a bounded piece at a time; also those of which only parts are there."""

    def census(self, kinds: Sequence[str]) -> Census:
        """All ids that `scan` would give, counted: also those of which only parts are there."""

    def set_aside(self, found: Sequence[Quarantined]) -> None:
        """Keep what no item can hold; a newer one replaces that of the same id."""

    def aside(self) -> list[Quarantined]:
        """What is set aside, by id."""

    def release(self, ids: Sequence[str]) -> None:
        """These are no longer set aside."""

    def progress(self) -> Progress | None:
        """What is known, without holding the store; None if nothing is."""


@dataclass(frozen=True)
class Difference:
    """A value that is not the same on both sides, or a root that is on one of them only.

    `kind` is missing, extra, differs, unmappable, added or order; a value that is not there is None.
    """

    id: str
    table: str
    column: str
    kind: str
    source: str | None
    document: str | None


@dataclass(frozen=True)
class Verdict:
    """What a verification found: `verified` only without differences; `named` are the first of them."""

    verified: Verified | None
    differences: int
    by_kind: Mapping[str, int]
    named: tuple[Difference, ...]
    repaired: int


@dataclass(frozen=True)
class Step:
    """How far a step is: of what, roots done and expected (None: unknown), roots a second."""

    what: str
    done: int
    of: int | None
    a_second: float


@dataclass(frozen=True)
class Road:
    """From where to where; `home` is a directory for files of our own, `landing` has large values and exports."""

    database: LegacyDatabase
    store: DocumentStore
    landing: LandingStore
    mappings: Sequence[DocumentMapping]
    city: str
    home: Path
    clock: Callable[[], datetime]
