"""A set of roots on disk."""

from __future__ import annotations

import tracemalloc
from contextlib import closing
from pathlib import Path

from crime_assets.migration import Touches
from crime_assets.migration.touched import Touched


def test_each_root_comes_once_in_pieces_of_one_kind(tmp_path: Path) -> None:
    with closing(Touched(tmp_path)) as touched:
        promised: Touches = touched
        promised.add("crime", [("7",), ("8",), ("7",)])
        promised.add("code", [("a#b", "c"), ('["a"]', "\x00")])
        promised.add("crime", iter([("8",), ("9",)]))
        promised.add("crime", [])
        found = [*touched.pieces(2)]
        assert [(kind, len(keys)) for kind, keys in found] == [("code", 2), ("crime", 2), ("crime", 1)]
        assert sorted(key for _, keys in found for key in keys) == [
            ("7",),
            ("8",),
            ("9",),
            ('["a"]', "\x00"),
            ("a#b", "c"),
        ]
        assert len(touched) == 5
        assert touched.all == frozenset()
        promised.add_all("code")
        assert touched.all == {"code"}
        assert [*tmp_path.iterdir()] == []


def test_two_of_them_do_not_meet(tmp_path: Path) -> None:
    with closing(Touched(tmp_path)) as one, closing(Touched(tmp_path)) as other:
        one.add("crime", [("7",)])
        assert (len(one), len(other)) == (1, 0)


def test_many_are_not_in_memory(tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        with closing(Touched(tmp_path)) as touched:
            touched.add("crime", ((str(n),) for n in range(30_000)))
            assert sum(len(keys) for _, keys in touched.pieces(5_000)) == 30_000
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()
