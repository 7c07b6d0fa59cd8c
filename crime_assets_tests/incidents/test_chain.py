"""Chains have no gaps, and no object of them is ever written twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from crime_assets.core import keys
from crime_assets.core.errors import LandingError
from crime_assets.incidents.chain import ALERTS, DELIVERIES, Chain
from crime_assets.streams.directory import DirectoryStore


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return Chain(DirectoryStore(tmp_path), "fir", "E1", ALERTS)


def test_a_chain_is_read_to_its_end(chain: Chain) -> None:
    for number in (1, 2, 4):
        chain.write(number, str(number).encode())

    assert list(chain.after(0)) == [(1, b"1"), (2, b"2")]
    assert list(chain.after(2)) == []


@pytest.mark.parametrize(("removed", "there"), [(0, 0), (0, 1), (0, 7), (3, 0), (3, 1), (3, 8)])
def test_the_last_is_found_though_the_oldest_were_removed(chain: Chain, removed: int, there: int) -> None:
    chain.begin_at(removed + 1)
    for number in range(removed + 1, removed + there + 1):
        chain.write(number, b"")

    assert chain.begins() == removed + 1
    assert {chain.last(number) for number in (0, removed, removed + there)} == {removed + there}
    assert [number for number, _ in chain.after(0)] == list(range(removed + 1, removed + there + 1))


def test_what_is_there_may_be_written_again_but_nothing_else(chain: Chain) -> None:
    chain.write(1, b"one")
    chain.write(1, b"one")

    with pytest.raises(LandingError, match="stop another one that writes to the same place"):
        chain.write(1, b"other")

    assert chain.read(1) == b"one"


def test_many_writers_append_without_a_gap(chain: Chain) -> None:
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda n: chain.append(str(n).encode()), range(40)))

    assert sorted(numbers) == list(range(1, 41))
    assert dict(chain.after(0)) == {number: str(n).encode() for n, number in enumerate(numbers)}


def test_where_its_objects_are(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)

    assert Chain(store, "fir", "E1", ALERTS).key(17) == "live/stream=fir/epoch=E1/alerts/0000/000000000017.ndjson"
    assert (
        Chain(store, "fir", "E1", DELIVERIES).key(20_001) == "live/stream=fir/epoch=E1/deliveries/0002/000000020001.gz"
    )
    assert keys.live_link_parts(Chain(store, "fir", "E1", DELIVERIES).key(20_001)) == ("E1", "deliveries", 20_001)
    assert keys.live_link_parts(keys.live("fir", "status.json")) is None
