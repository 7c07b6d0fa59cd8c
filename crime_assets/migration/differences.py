"""Names what is not the same in rows and their documents: which column of which table, and both values.

Only of roots that are known to differ. Attributes are compared as they are, so what somebody added is seen too; values
are shown as the database writes them, where a document's can be turned back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from crime_assets.migration import Chunk, Difference, Items, arrow
from crime_assets.migration.columns import Column
from crime_assets.migration.documents import Child, DocumentMapping
from crime_assets.migration.holding import Held
from crime_assets.migration.mappings import document_id
from crime_assets.migration.overflow import FIRST, joined
from crime_assets.migration.progress import Key

Attributes = Mapping[str, Any]
Row = Mapping[str, str | None]


@dataclass(frozen=True)
class _Rows:
    """The rows of one document."""

    root: Row
    children: Mapping[str, Sequence[Row]]
    """By table, in order."""


class Differences:
    """Of one mapping's roots and what the store holds of them."""

    def __init__(self, held: Held, mapping: DocumentMapping) -> None:
        self._held, self._mapping = held, mapping
        self._renderer = held.renderer(mapping)

    def named(
        self, keys: Sequence[Key], chunk: Chunk, found: Mapping[str, Mapping[str, str]], aside: Mapping[str, str]
    ) -> Iterator[Difference]:
        """At least one for each of these roots, which differ.

        `chunk` has the roots that are there, `found` what the store has of them by id and part, `aside` the reasons of
        those that are set aside, by id.
        """
        made = self._renderer.checked(chunk)
        expected = {row["id"]: _read(row["item"]) for row in made.items.table.to_pylist()}
        # Parts alone are no document.
        whole = {name: parts for name, parts in found.items() if FIRST in parts}
        texts = {name: joined(parts, self._held.road.landing) for name, parts in whole.items()}
        documents = {name: _read(text) for name, text in texts.items()}
        source = self._by_id(chunk)
        back = self._by_id(self._renderer.rows(_items(self._with_their_key(expected, documents, texts))))
        unmappable = {document_id(self._mapping, key) for key in made.unmappable}
        for name in (document_id(self._mapping, key) for key in keys):
            if name in aside or name not in expected or name not in documents:
                yield self._whole(name, name in expected, aside.get(name))
                continue
            several = [*self._of_document(name, expected[name], documents[name], source[name], back.get(name))]
            yield from several
            if not several and name not in unmappable:
                # All the same, and yet it is written otherwise.
                yield Difference(name, self._mapping.table, "", "order", None, None)
        if unmappable:
            mapped = self._by_id(self._renderer.rows(made.items))
            for name in sorted(unmappable):
                yield from self._unmappable(name, source[name], mapped.get(name))

    def _with_their_key(
        self, expected: Mapping[str, Attributes], documents: Mapping[str, Attributes], texts: Mapping[str, str]
    ) -> dict[str, str]:
        """Of a document whose key was edited nobody could tell which rows become of it."""
        key = [column for column in self._mapping.columns if column.name in self._mapping.key]
        return {
            name: text
            for name, text in texts.items()
            if name in expected
            and all(_value(expected[name], column) == _value(documents[name], column) for column in key)
        }

    def _by_id(self, chunk: Chunk) -> dict[str, _Rows]:
        children: dict[str, dict[Key, list[Row]]] = {}
        for child in self._mapping.children:
            of_table = children[child.table] = defaultdict(list)
            for row in chunk.children[child.table].to_pylist():
                of_table[tuple(row[name] for name in child.parent)].append(row)
        found = {}
        for row in chunk.roots.to_pylist():
            key = tuple(row[name] for name in self._mapping.key)
            own = {table: of_table.get(key, []) for table, of_table in children.items()}
            found[document_id(self._mapping, key)] = _Rows(row, own)
        return found

    def _whole(self, name: str, has_root: bool, reason: str | None) -> Difference:
        table = self._mapping.table
        if has_root:
            return Difference(name, table, "", "missing", reason, None)
        return Difference(name, table, "", "extra", None, reason)

    def _of_document(
        self, name: str, expected: Attributes, document: Attributes, source: _Rows, back: _Rows | None
    ) -> Iterator[Difference]:
        table, columns = self._mapping.table, self._mapping.columns
        yield from _columns(name, table, columns, expected, document, source.root, back.root if back else None)
        lists = {child.attribute for child in self._mapping.children}
        yield from _others(name, table, columns, expected, document, lists)
        for child in self._mapping.children:
            rows = back.children[child.table] if back else []
            yield from _children(name, child, expected, document, source.children[child.table], rows)

    def _unmappable(self, name: str, source: _Rows, mapped: _Rows | None) -> Iterator[Difference]:
        tables = self._mapping.tables
        pairs = [(self._mapping.table, source.root, mapped.root if mapped else {})]
        for table, rows in source.children.items():
            pairs += [(table, *two) for two in zip(rows, mapped.children[table] if mapped else [], strict=False)]
        several = [
            Difference(name, table, column.name, "unmappable", row[column.name], back.get(column.name))
            for table, row, back in pairs
            for column in tables[table]
            if row[column.name] != back.get(column.name)
        ]
        yield from several or [Difference(name, self._mapping.table, "", "unmappable", None, None)]


