"""The mixture: planted weights are found, no round loses likelihood, and its parts add up."""

import numpy as np
import pytest

from crime_assets.analysis.forecasts import mixture
from crime_assets.analysis.forecasts.shares import CAUSES, GROUPS, NAMES, Kernels, share_of, shares
from crime_assets.analysis.forecasts.states import states
from crime_assets_tests.analysis.forecasts.towns import LAG, places_of, town


def drawn(seed: int, cells: int = 300, windows: int = 12) -> tuple[list[np.ndarray], np.random.Generator]:
    rng = np.random.default_rng(seed)
    phi = [rng.dirichlet(np.full(cells, 0.3), size=len(NAMES)).astype(np.float32) for _ in range(windows)]
    return phi, rng


@pytest.mark.parametrize("seed", [1, 2])
def test_planted_weights_are_found(seed: int):
    phi, rng = drawn(seed)
    planted = np.zeros(len(NAMES))
    planted[[0, 4, 9, 16]] = 0.4, 0.3, 0.2, 0.1
    came = [rng.poisson(2000 * mixture.combine(planted, one)) for one in phi]
    assert np.abs(mixture.fit(phi, came) - planted).max() < 0.05


def test_no_round_loses_likelihood(monkeypatch: pytest.MonkeyPatch):
    phi, rng = drawn(3, windows=3)
    came = [rng.poisson(1.0, 300) for _ in phi]
    likelihoods = []
    for rounds in (0, 1, 2, 5, 20, 120):
        monkeypatch.setattr(mixture, "ROUNDS", rounds)
        weights = mixture.fit(phi, came)
        assert weights.sum() == pytest.approx(1)
        likelihoods.append(
            sum((y * np.log(np.einsum("k,ki->i", weights, one))).sum() for one, y in zip(phi, came, strict=True))
        )
    assert likelihoods == sorted(likelihoods)
    assert likelihoods[-1] > likelihoods[0]


def test_without_a_record_all_weights_are_the_same():
    phi, _ = drawn(4, windows=2)
    assert mixture.fit(phi, [np.zeros(300, dtype=int)] * 2).tolist() == [1 / len(NAMES)] * len(NAMES)


def test_causes_add_to_one_and_are_those_of_the_weights():
    phi, _ = drawn(5, windows=1)
    weights = np.zeros(len(NAMES))
    weights[NAMES.index("all")], weights[NAMES.index("decayed_21_250m")] = 0.75, 0.25
    found = mixture.causes(weights, phi[0])
    assert np.allclose(found.sum(axis=0), 1)
    assert np.count_nonzero(found.sum(axis=1)) == 2
    whole = dict(zip(CAUSES, mixture.causes_of_all(weights), strict=True))
    assert whole == {"long_run": 0.75, "neighbors": 0.25, "years": 0, "weeks": 0, "season": 0, "elsewhere": 0}
    assert set(GROUPS) == set(NAMES)


def test_every_share_adds_to_one_also_where_there_is_nothing():
    events, places = town(7, cells=90, days=1500, per28=30)
    kernels = Kernels(places.xy)
    for state in states(events, [14_990, 15_010, 16_400], LAG):
        found = shares(state, kernels, 1)
        assert found.shape == (len(NAMES), 90)
        assert np.allclose(found.sum(axis=1), 1, atol=1e-5)
        if state.origin == 14_990:
            assert np.allclose(found, 1 / 90)
        else:
            assert np.allclose(found[NAMES.index("all")], share_of(state.all[1]))


def test_smoothing_keeps_every_record_and_spreads_as_a_gaussian():
    places = places_of(200)
    one = np.zeros((1, 200))
    one[0, 77] = 5
    found = Kernels(places.xy).smooth(one, 250)
    assert found.sum() == pytest.approx(5)
    apart = ((places.xy - places.xy[77]) ** 2).sum(axis=1)
    near = apart < 750**2
    assert np.array_equal(found[0] > 0, near)
    shape = found[0, near] / np.exp(-apart[near] / (2 * 250**2))
    assert shape.std() / shape.mean() < 1e-9
