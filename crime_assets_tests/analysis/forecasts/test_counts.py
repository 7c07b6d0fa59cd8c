"""What counting says: the half-life and the width that finished windows ask for."""

import numpy as np
import pytest

from crime_assets.analysis.forecasts.counts import EVEN, METHODS, WIDTHS, Counts, count_shares, counts, tune
from crime_assets.analysis.forecasts.shares import Kernels, share_of
from crime_assets.analysis.forecasts.states import HALF_LIVES, states
from crime_assets_tests.analysis.forecasts.towns import LAG, town


def given(half_life: int, meters: int, seed: int = 1) -> list[tuple[Counts, np.ndarray]]:
    """Windows in which records come as one half-life and one width say, with a tenth spread evenly."""
    rng = np.random.default_rng(seed)
    cells = 200
    past = []
    for _ in range(6):
        by = {(method, 0): rng.dirichlet(np.full(cells, 0.3)) for method in ("365d", "3y", "all")}
        by |= {("decayed", one): rng.dirichlet(np.full(cells, 0.3)) for one in HALF_LIVES}
        by |= {("kde", one): rng.dirichlet(np.full(cells, 0.3)) for one in WIDTHS}
        by |= {("last_year", one): rng.dirichlet(np.full(cells, 0.3)) for one in (7, 28, 90)}
        true = (by["decayed", half_life] + by["kde", meters]) / 2
        past.append((Counts(by), rng.poisson(3000 * (0.9 * true + 0.1 / cells))))
    return past


@pytest.mark.parametrize(("half_life", "meters"), [(60, 150), (730, 900)])
def test_the_planted_half_life_and_width_are_chosen(half_life: int, meters: int):
    tuned = tune(given(half_life, meters), 28)
    assert (tuned.half_life, tuned.meters) == (half_life, meters)
    # Half of the records come elsewhere: the most caution there is.
    assert tuned.even["decayed"] == EVEN[-1]


def test_three_windows_tune_nothing():
    tuned = tune(given(60, 150)[:3], 28)
    assert (tuned.half_life, tuned.meters) == (365, 250)


def test_shares_add_to_one_are_never_zero_and_keep_the_order_of_counts():
    events, places = town(8, cells=120, days=800, per28=40)
    (state,) = states(events, [15_790], LAG)
    found = counts(state, Kernels(places.xy), 2)
    shares = count_shares(found, 28, tune([], 28))
    assert tuple(shares) == METHODS
    for one in shares.values():
        assert one.sum() == pytest.approx(1)
        assert one.min() > 0
    assert np.array_equal(np.argsort(-shares["365d"], kind="stable"), np.argsort(-state.d365[2], kind="stable"))
    assert np.allclose(found.of("last_year", 90, 0), share_of(state.last_year[2, 2]))
    assert not np.allclose(found.of("last_year", 90, 0), found.of("last_year", 28, 0))
