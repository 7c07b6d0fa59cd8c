"""States of one pass: the same as computed anew for each origin, from what was known."""

import numpy as np

from crime_assets.analysis.forecasts import HORIZONS
from crime_assets.analysis.forecasts.events import Events
from crime_assets.analysis.forecasts.states import HALF_LIVES, states
from crime_assets_tests.analysis.forecasts.towns import LAG, town


def naive(events: Events, origin: int, weights: np.ndarray) -> np.ndarray:
    found = np.zeros((events.counts.shape[1], events.cells + 1))
    is_known = events.known <= origin
    for cell, counts, weight in zip(events.cell[is_known], events.counts[is_known], weights[is_known], strict=True):
        found[:, cell] += counts * weight
    return found[:, :-1]


def test_one_pass_is_what_each_origin_would_compute():
    events, _ = town(5, "late", cells=30, days=1400, per28=20)
    end = 15_000 + 1400
    for state in states(events, [end - 700, end - 672, end - 300, end], LAG):
        age = state.origin - events.occurred.astype(float)
        for number, half_life in enumerate(HALF_LIVES):
            expected = naive(events, state.origin, 0.5 ** (age / half_life))
            assert np.allclose(state.decayed[number], expected, rtol=2e-7, atol=1e-12)
        assert np.array_equal(state.all, naive(events, state.origin, np.ones(len(age))))
        for days, counted in ((28, state.d28), (365, state.d365), (1095, state.d1095)):
            is_in = (age >= LAG) & (age < LAG + days)
            assert np.array_equal(counted, naive(events, state.origin, is_in))
        for number, horizon in enumerate(HORIZONS):
            is_in = (age <= 363) & (age >= 364 - horizon)
            assert np.array_equal(state.last_year[number], naive(events, state.origin, is_in))
        middles = [364 * year - 14 for year in (1, 2, 3)]
        is_in = sum((np.abs(age - middle) <= 28).astype(float) for middle in middles)
        assert np.array_equal(state.season, naive(events, state.origin, is_in))


def test_what_becomes_known_later_is_not_in_a_state():
    events, _ = town(6, "late", cells=30, days=400, per28=50)
    origin = 15_300
    (all_rows,) = states(events, [origin], LAG)
    (known_rows,) = states(events.until(origin), [origin], LAG)
    for name in ("decayed", "all", "d28", "d365", "d1095", "last_year", "season"):
        assert getattr(all_rows, name).tobytes() == getattr(known_rows, name).tobytes()
    assert all_rows.placed.tobytes() == known_rows.placed.tobytes()
    assert all_rows.all.sum() < events.counts[events.occurred <= origin - LAG].sum()
