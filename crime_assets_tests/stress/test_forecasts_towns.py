"""Forecasts of towns of which it is known how their crimes come about, with seeds that `make test` has no time for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from crime_assets.analysis.forecasts import HORIZONS, trees
from crime_assets.analysis.forecasts.champions import MODELS, choose
from crime_assets.analysis.forecasts.days import newest_sunday
from crime_assets.analysis.forecasts.making import forecast
from crime_assets_tests.analysis.forecasts.burst_town import DAYS, BurstTown
from crime_assets_tests.analysis.forecasts.moving_town import DAYS as SIX_YEARS
from crime_assets_tests.analysis.forecasts.moving_town import moving_town
from crime_assets_tests.analysis.forecasts.towns import FIRST, inputs_of, replayed

pytestmark = pytest.mark.stress

Thrown = Callable[[str, object], None]


@pytest.mark.skipif(not trees.are_there(), reason="xgboost is not here: install the extra forecasts")
@pytest.mark.parametrize("seed", [5, 6, 7])
def test_where_crimes_come_in_spells_boosted_trees_are_the_champion(seed: int, thrown: Thrown) -> None:
    town = BurstTown(seed)
    choice = choose(town.past, {("burglary", 28): 24}, MODELS, DAYS)["burglary", 28]
    gains = {percent: town.hits(percent, "trees") / town.hits(percent, "all") - 1 for percent in (2, 5)}
    thrown(
        f"more than all history, found by trees in 2 and 5 % of a town of spells, seed {seed}",
        f"{gains[2]:.1%} and {gains[5]:.1%}",
    )
    assert (choice.method, choice.verdict.word) == ("trees", "better")
    assert gains[2] >= 0.02
    assert gains[5] >= 0.04


@pytest.mark.skipif(not trees.are_there(), reason="xgboost is not here: install the extra forecasts")
def test_in_six_years_of_thefts_that_move_the_model_is_shown_for_them_alone(thrown: Thrown) -> None:
    events, places = moving_town(31)
    inputs = replace(inputs_of(events, places, newest_sunday(FIRST + SIX_YEARS - 1)), with_trees=True)
    totals = forecast(replace(inputs, past=replayed(inputs))).totals.to_pylist()
    said = {(row["target"], row["horizon"]): row for row in totals}
    assert min(row["origins"] for row in totals) >= 24
    better = {pair for pair, row in said.items() if row["verdict"] == "better"}
    # Hardly a spell outlives a window of 90 days, and these overlap: whether they tell is left to chance.
    assert {("vehicle_theft", 7), ("vehicle_theft", 28)} <= better <= {("vehicle_theft", days) for days in HORIZONS}
    for pair, row in said.items():
        assert row["method"] == (row["candidate"] if pair in better else row["best_count"])
    gains = ", ".join(f"{said['vehicle_theft', horizon]['gain']:.1%}" for horizon in HORIZONS)
    thrown("more than the best count, of thefts that move, in 7, 28 and 90 days, six years", gains)
