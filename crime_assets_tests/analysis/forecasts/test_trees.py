"""Boosted trees find what a sum of shares cannot, and give the same bits whatever the machine has."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from crime_assets.analysis.forecasts import mixture, pairs, trees
from crime_assets.analysis.forecasts.days import newest_sunday
from crime_assets.analysis.forecasts.making import forecast
from crime_assets.analysis.forecasts.pairs import Inputs
from crime_assets.analysis.forecasts.shares import NAMES, Kernels, shares
from crime_assets.analysis.forecasts.states import states
from crime_assets_tests.analysis.forecasts.test_making import digest
from crime_assets_tests.analysis.forecasts.towns import FIRST, LAG, inputs_of, town

pytestmark = pytest.mark.skipif(not trees.are_there(), reason="xgboost is not here: install the extra forecasts")


def planted(seed: int, windows: int = 10, cells: int = 600) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """Shares, features and true shares: where the last weeks are above all history, the rate is five times that."""
    rng = np.random.default_rng(seed)
    base = rng.gamma(0.7, size=(cells,)) + 0.05
    phi, true = [], []
    for _ in range(windows):
        shares_ = np.tile(base, (len(NAMES), 1))
        is_hot = rng.random(cells) < 0.05
        shares_[NAMES.index("decayed_21")] *= np.where(is_hot, 3, 1)
        phi.append((shares_ / shares_.sum(axis=1, keepdims=True)).astype(np.float32))
        true.append(base * np.where(is_hot, 5, 1) / (base * np.where(is_hot, 5, 1)).sum())
    return phi, true, rng


def columns(phi: np.ndarray) -> np.ndarray:
    return np.log(phi.shape[1] * phi.T + 0.05).astype(np.float32)


def test_trees_learn_what_no_sum_of_shares_is():
    phi, true, rng = planted(1)
    came = [rng.poisson(3000 * one) for one in true]
    grown = trees.fit([columns(one) for one in phi[:-1]], came[:-1])
    weights = mixture.fit(phi[:-1], came[:-1])
    apart = {
        "trees": np.abs(grown.shares(columns(phi[-1])) - true[-1]).sum(),
        "mixture": np.abs(mixture.combine(weights, phi[-1]) - true[-1]).sum(),
    }
    assert grown.shares(columns(phi[-1])).sum() == pytest.approx(1)
    assert apart["trees"] < 0.8 * apart["mixture"]


def test_features_are_of_the_shares_the_counts_the_other_targets_and_the_season():
    events, places = town(4, cells=91, days=900, per28=60)
    kernels = Kernels(places.xy)
    first, second = states(events, [15_600, 15_600 + 183], LAG)
    phi = shares(first, kernels, 3)
    found = trees.features(phi, first, 3)
    assert found.shape == (91, 25)
    assert np.allclose(found[:, :17], np.log(91 * phi[1:].T + 0.05), atol=1e-6)
    assert np.allclose(found[:, 17], np.log1p(first.d28[3]))
    # Half a year later the season is the other one.
    other = trees.features(shares(second, kernels, 3), second, 3)
    assert np.allclose(found[:, 23:], -other[:, 23:], atol=0.02)


_ALONE = """
import sys
from crime_assets_tests.analysis.forecasts.test_making import digest, forecast
from crime_assets_tests.analysis.forecasts.test_trees import small_town
sys.stdout.write(digest(forecast(small_town())))
"""


def small_town() -> Inputs:
    """With trees at 7 and 28 days."""
    return replace(inputs_of(*town(11, "late", 61, 400, 60), newest_sunday(FIRST + 399)), with_trees=True)


@pytest.mark.slow
def test_one_target_or_two_at_a_time_in_one_process_or_another_give_the_same_bytes(monkeypatch: pytest.MonkeyPatch):
    environments = [os.environ | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads} for threads in "12"]
    others = [
        subprocess.Popen([sys.executable, "-c", _ALONE], stdout=subprocess.PIPE, text=True, env=environment)
        for environment in environments
    ]
    monkeypatch.setattr(pairs, "_AT_A_TIME", 1)
    made = forecast(small_town())
    assert made.cells["expected_trees"].null_count == 61 * 5, "all but those of 90 days"
    assert [other.communicate(timeout=300)[0] for other in others] == [digest(made)] * 2