def _columns(
    name: str,
    table: str,
    columns: Sequence[Column],
    expected: Attributes,
    document: Attributes,
    source: Row,
    back: Row | None,
) -> Iterator[Difference]:
    for column in columns:
        here = _value(document, column)
        if _value(expected, column) == here:
            continue
        row = source[column.name]
        # Edited so that it comes back as the same text, or as none: then it is shown as it is.
        turned = back[column.name] if back else None
        shown = turned if turned not in (None, row) else _json(here[0] if here[0] is not None else here[1])
        yield Difference(name, table, column.name, "differs", row, shown)


def _others(
    name: str, table: str, columns: Sequence[Column], expected: Attributes, document: Attributes, lists: set[str]
) -> Iterator[Difference]:
    """Attributes that are of no column."""
    known = {column.attribute for column in columns} | lists | {"_odd"}
    for other in sorted((expected.keys() | document.keys()) - known):
        if expected.get(other) != document.get(other):
            kind = "differs" if other in expected else "added"
            yield Difference(name, table, other, kind, _json(expected.get(other)), _json(document.get(other)))
    odd = _odd(document)
    for other in sorted(odd.keys() - known):
        yield Difference(name, table, f"_odd.{other}", "added", None, _json(odd[other]))


def _children(
    name: str, child: Child, expected: Attributes, document: Attributes, source: Sequence[Row], back: Sequence[Row]
) -> Iterator[Difference]:
    wanted, held = _list(expected.get(child.attribute)), _list(document.get(child.attribute))
    if held is None or wanted is None:
        yield Difference(name, child.table, child.attribute, "differs", None, _json(document[child.attribute]))
        return
    keys = [_key(child, one) for one in wanted]
    places: dict[bytes, int] = {}
    for n, one in enumerate(held):
        # Of twins the second is one too many.
        places.setdefault(_key(child, one), n)
    for n, key in enumerate(keys):
        if key not in places:
            yield Difference(name, child.table, "", "missing", _json(source[n]), None)
            continue
        turned = back[places[key]] if len(back) == len(held) else None
        one = held[places[key]]
        yield from _columns(name, child.table, child.columns, wanted[n], one, source[n], turned)
        yield from _others(name, child.table, child.columns, wanted[n], one, set())
    known = {places[key] for key in keys if key in places}
    for n in sorted({*range(len(held))} - known):
        yield Difference(name, child.table, "", "extra", None, _json(held[n]))
    if [places[key] for key in keys if key in places] != sorted(known):
        yield Difference(name, child.table, "", "order", None, None)


def _list(value: object) -> list[Attributes] | None:
    """The children of an attribute; None if it is something else."""
    match value:
        case None:
            return []
        case {"L": list(rows)}:
            return [row["M"] if isinstance(row, dict) and isinstance(row.get("M"), dict) else {} for row in rows]
    return None


def _key(child: Child, attributes: Attributes) -> bytes:
    return orjson.dumps([_value(attributes, column) for column in child.columns if column.name in child.key])


def _value(attributes: Attributes, column: Column) -> tuple[Any, Any]:
    """The attribute of a column, and its odd value."""
    return attributes.get(column.attribute), _odd(attributes).get(column.attribute)


def _odd(attributes: Attributes) -> Attributes:
    match attributes.get("_odd"):
        case {"M": dict(found)}:
            return found
    return {}


def _json(value: object) -> str | None:
    return None if value is None else orjson.dumps(value).decode()


def _read(text: str) -> Attributes:
    """An item's attributes; none if somebody made something else of it."""
    try:
        found = orjson.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _items(found: Mapping[str, str]) -> Items:
    return Items(arrow.items((name, "-", text) for name, text in found.items()))
