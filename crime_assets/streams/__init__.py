"""How batches become objects in the landing store, and how those objects are read again.

`Stream` is what the pull writes to, `LandingStore` what the deliveries lie in. Neither knows what a crime is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol


class Stream(Protocol):
    """Takes batches and writes objects, at least once each. Building one opens nothing."""

    name: str
    patience_seconds: float
    """How long after `close` objects may still be on their way; 0 where all are there by then."""

    def put(self, day: date, batch: Sequence[bytes]) -> None:
        """Hand over one batch of NDJSON lines of a change day."""

    def close(self) -> None:
        """Return when everything that was put is handed over; nothing may be put afterwards."""


@dataclass(frozen=True)
class StoredObject:
    """An object as a listing shows it: bytes, time of writing (UTC), and an etag that changes with the content."""

    key: str
    etag: str
    size: int
    modified: datetime


class LandingStore(Protocol):
    """Objects by key. Writing is all or nothing."""

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Objects whose key begins with the prefix, in key order."""

    def read(self, key: str) -> bytes | None:
        """An object's content; None if there is none."""

    def chunks(self, key: str) -> Iterator[bytes]:
        """An object's content, a bounded piece at a time. LandingError if there is none."""

    def write(self, key: str, content: bytes) -> None:
        """Write an object whole, replacing what was there."""

    def write_new(self, key: str, content: bytes) -> bool:
        """Write an object whole unless there is one; whether it was written. Of several at once, one is."""

    def delete(self, key: str) -> None:
        """Remove an object, if there is one."""

    def location(self, key: str) -> str:
        """Where an object lies, for a person."""
