"""Taking over the tables of a lake that is not where they say: moved, copied, restored, mounted differently.

Iceberg names every file by its absolute path: in a table's metadata, in its snapshots' manifest lists, in manifests.
Every file that names a path is written again, under a new name beside the old one, from the files in this lake only.
The catalog changes last, for all tables at once. An interruption before that leaves the lake as it was, plus files
that upkeep removes.
"""

from __future__ import annotations

import json
import re
import secrets
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from crime_assets.core.errors import LakeError
from crime_assets.lakehouse.place.warehouse import local_path, sync

_VERSION = re.compile(r"(?P<version>[0-9]+)-[^/]+[.]metadata[.]json")
_DELETED = 2
"""Status of a manifest entry whose file no longer belongs to the table."""
_PATH_PROPERTIES = ("write.data.path", "write.metadata.path", "write.object-storage.path", "write.folder-storage.path")

_NEEDED = {"location": str, "table-uuid": str, "last-updated-ms": int}
"""Parts of a table's metadata that are read here, and their types."""

Document = dict[str, Any]


def taken_over(metadata: Path, directory: Path) -> str:
    """Make the table of a metadata file belong in `directory`, where its files are; returns its new metadata location.

    LakeError, with nothing changed, if a file that the table needs is missing, or if it names a file elsewhere.
    """
    return _Table(metadata, directory).written()


def check_whole(metadata: Path, directory: Path) -> None:
    """LakeError if a file that the table of a metadata file needs is missing or damaged, as far as sizes tell."""
    _Table(metadata, directory).check()


def is_in(location: str, directory: Path) -> bool:
    """Whether a location is a plain path to a file in the directory."""
    path = local_path(location)
    return path.startswith(f"{directory}/") and not {"..", "."} & set(path.split("/"))


def version_of(metadata: Path) -> int:
    """The number with which the name of a metadata file begins; -1 if it has none."""
    found = _VERSION.fullmatch(metadata.name)
    return int(found["version"]) if found else -1


def has_metadata(table: Path) -> bool:
    """Whether any metadata file is left in a table's directory."""
    return any((table / "metadata").glob("*.metadata.json"))


def read_metadata(metadata: Path) -> Document:
    """The content of a metadata file. LakeError if it is missing or damaged."""
    try:
        document = json.loads(metadata.read_bytes())
        if all(isinstance(document[name], kind) for name, kind in _NEEDED.items()):
            return dict(document)
    except FileNotFoundError as error:
        raise _gone(metadata) from error
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise LakeError(f"{metadata} is damaged: restore it, then run again.")


