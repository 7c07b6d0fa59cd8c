"""What a day's replay needs from an export file, kept from the last time the file was read whole.

An export is a file of years, and a day in it is a few hundred records: without this, each day would read it all again.
What is kept can be lost at any time; only the export counts.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from crime_assets.sources.feeds.export_file import ExportFile

FORMAT = 2
"""Increased when files are split, or days are determined, differently from before."""
_DAY = "_day"
_MARK = b"crime-assets"


@dataclass(frozen=True)
class Replay:
    """How many records each change day of a file has, how many records and damaged lines have none, and the records
    from `since` on (none if it is date.max).
    """

    counts: Counter[date]
    undated: int
    since: date
    path: Path

    def records(self, first: date, last: date) -> Iterator[pa.Table]:
        """Records with a change day from `first` to `last`; `first` is not before `since`."""
        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches():
                days = batch.column(_DAY)
                wanted = batch.filter(pc.and_(pc.greater_equal(days, first), pc.less_equal(days, last)))
                yield pa.Table.from_batches([wanted]).drop_columns([_DAY])


class ReplayWriter:
    """Keeps what a pass over a file shows; `finish` turns it into a Replay; without that, nothing is kept."""

    def __init__(self, directory: Path, file: ExportFile, since: date) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._target = _path(directory, file)
        self._partial = self._target.with_suffix(".partial")
        self._since = since
        self._mark = _identity(file)
        schema = pa.schema([*((name, pa.string()) for name in file.fields), (_DAY, pa.date32())])
        self._writer = pq.ParquetWriter(self._partial, schema, compression="zstd")

    def add(self, records: pa.Table, days: pa.Array) -> None:
        """Keep those records that are of `since` or later."""
        wanted = pc.fill_null(pc.greater_equal(days, self._since), False)
        kept = records.append_column(_DAY, days).filter(wanted)
        if kept.num_rows:
            self._writer.write_table(kept)

    def finish(self, counts: Counter[date], undated: int) -> Replay:
        """The file was read to its end."""
        by_day = {str(day): number for day, number in counts.items()}
        mark = {**self._mark, "since": str(self._since), "counts": by_day, "undated": undated}
        self._writer.add_key_value_metadata({_MARK: json.dumps(mark).encode()})
        self._writer.close()
        self._partial.replace(self._target)
        return Replay(counts, undated, self._since, self._target)

    def abandon(self) -> None:
        """The file was not read to its end; harmless after `finish`."""
        self._writer.close()
        self._partial.unlink(missing_ok=True)


def open_replay(directory: Path, file: ExportFile) -> Replay | None:
    """What was kept of this very file; None if nothing was, or if it cannot be read."""
    path = _path(directory, file)
    try:
        mark = json.loads((pq.read_metadata(path).metadata or {})[_MARK])
        if any(mark.get(name) != value for name, value in _identity(file).items()):
            return None
        counts = Counter({date.fromisoformat(day): int(n) for day, n in mark["counts"].items()})
        return Replay(counts, int(mark["undated"]), date.fromisoformat(mark["since"]), path)
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError, AttributeError):
        return None


def _path(directory: Path, file: ExportFile) -> Path:
    name = hashlib.sha256(str(file.path.absolute()).encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return directory / f"{name}.parquet"


def _identity(file: ExportFile) -> dict[str, object]:
    return {"format": FORMAT, "version": list(file.version), "fields": file.fields}
