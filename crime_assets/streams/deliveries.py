"""Reading deliveries: objects in the landing store, line by line, in bounded memory, whatever they hold."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from crime_assets.core import keys
from crime_assets.core.digests import text_digest
from crime_assets.core.envelopes import BadLine, Envelope, unseal
from crime_assets.core.errors import LandingError
from crime_assets.streams import LandingStore

_GZIP = b"\x1f\x8b"
_LINE_LIMIT = 1 << 20
_PIECE = 1 << 20


@dataclass(frozen=True)
class DamagedLine:
    """A delivered line that cannot be opened."""

    reason: str
    raw: str

    @property
    def md5(self) -> str:
        """Digest of the line."""
        return text_digest(self.raw)


def read_delivery(store: LandingStore, key: str, city: str) -> Iterator[Envelope | DamagedLine]:
    """Every line of a delivery. LandingError, after the readable lines, if the object itself is cut off."""
    for line in _lines(store, key):
        if line.strip():
            yield open_line(line, city)


def open_line(line: bytes, city: str) -> Envelope | DamagedLine:
    """A delivered line, opened, or what is wrong with it."""
    try:
        return unseal(line, city)
    except BadLine as error:
        return DamagedLine(str(error), line.decode("utf-8", "replace").replace("\x00", "�"))


def _lines(store: LandingStore, key: str) -> Iterator[bytes]:
    rest = b""
    for piece in content_of(store, key):
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
        if len(rest) > _LINE_LIMIT:
            raise LandingError(f"The delivery {key} has a line of more than 1 MiB, so it is not a delivery: remove it.")
    if rest:
        yield rest


def content_of(store: LandingStore, key: str) -> Iterator[bytes]:
    """The content, unpacked if its first bytes are those of gzip; it may have several gzip members."""
    chunks = store.chunks(key)
    first = next(chunks, b"")
    if not first.startswith(_GZIP):
        yield first
        yield from chunks
        return
    yield from _gunzip(first, chunks, key)


def _gunzip(first: bytes, chunks: Iterator[bytes], key: str) -> Iterator[bytes]:
    member = zlib.decompressobj(wbits=31)
    pending = first
    try:
        while True:
            if member.eof:
                pending = member.unused_data or next(chunks, b"")
                if not pending:
                    return
                member = zlib.decompressobj(wbits=31)
            plain = member.decompress(pending, _PIECE)
            if plain:
                yield plain
            pending = member.unconsumed_tail
            if not pending and not member.eof:
                pending = next(chunks, b"")
                if not pending and not plain:
                    raise LandingError(f"The delivery {key} is cut off: deliver its records again.")
    except zlib.error as error:
        raise LandingError(f"The delivery {key} is damaged gzip: deliver its records again.") from error


def delivered_batches(store: LandingStore, city: str, day: date) -> dict[str, set[str]]:
    """Batch name → digests of those of its records that can be read from the day's deliveries."""
    batches: dict[str, set[str]] = {}
    for found in store.list(keys.deliveries_prefix(city, day)):
        try:
            for line in read_delivery(store, found.key, city):
                if isinstance(line, Envelope):
                    batches.setdefault(line.batch, set()).add(line.md5)
        except LandingError:
            # A damaged object counts as not delivered: the pull delivers its records again, the inventory names it.
            continue
    return batches
