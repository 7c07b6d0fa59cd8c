"""All counts and models of one target together: what they learn from finished windows, and what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from crime_assets.analysis.forecasts import FEWEST_WINDOWS, JUDGED, mixture, trees
from crime_assets.analysis.forecasts.counts import METHODS, WIDTHS, Counts, Tuned, count_shares, counts, tune
from crime_assets.analysis.forecasts.shares import Kernels, shares
from crime_assets.analysis.forecasts.states import Counted, States
from crime_assets.analysis.statistics.figures import Floats, Ints


@dataclass(frozen=True)
class Known:
    """What all methods know of one target at one origin."""

    phi: Counted
    counts: Counts
    features: Counted | None
    """Of the trees; None where there are none."""


@dataclass(frozen=True)
class Learned:
    """What finished windows have taught, for one target and horizon."""

    tuned: Tuned
    weights: Floats | None
    """Of the mixture; None with too few windows."""
    trees: trees.Trees | None
    windows: int


def known(state: States, kernels: Kernels, target: int, with_trees: bool, widths: Sequence[int] = WIDTHS) -> Known:
    """What is known at the origin of a state; `target` is a position in TARGETS, `widths` are those of `kde`."""
    phi = shares(state, kernels, target)
    features = trees.features(phi, state, target) if with_trees else None
    return Known(phi, counts(state, kernels, target, widths), features)


def learn(past: Sequence[tuple[Known, Ints]], horizon: int, kept: trees.Trees | None = None) -> Learned:
    """From finished windows, the newest first, and the records (n) that came in each.

    `kept` are trees that were grown of earlier windows, instead of others: growing them takes longer than all the rest.
    """
    tuned = tune([(one.counts, came) for one, came in past[:JUDGED]], horizon)
    came = [records for _, records in past]
    if len(past) < FEWEST_WINDOWS:
        return Learned(tuned, None, None, len(past))
    weights = mixture.fit([one.phi for one, _ in past], came)
    features = [one.features for one, _ in past if one.features is not None]
    grown = kept
    if grown is None and features and any(records.any() for records in came):
        grown = trees.fit(features, came)
    return Learned(tuned, weights, grown, len(past))


def shares_of(learned: Learned, found: Known, horizon: int) -> dict[str, Floats]:
    """Method → share (n) of the cells; models only where they were learnt."""
    said = count_shares(found.counts, horizon, learned.tuned)
    if learned.weights is not None:
        said["mixture"] = mixture.combine(learned.weights, found.phi)
    if learned.trees is not None and found.features is not None:
        said["trees"] = learned.trees.shares(found.features)
        mean = np.sqrt(said["mixture"] * said["trees"])
        said["mean"] = mean / mean.sum()
    return said


def share_of(learned: Learned, found: Known, horizon: int, method: str) -> Floats:
    """The share (n) of one method, without asking the trees for it where they have no part in it."""
    without = method in (*METHODS, "mixture")
    return shares_of(replace(learned, trees=None) if without else learned, found, horizon)[method]
