"""A warehouse that follows a chain: what it is given, from where on, and how much at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from crime_assets.incidents.chain import DELIVERIES, Chain
from crime_assets.incidents.warehouse import Loaded, MonthFigures
from crime_assets.incidents.warehouse.following import load_chain, loaded_to
from crime_assets.streams import LandingStore
from crime_assets.streams.directory import DirectoryStore


class Ledger:
    """A warehouse that only knows keys."""

    def __init__(self) -> None:
        self.transactions: list[list[str]] = []

    def prepare(self) -> None:
        """Nothing to be made."""

    def load(self, _: LandingStore, keys: Sequence[str]) -> Loaded:
        self.transactions.append(list(keys))
        return Loaded(len(keys), 10 * len(keys), len(keys))

    def last(self, prefix: str) -> str | None:
        return max((key for keys in self.transactions for key in keys if key.startswith(prefix)), default=None)

    def figures(self) -> list[MonthFigures]:
        return []

    def newest(self, _: int) -> list[dict[str, Any]]:
        return []


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path)


def test_it_goes_on_behind_what_its_ledger_has(store: DirectoryStore) -> None:
    warehouse, key = Ledger(), Chain(store, "fir", "E1", DELIVERIES).key

    assert loaded_to(warehouse, "fir", "E1") == 0
    assert load_chain(warehouse, store, "fir", "E1", 5, at_once=2) == Loaded(5, 50, 5)
    assert warehouse.transactions == [[key(1), key(2)], [key(3), key(4)], [key(5)]]
    assert loaded_to(warehouse, "fir", "E1") == 5
    assert load_chain(warehouse, store, "fir", "E1", 5) == Loaded(0, 0, 0)
    assert load_chain(warehouse, store, "fir", "E1", 7).objects == 2
    assert warehouse.transactions[3:] == [[key(6), key(7)]]


def test_epochs_are_followed_each_by_itself(store: DirectoryStore) -> None:
    warehouse = Ledger()
    load_chain(warehouse, store, "fir", "E1", 9)

    assert (loaded_to(warehouse, "fir", "E2"), loaded_to(warehouse, "fi", "E1")) == (0, 0)
    assert load_chain(warehouse, store, "fir", "E2", 3).objects == 3


def test_a_new_warehouse_begins_with_the_oldest_that_is_left(store: DirectoryStore) -> None:
    chain, warehouse = Chain(store, "fir", "E1", DELIVERIES), Ledger()
    chain.begin_at(4)
    load_chain(warehouse, store, "fir", "E1", 5)

    assert warehouse.transactions == [[chain.key(4), chain.key(5)]]
