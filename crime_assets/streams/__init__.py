"""How batches become objects in the landing store, and how those objects are read back.

The pull writes to a `Stream`; deliveries are in a `LandingStore`. Neither knows what a crime is.
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
    """How long after `close` objects may still arrive; 0 if all have arrived by then."""

    def put(self, day: date, batch: Sequence[bytes]) -> None:
        """Hand over one batch of NDJSON lines of a change day."""

    def close(self) -> None:
        """Return when everything that was put has been handed over; nothing may be put afterwards."""


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
        """Write a whole object, replacing any existing one."""

    def write_new(self, key: str, content: bytes) -> bool:
        """Write a whole object unless one exists; returns whether it was written. Of concurrent writes one is."""

    def delete(self, key: str) -> None:
        """Remove an object, if there is one."""

    def location(self, key: str) -> str:
        """Where an object is, for a person."""
