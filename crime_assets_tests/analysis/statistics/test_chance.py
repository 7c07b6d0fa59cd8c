"""Tails of distributions against closed forms and exact sums, and the spread of counts."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from crime_assets.analysis.statistics.chance import at_least, at_least_of, spread_of
from crime_assets.analysis.statistics.figures import rounded_probabilities
from crime_assets.analysis.statistics.multiple_tests import false_discovery_rates


def test_poissons_tail():
    assert at_least(np.arange(4), 2.0, 0.0) == pytest.approx(
        [1, 1 - math.exp(-2), 1 - 3 * math.exp(-2), 1 - 5 * math.exp(-2)], rel=1e-13
    )


@pytest.mark.parametrize("mean", [0.01, 3.0, 400.0, 1e7])
def test_a_spread_of_one_is_the_geometric_distribution_far_into_its_tail(mean: float):
    numbers = np.array([0, 1, 2, 10, 100, 2_000, 10**6, 10**8])
    wanted = np.exp(-numbers * math.log1p(1 / mean))
    # Smaller ones than this are no longer normal floats.
    assert at_least(numbers, mean, 1.0) == pytest.approx(wanted, rel=1e-6, abs=1e-300)


@pytest.mark.parametrize(("mean", "spread"), [(0.3, 0.0), (0.3, 200.0), (5.0, 0.2), (90.0, 0.01), (350.0, 4.0)])
def test_mean_and_variance_are_those_asked_for(mean: float, spread: float):
    numbers = np.arange(1, 100_000)
    tail = at_least(numbers, mean, spread)
    found = tail.sum()
    square = ((2 * numbers - 1) * tail).sum()
    assert found == pytest.approx(mean, rel=1e-9)
    assert square - found**2 == pytest.approx(mean + spread * mean**2, rel=1e-6)


@pytest.mark.parametrize(
    ("number", "trials", "share"),
    [(5, 5, Fraction(28, 365)), (1, 2, Fraction(1, 2)), (1_001, 2_001, Fraction(1, 2)), (30, 90, Fraction(6, 100))],
)
def test_trials_are_the_exact_binomial_sum(number: int, trials: int, share: Fraction):
    wanted = sum(math.comb(trials, n) * share**n * (1 - share) ** (trials - n) for n in range(number, trials + 1))
    assert at_least_of(number, trials, float(share)) == pytest.approx(float(wanted), rel=1e-10)


def test_what_always_succeeds_succeeds():
    assert at_least_of(5, 5, 1.0) == 1
    assert at_least_of(5, 20_000, 0.06) == pytest.approx(1)


@pytest.mark.parametrize(("counts", "spread"), [([0, 4], 1.5), ([3, 3, 3], 0.0), ([7], 0.0), ([1, 2], 0.0)])
def test_spread_of_counts(counts: list[int], spread: float):
    # Of 0 and 4 the mean is 2 and the variance 8: (8 - 2) / 4.
    assert spread_of(np.array(counts)) == spread


def test_false_discovery_rates_as_in_the_textbook():
    # In order 0.01, 0.03, 0.04, 0.5; times 4, divided by the rank: 0.04, 0.06, 0.0533, 0.5; none above a later one.
    found = false_discovery_rates(np.array([0.04, 0.01, 0.5, 0.03]))
    assert found == pytest.approx([0.16 / 3, 0.04, 0.5, 0.16 / 3], rel=1e-14)


def test_false_discovery_rates_of_equal_tests_are_equal():
    assert false_discovery_rates(np.array([0.02, 0.9, 0.02])).tolist() == pytest.approx([0.03, 0.9, 0.03])


def test_probabilities_keep_six_digits_however_small():
    assert rounded_probabilities(np.array([0.0, 1.0, 0.12345678, 1.23456789e-40])).tolist() == [
        0.0,
        1.0,
        0.123457,
        1.23457e-40,
    ]
