"""What is old goes from the beginning of a chain, and who reads the chain finds no gap."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crime_assets.incidents.chain import DELIVERIES, QUARANTINE, Chain
from crime_assets.incidents.retention import remove_old
from crime_assets.streams.directory import DirectoryStore

NOW = datetime(2026, 5, 1, tzinfo=UTC)
DAY = timedelta(days=1)


class Chains:
    """Chains in a directory: object n was written n days after the first of April."""

    def __init__(self, place: Path) -> None:
        self.place, self.store = place, DirectoryStore(place)

    def of(self, epoch: str, chain: str = DELIVERIES) -> Chain:
        return Chain(self.store, "fir", epoch, chain)

    def write(self, epoch: str, chain: str = DELIVERIES, objects: int = 20) -> None:
        for number in range(1, objects + 1):
            self.of(epoch, chain).write(number, b"")
            written = (NOW - timedelta(days=30 - number)).timestamp()
            os.utime(self.place / self.of(epoch, chain).key(number), (written, written))

    def left(self, epoch: str, chain: str = DELIVERIES) -> list[int]:
        return [number for number, _ in self.of(epoch, chain).after(0)]


@pytest.fixture
def chains(tmp_path: Path) -> Chains:
    found = Chains(tmp_path)
    found.write("E1")
    return found


def test_what_is_old_and_was_read_goes_once(chains: Chains) -> None:
    chains.write("E1", QUARANTINE, 3)
    before = NOW - 20 * DAY

    assert remove_old(chains.store, "fir", DELIVERIES, before, {"E1": 15}) == 9
    assert chains.left("E1") == list(range(10, 21))
    assert remove_old(chains.store, "fir", DELIVERIES, before, {"E1": 15}) == 0
    assert chains.left("E1", QUARANTINE) == [1, 2, 3]
    assert remove_old(chains.store, "fir", QUARANTINE, before) == 3
    assert chains.of("E1", QUARANTINE).last() == 3


def test_what_was_not_read_stays_however_old(chains: Chains) -> None:
    chains.write("E2")

    assert remove_old(chains.store, "fir", DELIVERIES, NOW, {"E1": 4}) == 4
    assert (chains.left("E1"), chains.left("E2")) == (list(range(5, 21)), list(range(1, 21)))


def test_an_object_that_was_written_again_keeps_what_comes_after_it(chains: Chains) -> None:
    os.utime(chains.place / chains.of("E1").key(3), (NOW.timestamp(), NOW.timestamp()))

    assert remove_old(chains.store, "fir", DELIVERIES, NOW - DAY, {"E1": 20}) == 2
    assert chains.left("E1") == list(range(3, 21))


def test_a_chain_goes_on_behind_what_was_removed(chains: Chains) -> None:
    remove_old(chains.store, "fir", DELIVERIES, NOW, {"E1": 20})
    assert (chains.left("E1"), chains.of("E1").last()) == ([], 20)
    chains.of("E1").write(21, b"")

    assert (chains.left("E1"), chains.of("E1").last(20)) == ([21], 21)


def test_who_is_stopped_leaves_no_gap(chains: Chains, monkeypatch: pytest.MonkeyPatch) -> None:
    real, left = DirectoryStore.delete, [3]

    def delete(store: DirectoryStore, key: str) -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        real(store, key)

    with monkeypatch.context() as patch:
        patch.setattr(DirectoryStore, "delete", delete)
        with pytest.raises(KeyboardInterrupt):
            remove_old(chains.store, "fir", DELIVERIES, NOW - 20 * DAY, {"E1": 20})
    assert chains.left("E1") == list(range(10, 21))

    assert remove_old(chains.store, "fir", DELIVERIES, NOW - 20 * DAY, {"E1": 20}) == 7
    assert chains.of("E1").begins() == 10
