"""What counting says: six ways, with the half-life, the width and the caution that finished windows ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from crime_assets.analysis.forecasts import HORIZONS
from crime_assets.analysis.forecasts.shares import Kernels, share_of
from crime_assets.analysis.forecasts.states import HALF_LIVES, Counted, States
from crime_assets.analysis.statistics.figures import Floats, Ints

METHODS = ("365d", "3y", "all", "decayed", "kde", "last_year")
WIDTHS = (150, 250, 400, 600, 900)
"""Meters, of `kde`."""
EVEN = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
"""How much of a count's share may be spread evenly: without it, a record where none was yet would be impossible."""
FEWEST = 4
"""Finished windows without which nothing is tuned."""

_USUAL: Mapping[str, int] = {"decayed": 365, "kde": 250}


@dataclass(frozen=True)
class Tuned:
    """What was chosen for one target and horizon."""

    half_life: int
    meters: int
    even: Mapping[str, float]
    """Method → share of it that is spread evenly."""


@dataclass(frozen=True)
class Counts:
    """Shares (n) by plain counts of one origin and target: (method, parameter) → share; the parameter may be 0."""

    by: Mapping[tuple[str, int], Counted]

    def of(self, method: str, horizon: int, parameter: int) -> Counted:
        """The share of a method; that of `last_year` depends on the horizon."""
        return self.by[method, horizon if method == "last_year" else parameter]

    def parameters(self, method: str) -> Sequence[int]:
        """Those of a method that may be chosen: 0 alone where there is nothing to choose."""
        return [one for name, one in self.by if name == method] if method in _USUAL else (0,)


def counts(state: States, kernels: Kernels, target: int, widths: Sequence[int] = WIDTHS) -> Counts:
    """The counts of an origin; `target` is a position in TARGETS, `widths` are those that `kde` may have."""
    year = state.d365[target]
    found = {
        ("365d", 0): year,
        ("3y", 0): state.d1095[target],
        ("all", 0): state.all[target],
        **{("decayed", one): state.decayed[number, target] for number, one in enumerate(HALF_LIVES)},
        **{("kde", meters): kernels.smooth(year[None], meters)[0] for meters in widths},
        **{("last_year", one): state.last_year[number, target] for number, one in enumerate(HORIZONS)},
    }
    # Half as wide as they were computed: there are many of these.
    return Counts({key: share_of(one).astype(np.float32) for key, one in found.items()})


def tune(past: Sequence[tuple[Counts, Ints]], horizon: int) -> Tuned:
    """The parameters by which finished windows, each with the records that came, have the least deviance."""
    if len(past) < FEWEST:
        return Tuned(_USUAL["decayed"], _USUAL["kde"], dict.fromkeys(METHODS, EVEN[2]))
    chosen = {method: _best(past, method, horizon) for method in METHODS}
    return Tuned(chosen["decayed"][0], chosen["kde"][0], {method: even for method, (_, even) in chosen.items()})


def count_shares(found: Counts, horizon: int, tuned: Tuned) -> dict[str, Floats]:
    """Method → share (n) of the cells."""
    parameter = {"decayed": tuned.half_life, "kde": tuned.meters}
    return {
        method: _with_even(found.of(method, horizon, parameter.get(method, 0)), tuned.even[method])
        for method in METHODS
    }


def _best(past: Sequence[tuple[Counts, Ints]], method: str, horizon: int) -> tuple[int, float]:
    """Parameter and even part with the least deviance; the first of equal ones."""
    losses = {}
    for parameter in past[0][0].parameters(method):
        given = [(found.of(method, horizon, parameter), came) for found, came in past]
        share = np.concatenate([one[came > 0] for one, came in given]).astype(np.float64)
        records = np.concatenate([came[came > 0] for _, came in given])
        cells = len(given[0][1])
        for even in EVEN:
            losses[parameter, even] = -float((records * np.log((1 - even) * share + even / cells)).sum())
    return min(losses, key=losses.__getitem__)


def _with_even(share: Counted, even: float) -> Floats:
    mixed: Floats = (1 - even) * share.astype(np.float64) + even / max(1, len(share))
    whole: Floats = mixed / mixed.sum()
    return whole
