"""Boosted trees find what a sum of shares cannot, and give the same bits whatever the machine has."""

import os
import subprocess
import sys

import numpy as np
import pytest

from crime_assets.analysis.forecasts import mixture, trees
from crime_assets.analysis.forecasts.shares import NAMES, Kernels, shares
from crime_assets.analysis.forecasts.states import states
from crime_assets_tests.analysis.forecasts.towns import LAG, town

pytestmark = pytest.mark.skipif(not trees.are_there(), reason="needs the extra forecasts")


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
import hashlib, sys
from crime_assets.analysis.forecasts import trees
from crime_assets_tests.analysis.forecasts.test_trees import columns, planted
phi, true, rng = planted(2)
grown = trees.fit([columns(one) for one in phi], [rng.poisson(3000 * one) for one in true])
sys.stdout.write(hashlib.sha256(grown.shares(columns(phi[0])).tobytes()).hexdigest())
"""


@pytest.mark.slow
def test_two_processes_with_one_and_two_threads_give_the_same_bytes():
    said = [
        subprocess.run(
            [sys.executable, "-c", _ALONE],
            capture_output=True,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": threads},
            timeout=300,
            check=True,
        ).stdout
        for threads in ("1", "2")
    ]
    assert said[0] == said[1]
    assert len(said[0]) == 64