@dataclass
class _Table:
    metadata: Path
    directory: Path
    _files: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Old location of a manifest → its new location and length."""
    _checked: set[str] = field(default_factory=set)

    def written(self) -> str:
        document = read_metadata(self.metadata)
        self._old = local_path(document["location"].rstrip("/"))
        snapshots = document.get("snapshots") or []
        if self._old == str(self.directory):
            for snapshot in snapshots:
                self._check(snapshot)
            return f"file://{self.metadata}"
        for snapshot in snapshots:
            if "manifest-list" not in snapshot:
                raise LakeError(f"{self.metadata} has Iceberg format 1, which this lake never uses: restore it.")
            snapshot["manifest-list"] = self._snapshot(snapshot["manifest-list"])
        document["location"] = f"file://{self.directory}"
        for entry in document.get("metadata-log") or []:
            entry["metadata-file"] = self._moved(entry["metadata-file"])
        for kind in ("statistics", "partition-statistics"):
            for entry in document.get(kind) or []:
                entry["statistics-path"] = self._moved(entry["statistics-path"])
        properties = document.get("properties") or {}
        for name in properties.keys() & set(_PATH_PROPERTIES):
            properties[name] = self._moved(properties[name])
        # Named as pyiceberg does: it continues counting from such a name, and starts at 0 after any other.
        name = f"{max(version_of(self.metadata), 0) + 1:05d}-{uuid4()}.metadata.json"
        location, _ = self._put(name, lambda path: path.write_text(json.dumps(document), encoding="utf-8"))
        sync(self.directory / "metadata")
        return location

    def check(self) -> None:
        document = read_metadata(self.metadata)
        self._old = local_path(document["location"].rstrip("/"))
        for snapshot in document.get("snapshots") or []:
            self._check(snapshot)

    def _check(self, snapshot: Mapping[str, Any]) -> None:
        """Check that all files of a snapshot exist."""
        for manifest in _records(self._here(snapshot["manifest-list"])):
            if manifest["manifest_path"] not in self._checked:
                self._checked.add(manifest["manifest_path"])
                for entry in _records(self._here(manifest["manifest_path"])):
                    self._check_entry(entry)

    def _snapshot(self, location: str) -> str:
        """Write a snapshot's manifest list again; returns its new location."""

        def moved(manifest: Document) -> Document:
            if manifest.get("content"):
                raise LakeError(
                    f"{self.metadata} lists row-level deletes, whose files name paths too: compact the table where it "
                    "was, with the engine that wrote them."
                )
            path, length = self._manifest(manifest["manifest_path"])
            return {**manifest, "manifest_path": path, "manifest_length": length}

        # Named like pyiceberg's and Spark's files, so that a person can read the directory.
        return self._copied(location, f"snap-{_unique()}.avro", moved)[0]

    def _manifest(self, location: str) -> tuple[str, int]:
        """Write a manifest again; returns its location and length."""
        if location not in self._files:
            self._files[location] = self._copied(location, f"{_unique()}-m0.avro", self._entry)
        return self._files[location]

    def _entry(self, entry: Document) -> Document:
        self._check_entry(entry)
        data_file = entry["data_file"]
        return {**entry, "data_file": {**data_file, "file_path": self._moved(data_file["file_path"])}}

    def _check_entry(self, entry: Document) -> None:
        """Check that the data file of an entry exists and has its recorded length."""
        location, length = entry["data_file"]["file_path"], entry["data_file"]["file_size_in_bytes"]
        if entry["status"] == _DELETED or location in self._checked:
            return
        path = self._here(location)
        try:
            found = path.stat().st_size
        except FileNotFoundError as error:
            raise _gone(path) from error
        if found != length:
            raise LakeError(f"{path} has {found} bytes, but the table expects {length}: restore it, then run again.")
        self._checked.add(location)

    def _here(self, location: str) -> Path:
        """Where a file of the table is in this lake."""
        return Path(local_path(self._moved(location)))

    def _moved(self, location: str) -> str:
        path = local_path(location)
        if not is_in(location, Path(self._old)):
            raise LakeError(
                f"{self.metadata} names a file outside of its table ({location}): restore the lake from a backup."
            )
        return f"file://{self.directory}{path.removeprefix(self._old)}"

    def _copied(self, location: str, name: str, change: Callable[[Document], Document]) -> tuple[str, int]:
        source = self._here(location)
        return self._put(name, lambda path: _write(path, source, change))

    def _put(self, name: str, write: Callable[[Path], object]) -> tuple[str, int]:
        """Write a new file of the table's metadata, complete and on disk."""
        path = self.directory / "metadata" / name
        write(path)
        sync(path)
        return f"file://{path}", path.stat().st_size


def _write(target: Path, source: Path, change: Callable[[Document], Document]) -> None:
    """The records of an Avro file, changed, with the same schema, codec and properties."""
    import fastavro

    with _readable(source), source.open("rb") as file, target.open("wb") as out:
        reader = fastavro.reader(file)
        properties = dict(reader.metadata)
        schema, codec = json.loads(properties.pop("avro.schema")), properties.pop("avro.codec", "null")
        changed = (change(record) for record in _as_records(reader))
        fastavro.writer(out, schema, changed, codec=codec, metadata=properties)


def _records(source: Path) -> Iterator[Document]:
    import fastavro

    with _readable(source), source.open("rb") as file:
        yield from _as_records(fastavro.reader(file))


def _as_records(reader: Iterable[object]) -> Iterator[Document]:
    for record in reader:
        if not isinstance(record, dict):
            raise ValueError("not a record")
        yield record


@contextmanager
def _readable(source: Path) -> Iterator[None]:
    """Turn an Avro reader's errors about damaged bytes into LakeError, and a missing file too."""
    from fastavro.schema import SchemaParseException

    try:
        yield
    except FileNotFoundError as error:
        raise _gone(source) from error
    except (
        ValueError,
        EOFError,
        LookupError,
        TypeError,
        MemoryError,
        zlib.error,
        struct.error,
        SchemaParseException,
    ) as error:
        raise LakeError(f"{source} is damaged ({type(error).__name__}): restore it, then run again.") from error


def _gone(path: Path) -> LakeError:
    return LakeError(f"{path} is missing, but a table needs it: restore it, or copy the whole lake again.")


def _unique() -> str:
    return secrets.token_hex(16)
