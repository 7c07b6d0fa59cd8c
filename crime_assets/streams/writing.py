"""Writing many objects. What is in them, and when they are written, is decided elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from crime_assets.streams import LandingStore

_AT_ONCE = 8


def write_all(store: LandingStore, objects: Iterable[tuple[str, bytes]]) -> None:
    """Write objects, given as keys and contents, in no particular order, while the next ones are being made.

    Returns when all are written, or raises the error of one; even then each object is either whole or absent.
    """
    # A write mostly waits for the disk or the network: several can wait at once.
    with ThreadPoolExecutor(_AT_ONCE) as writers:
        for _ in writers.map(lambda one: store.write(*one), objects):
            pass
