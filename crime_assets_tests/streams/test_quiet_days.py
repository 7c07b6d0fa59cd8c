"""Days without a delivery: one that was quiet is merged all the same, one of which nothing is known yet is not."""

from __future__ import annotations

from datetime import date

import pytest

from crime_assets.core import keys
from crime_assets.core.batches import BatchEntry, Manifest, dump_manifest, load_manifest
from crime_assets.streams import LandingStore
from crime_assets.streams.inventory import record_merged, take_inventory
from crime_assets.streams.watch import unmerged
from crime_assets_tests.streams.landings import Landing

DAY = date(2024, 1, 20)
QUIET = Manifest({}, frozenset({"id"}))


@pytest.fixture
def store(landing: Landing) -> LandingStore:
    return landing.store


def waits(store: LandingStore, manifest: bytes | None) -> bool:
    if manifest is not None:
        store.write(keys.manifest("chicago", DAY), manifest)
    return [found.day for found in unmerged(store, "chicago", [DAY])] == [DAY]


def test_a_quiet_day_waits_until_it_is_merged(store: LandingStore) -> None:
    assert not waits(store, None)
    assert waits(store, dump_manifest("chicago", DAY, QUIET))
    record_merged(store, "chicago", {DAY: take_inventory(store, "chicago", DAY)})
    assert not waits(store, None)


@pytest.mark.parametrize(
    "manifest",
    [
        dump_manifest("chicago", DAY, Manifest({}, frozenset({"id"}), complete=False)),
        dump_manifest("chicago", DAY, Manifest({"b": BatchEntry(1, "d")}, frozenset({"id"}))),
        b"",
        b"{}",
        b"\xff",
    ],
    ids=["not over at the source", "promised and not landed", "empty", "no manifest", "no text"],
)
def test_a_day_that_may_still_bring_something_does_not(store: LandingStore, manifest: bytes) -> None:
    assert not waits(store, manifest)


def test_a_manifest_of_a_day_that_was_over_is_as_it_always_was() -> None:
    content = dump_manifest("chicago", DAY, QUIET)
    assert b"complete" not in content
    assert load_manifest(content).complete is True
    early = dump_manifest("chicago", DAY, Manifest({}, frozenset(), complete=False))
    assert load_manifest(early).complete is False
