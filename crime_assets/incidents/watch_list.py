"""The watch list: vehicles, told apart by keyed hashes of their number plates, and for how long they are watched.

It is one object beside the stream's chains. A consumer looks for another version of it every few seconds, so an entry
begins some seconds after it was written: which reports it meets depends on when they arrived, not on when it was read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from hashlib import md5

import pyarrow as pa

from crime_assets.core import keys
from crime_assets.core.errors import LandingError
from crime_assets.streams import LandingStore

BEGINS_AFTER = timedelta(seconds=10)
"""From writing an entry until it counts."""
_COLUMNS = pa.schema(
    [("ref", pa.string()), ("from_s", pa.float64()), ("until_s", pa.float64()), ("why_md5", pa.string())]
)


@dataclass(frozen=True)
class Watched:
    """A vehicle: reports that arrive from `begins` on and before `ends` raise an alert."""

    ref: str
    begins: datetime
    ends: datetime
    why: str


def read(store: LandingStore, stream: str) -> tuple[bytes | None, list[Watched]]:
    """The object as it is, and its entries. LandingError if it cannot be read."""
    content = store.read(keys.live(stream, "watch-list.json"))
    if content is None:
        return None, []
    try:
        return content, [
            Watched(one["ref"], datetime.fromisoformat(one["begins"]), datetime.fromisoformat(one["ends"]), one["why"])
            for one in json.loads(content)
        ]
    except (ValueError, TypeError, KeyError) as error:
        raise LandingError(f"The watch list of {stream} cannot be read: write it anew with `stream watch`.") from error


def write(store: LandingStore, stream: str, listed: Sequence[Watched]) -> None:
    """Replace the list."""
    rows = [asdict(one) | {"begins": one.begins.isoformat(), "ends": one.ends.isoformat()} for one in listed]
    store.write(keys.live(stream, "watch-list.json"), json.dumps(rows).encode())


def as_table(listed: Sequence[Watched]) -> pa.Table:
    """The entries as the state takes them."""
    rows = [
        {
            "ref": one.ref,
            "from_s": one.begins.timestamp(),
            "until_s": one.ends.timestamp(),
            "why_md5": md5(one.why.encode(), usedforsecurity=False).hexdigest(),
        }
        for one in listed
    ]
    return pa.Table.from_pylist(rows, _COLUMNS)
