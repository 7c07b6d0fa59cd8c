"""Which roots the messages of a replication slot touch, and up to where they were read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from crime_assets.migration import Touches
from crime_assets.migration.databases.pgoutput import Begin, Changed, Commit, Emptied, Message, Relation, key_of
from crime_assets.migration.documents import DocumentMapping
from crime_assets.migration.progress import Key, Position

# Told one by one, keys cost more than the messages that they come from.
_AT_ONCE = 1_000


class Following:
    """Takes messages, and tells the roots of commits that lie at `since` or behind it, and before `until`."""

    def __init__(
        self, mappings: Sequence[DocumentMapping], since: Position, until: Position | None, into: Touches
    ) -> None:
        self._mappings = mappings
        self._since = since
        self._until = until
        self._into = into
        self._found: dict[str, set[Key]] = {}
        self._places: dict[int, list[tuple[str, tuple[int, ...] | None]]] = {}
        """By relation: kinds of document that it belongs to, and where the root's key is in its rows."""

    def take(self, messages: Iterable[Message]) -> Position:
        """The position after the last commit that was taken; `since` if there was none."""
        last, is_taken = self._since, False
        for message in messages:
            match message:
                case Begin():
                    # An exact snapshot at L shows what was committed before L, and no more.
                    if self._until is not None and message.final >= self._until:
                        break
                    is_taken = message.final >= self._since
                case Commit() if is_taken:
                    last = Position(message.end)
                case Relation():
                    self._places[message.number] = [*self._places_of(message)]
                case Changed() if is_taken:
                    self._change(message)
                case Emptied() if is_taken:
                    for number in message.relations:
                        for kind, _ in self._places.get(number, ()):
                            self._into.add_all(kind)
        for kind, keys in self._found.items():
            self._into.add(kind, keys)
        self._found.clear()
        return last

    def _places_of(self, relation: Relation) -> Iterator[tuple[str, tuple[int, ...] | None]]:
        name = relation.table.lower()
        for mapping in self._mappings:
            if mapping.table == name:
                yield mapping.kind, relation.places(mapping.key)
            for child in mapping.children:
                if child.table == name:
                    yield mapping.kind, relation.places(child.parent)

    def _change(self, changed: Changed) -> None:
        for kind, places in self._places[changed.relation]:
            # Both: the row may have come from another root.
            rows = [row for row in (changed.new, changed.old) if row is not None]
            keys = [key_of(places, row, changed.old) if places is not None else None for row in rows]
            if None in keys:
                # A row that does not say whose it is could be any root's.
                self._into.add_all(kind)
            # One that says NULL is of none.
            if told := {key for key in keys if key}:
                self._found.setdefault(kind, set()).update(told)
            if len(self._found.get(kind, ())) >= _AT_ONCE:
                self._into.add(kind, self._found.pop(kind))
