"""Columns of texts in Arrow: made of Python's, and joined where rows belong together.

Arrow's own conversions (`pa.array`, `pa.scalar`, `empty_table`) import pandas to see whether they are given some of
its, and that takes a fifth of the memory that a load may have.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.lib import StringBuilder

ITEM = pa.schema([("id", pa.string()), ("part", pa.string()), ("item", pa.string())])


@contextmanager
def frugal() -> Iterator[None]:
    """Memory that Arrow lets go of is the system's again: its own pool keeps it for the next large table."""
    before = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(before)


def column(texts: Iterable[str | None]) -> pa.Array:
    """Texts, None as NULL."""
    builder = StringBuilder()
    builder.append_values(texts)
    return builder.finish()


def table(columns: Mapping[str, Iterable[str | None]]) -> pa.Table:
    """Columns of texts by their names."""
    return pa.table({name: column(texts) for name, texts in columns.items()})


def items(rows: Iterable[tuple[str, str, str]]) -> pa.Table:
    """Ids, parts and items, row by row."""
    columns: Sequence[Sequence[str]] = [*zip(*rows, strict=True)] or [()] * len(ITEM)
    return pa.table([column(texts) for texts in columns], schema=ITEM)


def joined(roots: pa.Table, rows: pa.Table, texts: pa.Array) -> pa.Array:
    """For each root the texts of its rows as one, NULL where it has none; keys are the columns of both tables.

    No join and no aggregate: rows of one root follow each other, so their texts already lie side by side in memory, and
    only where each root's begin is noted anew.
    """
    keys, wanted = _one(rows), _one(roots)
    if not len(keys):
        return pa.nulls(len(wanted), pa.string())
    starts = pc.indices_nonzero(_begins(keys))
    found = keys.take(starts)
    if pc.count_distinct(found).as_py() < len(found) - found.null_count:
        # A collation can hold keys equal whose texts are not, and their rows come mixed.
        order = pc.sort_indices(keys)
        return joined(roots, rows.take(order), texts.take(order))
    _, offsets, signs = texts.buffers()
    bounds = pa.Array.from_buffers(pa.int32(), len(texts) + 1, [None, offsets], offset=texts.offset)
    kept = pa.concat_arrays([bounds.take(starts), bounds.slice(len(texts))])
    runs = pa.Array.from_buffers(pa.string(), len(starts), [None, kept.buffers()[1], signs])
    return runs.take(pc.index_in(wanted, found))


def _one(keys: pa.Table) -> pa.Array:
    """Keys as one text each, NULL if a part is: of several columns, each after its length."""
    columns = [found.cast(pa.string()).combine_chunks() for found in keys.columns]
    if len(columns) == 1:
        return columns[0]
    parts = [part for found in columns for part in (pc.binary_length(found).cast(pa.string()), found)]
    return pc.binary_join_element_wise(*parts, column([" "] * keys.num_rows))


def _begins(keys: pa.Array) -> pa.Array:
    """Whether a key is another one than that before it, or NULL is one of them."""
    same = pc.equal(keys.slice(1), keys.slice(0, len(keys) - 1))
    first = pc.or_(pc.is_null(keys.slice(0, 1)), pc.is_valid(keys.slice(0, 1)))
    return pa.concat_arrays([first, pc.or_kleene(pc.is_null(same), pc.invert(same))])
