"""Sorts a history on disk: records come in any order and are read back by group, in parts that fit in memory.

Kept until it is removed, so that an interrupted load need not read the source again. The feed decides what a group is.
"""

from __future__ import annotations

import json
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

_ROWS = 250_000
"""The most rows in one part."""
_ROWS_SORTED, _BYTES_SORTED = 500_000, 256 << 20
"""So many rows, or bytes, are sorted at a time."""
_ROWS_EXAMINED, _MOST_TEXTS = 10_000, 1_000
"""A column with at most so many different texts in its first rows is kept as numbers, and each text once."""


class Spool:
    """A directory of Arrow files and an index, which is written last: without it, nothing in the directory counts.

    Close it after the last records were added, or when no more will be.
    """

    def __init__(self, directory: Path, identity: str, schema: pa.Schema) -> None:
        self._directory = directory
        self._index = directory / "index.json"
        self._identity = identity
        self._schema = schema
        # Arrow sorts records without the interpreter lock: the source is read on meanwhile.
        self._writer = ThreadPoolExecutor(1)
        self._writing: Future[None] | None = None
        self._waiting: list[pa.Table] = []
        self._encoded: list[str] | None = None
        self._groups: list[pa.Array] = []
        self._rows_waiting = self._bytes_waiting = 0
        self._files = 0
        self._sizes: dict[str, int] = {}
        self.parts: dict[str, list[tuple[int, int]]] = {}
        """Part → its record batches, as file and place in the file."""

    def open(self) -> bool:
        """Whether the directory holds all of this very history; otherwise it is emptied."""
        try:
            index = json.loads(self._index.read_text())
            if index["identity"] == self._identity and index["bytes"] == self._bytes(len(index["bytes"])):
                self.parts = {str(name): [(int(f), int(n)) for f, n in at] for name, at in index["parts"].items()}
                return True
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass
        self.remove()
        self._directory.mkdir(parents=True)
        return False

    def add(self, records: pa.Table, groups: pa.Array) -> None:
        """Take records and the group of each, a text."""
        self._waiting.append(records)
        self._groups.append(groups)
        self._rows_waiting += len(records)
        self._bytes_waiting += records.nbytes
        if self._rows_waiting >= _ROWS_SORTED or self._bytes_waiting >= _BYTES_SORTED:
            self._flush()

    def finish(self) -> None:
        """Record that all records have been added."""
        self._flush()
        self._wait()
        partial = self._index.with_suffix(".partial")
        index = {"identity": self._identity, "bytes": self._bytes(self._files), "parts": self.parts}
        partial.write_text(json.dumps(index))
        partial.replace(self._index)

    def close(self) -> None:
        """Wait until writing has ended: the next spool may begin in the same directory."""
        self._writer.shutdown(cancel_futures=True)

    def read(self, part: str) -> pa.Table:
        """The records of a part; columns with few different texts are encoded by dictionaries."""
        batches = [
            pa.ipc.open_file(pa.memory_map(str(self._path(file)))).get_batch(place) for file, place in self.parts[part]
        ]
        # In one piece: what reads them spends a part of its time on each piece.
        return pa.Table.from_batches(batches).unify_dictionaries().combine_chunks()

    def remove(self) -> None:
        """Remove everything."""
        shutil.rmtree(self._directory, ignore_errors=True)

    def _flush(self) -> None:
        self._wait()
        if self._waiting:
            self._writing = self._writer.submit(self._write, self._waiting, self._groups)
            self._waiting, self._groups = [], []
            self._rows_waiting = self._bytes_waiting = 0

    def _wait(self) -> None:
        """Wait until everything flushed is written."""
        if self._writing is not None:
            self._writing.result()
            self._writing = None

    def _write(self, waiting: list[pa.Table], waiting_groups: list[pa.Array]) -> None:
        # Numbers in the order of the groups' names are sorted much faster than the names.
        named = pa.concat_arrays(waiting_groups).dictionary_encode()
        groups = pc.rank(named.dictionary, tiebreaker="first").cast(pa.int32()).take(named.indices)
        names = named.dictionary.sort()
        order = pc.sort_indices(groups)
        records = self._encode(pa.concat_tables(waiting)).combine_chunks().take(order)
        runs = pc.run_end_encode(groups.take(order))
        start = place = 0
        with pa.ipc.new_file(str(self._path(self._files)), records.schema) as writer:
            for group, end in zip(names.to_pylist(), runs.run_ends.to_pylist(), strict=True):
                while start < end:
                    run = records.slice(start, min(end - start, _ROWS)).combine_chunks()
                    writer.write_batch(run.to_batches()[0])
                    self._place(group, len(run), place)
                    start, place = start + len(run), place + 1
        self._files += 1

    def _encode(self, records: pa.Table) -> pa.Table:
        """The records with columns of few different texts encoded: numbers are sorted and read faster than texts."""
        if self._encoded is None:
            first = records.slice(0, _ROWS_EXAMINED)
            texts = [name for name in self._schema.names if pa.types.is_string(self._schema.field(name).type)]
            self._encoded = [
                name
                for name in texts
                if len(first) == _ROWS_EXAMINED and pc.count_distinct(first.column(name)).as_py() <= _MOST_TEXTS
            ]
        for name in self._encoded:
            number = records.schema.get_field_index(name)
            field = records.schema.field(number)
            encoded = records.column(number).dictionary_encode()
            records = records.set_column(number, field.with_type(encoded.type), encoded)
        return records

    def _place(self, group: str, rows: int, place: int) -> None:
        number, held = 0, 0
        while (part := f"{group}.{number}") in self.parts and (held := self._sizes[part]) + rows > _ROWS:
            number, held = number + 1, 0
        self.parts.setdefault(part, []).append((self._files, place))
        self._sizes[part] = held + rows

    def _bytes(self, files: int) -> list[int]:
        """The length of each file: one truncated by a power cut does not match the index."""
        return [self._path(number).stat().st_size for number in range(files)]

    def _path(self, number: int) -> Path:
        return self._directory / f"{number:05}.arrow"
