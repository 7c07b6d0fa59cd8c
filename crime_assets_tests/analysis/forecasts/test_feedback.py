"""Feedback: the figures that docs and pages state, and that without patrols that find anything there is none."""

import numpy as np
import pytest

from crime_assets.analysis.forecasts.feedback import MODES, patrols, rounds

RATES = np.random.default_rng(1).gamma(0.4, 0.4, 1500)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("found", "favored", "never"),
    [(0, 0.60, 0.16), (0.1, 0.65, 0.22), (0.2, 0.70, 0.29), (0.5, 0.85, 0.50), (1, 0.98, 0.71)],
)
def test_patrols_that_find_crimes_draw_patrols(found: float, favored: float, never: float):
    made = patrols(found)
    assert made.share_favored == pytest.approx(favored, abs=0.03)
    assert made.never_visited == pytest.approx(never, abs=0.03)


@pytest.mark.slow
def test_exploring_visits_all_places_and_still_favors_some():
    made = patrols(0.5, 0.2)
    assert made.share_favored == pytest.approx(0.74, abs=0.03)
    assert made.never_visited == pytest.approx(0, abs=0.03)


@pytest.mark.slow
def test_a_map_that_is_patrolled_seems_better_than_it_is():
    made = {(found, mode): rounds(RATES, found, mode, seeds=12) for found in (0.0, 1.0) for mode in MODES}
    for mode in MODES:
        without, with_ = made[0.0, mode], made[1.0, mode]
        assert np.array_equal(without.apparent, without.true)
        assert without.follows_after is None
        # It seems nearly twice as good, and is no better.
        assert with_.apparent.mean() > 1.5 * with_.true.mean()
        assert with_.true.mean() == pytest.approx(without.true.mean(), rel=0.05)
    # A retrained one keeps more of its first list than if patrols found nothing, and follows them in some months.
    assert made[1.0, "retrained"].kept[-1] > made[0.0, "retrained"].kept[-1] + 0.05
    assert made[1.0, "retrained"].monthly[1:].mean() > made[0.0, "retrained"].monthly[1:].mean()
    assert 2 <= (made[1.0, "retrained"].follows_after or 0) <= 12
    # A frozen one stays, and exploring costs true finds.
    assert (made[1.0, "frozen"].kept == 1).all()
    assert made[1.0, "frozen"].follows_after is None
    assert made[0.0, "explored"].true.mean() < 0.95 * made[0.0, "retrained"].true.mean()


def test_the_same_seed_gives_the_same_figures():
    one, other = (rounds(RATES[:200], 0.5, "retrained", seeds=2) for _ in range(2))
    assert one.apparent.tolist() == other.apparent.tolist()
    assert len(one.kept) == 12
    assert one.kept[0] == 1
