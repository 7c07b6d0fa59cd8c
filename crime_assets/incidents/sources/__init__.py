"""Where reports come from, and where they are put: streams of shards, each of which keeps the order of what it took.

`directory` needs no server, `kinesis` is Amazon's; `producing` puts reports to either. A position is committed by who
has it, in the transaction of what was made of the records; a source remembers none. Nothing here looks into a report.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from crime_assets.incidents.contract import Record

SLACK = 5.0
"""Seconds by which arrival times within a shard may be out of order: Kinesis calls its own approximate."""

_LONGEST_NAME = 40


@dataclass(frozen=True)
class Position:
    """How far a shard has been read: its last record's sequence, None before the first, and whether it has ended."""

    sequence: str | None
    is_ended: bool


class Batch(NamedTuple):
    """What was read, by several shards, with those things about them that changed.

    `positions` has the shards that were read further, that ended, or that are new. The children of a shard are in the
    same batch as its end, so who keeps positions always knows of all shards that are open. `progress` says of an open
    shard that whatever is still to come of it arrived later than this, in seconds since 1970; it never goes back. Of a
    new shard that has none nothing is known yet.
    """

    records: list[Record]
    positions: dict[str, Position]
    progress: dict[str, float]


class Source(Protocol):
    """A stream to read, by one thread."""

    name: str
    """Part of keys: lower-case letters, digits and hyphens, 40 at most."""

    def open(self, positions: Mapping[str, Position]) -> None:
        """Begin after these positions; shards without one from their first record on."""

    def take(self, most: int, wait_seconds: float) -> Batch:
        """At most so many records: those that are there, or else what comes within the wait.

        A CrimeAssetsError where the stream cannot be read.
        """

    def committed(self, positions: Mapping[str, Position]) -> None:
        """These are kept for good, so the children of shards that have ended may begin."""

    def close(self) -> None:
        """End reading."""


@runtime_checkable
class Forgetful(Protocol):
    """A source that keeps records for a limited time only."""

    def lost_since(self, progress: Mapping[str, float]) -> float | None:
        """Since when reports may be lost to who has come this far, in seconds since 1970; None if none can be.

        It may be asked while another thread reads.
        """


def source_name(text: str) -> str:
    """A name for keys, of a stream's; two streams never have the same one."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if name == text and len(name) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{name[: _LONGEST_NAME - 9].strip('-')}-{digest}".lstrip("-")
