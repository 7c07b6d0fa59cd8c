"""What rows of the tiny database should become, in plain Python: a witness that shares no code with what is tested."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable

from crime_assets.migration import Chunk, Items
from crime_assets.migration.columns import Column, Kind
from crime_assets.migration.documents import DocumentMapping
from crime_assets.migration.progress import Key
from crime_assets_tests.migration.tiny import Row, table_of, texts


def plain_items(mapping: DocumentMapping, chunk: Chunk) -> Items:
    """Undivided documents of a chunk, row by row: for stores that need some, and to compare others with."""
    lists: dict[str, dict[Key, list[object]]] = {child.attribute: defaultdict(list) for child in mapping.children}
    for child in mapping.children:
        for row in chunk.children[child.table].to_pylist():
            lists[child.attribute][texts(row, child.parent)].append({"M": _attributes(child.columns, row)})
    rows = []
    for root in chunk.roots.to_pylist():
        key = texts(root, mapping.key)
        name = "#".join([mapping.kind, *(part.replace("%", "%25").replace("#", "%23") for part in key)])
        item: dict[str, object] = {"id": {"S": name}, "part": {"S": "-"}, "kind": {"S": mapping.kind}}
        item |= _attributes(mapping.columns, root)
        item |= {attribute: {"L": found[key]} for attribute, found in lists.items() if found[key]}
        rows.append({"id": name, "part": "-", "item": json.dumps(item, ensure_ascii=False, separators=(",", ":"))})
    return Items(table_of(rows, ["id", "part", "item"]))


def _attributes(columns: Iterable[Column], row: Row) -> dict[str, object]:
    signs = {Kind.NUMBER: "N", Kind.TEXT: "S"}
    return {
        column.attribute: {signs[column.kind]: row[column.name]} for column in columns if row[column.name] is not None
    }
