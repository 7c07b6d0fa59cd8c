"""Columns of few different texts are kept as numbers: what is read is the same, whatever comes later."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest

from crime_assets.sources.feeds import spool
from crime_assets.sources.feeds.spool import Spool

NAMES = ("few", "many", "empty")
SCHEMA = pa.schema([*((name, pa.string()) for name in NAMES), ("flag", pa.bool_())])

Row = tuple[str, dict[str, str | bool | None]]
"""Group, record."""


def random_rows(rng: random.Random, count: int) -> list[Row]:
    """Records whose column `few` has few texts at first and many later."""
    rows: list[Row] = []
    for number in range(count):
        few = rng.choice(["a", "é", "", None]) if number < count // 2 else str(number)
        flag = rng.choice([True, False, None])
        rows.append((f"g{rng.randrange(4)}", {"few": few, "many": f"text {number}" * 9, "empty": None, "flag": flag}))
    return rows


def filled(directory: Path, rows: list[Row], size: int) -> Spool:
    """A spool of the rows, given so many at a time."""
    target = Spool(directory, "one", SCHEMA)
    target.open()
    with closing(target):
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            target.add(
                pa.Table.from_pylist([record for _, record in part], SCHEMA),
                pa.array([group for group, _ in part], pa.string()),
            )
        target.finish()
    return target


def groups(source: Spool) -> dict[str, list[dict[str, str | bool | None]]]:
    """Group → its records, in order."""
    found: dict[str, list[dict[str, str | bool | None]]] = {}
    for part in source.parts:
        found.setdefault(part.split(".")[0], []).extend(source.read(part).to_pylist())
    return found


@pytest.mark.parametrize("seed", range(3))
def test_texts_that_become_many_are_still_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    rng = random.Random(seed)
    monkeypatch.setattr(spool, "_ROWS_SORTED", rng.choice([20, 50]))
    monkeypatch.setattr(spool, "_ROWS_EXAMINED", 20)
    monkeypatch.setattr(spool, "_MOST_TEXTS", 5)
    rows = random_rows(rng, 200)

    source = filled(tmp_path / "spool", rows, rng.choice([7, 20, 33]))

    assert groups(source) == {
        group: [record for its, record in rows if its == group] for group in {group for group, _ in rows}
    }
    again = Spool(tmp_path / "spool", "one", SCHEMA)
    assert again.open()
    parts = [again.read(part) for part in again.parts]
    assert {name for name in SCHEMA.names if pa.types.is_dictionary(parts[0].schema.field(name).type)} == {
        "few",
        "empty",
    }
    # Parts are put together by their reader.
    assert len({str(part.schema) for part in parts}) == 1
    assert all(column.num_chunks == 1 for part in parts for column in part.columns)


def test_records_that_are_long_are_sorted_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "_BYTES_SORTED", 1_000)
    rows = random_rows(random.Random(1), 100)

    source = filled(tmp_path / "spool", rows, 10)

    assert len(list((tmp_path / "spool").glob("*.arrow"))) >= 5
    assert sum(map(len, groups(source).values())) == 100
