"""What each batch came to, as a chain of its own: a batch has happened when its commit is there.

What Spark itself keeps says which batch comes next; a batch that it gives again, because it ended before Spark noted
it, is told by its commit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from crime_assets.core.errors import LakeError
from crime_assets.incidents.spark.order import Reached
from crime_assets.incidents.spark.site import Site
from crime_assets.incidents.state import Ticked

_BEFORE = Ticked(-1, 0, 0, 0, 0, 0, 0, 0, None)


@dataclass(frozen=True)
class Commit:
    """The state after a batch; without arguments, that before the first one."""

    ticked: Ticked = _BEFORE
    """What the batch found; its number counts batches from 0 on."""
    given: Mapping[str, list[int]] = field(default_factory=dict)
    """The files that Spark gave with it: shard → numbers."""
    reached: Mapping[str, Reached] = field(default_factory=dict)
    held: Mapping[str, list[int]] = field(default_factory=dict)
    """Files that were given before others that come first: they are among the batch's lines that wait."""
    base: int | None = None
    """The batch with which all tables were last put together."""
    closed: int | None = None
    """The last block of six hours that has closed."""
    numbers: Mapping[str, int] = field(default_factory=dict)
    """Chain → number of its last object."""
    reasons: Sequence[str] = ()
    """Why messages of the batch were quarantined."""
    alerts: str = ""
    """Lines of the batch's object in the chain of alerts."""
    told: Mapping[str, int] = field(default_factory=dict)
    """Channel → number of the last object of alerts that it was told of."""

    @property
    def batch(self) -> int:
        """The number of the batch."""
        return self.ticked.tick

    @property
    def added(self) -> list[int]:
        """The batches since the base."""
        return list(range(0 if self.base is None else self.base + 1, self.batch + 1))


class Commits:
    """The commits of an epoch."""

    def __init__(self, site: Site) -> None:
        self._chain = site.chain("commits")
        self._store = site.store

    def read(self, batch: int) -> Commit | None:
        """The commit of a batch, if it is there. LakeError if it is damaged."""
        if batch < 0:
            return Commit()
        content = self._chain.read(batch + 1)
        if content is None:
            return None
        try:
            told: dict[str, Any] = json.loads(content)
            reached = {shard: Reached(**one) for shard, one in told["reached"].items()}
            return Commit(**told | {"reached": reached, "ticked": Ticked(**told["ticked"])})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            place = self._store.location(self._chain.key(batch + 1))
            raise LakeError(f"The commit {place} of a batch is damaged: restore it.") from error

    def last(self) -> Commit:
        """The newest commit."""
        return self.read(self._chain.last() - 1) or Commit()

    def forget(self, before: int) -> None:
        """Remove the commits of batches before this one."""
        begins = self._chain.begins()
        if before + 1 > begins:
            # First: who looks for the last one begins there.
            self._chain.begin_at(before + 1)
            for number in range(begins, before + 1):
                self._store.delete(self._chain.key(number))

    def write(self, commit: Commit) -> None:
        """Write a commit. LandingError if another one of the same batch is there: somebody else consumes the stream."""
        self._chain.write(commit.batch + 1, json.dumps(asdict(commit)).encode())
