"""Upkeep and kills in any order, for many seeds: no live snapshot ever loses a row, and nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from crime_assets.lakehouse.place.lake import Lake
from crime_assets_tests.lakehouse.upkeep.test_orphans import live_and_be_killed


@pytest.mark.stress
@pytest.mark.parametrize("seed", range(2, 12))
def test_no_live_snapshot_ever_loses_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, thrown: Callable[[str, object], None]
) -> None:
    live_and_be_killed(Lake(tmp_path / "lake"), monkeypatch, seed, steps=40)
    thrown(f"random steps of merging, removing and upkeep, broken off at random, seed {seed}", 40)
