"""Where a consumer by Spark reads, and where it keeps and publishes what it finds."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from crime_assets.core import keys
from crime_assets.core.errors import LandingError
from crime_assets.incidents.chain import Chain
from crime_assets.streams import LandingStore


@dataclass(frozen=True)
class Site:
    """A stream in a directory, and an epoch of chains in a landing store."""

    root: str
    """Where the stream lies."""
    store: LandingStore
    stream: str
    epoch: str

    @property
    def place(self) -> str:
        """Where Spark keeps its part of the state, as Spark reaches it."""
        return self.store.location(keys.live(self.stream, f"epoch={self.epoch}/spark"))

    def chain(self, name: str) -> Chain:
        """A chain of the epoch."""
        return Chain(self.store, self.stream, self.epoch, name)


def claim(root: str, store: LandingStore, stream: str, zone: str, now: datetime) -> Site:
    """The site of a stream, whose chains are begun if there are none.

    LandingError if they are those of another consumer: two would write the same objects.
    """
    key = keys.live(stream, "epoch.json")
    epoch = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
    if store.write_new(key, json.dumps({"epoch": epoch, "zone": zone, "engine": "spark"}).encode()):
        return Site(root, store, stream, epoch)
    told = json.loads(store.read(key) or b"{}")
    if (told.get("engine"), told.get("zone")) != ("spark", zone):
        raise LandingError(
            f"{store.location(key)} names the chains of another consumer, or on another clock: let that one go on, or "
            "remove that file, and everything in the stream is read again into new chains."
        )
    return Site(root, store, stream, str(told["epoch"]))
