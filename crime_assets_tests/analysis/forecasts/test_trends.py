"""Trends: a new spot is emerging and an old one fading; chance alone says so rarely."""

import numpy as np

from crime_assets.analysis.forecasts.trends import trends


def city(seed: int, factor: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    rates = rng.gamma(0.5, 6, 1000)
    return rng.poisson(rates * 28 / 365 * factor), rng.poisson(rates)


def test_a_new_spot_and_an_old_one_are_seen_and_no_other():
    now, before = city(1)
    now[10], before[10] = 13, 7
    now[20], before[20] = 1, 262
    labels, q = trends(now, before)
    assert {cell: label for cell, label in enumerate(labels) if label} == {10: "emerging", 20: "fading"}
    assert q[10] < 1e-4
    assert q[20] < 1e-4


def test_of_cities_without_a_change_few_have_a_trend():
    seen = sum(any(trends(*city(seed))[0]) for seed in range(60))
    # One of twenty for each direction, and fewer as counts are whole numbers.
    assert seen <= 8


def test_a_change_of_the_whole_city_is_no_trend_of_a_cell():
    labels, _ = trends(*city(2, factor=2.0))
    assert not any(labels)


def test_of_few_records_nothing_is_said():
    labels, q = trends(np.array([4, 0, 5]), np.array([0, 0, 400]))
    assert labels[:2] == [None, None]
    assert np.isnan(q).tolist() == [True, True, False]
    assert trends(np.zeros(3, dtype=int), np.array([9, 9, 9]))[0] == [None] * 3
