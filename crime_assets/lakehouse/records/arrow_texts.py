"""What all texts of an Arrow column have in common, found from its bytes at once rather than text by text.

Every answer may err on the safe side: the bytes of neighboring rows are examined too, if there are any.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

_SPACE, _TILDE = b" ~"


def is_plain(column: pa.ChunkedArray) -> bool:
    """Whether it is a column of texts, none of which holds what JSON must escape."""
    return _is_text(column.type) and not any(
        text.min(initial=_SPACE) < _SPACE or b'"' in text.tobytes() or b"\\" in text.tobytes()
        for _, _, text in _texts(column)
    )


def has_control_characters(column: pa.ChunkedArray) -> bool:
    """Whether a text of the column, if it is one of texts, may hold a control character."""
    return any(text.min(initial=_SPACE) < _SPACE for _, _, text in _texts(column))


def is_trimmed(column: pa.ChunkedArray) -> bool:
    """Whether no text of the column, if it is one of texts, is empty or begins or ends with anything blank."""
    for chunk, bounds, text in _texts(column):
        given = chunk.is_valid().to_numpy(zero_copy_only=False)
        starts, ends = bounds[:-1][given], bounds[1:][given]
        if (ends == starts).any():
            return False
        for edge in (text[starts], text[ends - 1]):
            if ((edge <= _SPACE) | (edge > _TILDE)).any():
                return False
    return True


def _texts(column: pa.ChunkedArray) -> Iterator[tuple[pa.Array, NDArray[np.int32], NDArray[np.uint8]]]:
    """The chunks of a column of texts, with the bounds of its texts and all bytes; none if it is of another type."""
    if not _is_text(column.type):
        return
    for chunk in map(_distinct, column.chunks):
        _, ends, text = chunk.buffers()
        if len(chunk) and text is not None:
            bounds = np.frombuffer(ends, np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
            yield chunk, bounds, np.frombuffer(text, np.uint8)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind.value_type if pa.types.is_dictionary(kind) else kind))


def _distinct(chunk: pa.Array) -> pa.Array:
    """The texts of a chunk; of one with a dictionary, those that it uses."""
    return chunk.dictionary.take(pc.unique(chunk.indices)) if pa.types.is_dictionary(chunk.type) else chunk
