"""The eighteen shares that the mixture is made of: each says how a target is spread over the cells, and adds to 1.

Where it was always, where it was lately, what is nearby, the same season: the two causes of Lee, O and Eck, and the
self-excitation of Mohler, in counts.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree

from crime_assets.analysis.forecasts.states import HALF_LIVES, Counted, States
from crime_assets.analysis.forecasts.targets import TARGETS
from crime_assets.analysis.statistics.figures import Floats

WIDTHS = (250, 600)
"""Meters: the standard deviation of a Gaussian over places nearby."""
_SMOOTHED = ("decayed_21", "decayed_180", "decayed_730", "all")
_OTHERS = ("index", "violent_street")

NAMES = (
    "even",
    *(f"decayed_{half_life}" for half_life in HALF_LIVES),
    "all",
    "season",
    *(f"{name}_{meters}m" for meters in WIDTHS for name in _SMOOTHED),
    *(f"{name}_decayed_730" for name in _OTHERS),
)
CAUSES = ("long_run", "years", "weeks", "neighbors", "season", "elsewhere")
GROUPS: Mapping[str, str] = {
    "all": "long_run",
    "decayed_730": "long_run",
    "decayed_180": "years",
    "decayed_365": "years",
    "decayed_21": "weeks",
    "decayed_60": "weeks",
    "season": "season",
    "even": "elsewhere",
    **{f"{name}_decayed_730": "elsewhere" for name in _OTHERS},
    **{f"{name}_{meters}m": "neighbors" for meters in WIDTHS for name in _SMOOTHED},
}
"""Share → its cause."""

_POSITION = {target.name: number for number, target in enumerate(TARGETS)}


class Kernels:
    """Smoothing over cells nearby: a Gaussian cut at three deviations. No record is lost at the edges."""

    def __init__(self, xy: Floats) -> None:
        """`xy` has the meters east and north of each cell."""
        self._xy = xy
        self._matrices: dict[int, sparse.csr_array] = {}

    def smooth(self, counts: NDArray[np.floating], meters: int) -> Floats:
        """(k, n) counts, each spread over the cells around it."""
        if meters not in self._matrices:
            self._matrices[meters] = self._matrix(meters)
        # A sparse product has one thread and one order: its last bits are the same everywhere, unlike those of BLAS.
        found: Floats = np.ascontiguousarray((self._matrices[meters] @ counts.T.astype(np.float64)).T)
        return found

    def _matrix(self, meters: int) -> sparse.csr_array:
        pairs = cKDTree(self._xy).query_pairs(3 * meters, output_type="ndarray")
        own = np.arange(len(self._xy))
        rows = np.concatenate([pairs[:, 0], pairs[:, 1], own])
        columns = np.concatenate([pairs[:, 1], pairs[:, 0], own])
        order = np.lexsort((columns, rows))
        rows, columns = rows[order], columns[order]
        apart = ((self._xy[rows] - self._xy[columns]) ** 2).sum(axis=1)
        weights = np.exp(-apart / (2 * meters**2))
        weights /= np.bincount(columns, weights, len(own))[columns]
        return sparse.csr_array((weights, (rows, columns)), shape=(len(own), len(own)))


def share_of(counts: NDArray[np.floating]) -> Floats:
    """Counts as shares of their sum along the last axis; evenly spread where there are none."""
    wide = counts.astype(np.float64)
    total = wide.sum(axis=-1, keepdims=True)
    even = np.full_like(wide, 1 / max(1, wide.shape[-1]))
    found: Floats = np.divide(wide, total, out=even, where=total > 0)
    return found


def shares(state: States, kernels: Kernels, target: int) -> Counted:
    """(18, n) in the order of NAMES; `target` is a position in TARGETS."""
    plain = np.stack([*state.decayed[:, target], state.all[target], state.season[target]])
    smoothable = plain[[NAMES.index(name) - 1 for name in _SMOOTHED]]
    near = [kernels.smooth(smoothable, meters) for meters in WIDTHS]
    others = state.decayed[HALF_LIVES.index(730), [_POSITION[name] for name in _OTHERS]]
    even = np.zeros((1, plain.shape[1]))
    return share_of(np.concatenate([even, plain, *near, others])).astype(np.float32)
