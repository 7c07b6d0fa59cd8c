"""Batches and manifests: what is put to the stream together, and the record of what was promised."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from crime_assets.core.digests import set_digest
from crime_assets.core.errors import LandingError

BATCH_SIZE = 200


@dataclass(frozen=True)
class BatchEntry:
    """What a manifest says about one batch: how many records, and the digest of their digests.

    `landed`, of a batch that was part of the way when the manifest was written, are the digests of the records that
    had landed by then: all of these are promised, and more may come.
    """

    records: int
    digest: str
    landed: frozenset[str] = frozenset()

    def is_kept(self, delivered: set[str]) -> bool:
        """Whether these records of the batch fulfill the promise."""
        if self.landed:
            return self.landed <= delivered
        return self == entry(delivered)


@dataclass(frozen=True)
class Manifest:
    """The batches of a change day as they were put to the stream, and what the source was like then: its columns, how
    many of its records or lines belonged to no change day, and whether it had completed the day.
    """

    batches: Mapping[str, BatchEntry]
    columns: frozenset[str]
    undated: int = 0
    complete: bool = True


def entry(digests: set[str]) -> BatchEntry:
    """The manifest entry of a batch with these record digests."""
    return BatchEntry(len(digests), set_digest(digests))


def landed_entry(digests: set[str], promised: BatchEntry | None) -> BatchEntry:
    """The entry of a batch of an earlier pull, of which these records have landed; `promised` is its entry before."""
    found = entry(digests)
    is_whole = found == promised or found.records == BATCH_SIZE
    return found if is_whole else replace(found, landed=frozenset(digests))


def dump_manifest(city: str, day: date, manifest: Manifest) -> bytes:
    """A manifest as JSON; equal manifests give equal bytes."""
    document = {
        "city": city,
        "change_day": day.isoformat(),
        "columns": sorted(manifest.columns),
        "undated": manifest.undated,
        **({} if manifest.complete else {"complete": False}),
        "batches": {name: _dump(manifest.batches[name]) for name in sorted(manifest.batches)},
    }
    return json.dumps(document, indent=1).encode()


def _dump(promised: BatchEntry) -> dict[str, object]:
    landed = {"landed": sorted(promised.landed)} if promised.landed else {}
    return {"records": promised.records, "digest": promised.digest, **landed}


def load_manifest(content: bytes) -> Manifest:
    """Read what `dump_manifest` wrote; LandingError if it is something else."""
    try:
        document = json.loads(content)
        batches = {
            str(name): BatchEntry(int(e["records"]), str(e["digest"]), frozenset(map(str, e.get("landed", ()))))
            for name, e in document["batches"].items()
        }
        columns, complete = frozenset(map(str, document["columns"])), document.get("complete", True) is True
        return Manifest(batches, columns, int(document["undated"]), complete)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise LandingError("A manifest cannot be read: pull its change day again, which writes a new one.") from error


def missing_batches(manifest: Manifest, delivered: Mapping[str, Iterable[str]]) -> list[str]:
    """Batches promised by the manifest whose records were not all delivered."""
    return sorted(
        name for name, promised in manifest.batches.items() if not promised.is_kept(set(delivered.get(name, ())))
    )
