"""Forecasts of the real export through the real pipeline: what they find and hold, and that nothing is made of chance.

With three years of records the bounds are what was measured on them. With six or more they are those of 2012 to 2018,
at 36 origins: there a model has more to learn from, and must find more than counting does.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from crime_assets.analysis.forecasts import HORIZONS, MOST_REPLAYED, trees
from crime_assets.analysis.forecasts.champions import MODELS, choose
from crime_assets.analysis.forecasts.counts import METHODS
from crime_assets.analysis.forecasts.days import replay_days
from crime_assets.analysis.forecasts.pairs import Inputs
from crime_assets.analysis.forecasts.replaying import replays
from crime_assets.analysis.forecasts.targets import TARGETS
from crime_assets.analysis.forecasts.verdicts import gain_of
from crime_assets_tests.analysis.forecasts import hindsight
from crime_assets_tests.analysis.forecasts.towns import without
from crime_assets_tests.stress.real_forecasts import RealLake, edited_export, made_again, made_lake, shuffled

pytestmark = pytest.mark.stress

Thrown = Callable[[str, object], None]

NAMES = [target.name for target in TARGETS]
PAIRS = [(target, horizon) for target in NAMES for horizon in HORIZONS]
PAI = {"violent_street": 7.45, "burglary": 4.30, "vehicle_theft": 4.20, "robbery": 7.55, "index": 8.80}
"""At least, of the mixture at 2 % and 28 days, with three years of records."""
PAI_OF_SIX_YEARS = {"violent_street": 7.65, "burglary": 4.80, "vehicle_theft": 4.45, "robbery": 7.95, "index": 8.65}
GAINS_OF_SIX_YEARS = {
    "violent_street": -0.005,
    "burglary": 0.025,
    "vehicle_theft": 0.08,
    "robbery": 0.02,
    "index": -0.005,
}
"""At least, in hits at 2 % and 28 days, over the best of the counts that these were measured against."""
MEASURED_AGAINST = ("365d", "all", "decayed")
SIX_YEARS = 6 * 365


class Lake(RealLake):
    """Its scores, as far as they are of whole cells."""

    @cached_property
    def given(self) -> Inputs:
        """What the forecast was made of."""
        return self.inputs()

    @cached_property
    def is_long(self) -> bool:
        """Whether there are six years of records."""
        return self.given.t - self.given.first_record >= SIX_YEARS

    @cached_property
    def candidate(self) -> str:
        """The model whose gain is judged."""
        return "mean" if self.given.with_trees else "mixture"

    @cached_property
    def scores(self) -> pa.Table:
        """At 2 %, as the lake has replayed them."""
        rows = self.said("forecast_scores")
        return rows.filter(pc.and_(pc.equal(rows["grid"], "h3-9"), pc.equal(rows["share"], 2)))

    def days(self, horizon: int) -> list[int]:
        """The days that the lake has replayed, the oldest first."""
        given = self.given
        return sorted(replay_days(given.t, horizon, given.lag, given.first_record))

    def of(self, target: str, horizon: int, method: str) -> pa.Table:
        """The scores of one method, in the order of the days."""
        rows = self.scores
        is_of = pc.and_(pc.equal(rows["target"], target), pc.equal(rows["horizon"], horizon))
        return rows.filter(pc.and_(is_of, pc.equal(rows["method"], method))).sort_by("as_of_day")

    def pai(self, target: str, horizon: int, method: str) -> float:
        """Of all windows together."""
        rows = self.of(target, horizon, method)
        return float(pc.sum(rows["hits"]).as_py() / pc.sum(rows["crimes"]).as_py() / 0.02)

    def mean(self, target: str, horizon: int, column: str, method: str = "mixture") -> float:
        """Of the windows that have it."""
        return float(pc.mean(self.of(target, horizon, method)[column]).as_py())

    def hits(self, target: str, horizon: int, method: str, days: list[int]) -> np.ndarray:
        """Of the windows of these days."""
        rows = self.of(target, horizon, method)
        found = dict(zip(rows["as_of_day"].cast(pa.int32()).to_pylist(), rows["hits"].to_pylist(), strict=True))
        return np.array([found[day] for day in days])

    def days_of(self, target: str, horizon: int, method: str) -> list[int]:
        """The days that a method has scores of."""
        return self.of(target, horizon, method)["as_of_day"].cast(pa.int32()).to_pylist()


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Lake:
    made = made_lake(tmp_path_factory.mktemp("real") / "lake", shared_data)
    return Lake(made.home, made.pattern)


def test_a_map_finds_what_was_measured(lake: Lake, thrown: Thrown) -> None:
    places, days = lake.given.places, len(lake.of("index", 28, "mixture"))
    where = f"{len(places):,} cells ({places.area_id}), {days} origins"
    bounds, method = (PAI_OF_SIX_YEARS, lake.candidate) if lake.is_long else (PAI, "mixture")
    for model in [name for name in MODELS if name in lake.scores["method"].to_pylist()]:
        said = ", ".join(f"{target} {lake.pai(target, 28, model):.2f}" for target in NAMES)
        thrown(f"PAI at 2 % of the area, 28 days, real export, {model}", f"{said}; {where}")
    for target, least in bounds.items():
        assert lake.pai(target, 28, method) >= least, target


def test_a_model_is_nearer_than_every_count_in_all_pairs(lake: Lake) -> None:
    for target, horizon in PAIRS:
        days = lake.days_of(target, horizon, "mixture")
        means = {}
        for method in (*METHODS, lake.candidate):
            rows = lake.of(target, horizon, method)
            is_common = pc.is_in(rows["as_of_day"].cast(pa.int32()), pa.array(days, pa.int32()))
            means[method] = pc.mean(rows.filter(is_common)["deviance"]).as_py()
        assert min(means, key=means.__getitem__) == lake.candidate, (target, horizon, means)


def test_a_map_drawn_with_hindsight_hardly_finds_more(lake: Lake, thrown: Thrown) -> None:
    events, places = lake.given.events, lake.given.places
    found = {}
    for target, horizon in PAIRS:
        days = lake.days_of(target, horizon, lake.candidate)
        most = sum(hindsight.hits(events, places, NAMES.index(target), day, horizon) for day in days)
        found[target, horizon] = lake.hits(target, horizon, lake.candidate, days).sum() / most
    thrown("of what a map drawn with hindsight finds", f"{min(found.values()):.3f} to {max(found.values()):.3f}")
    assert min(found.values()) >= 0.94, found


def test_intervals_hold_what_they_say(lake: Lake, thrown: Thrown) -> None:
    held: dict[str, list[float]] = {}
    for target, horizon in PAIRS:
        found = {unit: lake.mean(target, horizon, f"coverage_90_{unit}") for unit in ("areas", "cells", "top", "city")}
        for unit, share in found.items():
            held.setdefault(unit, []).append(share)
        assert 0.87 <= found["areas"] <= 0.97, (target, horizon)
        assert pc.min(lake.of(target, horizon, "mixture")["coverage_90_areas"]).as_py() >= 0.75, (target, horizon)
        assert found["cells"] >= 0.94, (target, horizon)
        assert 0.88 <= found["top"] <= 0.99, (target, horizon)
        # One of 24 windows is .042: three years tell .88 and .86 apart by chance alone.
        assert found["city"] >= (0.70 if horizon == 90 else 0.88 if lake.is_long else 0.83), (target, horizon)
    for unit, shares in held.items():
        thrown(f"share held by intervals of 90 %, real export, {unit}", f"{min(shares):.3f} to {max(shares):.3f}")


def test_how_many_are_expected_is_not_far_from_what_comes(lake: Lake, thrown: Thrown) -> None:
    errors = {}
    for target in NAMES:
        rows = lake.of(target, 28, "mixture")
        errors[target] = float(np.abs(rows["level_error"].to_numpy()).mean())
    thrown("level error at 28 days", ", ".join(f"{target} {error:.3f}" for target, error in errors.items()))
    most = {target: 0.06 if target == "index" else 0.10 for target in NAMES}
    if not lake.is_long:
        # Burglaries fell by a seventh within these three years, which no level foresees.
        most["burglary"] = 0.11
    for target, error in errors.items():
        assert error <= most[target], target


def test_where_a_model_finds_no_more_counting_is_shown(lake: Lake, thrown: Thrown) -> None:
    said = {(row["target"], row["horizon"]): row for row in lake.said("forecast_totals").to_pylist()}
    for target, horizon in PAIRS:
        row = said[target, horizon]
        thrown(f"{target}, {horizon} days", row["sentence"])
        assert row["method"] == (row["candidate"] if row["verdict"] == "better" else row["best_count"])
        assert (row["verdict"] == "too few") == (row["origins"] < 24)
        assert row["origins"] == min(MOST_REPLAYED, len(lake.days_of(target, horizon, row["candidate"])))
    judged = [("index", 7), ("index", 28), ("violent_street", 28), *([("index", 90)] if lake.is_long else [])]
    assert {said[pair]["verdict"] for pair in judged} == {"as good"}
    if not lake.is_long:
        windows = {pair: row["trained_windows"] for pair, row in said.items()}
        alone = choose(lake.said("forecast_scores"), windows, MODELS[:1], 1000)
        assert not [pair for pair, choice in alone.items() if choice.verdict.word == "better"]


def test_with_six_years_a_model_finds_more_than_the_best_count(lake: Lake, thrown: Thrown) -> None:
    if not lake.is_long:
        pytest.skip("the exports in shared data are of less than six years: put those of 2012 to 2018 there")
    for target, least in GAINS_OF_SIX_YEARS.items():
        days = lake.days_of(target, 28, lake.candidate)
        counts = {method: lake.hits(target, 28, method, days) for method in MEASURED_AGAINST}
        best = max(counts.values(), key=np.sum)
        gain = gain_of((target, 28), lake.hits(target, 28, lake.candidate, days), best)
        low, high = gain.interval()
        thrown(f"{target}, 28 days, more than the best count", f"{gain.gain:+.1%} ({low:+.1%} to {high:+.1%})")
        assert gain.gain >= least, target
        assert least < 0 or low > 0, target


@pytest.mark.parametrize("threads", ["1", "2"])
def test_another_process_makes_the_same_bytes(lake: Lake, threads: str) -> None:
    variables = os.environ | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
    program = [sys.executable, "-m", "crime_assets_tests.stress.real_forecasts", lake.home, lake.pattern]
    alone = subprocess.run(program, capture_output=True, text=True, env=variables, check=True)
    assert alone.stdout.strip() == lake.digest_of_said()


def test_what_comes_later_changes_no_byte(lake: Lake, tmp_path: Path, thrown: Thrown) -> None:
    edits = 20
    before, given = lake.digest_of_said(), lake.given
    pattern = edited_export(lake.pattern, tmp_path / "edited", edits, seed=4)
    later = RealLake(lake.home, pattern)
    later.command("run", "--no-insights", "--from", "2018-11-19", "--to", "2018-11-20")
    later.command("reconcile")
    assert made_again(lake.inputs()) == before
    thrown("records of the real export changed, added and removed after a forecast, which stayed the same", edits)
    # What was known does change it.
    fewer = without(given.events, np.nonzero(given.events.known <= given.t)[0][-1:])
    assert made_again(replace(given, events=fewer)) != before


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_of_days_dealt_at_random_no_model_is_made_better(lake: Lake, seed: int, thrown: Thrown) -> None:
    given = replace(lake.given, events=shuffled(lake.given.events, seed))
    days = {day for horizon in HORIZONS for day in lake.days(horizon)}
    past = replays(given, sorted(days))
    windows = dict.fromkeys(PAIRS, 24)
    for models in (MODELS[:1], MODELS) if trees.are_there() else (MODELS[:1],):
        found = choose(past, windows, models, given.t - given.first_record)
        words = [choice.verdict.word for choice in found.values()]
        gains = [choice.verdict.gain for choice in found.values() if not np.isnan(choice.verdict.gain)]
        thrown(
            f"verdicts of 15 pairs on shuffled days, seed {seed}, {', '.join(models)}",
            f"{words.count('as good')} as good, {words.count('worse')} worse, {words.count('too few')} too few; gains "
            f"{min(gains):+.1%} to {max(gains):+.1%}",
        )
        assert "better" not in words, found
