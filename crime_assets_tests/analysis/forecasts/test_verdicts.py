"""Verdicts: the words at their boundaries, Holm by hand, and chance that is not called better."""

import numpy as np
import pytest

from crime_assets.analysis.forecasts import HORIZONS
from crime_assets.analysis.forecasts.targets import TARGETS
from crime_assets.analysis.forecasts.verdicts import Compared, _holm, gain_of, judge

PAIR = ("burglary", 28)


def compared(gain: float, noise: float = 0.0, origins: int = 24, seed: int = 1) -> Compared:
    rng = np.random.default_rng(seed)
    count = rng.poisson(1000, origins).astype(float)
    return Compared("mixture", "decayed", count * (1 + gain) + rng.normal(0, noise, origins), count, origins)


@pytest.mark.parametrize(
    ("gain", "noise", "word"),
    [
        (0.02, 1, "better"),
        (0.0101, 0.1, "better"),
        (0.009, 0.1, "as good"),  # certain, but too little
        (0.02, 150, "as good"),  # much, but by chance
        (0, 10, "as good"),
        (-0.009, 0.1, "as good"),
        (-0.02, 1, "worse"),
    ],
)
def test_words_at_their_boundaries(gain: float, noise: float, word: str):
    verdict = judge({PAIR: compared(gain, noise)})[PAIR]
    assert verdict.word == word
    assert verdict.low <= verdict.gain <= verdict.high
    assert verdict.gain == pytest.approx(gain, abs=0.06)


def test_sentences_say_it():
    said = {gain: judge({PAIR: compared(gain, 0.1)})[PAIR].sentence for gain in (0.03, 0.005, 0.0, -0.03)}
    assert said[0.03] == (
        "Against the best count, decayed counts, the mixture finds 3.0% more of the burglaries in 2 % of the area "
        "(+3.0% to +3.0%, 24 windows): 29.9 more in the whole city in 28 days. The model is shown."
    )
    assert said[0.005].startswith(
        "Counting is as good: against decayed counts, the mixture finds 0.5% more of the burgl"
    )
    assert "less than is worth a model" in said[0.005]
    assert "which chance may explain. The count is shown." in said[0.0]
    assert said[-0.03].startswith("Counting is better: against decayed counts")


def test_less_than_24_windows_are_too_few_and_without_a_model_it_says_so():
    few = judge({PAIR: compared(0.1, origins=23)})[PAIR]
    assert (few.word, few.origins) == ("too few", 23)
    assert few.sentence == ("Too few finished windows to say whether a model is better (23 of 24): counting is shown.")
    none = judge({PAIR: Compared(None, "all", np.ones(30), np.ones(30), 6)})[PAIR]
    assert none.word == "no model"
    assert none.sentence == "No model: only 6 finished windows, at least 8 are needed. Counting is shown."
    assert np.isnan([few.p_holm, none.p_holm, few.gain]).all()


def test_holm_by_hand():
    found = _holm({("a", 7): 0.01, ("b", 7): 0.04, ("c", 7): 0.03, ("d", 7): 0.5})
    assert list(found.values()) == pytest.approx([0.04, 0.09, 0.09, 0.5])


def test_one_of_fifteen_needs_more_than_one_alone():
    # p about .02: enough for one pair, not for one of fifteen.
    one = compared(0.013, 26, seed=5)
    alone = judge({PAIR: one})[PAIR]
    others = {
        (target.name, horizon): compared(0, 30, seed=number * 10 + horizon)
        for number, target in enumerate(TARGETS)
        for horizon in HORIZONS
    }
    among = judge(others | {PAIR: one})[PAIR]
    assert alone.word == "better"
    assert among.word == "as good"
    assert (among.gain, among.low, among.high) == (alone.gain, alone.low, alone.high)


@pytest.mark.slow
def test_chance_alone_is_not_called_better():
    # Of 60 tables of fifteen pairs without any difference, one in twenty may call one better; windows of 90 days share
    # two thirds of their noise with the next.
    wrong = 0
    for seed in range(60):
        given = {
            (target.name, horizon): by_chance(horizon, [seed, number, horizon])
            for number, target in enumerate(TARGETS)
            for horizon in HORIZONS
        }
        wrong += any(verdict.word == "better" for verdict in judge(given).values())
    assert wrong <= 8


def by_chance(horizon: int, seed: list[int]) -> Compared:
    rng = np.random.default_rng(seed)
    count, noise = rng.poisson(1000, 24).astype(float), rng.normal(0, 40, 26)
    shared = (noise[2:] + noise[1:-1] + noise[:-2]) / np.sqrt(3) if horizon == 90 else noise[2:]
    return Compared("mixture", "decayed", count + shared, count, 24)


def test_an_interval_above_zero_needs_a_gain():
    one = compared(0.05, 10)
    assert gain_of(PAIR, one.hits_model, one.hits_count).interval()[0] > 0
    assert gain_of(PAIR, one.hits_count, one.hits_model).interval()[1] < 0
    assert gain_of(PAIR, one.hits_count, one.hits_count).interval() == (0, 0)


def test_where_windows_overlap_less_is_certain():
    one = compared(0.02, 25)
    month, quarter = (gain_of(("burglary", horizon), one.hits_model, one.hits_count) for horizon in (28, 90))
    assert month.gain == quarter.gain
    assert quarter.degrees < month.degrees
    assert quarter.chance(1) > month.chance(1)
