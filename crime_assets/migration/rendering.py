"""A mapping's statements, and the DuckDB connection that runs them: rows become documents, and documents rows.

A chunk's tables are read where Arrow holds them. One thread and little memory: a migration runs beside other work.
Statements are in `statements`; that a document can be too long for an item is for `overflow`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import duckdb
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from crime_assets.migration import Chunk, Items, arrow
from crime_assets.migration.columns import Column
from crime_assets.migration.documents import DocumentMapping
from crime_assets.migration.progress import Key
from crime_assets.migration.statements import children_sql, children_texts, documents_sql, roots_sql, texts_sql

_DUCKDB: dict[str, str | bool | int | float | list[str]] = {
    # What is freed goes back to the system at once, not in pieces of 512 MB.
    "allocator_bulk_deallocation_flush_threshold": "8MB",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "enable_external_access": False,
    "memory_limit": "24MB",
    "threads": 1,
}
_MORE_MEMORY = "2GB"
"""For a chunk whose texts are longer than most."""
# Of one text: hashes of several are combined so that, over all rows, nothing shows which belong together.
_SEAL = "SELECT coalesce(bit_xor(hash(concat_ws(chr(10), id, part, item))), 0)::UBIGINT AS seal FROM items"
_ITEM = arrow.ITEM.names
_ESCAPE = re.compile(r"\\(?:u[0-9a-f]{4}|.)")


@dataclass(frozen=True)
class Made:
    """Documents of a chunk, and the roots with a value, also of a child, that would not come back from them."""

    items: Items
    unmappable: list[Key]


class Renderer:
    """Makes documents of one mapping. Not for two threads at once."""

    def __init__(self, mapping: DocumentMapping) -> None:
        self.mapping = mapping
        self._duck = duckdb.connect(config=_DUCKDB)
        self._prepared: set[str] = set()
        self._names = _names(mapping)
        self._inputs = {
            "roots": _Input(
                [*(column.name for column in mapping.columns), *map(children_texts, range(len(mapping.children)))]
            ),
            "items": _Input(_ITEM),
            **{
                f"child{n}": _Input([column.name for column in child.columns])
                for n, child in enumerate(mapping.children)
            },
        }
        for name, found in self._inputs.items():
            self._duck.register(name, found)

    def documents(self, chunk: Chunk) -> Items:
        """The documents of a chunk's roots, undivided, in any order; children without a root are dropped."""
        return Items(self._made(chunk, came_back=False)[0])

    def checked(self, chunk: Chunk) -> Made:
        """The same documents, and every value of every row turned back and compared."""
        found, bad = self._made(chunk, came_back=True)
        bad |= _keys(found.filter(pc.invert(found["came_back"])).drop_columns([*_ITEM, "came_back"]))
        # Also children without a root are among them.
        roots = _keys(chunk.roots.select(self.mapping.key)) if bad else set()
        return Made(Items(found.select(_ITEM)), sorted(bad & roots))

    def unmappable(self, chunk: Chunk) -> list[Key]:
        """Keys of the roots with a value, also of a child, that would not come back from their documents."""
        return self.checked(chunk).unmappable

    def rows(self, items: Items) -> Chunk:
        """The rows that undivided documents were made of, in the order of the items.

        Of an edited document too: what is not there or has another type is NULL, what no JSON is has no value at all.
        """
        self._inputs["items"].give(items.table)
        roots = self._run("rows", lambda: roots_sql(self.mapping))
        children = {
            child.table: self._run(f"rows{n}", partial(children_sql, self.mapping, child))
            for n, child in enumerate(self.mapping.children)
        }
        last = tuple(roots[name][-1].as_py() for name in self.mapping.key) if roots.num_rows else None
        return Chunk(roots, children, last)

    def seal(self, items: Items) -> int:
        """The seal of some items: that of all is each's `^` the others', in any order."""
        self._inputs["items"].give(items.table)
        return int(self._run("seal", lambda: _SEAL)["seal"][0].as_py())

    def canonical(self, item: Mapping[str, Any]) -> str:
        """An item's text as `documents` writes it, of its attributes in any order; unknown ones come last by name."""
        return json_text(_in_order(item, self._names))

    def close(self) -> None:
        """Let go of the memory."""
        self._duck.close()

    def _made(self, chunk: Chunk, came_back: bool) -> tuple[pa.Table, set[Key]]:
        """What `documents_sql` gives, and if asked for the roots of children that do not come back."""
        bad: set[Key] = set()
        roots, key = chunk.roots, chunk.roots.select(self.mapping.key)
        for n, child in enumerate(self.mapping.children):
            rows = chunk.children[child.table]
            self._inputs[f"child{n}"].give(rows)
            name = f"{'checked_texts' if came_back else 'texts'}{n}"
            found = self._run(name, partial(texts_sql, n, child, came_back))
            parents = rows.select(child.parent)
            if came_back:
                bad |= _keys(parents.filter(pc.invert(found["came_back"])))
            texts = arrow.joined(key, parents, found["texts"].combine_chunks())
            roots = roots.append_column(children_texts(n), texts)
        self._inputs["roots"].give(roots)
        sql = partial(documents_sql, self.mapping, came_back)
        return self._run("checked" if came_back else "documents", sql), bad

    def _run(self, name: str, sql: Callable[[], str]) -> pa.Table:
        # Prepared once: planning a statement takes as long as running it over some thousand rows.
        if name not in self._prepared:
            self._duck.execute(f"PREPARE {name} AS {sql()}")
            self._prepared.add(name)
        try:
            return self._fetched(name)
        except duckdb.OutOfMemoryException:
            self._duck.execute(f"SET memory_limit = '{_MORE_MEMORY}'")
            try:
                return self._fetched(name)
            finally:
                self._duck.execute(f"SET memory_limit = '{_DUCKDB['memory_limit']}'")

    def _fetched(self, name: str) -> pa.Table:
        return self._duck.sql(f"EXECUTE {name}").to_arrow_table()


