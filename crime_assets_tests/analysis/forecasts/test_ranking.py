"""Order and flags: ties do not depend on the order of cells, and a share of the area is one of square kilometers."""

import numpy as np

from crime_assets.analysis.forecasts.ranking import capped, flagged, order, places_of


def test_ties_go_by_all_history_whatever_the_order_of_cells():
    rng = np.random.default_rng(1)
    score = rng.integers(0, 4, 200).astype(float)
    history = rng.permutation(200).astype(float)
    shuffled = rng.permutation(200)
    assert np.array_equal(shuffled[order(score[shuffled], history[shuffled])], order(score, history))
    # Another rule for ties would flag other cells.
    assert set(order(score, history)[:20]) != set(order(score, -history)[:20])


def test_what_differs_by_rounding_only_is_a_tie():
    assert order(np.array([0.3, 0.1 + 0.2, 0.0]), np.array([1.0, 2.0, 3.0])).tolist() == [1, 0, 2]
    assert order(np.array([1e-9, 1.1e-9]), np.array([2.0, 1.0])).tolist() == [1, 0]


def test_flagged_cells_reach_the_share_of_the_area():
    km2 = np.array([1.0, 5.0, 1.0, 1.0, 1.0, 1.0])
    ordered = np.array([0, 1, 2, 3, 4, 5])
    assert flagged(ordered, km2, 10).tolist() == [0]
    assert flagged(ordered, km2, 11).tolist() == [0, 1]
    assert flagged(ordered, km2, 60).tolist() == [0, 1]
    assert flagged(ordered, km2, 100).tolist() == [0, 1, 2, 3, 4, 5]
    assert len(flagged(np.arange(5000), np.full(5000, 0.1058), 2)) == 100
    assert places_of(np.array([2, 0, 1])).tolist() == [2, 3, 1]


def test_a_cap_lets_the_next_cells_in_and_leaves_cells_without_an_area():
    ordered = np.arange(10)
    km2 = np.ones(10)
    area = np.array([0, 0, 0, 0, -1, 1, 1, 1, 1, 1], dtype=np.int16)
    own = np.array([0.25, 0.75])
    assert flagged(ordered, km2, 40).tolist() == [0, 1, 2, 3]
    assert capped(ordered, km2, area, own, 40, 2).tolist() == [0, 1, 4, 5]
    assert capped(ordered, km2, area, own, 40, 1).tolist() == [0, 4, 5, 6]
    assert capped(ordered, km2, np.zeros(10, dtype=np.int16), own[:1], 40, 1).tolist() == [0]
