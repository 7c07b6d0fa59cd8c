"""What chunks of all databases have in common."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from crime_assets.migration import Chunk
from crime_assets.migration.documents import Child, DocumentMapping
from crime_assets.migration.progress import Key

MOST_BYTES = 64 << 20
"""Of texts: a chunk that has more is read again with half the roots."""


def root_columns(mapping: DocumentMapping) -> list[str]:
    """Columns of a chunk's roots."""
    return [column.name for column in mapping.columns]


def child_columns(child: Child) -> list[str]:
    """Columns of a chunk's children: first those with the root's key."""
    return [*child.parent, *(column.name for column in child.columns)]


def last_key(mapping: DocumentMapping, roots: pa.Table) -> Key | None:
    """The key of the last root; None if there is none."""
    return tuple(roots[name][-1].as_py() for name in mapping.key) if roots.num_rows else None


def fewer_if_large(read: Callable[[int], Chunk | None], rows: int) -> Chunk | None:
    """A chunk of at most so many roots, and of fewer while there are too many texts (None); None without any root."""
    while True:
        chunk = read(rows)
        if chunk is not None:
            return chunk if chunk.last else None
        rows = max(1, rows // 2)
