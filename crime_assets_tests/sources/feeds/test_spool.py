"""A history put in order on disk: all of it comes out again, by group, and nothing half-written is taken for whole."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest

from crime_assets.sources.feeds import spool
from crime_assets.sources.feeds.spool import Spool

SCHEMA = pa.schema([("id", pa.string()), ("text", pa.string())])
LIMIT = 20

Row = tuple[str, str, str | None]
"""Group, id, text."""


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "_ROWS", LIMIT)
    monkeypatch.setattr(spool, "_ROWS_SORTED", LIMIT)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "history"


def spooled(directory: Path, identity: str = "one") -> Spool:
    return Spool(directory, identity, SCHEMA)


def random_rows(rng: random.Random, count: int, groups: int) -> list[Row]:
    texts = (None, "", "é \n", "long " * 50)
    return [(f"g{rng.randrange(groups)}", str(number), rng.choice(texts)) for number in range(count)]


def fill(target: Spool, rows: list[Row], sizes: Iterable[int]) -> None:
    """Add rows, so many at a time, and end with what is left."""
    start = 0
    for size in [*sizes, len(rows)]:
        part = rows[start : start + size]
        start += size
        table = pa.table([[id for _, id, _ in part], [text for _, _, text in part]], schema=SCHEMA)
        target.add(table, pa.array([group for group, _, _ in part], pa.string()))
    target.finish()


def contents(source: Spool) -> dict[str, list[tuple[str, str | None]]]:
    """The rows of each part, as the parts are now."""
    return {part: [(row["id"], row["text"]) for row in source.read(part).to_pylist()] for part in source.parts}


def kept(directory: Path, rows: list[Row]) -> Spool:
    """A finished spool of the rows."""
    target = spooled(directory)
    assert not target.open()
    fill(target, rows, [7] * (len(rows) // 7))
    return target


@pytest.mark.parametrize("seed", range(6))
def test_what_goes_in_in_any_order_comes_out_by_group(directory: Path, seed: int) -> None:
    rng = random.Random(seed)
    rows = random_rows(rng, rng.choice([1, 19, 20, 21, 400]), rng.choice([1, 3, 60]))
    target = spooled(directory)
    target.open()
    # Some tables are longer than a part may be, some are empty.
    fill(target, rows, [rng.choice([0, 1, 5, 19, 20, 21, 90]) for _ in range(20)])

    found = contents(target)

    assert Counter((part.split(".")[0], *row) for part, held in found.items() for row in held) == Counter(rows)
    assert all(0 < len(held) <= LIMIT for held in found.values())
    again = spooled(directory)
    assert again.open()
    assert contents(again) == found
    assert all(again.read(part).schema == SCHEMA for part in again.parts)


def test_a_group_is_in_as_few_parts_as_its_rows_let_it_be(directory: Path) -> None:
    groups = [f"g{number % 4}" for number in range(4 * LIMIT)]
    target = kept(directory, [(group, str(number), None) for number, group in enumerate(groups)])

    sizes = Counter({part: target.read(part).num_rows for part in target.parts})

    assert sizes.total() == 80
    # Runs are not cut to fill a part up, so each may lack a little.
    assert len(sizes) <= 8


def test_nothing_at_all_is_a_history_too(directory: Path) -> None:
    target = spooled(directory)
    target.open()
    target.finish()

    again = spooled(directory)
    assert again.open()
    assert again.parts == {}


def test_an_unfinished_spool_is_not_trusted(directory: Path) -> None:
    target = spooled(directory)
    target.open()
    target.add(pa.table([["1"] * 50, ["x"] * 50], schema=SCHEMA), pa.array(["g"] * 50))
    target.close()
    assert list(directory.iterdir())

    assert not spooled(directory).open()

    assert list(directory.iterdir()) == []
    assert contents(kept(directory, [("g", "2", "y")])) == {"g.0": [("2", "y")]}


@pytest.mark.parametrize("index", ["", "{", "[]", "7", "{}", '{"identity": "one"}', None])
def test_a_spool_with_a_damaged_index_is_not_trusted(directory: Path, index: str | None) -> None:
    kept(directory, random_rows(random.Random(1), 50, 3))
    if index is None:
        whole = json.loads((directory / "index.json").read_text())
        index = json.dumps({**whole, "parts": [1]})
    (directory / "index.json").write_text(index)

    assert not spooled(directory).open()
    assert list(directory.iterdir()) == []


@pytest.mark.parametrize("loss", ["gone", "empty", "short"])
def test_a_spool_whose_files_are_not_whole_is_not_trusted(directory: Path, loss: str) -> None:
    kept(directory, random_rows(random.Random(1), 50, 3))
    file = max(directory.glob("*.arrow"))
    if loss == "gone":
        file.unlink()
    else:
        file.write_bytes(b"" if loss == "empty" else file.read_bytes()[:-100])

    assert not spooled(directory).open()
    assert list(directory.iterdir()) == []


def test_another_history_takes_the_place_of_the_one_that_was_kept(directory: Path) -> None:
    kept(directory, random_rows(random.Random(1), 50, 3))

    other = spooled(directory, "two")
    assert not other.open()
    fill(other, [("h", "1", "new")], [])

    assert contents(other) == {"h.0": [("1", "new")]}
    assert not spooled(directory, "one").open()


def test_what_is_removed_is_gone(directory: Path) -> None:
    kept(directory, random_rows(random.Random(1), 50, 3)).remove()

    assert not directory.exists()
    spooled(directory).remove()


def test_what_cannot_be_written_is_told(directory: Path) -> None:
    target = spooled(directory)
    target.open()
    directory.rmdir()
    target.add(pa.table([["1"], ["x"]], schema=SCHEMA), pa.array(["g"]))

    with pytest.raises(FileNotFoundError), closing(target):
        target.finish()

    assert not spooled(directory).open()
