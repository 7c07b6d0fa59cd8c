"""Tails of distributions against closed forms, and the spread of counts."""

from __future__ import annotations

import math

import numpy as np
import pytest

from crime_assets.statistics import chance
from crime_assets.statistics.chance import at_least, spread_of, tails
from crime_assets.statistics.figures import rounded_probabilities
from crime_assets.statistics.multiple_tests import false_discovery_rates


def test_poissons_tails():
    at_most, at_least = tails(2.0, 0.0, 3)
    assert at_least[:4] == pytest.approx([1, 1 - math.exp(-2), 1 - 3 * math.exp(-2), 1 - 5 * math.exp(-2)], rel=1e-13)
    assert at_most[:3] == pytest.approx([math.exp(-2), 3 * math.exp(-2), 5 * math.exp(-2)], rel=1e-13)


@pytest.mark.parametrize("mean", [0.01, 3.0, 400.0])
def test_a_spread_of_one_is_the_geometric_distribution_far_into_its_tail(mean: float):
    top = 2000
    _, at_least = tails(mean, 1.0, top)
    numbers = np.arange(0, top + 1)
    assert len(at_least) > top
    assert at_least[numbers] == pytest.approx((mean / (1 + mean)) ** numbers, rel=1e-11, abs=0)


@pytest.mark.parametrize(("mean", "spread"), [(0.3, 0.0), (5.0, 0.2), (90.0, 0.01), (350.0, 4.0), (3000.0, 0.0)])
def test_mean_and_variance_are_those_asked_for(mean: float, spread: float):
    _, at_least = tails(mean, spread, 0)
    numbers = np.arange(len(at_least))
    found = at_least[1:].sum()
    square = ((2 * numbers - 1) * at_least)[1:].sum()
    assert found == pytest.approx(mean, rel=1e-9)
    assert square - found**2 == pytest.approx(mean + spread * mean**2, rel=1e-6)


@pytest.mark.parametrize(("mean", "spread"), [(0.3, 200.0), (3.0, 1.0), (90.0, 0.01), (350.0, 4.0), (3000.0, 0.5)])
def test_sums_that_would_be_long_are_not_made_and_give_the_same(
    monkeypatch: pytest.MonkeyPatch, mean: float, spread: float
):
    numbers = np.array([0, 1, 2, 90, 400, 5, 50, 1000, 400])
    summed = at_least(numbers, mean, spread)
    assert summed.tolist() == tails(mean, spread, 1000)[1][numbers].tolist()
    monkeypatch.setattr(chance, "MOST_TERMS", 0)
    monkeypatch.delattr(chance, "tails")
    assert at_least(numbers, mean, spread) == pytest.approx(summed, rel=1e-9, abs=1e-200)


def test_counts_of_many_millions_have_the_tail_of_the_geometric_distribution():
    mean = 1e7
    numbers = np.array([0, 1, 10**6, 10**7, 10**8])
    wanted = np.exp(-numbers * math.log1p(1 / mean))
    assert at_least(numbers, mean, 1.0) == pytest.approx(wanted, rel=1e-6, abs=0)


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
