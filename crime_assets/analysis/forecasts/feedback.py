"""What patrols do to a map that is made of what patrols find. Simulated: nobody has such a city in real records.

Ensign and others, "Runaway Feedback Loops in Predictive Policing", PMLR 81 (2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crime_assets.analysis.statistics.figures import Floats, Ints

MODES = ("retrained", "frozen", "explored")
EXPLORED = 0.2
"""Share of the list that is drawn by chance where a map explores."""
SEEDS = 40
ROUNDS = 12
"""Of four weeks."""

_PLACES, _PATROLS = 400, 100
_RATE = 0.5
"""Records a week, the same everywhere."""
_HALF_LIFE = 26
_WEEKS, _JUDGED = 260, 104
_BEFORE = 13
"""Rounds of records before the first list."""
_ROUND_HALF_LIFE = 13
_FOLLOWS = 1.25


@dataclass(frozen=True)
class Feedback:
    """Of places that are all alike, in the last two years."""

    share_favored: float
    """Of patrols, that the most patrolled quarter of the places gets; a quarter would be even."""
    never_visited: float
    """Share of the places."""


@dataclass(frozen=True)
class Rounds:
    """What a list looks like from round to round; means of all seeds, an entry for each round."""

    kept: Floats
    """Share of the first list that is still on it."""
    monthly: Floats
    """Share of the list that was on the one before; 1 for the first."""
    apparent: Floats
    """Share of the records that are in the listed cells, as recorded."""
    true: Floats
    """The same of what happened."""
    follows_after: int | None
    """The first round in which the map says a quarter more of the listed cells than one of what happened, if any.

    A frozen map takes no records in, and follows nothing.
    """


def patrols(found: float, explore: float = 0.0, seeds: Sequence[int] = range(8)) -> Feedback:
    """400 places with the same rate, a quarter patrolled each week by decayed counts.

    A patrol adds records at `found` times the true rate. A share of the list, `explore`, is drawn by chance.
    """
    made = [_patrolled(found, explore, np.random.default_rng([19, seed])) for seed in seeds]
    return Feedback(*(float(np.mean(part)) for part in zip(*made, strict=True)))


def rounds(rates: Floats, found: float, mode: str, share: float = 0.02, seeds: int = SEEDS) -> Rounds:
    """Twelve rounds on a map of expected records: a list of `share` of the cells, where `found` times more is recorded.

    A retrained map counts what was recorded, a frozen one what was before the first list, and one that explores draws a
    fifth of its list by chance.
    """
    made = [_rounds(rates, found, mode, share, np.random.default_rng([20, seed])) for seed in range(seeds)]
    kept, monthly, recorded, true, mapped, fair = np.array(made).mean(axis=0)
    (follows,) = np.nonzero((mapped >= _FOLLOWS * fair) & (mode != "frozen"))
    return Rounds(kept, monthly, recorded, true, int(follows[0]) + 1 if len(follows) else None)


def _patrolled(found: float, explore: float, rng: np.random.Generator) -> tuple[float, float]:
    score = rng.poisson(_RATE, _PLACES).astype(np.float64)
    visits = np.zeros(_PLACES, dtype=np.int64)
    for week in range(_WEEKS):
        listed = _list(score, _PATROLS, explore, rng)
        records = rng.poisson(_RATE, _PLACES)
        records[listed] += rng.poisson(found * _RATE, _PATROLS)
        score = score * 0.5 ** (1 / _HALF_LIFE) + records
        if week >= _WEEKS - _JUDGED:
            visits[listed] += 1
    favored = np.sort(visits)[::-1][:_PATROLS].sum() / visits.sum()
    return float(favored), float((visits == 0).mean())


def _rounds(rates: Floats, found: float, mode: str, share: float, rng: np.random.Generator) -> Floats:
    """(6, rounds): the four figures, and what the map and a map of what happened say of the listed cells."""
    size = max(1, round(share * len(rates)))
    explore = EXPLORED if mode == "explored" else 0.0
    decay = 0.5 ** (1 / _ROUND_HALF_LIFE)
    happened = np.zeros(len(rates))
    for _ in range(_BEFORE):
        happened = happened * decay + rng.poisson(rates)
    score = happened
    first = before = _list(score, size, explore, rng)
    figures = np.zeros((6, ROUNDS))
    for number in range(ROUNDS):
        listed = before if mode == "frozen" or number == 0 else _list(score, size, explore, rng)
        true = rng.poisson(rates)
        recorded = true.copy()
        recorded[listed] += rng.poisson(found * rates[listed])
        score, happened = score * decay + recorded, happened * decay + true
        figures[:, number] = (
            len(np.intersect1d(listed, first)) / size,
            len(np.intersect1d(listed, before)) / size,
            *(_part(one, listed) for one in (recorded, true, score, happened)),
        )
        before = listed
    return figures


def _part(values: Floats | Ints, listed: Ints) -> float:
    return float(values[listed].sum() / max(1, values.sum()))


def _list(score: Floats, size: int, explore: float, rng: np.random.Generator) -> Ints:
    """The places with the highest scores, equal ones by chance, and a share of the list drawn from the others."""
    order: NDArray[np.int64] = np.lexsort((rng.random(len(score)), -score))
    drawn = round(explore * size)
    others = rng.choice(order[size - drawn :], drawn, replace=False) if drawn else order[:0]
    return np.concatenate([order[: size - drawn], others])