def json_text(item: Mapping[str, Any]) -> str:
    """An item's text with its attributes as they come, its signs written as `Renderer.documents` writes them."""
    text = orjson.dumps(item).decode()
    return _ESCAPE.sub(lambda found: _as_duckdb(found[0]), text) if "\\u" in text else text


class _Input:
    """A table of texts that statements read, another one each time that they run."""

    def __init__(self, names: Sequence[str]) -> None:
        # A prepared statement knows these columns in this order, and reads whatever it is given as such.
        self._schema = pa.schema([(name, pa.string()) for name in names])
        self._table = arrow.table({name: [] for name in names})

    def give(self, table: pa.Table) -> None:
        self._table = table.select(self._schema.names).cast(self._schema)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


def _keys(table: pa.Table) -> set[Key]:
    return {*zip(*(column.to_pylist() for column in table.columns), strict=True)}


_Names = Mapping[str, "_Names"]
"""Names of attributes in the order in which they are written, each with those that lie in it."""


def _names(mapping: DocumentMapping) -> _Names:
    def of(columns: Sequence[Column]) -> dict[str, _Names]:
        return {column.attribute: {} for column in columns}

    columns = of(mapping.columns)
    found: dict[str, _Names] = {"id": {}, "part": {}, "kind": {}, **columns}
    found |= {name: {} for name, _ in mapping.derived}
    for child in mapping.children:
        inside = of(child.columns)
        found[child.attribute] = {**inside, "_odd": inside}
    return {**found, "_odd": columns, "parts": {}}


def _in_order(item: Mapping[str, Any], names: _Names) -> dict[str, Any]:
    known = {name: item[name] for name in names if name in item}
    all_of_it = known | {name: item[name] for name in sorted(item.keys() - known.keys())}
    return {name: _inside_in_order(value, names.get(name, {})) for name, value in all_of_it.items()}


def _inside_in_order(value: Any, names: _Names) -> Any:
    match value:
        case {"M": dict(inside)}:
            return {"M": _in_order(inside, names)}
        case {"L": list(rows)}:
            return {"L": [_inside_in_order(row, names) for row in rows]}
    return value


def _as_duckdb(escape: str) -> str:
    """DuckDB writes \\u001F where orjson writes \\u001f."""
    return "\\u" + escape[2:].upper() if escape.startswith("\\u") else escape
