"""Near repeats: a planted chain is found in its band, noise is not, and pairs counted by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

import numpy as np
import pytest

from crime_assets.analysis.statistics.near_repeat import Knox, knox
from crime_assets_tests.analysis.statistics.bounds import most_of
from crime_assets_tests.sql.asking import answer, crime

AS_OF = date(2024, 2, 29)
LAST = date(2024, 2, 21)
METER = 180 / np.pi / 6_371_008.8
"""Degrees of latitude."""
BANDS = [(distance, delay) for distance in (0, 100, 200, 300, 400) for delay in (7, 14, 21, 28)]


def in_town(rng: np.random.Generator, crimes: int, side: float = 1500.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Meters north and east of a corner, in a square, and days of a year, all by chance."""
    north, east = rng.uniform(0, side, (2, crimes))
    return north, east, rng.integers(0, 365, crimes)


def knox_of(north: np.ndarray, east: np.ndarray, days: np.ndarray, kind: str = "BURGLARY") -> Knox:
    latitudes = 41.8 + north * METER
    return knox(latitudes, -87.7 + east * METER / np.cos(np.radians(latitudes.mean())), days, kind)


def burglary(number: int, north: float, days_before: int, **columns: object) -> dict[str, object]:
    day = datetime.combine(LAST - timedelta(days=days_before), time(3))
    place = {"latitude": 41.8 + north * METER, "longitude": -87.7}
    return crime(number, day, **{"primary_type": "BURGLARY", **place, **columns})


def pairs_of(crimes: Sequence[dict[str, object]], offense: str = "BURGLARY") -> dict[tuple[int, int], int]:
    """(distance to, days to) → pairs, where there are any."""
    rows = [row for row in answer("near_repeat", list(crimes), AS_OF) if row["offense"] == offense]
    return {(row["distance_to_m"], row["days_to"]): row["pairs"] for row in rows if row["pairs"]}


@pytest.mark.slow
def test_noise_has_no_near_repeats():
    # 300 kinds without any connection: chance may give an alarm in one of twenty, and passes the bound of 28 once in a
    # thousand.
    alarms = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        found = knox_of(*in_town(rng, int(rng.integers(20, 200))), kind=f"KIND {seed}")
        alarms += bool((found.p_adjusted <= 0.05).any())
    assert alarms <= most_of(300, 0.05) == 28


def test_a_planted_chain_is_found_in_its_band():
    # Among 300 burglaries 25, each 150 m and 4 days from the one before.
    north, east, days = in_town(np.random.default_rng(4), 300, 4000.0)
    chain = np.arange(25)
    found = knox_of(
        np.append(north, 500 + 150 * chain), np.append(east, 0 * chain + 900), np.append(days, 40 + 4 * chain)
    )
    assert found.pairs[BANDS.index((200, 7))] >= 24
    assert [band for band, p in zip(BANDS, found.p_adjusted, strict=True) if p <= 0.05] == [(200, 7)]
    assert found.p_adjusted[BANDS.index((200, 7))] == found.p[BANDS.index((200, 7))] == 1 / 200


def test_all_near_pairs_are_counted_wherever_they_lie():
    north, east, days = in_town(np.random.default_rng(8), 400)
    apart = np.abs(days[:, None] - days)
    meters = np.hypot(north[:, None] - north, east[:, None] - east)
    upper = np.triu(np.ones_like(apart, dtype=bool), 1)
    expected = [
        (
            upper
            & (meters > distance - 100)
            & (meters <= distance)
            & (apart >= delay - 7 + (delay > 7))
            & (apart <= delay)
        )
        for distance, delay in BANDS
    ]
    assert knox_of(north, east, days).pairs.tolist() == [int(pairs.sum()) for pairs in expected]


def test_expected_pairs_are_those_of_days_dealt_out_at_random():
    # Of all pairs of days, as many lie in a band of delays as of the near pairs, in the mean of all permutations.
    north, east, days = in_town(np.random.default_rng(15), 300)
    found = knox_of(north, east, days)
    apart = np.abs(days[:, None] - days)[np.triu_indices(300, 1)]
    meters = np.hypot(north[:, None] - north, east[:, None] - east)[np.triu_indices(300, 1)]
    for index, (distance, delay) in enumerate(BANDS):
        near = ((meters > distance - 100) & (meters <= distance)).sum()
        share = ((apart >= delay - 7 + (delay > 7)) & (apart <= delay)).mean()
        # Four standard errors of the mean of 199.
        assert found.expected[index] == pytest.approx(near * share, abs=0.01 + 4 * (near * share / 199) ** 0.5)


def test_bands_by_hand():
    crimes = [
        burglary(1, 0, 100),
        burglary(2, 0, 93),  # the same point, 7 days: 0-7
        burglary(3, 99, 85),  # 99 m from both; 8 and 15 days
        burglary(4, 500, 85),  # 401 m from the third
        burglary(5, 0, 10, primary_type="ROBBERY"),
        burglary(6, 0, 11, primary_type="THEFT"),
        burglary(7, 101, 10, primary_type="ROBBERY"),
    ]
    assert pairs_of(crimes) == {(0, 7): 1, (100, 14): 1, (100, 21): 1}
    assert pairs_of(crimes, "ROBBERY") == {(200, 7): 1}
    assert pairs_of(crimes, "MOTOR VEHICLE THEFT") == {}


def test_delays_end_after_28_days_and_distances_after_400_meters():
    crimes = [burglary(1, 0, 60), burglary(2, 399.9, 32), burglary(3, 399.9 + 400.1, 32), burglary(4, 0, 31)]
    assert pairs_of(crimes) == {(400, 28): 1, (400, 7): 1}


def test_the_year_ends_on_the_last_complete_day():
    crimes = [
        *(burglary(n, 0, n) for n in (-2, -1, 0, 1)),
        *(burglary(1000 + n, 5000, n) for n in (363, 364, 365)),
        *(burglary(2000 + n, 9000, 100, latitude=None) for n in range(3)),
    ]
    rows = [row for row in answer("near_repeat", crimes, AS_OF) if row["offense"] == "BURGLARY"]
    assert {row["crimes"] for row in rows} == {4}
    assert pairs_of(crimes) == {(0, 7): 2}


def test_kinds_without_crimes_have_all_bands():
    rows = answer("near_repeat", [], AS_OF)
    assert [row["offense"] for row in rows[::20]] == ["BURGLARY", "MOTOR VEHICLE THEFT", "ROBBERY"]
    assert [(row["distance_to_m"], row["days_to"]) for row in rows] == 3 * BANDS
    for row in rows:
        assert (row["crimes"], row["pairs"], row["expected_pairs"], row["knox_ratio"]) == (0, 0, 0.0, None)
        assert (row["p_value"], row["p_adjusted"], row["is_repeat"]) == (1.0, 1.0, 0)


def test_the_same_crimes_give_the_same_table_and_each_kind_its_own_permutations():
    crimes = [burglary(n, 37 * n % 800, 11 * n % 30) for n in range(120)]
    others = [{**row, "id": row["id"] + 500, "primary_type": "ROBBERY"} for row in crimes]
    rows = answer("near_repeat", crimes + others, AS_OF)
    assert rows == answer("near_repeat", others + crimes[::-1], AS_OF)
    assert [row["pairs"] for row in rows[:20]] == [row["pairs"] for row in rows[40:]]
    assert [row["expected_pairs"] for row in rows[:20]] != [row["expected_pairs"] for row in rows[40:]]
