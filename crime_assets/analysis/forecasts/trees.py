"""Boosted trees, where XGBoost is installed (the extra `forecasts`): of the mixture's shares, and little more."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crime_assets.analysis.forecasts.shares import share_of
from crime_assets.analysis.forecasts.states import HALF_LIVES, Counted, States
from crime_assets.analysis.forecasts.targets import TARGETS
from crime_assets.analysis.statistics.figures import Floats, Ints

if TYPE_CHECKING:
    import xgboost

_ROUNDS = 150
_PARAMETERS = {
    "objective": "count:poisson",
    "eta": 0.06,
    "max_depth": 4,
    "min_child_weight": 30,
    "lambda": 5,
    "subsample": 0.7,
    "colsample_bytree": 0.7,
    "tree_method": "hist",
    "seed": 19,
    # The same bits whatever the machine has.
    "nthread": 1,
}
_LEAST = 0.05
"""Added to a share, as a multiple of the even one, before its logarithm is taken."""
_SEASON = 365.25


@dataclass(frozen=True)
class Trees:
    """Fitted trees."""

    booster: xgboost.Booster

    def shares(self, features: Counted) -> Floats:
        """(n) shares of the cells."""
        import xgboost

        return share_of(self.booster.predict(xgboost.DMatrix(features, nthread=1)))


def are_there() -> bool:
    """Whether XGBoost is installed."""
    return importlib.util.find_spec("xgboost") is not None


def release() -> str:
    """Of XGBoost, which must be installed."""
    import xgboost

    return str(xgboost.__version__)


def features(phi: Counted, state: States, target: int) -> Counted:
    """(n, 25): logarithms of the shares but the even one, recent counts, the other targets, and the season."""
    cells = phi.shape[1]
    decayed = share_of(state.decayed[HALF_LIVES.index(180)])
    others = [decayed[other] for other in range(len(TARGETS)) if other != target]
    turn = 2 * np.pi * (state.origin % _SEASON) / _SEASON
    columns = [
        *np.log(cells * phi[1:] + _LEAST),
        np.log1p(state.d28[target]),
        np.log1p(state.d365[target]),
        *(np.log(cells * other + _LEAST) for other in others),
        np.full(cells, np.sin(turn)),
        np.full(cells, np.cos(turn)),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def fit(given: Sequence[Counted], came: Sequence[Ints]) -> Trees:
    """Trees from the features and the records of each window that had any; there must be one."""
    import xgboost

    windows = [(one, records) for one, records in zip(given, came, strict=True) if records.any()]
    labels = np.concatenate([records / records.mean() for _, records in windows])
    matrix = xgboost.DMatrix(np.concatenate([one for one, _ in windows]), label=labels, nthread=1)
    return Trees(xgboost.train(_PARAMETERS, matrix, _ROUNDS))
