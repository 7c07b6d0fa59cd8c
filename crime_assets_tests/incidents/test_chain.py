"""Chains have no gaps, and no object of them is ever written twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

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


def test_what_is_there_may_be_written_again_but_nothing_else(chain: Chain) -> None:
    chain.write(1, b"one")
    chain.write(1, b"one")

    with pytest.raises(LandingError, match="another one writes"):
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
