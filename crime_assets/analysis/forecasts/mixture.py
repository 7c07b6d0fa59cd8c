"""The additive mixture: a target's records are spread as a weighted sum of shares; weights by expectation-maximization.

Dempster, Laird and Rubin, J. R. Statist. Soc. B 39 (1977). The likelihood has one maximum, and each round comes nearer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crime_assets.analysis.forecasts.shares import CAUSES, GROUPS, NAMES
from crime_assets.analysis.forecasts.states import Counted
from crime_assets.analysis.statistics.figures import Floats, Ints

ROUNDS = 120
_ENOUGH = 1e-9
"""Log-likelihood a record, below which a round has gained nothing."""


def fit(phi: Sequence[Counted], came: Sequence[Ints]) -> Floats:
    """(18) weights that add to 1, from the shares (18, n) and the records (n) of each window."""
    found = [one > 0 for one in came]
    shares = np.concatenate([one[:, has] for one, has in zip(phi, found, strict=True)], axis=1).astype(np.float64)
    records = np.concatenate([one[has] for one, has in zip(came, found, strict=True)]).astype(np.float64)
    weights = np.full(len(NAMES), 1 / len(NAMES))
    total = records.sum()
    before = -np.inf
    for _ in range(ROUNDS if total else 0):
        # einsum, not a product of matrices: its sums have one order, whatever the number of threads.
        mixed = np.einsum("k,ki->i", weights, shares)
        weights = weights * np.einsum("ki,i->k", shares, records / mixed)
        weights /= weights.sum()
        likelihood = float((records * np.log(mixed)).sum() / total)
        if likelihood - before < _ENOUGH:
            break
        before = likelihood
    return weights


def combine(weights: Floats, phi: Counted) -> Floats:
    """(n) shares of the cells."""
    mixed: Floats = np.einsum("k,ki->i", weights, phi.astype(np.float64))
    share: Floats = mixed / mixed.sum()
    return share


def causes(weights: Floats, phi: Counted) -> Floats:
    """(6, n) how much of each cell's share comes from each of CAUSES; they add to 1."""
    parts = weights[:, None] * phi
    summed = np.array([parts[[GROUPS[name] == cause for name in NAMES]].sum(axis=0) for cause in CAUSES])
    total = summed.sum(axis=0)
    found: Floats = np.divide(summed, total, out=np.full_like(summed, 1 / len(CAUSES)), where=total > 0)
    return found


def causes_of_all(weights: Floats) -> Floats:
    """(6) how much of the whole comes from each of CAUSES."""
    return np.array([sum(weights[[GROUPS[name] == cause for name in NAMES]].tolist()) for cause in CAUSES])
