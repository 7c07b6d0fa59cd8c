"""Verified documents into the landing store, in the layout of DynamoDB's own exports to S3.

Only what was proven equal is exported: the seal of the verification is taken again of what is written, and without it
there is no summary. Killed anywhere before that, an export is not there for anybody, and is removed after a day.
"""

from __future__ import annotations

import gzip
import itertools
import secrets
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from crime_assets.core.errors import StoreError
from crime_assets.migration import Items, Road
from crime_assets.migration.ahead import Ahead
from crime_assets.migration.progress import Progress, State, Verified
from crime_assets.migration.rendering import Renderer
from crime_assets.migration.stores import EMPTY, rows_of
from crime_assets.sources.feeds.dynamodb_export import (
    FILES,
    STARTED,
    SUMMARY,
    DataFile,
    Summary,
    age,
    checksum,
    files_text,
    parts_of,
    place,
    summary_text,
)

_ITEMS = 100_000
_SIGNS = 64 << 20
"""Of one file before it is packed."""
_LEVEL = 3
_KEPT = 2
"""Whole exports: a reader may still be at the one before."""
_UNFINISHED = timedelta(days=1)
_NAME_SIGNS = string.ascii_lowercase + "234567"


@dataclass(frozen=True)
class Exported:
    """A whole export: its id, how many items and files it has, and where it is, for a person."""

    export: str
    items: int
    files: int
    location: str


def export(road: Road, stage: Callable[[str], None] = lambda _: None) -> Exported:
    """Export all documents. StoreError that says what to do first, if they are not proven equal to the database.

    `stage` is called between what may be killed.
    """
    with road.store.hold() as known:
        verified = _verified(road, known)
        started = road.clock()
        name = _new_name(road, int(started.timestamp() * 1000))
        below = f"{place(road.city)}{name}/"
        road.landing.write(below + STARTED, b"")
        stage("started")
        files, seal = _write_files(road, below, stage)
        items = sum(file.items for file in files)
        if (seal, items) != (verified.seal, verified.items):
            _remove(road, name)
            raise StoreError(
                f"Documents in {road.store.name} changed since they were verified: run `crime-assets legacy verify "
                "--repair`, then export again."
            )
        manifest = files_text(files, below)
        road.landing.write(below + FILES, manifest)
        road.landing.write(below + FILES.replace(".json", ".checksum"), checksum(manifest).encode())
        stage("files")
        bucket, prefix = _bucket(road, below)
        summary = Summary(name, _table(road), road.city, items)
        text = summary_text(summary, started, road.clock(), verified.at, bucket, prefix)
        road.landing.write(below + SUMMARY.replace(".json", ".checksum"), checksum(text).encode())
        if not road.landing.write_new(below + SUMMARY, text):
            raise StoreError(f"There is an export {name} already in {road.landing.location(below)}: export again.")
        stage("summary")
        road.store.put(EMPTY, replace(known, exported=name))
        stage("kept")
        _remove_older(road)
        return Exported(name, items, len(files), road.landing.location(below))


def _verified(road: Road, known: Progress) -> Verified:
    """The verification of the documents as they are. StoreError if there is none."""
    if known.state is State.FORGOTTEN:
        raise StoreError(
            f"The database no longer has changes that {road.store.name} lacks: run `crime-assets legacy verify "
            "--repair`, then export."
        )
    if known.state not in (State.FOLLOWING, State.FINISHED):
        raise StoreError(
            f"Not all documents are in {road.store.name}: run `crime-assets legacy load`, then `crime-assets legacy "
            "verify`."
        )
    if known.verified is None or known.verified.position != known.position:
        raise StoreError(
            f"The documents in {road.store.name} were not verified as they are now: run `crime-assets legacy verify`, "
            "then export."
        )
    if aside := road.store.aside():
        raise StoreError(
            f"{len(aside)} rows are set aside, such as {aside[0].id}, because {aside[0].reason}: correct them in the "
            "database, then run `crime-assets legacy verify --repair`."
        )
    return known.verified


