"""Where documents are kept: a file on this machine, or a table of DynamoDB. Each is a `DocumentStore`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from crime_assets.migration import Items, arrow

EMPTY = Items(arrow.items([]))
FIRST = "-"
"""The part of a document's first item."""

_ROWS = 5_000
_SIGNS = 8 << 20


def in_pieces(rows: Iterable[tuple[str, str, str]]) -> Iterator[Items]:
    """Ids, parts and items in pieces of at most 5,000, or fewer where they are large."""
    piece: list[tuple[str, str, str]] = []
    signs = 0
    for row in rows:
        piece.append(row)
        signs += len(row[2])
        if len(piece) == _ROWS or signs >= _SIGNS:
            yield Items(arrow.items(piece))
            piece, signs = [], 0
    if piece:
        yield Items(arrow.items(piece))


def rows_of(items: Items) -> Iterator[tuple[str, str, str]]:
    """The reverse. A slice at a time: a chunk as Python's texts would be as large as all the rest of a load."""
    for batch in items.table.select(arrow.ITEM.names).to_batches(max_chunksize=1_000):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
