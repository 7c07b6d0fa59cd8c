"""Scores by hand, and by a plain loop."""

import math

import numpy as np
import pytest

from crime_assets.analysis.forecasts.scores import deviance, score


def test_a_score_by_hand():
    share = np.array([0.4, 0.3, 0.2, 0.1])
    came = np.array([3, 0, 5, 1])
    found = score(share, came, 12, 8.0, np.ones(4), np.array([0, 1]))
    assert (found.cells, found.hits, found.crimes) == (2, 3, 12)
    # Three of the 12 records, of which three are in no cell, in half of the area.
    assert found.pai == pytest.approx(3 / 12 / 0.5)
    # Two cells could have had 8.
    assert found.pei == pytest.approx(3 / 8)
    assert found.rri == pytest.approx(8 * 0.7 / 3)


def test_records_without_a_place_are_misses():
    share, came = np.array([0.7, 0.3]), np.array([2, 2])
    without = score(share, came, 4, 4.0, np.ones(2), np.array([0]))
    with_some = score(share, came, 8, 4.0, np.ones(2), np.array([0]))
    assert with_some.pai == without.pai / 2
    assert with_some.hits == without.hits


def test_deviance_is_that_of_a_plain_loop():
    rng = np.random.default_rng(1)
    share = rng.dirichlet(np.ones(50))
    came = rng.poisson(2, 50)
    total = 0.0
    for part, number in zip(share, came, strict=True):
        mean = part * came.sum()
        total += 2 * ((number * math.log(number / mean) if number else 0) - number + mean)
    assert deviance(share, came) == pytest.approx(total / 50)


def test_where_nothing_came_there_is_no_index():
    found = score(np.array([0.5, 0.5]), np.zeros(2, dtype=int), 0, 1.0, np.ones(2), np.array([0]))
    assert found.hits == 0
    assert all(math.isnan(value) for value in (found.pai, found.pei, found.rri))
    assert found.deviance == 0
