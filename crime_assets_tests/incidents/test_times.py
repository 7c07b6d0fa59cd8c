"""Many moments at once have the numbers that each of them has."""

from __future__ import annotations

import numpy as np
import pytest

from crime_assets.incidents.times import BLOCK, Calendar

YEAR = 365.25 * 86_400


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "Europe/London", "Australia/Lord_Howe"])
def test_many_are_as_each_is(zone: str) -> None:
    calendar = Calendar(zone)
    seconds = np.random.default_rng(5).uniform(-100 * YEAR, 100 * YEAR, 5_000).round(6)

    local = calendar.locals(seconds)

    assert local.tolist() == [calendar.local(one) for one in seconds.tolist()]
    blocks = local // BLOCK
    assert calendar.blocks_end(blocks).tolist() == [calendar.block_ends(one) for one in blocks.tolist()]
