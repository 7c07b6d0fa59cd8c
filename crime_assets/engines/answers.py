"""The answer to a person's query: its rows a batch at a time, so that no answer has to fit into memory.

The command decides how answers are printed, and each engine how a batch is made.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from functools import cached_property
from types import TracebackType
from typing import Any, Self, TypeAlias

import pyarrow as pa

from crime_assets.core.errors import UsageError

Row: TypeAlias = tuple[object, ...]
Batches: TypeAlias = Generator[Sequence[Row], None, None]

BATCH_ROWS = 2_000


class Answer:
    """Columns of a query, whose names may repeat, and its rows: in batches or all at once, each row once.

    The engine holds its resources until the rows are read to the end or the answer is closed.
    """

    def __init__(self, columns: Sequence[str], batches: Batches) -> None:
        """Fetches the first batch at once, so that most errors of a query show before anything is written."""
        self.columns = list(columns)
        self._first = next(batches, ())
        self._rest = batches

    def batches(self) -> Iterator[Sequence[Row]]:
        """The rows in order. Raises whatever errors the engine raises while they are read."""
        first, self._first = self._first, ()
        if first:
            yield first
        yield from self._rest

    @cached_property
    def rows(self) -> list[Row]:
        """All rows, for answers that are known to be small."""
        return [row for batch in self.batches() for row in batch]

    def close(self) -> None:
        """Release the engine; rows that were not read are lost."""
        self._rest.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def whole(columns: Sequence[str], rows: Sequence[Row]) -> Answer:
    """An answer whose rows are already in memory."""

    def batches() -> Batches:
        yield rows

    return Answer(columns, batches())


def rows_of(batch: pa.RecordBatch | pa.Table, text: str) -> list[Row]:
    """The rows of a piece of Arrow; UsageError for a value that Python cannot hold, which has to be CAST to `text`."""
    columns: list[list[Any]]
    try:
        columns = [column.to_pylist() for column in batch.columns]
    except (pa.ArrowException, ValueError, OverflowError) as error:
        raise unreadable(error, text) from error
    return list(zip(*columns, strict=True))


def unreadable(error: BaseException, text: str) -> UsageError:
    """The error for an answer with a value that neither Arrow nor Python can hold."""
    what = str(error).partition("\n")[0]
    return UsageError(f"The query's answer cannot be read ({what}): CAST unusual columns to {text}.")