def _write_files(road: Road, below: str, stage: Callable[[str], None]) -> tuple[list[DataFile], int]:
    """The files, and the seal of all that is in them."""
    files: list[DataFile] = []
    seal = 0
    renderer = Renderer(road.mappings[0])
    try:
        contents = _contents(road.store.scan(), renderer.seal)
        # Packing takes as long as all the rest, and does not hold it up.
        with Ahead(lambda _: next(contents, None), None) as ahead:
            while (found := ahead.take()) is not None:
                ahead.begin(None)
                lines, count, sealed = found
                content = gzip.compress(lines, _LEVEL, mtime=0)
                files.append(DataFile(f"{_random_name()}.json.gz", count, checksum(content)))
                road.landing.write(f"{below}data/{files[-1].name}", content)
                seal ^= sealed
                stage("data")
    finally:
        renderer.close()
    return files, seal


def _contents(pieces: Iterator[Items], sealed: Callable[[Items], int]) -> Iterator[tuple[bytes, int, int]]:
    """Lines of each file, their number, and their seal; one file without lines if there is nothing."""
    lines: list[str] = []
    signs = seal = 0
    begun = False
    for piece in pieces:
        seal ^= sealed(piece)
        lines += [f'{{"Item":{item}}}\n' for _, _, item in rows_of(piece)]
        signs += piece.table["item"].nbytes
        if len(lines) >= _ITEMS or signs >= _SIGNS:
            yield "".join(lines).encode(), len(lines), seal
            lines, signs, seal, begun = [], 0, 0, True
    if lines or not begun:
        yield "".join(lines).encode(), len(lines), seal


def _new_name(road: Road, milliseconds: int) -> str:
    """Later than all that are there, also if the clock was set back: the newest is the one that is read."""
    found = parts_of(road.landing.list(place(road.city)), place(road.city))
    newest = max((age(name)[0] for name in found), default=0)
    return f"{max(milliseconds, newest + 1):013}-{secrets.token_hex(4)}"


def _random_name() -> str:
    return "".join(secrets.choice(_NAME_SIGNS) for _ in range(26))


def _table(road: Road) -> str:
    """As DynamoDB would call the table; of a file on this machine, one that belongs to no account."""
    scheme, _, name = road.store.name.partition("://")
    return f"arn:aws:dynamodb:::table/{name if scheme == 'dynamodb' else f'{road.city}.documents'}"


def _bucket(road: Road, below: str) -> tuple[str, str]:
    """The bucket, and the key in it; where there is none, the key in the landing store."""
    location = urlsplit(road.landing.location(below))
    return (location.netloc, location.path.lstrip("/")) if location.scheme == "s3" else ("", below)


def _remove_older(road: Road) -> None:
    """All whole exports but the newest two, and what was begun a day ago and never finished."""
    prefix = place(road.city)
    listed, again = itertools.tee(road.landing.list(prefix))
    found = parts_of(listed, prefix)
    newest_write: dict[str, datetime] = {}
    for one in again:
        name = one.key.removeprefix(prefix).partition("/")[0]
        newest_write[name] = max(one.modified, newest_write.get(name, one.modified))
    whole = [name for name, parts in found.items() if SUMMARY in parts]
    long_ago = road.clock() - _UNFINISHED
    unfinished = [name for name in found.keys() - {*whole} if newest_write[name] < long_ago]
    for name in [*whole[:-_KEPT], *unfinished]:
        _remove(road, name)


def _remove(road: Road, name: str) -> None:
    """The summary first: what is only half there is not there."""
    keys = [one.key for one in road.landing.list(f"{place(road.city)}{name}/")]
    for key in sorted(keys, key=lambda key: not key.endswith(f"/{SUMMARY}")):
        road.landing.delete(key)
