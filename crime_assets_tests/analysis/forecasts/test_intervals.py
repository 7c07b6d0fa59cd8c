"""Intervals hold as many counts as they say where counts vary more than by chance; Poisson's do not."""

import numpy as np
import pytest
from scipy import stats

from crime_assets.analysis.forecasts.intervals import (
    GUESS,
    at_most,
    bounds,
    covered,
    learn,
    pit,
    poisson_bounds,
    quantile,
)


def windows(seed: int, number: int, spread: float, mean: float = 60) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Expected counts of 77 areas, and counts that vary as a negative binomial about them."""
    rng = np.random.default_rng(seed)
    expected = [rng.gamma(2, mean / 2, 77) + 0.1 for _ in range(number)]
    return expected, [rng.poisson(one * rng.gamma(1 / spread, spread, 77)) for one in expected]


@pytest.mark.parametrize("nominal", [0.8, 0.9, 0.95])
def test_intervals_hold_what_they_say_and_poisson_does_not(nominal: float):
    held, poisson = [], []
    for seed in range(12):
        expected, came = windows(seed, 13, 0.1)
        spread = learn(expected[1:], came[1:], [seed], 1)
        held.append(covered(*bounds(spread, expected[0], nominal), came[0]))
        poisson.append(covered(*poisson_bounds(expected[0], nominal), came[0]))
    assert nominal - 0.03 < np.mean(held) < nominal + 0.05
    assert np.mean(poisson) < nominal - 0.2


def test_another_distribution_is_covered_too():
    # A tenth of the areas have thrice what was expected: no negative binomial, and yet 90 of 100 are held.
    held = []
    for seed in range(12):
        rng = np.random.default_rng([7, seed])
        expected = [rng.gamma(2, 15, 77) + 0.1 for _ in range(13)]
        came = [rng.poisson(one * np.where(rng.random(77) < 0.1, 3, 0.8)) for one in expected]
        spread = learn(expected[1:], came[1:], [seed], 1)
        held.append(covered(*bounds(spread, expected[0], 0.9), came[0]))
    assert 0.87 < np.mean(held) < 0.96


def test_the_spread_is_found():
    expected, came = windows(3, 40, 0.2)
    assert learn(expected, came, [1]).spread == pytest.approx(0.2, abs=0.04)


def test_bands_are_learnt_apart():
    # Cells with a low rate vary more than the others.
    rng = np.random.default_rng(4)
    mean = np.concatenate([np.full(2000, 1.0), np.full(100, 20.0)])
    spread = np.where(mean < 5, 2.0, 0.05)
    came = [rng.poisson(mean * rng.gamma(1 / spread, spread)) for _ in range(13)]
    found = learn([mean] * 12, came[1:], [1], 2)
    low, high = bounds(found, mean, 0.9)
    for part in (mean < 5, mean > 5):
        assert covered(low[part], high[part], came[0][part]) > 0.86
    together = bounds(learn([mean] * 12, came[1:], [1], 1), mean, 0.9)
    assert (high - low)[-1] < 0.7 * (together[1] - together[0])[-1]


def test_three_windows_teach_nothing_and_the_guess_is_wide():
    expected, came = windows(5, 3, 0.1)
    assert learn(expected, came, [1]) is GUESS
    low, high = bounds(GUESS, np.array([100.0]), 0.8)
    assert low[0] < 15
    assert high[0] > 200


def test_distributions_are_those_of_scipy():
    mean = np.array([0.01, 0.3, 2.0, 50.0, 4000.0])
    number = np.array([0, 1, 2, 60, 4100])
    assert np.allclose(at_most(0.3, mean, number), stats.nbinom.cdf(number, 1 / 0.3, 1 / (1 + 0.3 * mean)))
    assert np.allclose(at_most(0, mean, number), stats.poisson.cdf(number, mean))
    for share in (0.025, 0.1, 0.5, 0.9, 0.975, 0.9999):
        wanted = np.full(5, share)
        assert quantile(0.3, mean, wanted).tolist() == stats.nbinom.ppf(share, 1 / 0.3, 1 / (1 + 0.3 * mean)).tolist()
        assert quantile(0, mean, wanted).tolist() == stats.poisson.ppf(share, mean).tolist()


def test_where_a_count_lies_is_uniform_if_the_distribution_is_right():
    rng = np.random.default_rng(6)
    mean = rng.gamma(1, 3, 20_000)
    came = rng.poisson(mean * rng.gamma(1 / 0.5, 0.5, 20_000))
    found = pit(0.5, mean, came, rng.random(20_000))
    assert stats.kstest(found, "uniform").pvalue > 0.01
    assert stats.kstest(pit(0.05, mean, came, rng.random(20_000)), "uniform").pvalue < 1e-6
