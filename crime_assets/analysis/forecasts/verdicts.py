"""Whether a model finds more than counting does: better, as good or worse, and in words.

Hits of both in the same windows are compared in pairs. Windows follow each other, so whole blocks of them are drawn;
many pairs are judged at once, so Holm's correction is made. What is good by chance alone is called better in three of
a hundred such tables (simulated): for that, blocks are few, and Student's distribution has to stand in for the draws,
which alone would call something better in every fourth table of 24 windows. Where one is ahead for months by chance and
then the other (an autocorrelation of .6 from window to window), 24 windows err in one table of six.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from crime_assets.analysis.forecasts import FEWEST_ORIGINS, FEWEST_WINDOWS, STEP
from crime_assets.analysis.forecasts.targets import TARGETS
from crime_assets.analysis.statistics.figures import Floats

Pair = tuple[str, int]
"""Target and horizon."""
LEAST_GAIN = 0.01
"""What is smaller is not worth a model."""
SIGNIFICANT = 0.025
"""Chance on one side, as much as the intervals of 95 % leave there."""
SHARE = 2
"""Percent of the area that is flagged where hits are compared."""

_SEED = 19
_DRAWS = 2000
_BLOCK = 4
"""Windows: of 28 days, these do not overlap."""
TITLES = {
    "365d": "the last 365 days",
    "3y": "three years",
    "all": "all history",
    "decayed": "decayed counts",
    "kde": "smoothed counts",
    "last_year": "the same days last year",
    "mixture": "the mixture",
    "trees": "the model of boosted trees",
    "mean": "the mean of mixture and trees",
}
"""Counts and models, as sentences name them."""


@dataclass(frozen=True)
class Compared:
    """Hits of a model and of the best count in the same finished windows, the oldest first."""

    model: str | None
    """None if there is no model."""
    count: str
    hits_model: Floats
    hits_count: Floats
    windows: int
    """Finished windows that the model could be of."""


@dataclass(frozen=True)
class Verdict:
    """`word` is better, as good, worse, too few or no model; the figures are NaN for the last two."""

    word: str
    gain: float
    low: float
    high: float
    p_holm: float
    origins: int
    sentence: str


@dataclass(frozen=True)
class Gain:
    """How much more one finds than another, as a share of what that finds."""

    gain: float
    deviation: float
    degrees: float
    """Of freedom."""

    def chance(self, sign: int) -> float:
        """Of so high (sign 1) or so low (-1) a gain where there is none."""
        if not self.deviation:
            return float(self.gain * sign <= 0)
        return float(special.stdtr(self.degrees, -sign * self.gain / self.deviation))

    def interval(self) -> tuple[float, float]:
        """That holds 95 %."""
        reach = float(special.stdtrit(self.degrees, 0.975)) * self.deviation
        return self.gain - reach, self.gain + reach


def judge(compared: Mapping[Pair, Compared]) -> dict[Pair, Verdict]:
    """The verdict of each pair."""
    gains = {pair: gain_of(pair, one.hits_model, one.hits_count) for pair, one in compared.items() if _is_judged(one)}
    above = _holm({pair: gain.chance(1) for pair, gain in gains.items()})
    below = _holm({pair: gain.chance(-1) for pair, gain in gains.items()})
    verdicts = {}
    for pair, one in compared.items():
        if pair in gains:
            found = _judged(gains[pair], above[pair], below[pair], len(one.hits_count))
        else:
            word = "no model" if one.model is None else "too few"
            found = Verdict(word, np.nan, np.nan, np.nan, np.nan, len(one.hits_count), "")
        verdicts[pair] = replace(found, sentence=sentence(pair, one, found))
    return verdicts


def gain_of(pair: Pair, one: Floats, other: Floats) -> Gain:
    """The gain in hits of one over the other, by a circular block bootstrap (Politis and Romano, 1992).

    Blocks are too short by what reaches over their ends, and few: deviations are widened by the first, and the second
    gives the degrees of freedom. At 90 days windows overlap: blocks are twice as long as that reaches.
    """
    target, horizon = pair
    number = [known.name for known in TARGETS].index(target)
    rng = np.random.default_rng([_SEED, number, horizon])
    size = len(other)
    block = min(max(1, size // 3), max(_BLOCK, 2 * -(-horizon // STEP)))
    starts = rng.integers(0, size, (_DRAWS, -(-size // block)))
    chosen = ((starts[:, :, None] + np.arange(block)) % size).reshape(_DRAWS, -1)[:, :size]
    found = other[chosen].sum(axis=1)
    drawn = np.divide((one - other)[chosen].sum(axis=1), found, out=np.zeros(_DRAWS), where=found > 0)
    whole = float(other.sum())
    return Gain(
        gain=float((one - other).sum()) / whole if whole else 0.0,
        deviation=round(float(drawn.std()) * float(np.sqrt(size / max(1, size - block))), 12),
        degrees=1.5 * size / block,
    )


def sentence(pair: Pair, one: Compared, verdict: Verdict) -> str:
    """The verdict in words."""
    target, horizon = pair
    words = next(known.words for known in TARGETS if known.name == target)
    if verdict.word == "no model":
        return (
            f"No model: only {one.windows} finished windows, at least {FEWEST_WINDOWS} are needed. Counting is shown."
        )
    if verdict.word == "too few":
        return (
            "Too few finished windows to say whether a model is better "
            f"({verdict.origins} of {FEWEST_ORIGINS}): counting is shown."
        )
    model, count = TITLES[one.model or ""], TITLES[one.count]
    much = f"{abs(verdict.gain):.1%} {'more' if verdict.gain >= 0 else 'fewer'}"
    found = f"{much} of the {words} in {SHARE} % of the area"
    range_ = f"({verdict.low:+.1%} to {verdict.high:+.1%}, {verdict.origins} windows)"
    if verdict.word == "better":
        more = float((one.hits_model - one.hits_count).mean())
        return (
            f"Against the best count, {count}, {model} finds {found} {range_}: {more:.1f} more in the whole city in "
            f"{horizon} days. The model is shown."
        )
    if verdict.word == "worse":
        return f"Counting is better: against {count}, {model} finds {found} {range_}. The count is shown."
    why = "less than is worth a model" if verdict.p_holm < SIGNIFICANT else "which chance may explain"
    return f"Counting is as good: against {count}, {model} finds {found} {range_}, {why}. The count is shown."


def _is_judged(one: Compared) -> bool:
    return one.model is not None and len(one.hits_count) >= FEWEST_ORIGINS and float(one.hits_count.sum()) > 0


def _judged(gain: Gain, above: float, below: float, origins: int) -> Verdict:
    word, p = "as good", above
    if above < SIGNIFICANT and gain.gain >= LEAST_GAIN:
        word = "better"
    elif below < SIGNIFICANT and gain.gain <= -LEAST_GAIN:
        word, p = "worse", below
    return Verdict(word, gain.gain, *gain.interval(), p, origins, "")


def _holm(chances: Mapping[Pair, float]) -> dict[Pair, float]:
    """Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scand. J. Statist. 6 (1979)."""
    adjusted: dict[Pair, float] = {}
    most = 0.0
    for rank, pair in enumerate(sorted(chances, key=lambda one: (chances[one], one))):
        most = max(most, min(1.0, chances[pair] * (len(chances) - rank)))
        adjusted[pair] = most
    return adjusted
