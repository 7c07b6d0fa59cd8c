"""Towns of which the truth is known: where nothing changes no model is better, and what changes is seen in weeks."""

from dataclasses import replace

import numpy as np
import pyarrow.compute as pc
import pytest

from crime_assets.analysis.forecasts import trees
from crime_assets.analysis.forecasts.champions import MODELS, choose
from crime_assets.analysis.forecasts.days import newest_sunday
from crime_assets.analysis.forecasts.making import Made, forecast
from crime_assets.analysis.forecasts.methods import share_of
from crime_assets_tests.analysis.forecasts.burst_town import BurstTown
from crime_assets_tests.analysis.forecasts.towns import FIRST, inputs_of, replayed, town, with_records

BURGLARY = 1
DAYS = 1900
T = newest_sunday(FIRST + DAYS - 1)


@pytest.mark.slow
def test_where_nothing_changes_no_model_is_better_than_counting():
    inputs = inputs_of(*town(1, "constant", 271, DAYS, 200), T)
    made = forecast(replace(inputs, past=replayed(inputs)))
    for row in made.totals.to_pylist():
        assert row["verdict"] in {"as good", "worse"}
        assert row["origins"] >= 24
        assert row["method"] == row["best_count"]
        assert abs(row["expected"] / (200 * row["horizon"] / 28) - 1) < 0.25
    # The intervals held what they say, in windows of which they knew nothing.
    held = {one.unit: dict(zip(one.nominal, one.held, strict=True)) for one in made.calibration}
    assert 0.87 < (held["areas"][90] or 0) < 0.97
    assert 0.80 < (held["city"][90] or 0) <= 1
    assert (held["cells"][90] or 0) > 0.94


def quiet_town(first: int, last: int, seed: int = 3) -> tuple[Made, int]:
    """A forecast of a constant town in which a cell has a burglary a day from so many days before it to so many."""
    events, places = town(seed, "constant", 1024, 900, 100)
    cell = int(np.argmin(events.counted(FIRST, FIRST + 900, 99_999)[BURGLARY, :-1]))
    t = newest_sunday(FIRST + 899)
    surge = with_records(events, places, np.arange(t - first, t - last), cell, BURGLARY)
    return forecast(inputs_of(surge, places, t)), cell


def row_of(made: Made, cell: int, horizon: int = 28) -> dict:
    rows = made.cells.filter(
        pc.and_(pc.equal(made.cells["target"], "burglary"), pc.equal(made.cells["horizon"], horizon))
    )
    return rows.slice(cell, 1).to_pylist()[0]


def test_a_new_spot_is_emerging_and_listed_within_four_weeks():
    made, cell = quiet_town(28, 0)
    row = row_of(made, cell)
    assert row["trend"] == "emerging"
    assert row["trend_q"] < 1e-4
    assert row["flagged"] in {1, 2}
    trends = made.cells.filter(pc.is_valid(made.cells["trend"]))
    # Once for each horizon, and hardly any other cell.
    assert trends.num_rows <= 3 * 2


def test_an_old_spot_is_fading_within_six_weeks_of_its_end():
    made, cell = quiet_town(330, 42)
    row = row_of(made, cell)
    assert row["trend"] == "fading"
    # Counting still puts it first: the trend says what the list cannot.
    assert row["place_counting"] == 1
    assert row["records_365d"] > 250


def test_where_spells_come_and_go_the_forecast_of_an_old_spot_falls():
    events, places = town(4, "bursts", 271, 1500, 600)
    t = newest_sunday(FIRST + 1499)
    cell = int(np.argmin(events.counted(FIRST, FIRST + 1500, 99_999)[BURGLARY, :-1]))
    surge = with_records(events, places, np.arange(t - 250, t - 84), cell, BURGLARY)
    row = row_of(forecast(inputs_of(surge, places, t)), cell)
    assert row["expected_mixture"] < 0.5 * row["expected_365d"]


@pytest.mark.slow
@pytest.mark.skipif(not trees.are_there(), reason="xgboost is not here: install the extra forecasts")
def test_in_a_large_town_of_spells_boosted_trees_are_the_champion():
    town_ = BurstTown(5)
    last = town_.days[-1]
    for method in ("all", "mixture", "trees", "mean"):
        alone = share_of(town_.learned, town_.one.known[last], 28, method)
        assert alone.tobytes() == town_.one.shares(town_.learned, last, 28)[method].tobytes()
    choice = choose(town_.past, {("burglary", 28): 24}, MODELS, 1400)["burglary", 28]
    assert (choice.method, choice.candidate, choice.verdict.word) == ("trees", "trees", "better")
    assert town_.hits(2, "trees") > 1.02 * town_.hits(2, "all")
    assert town_.hits(5, "trees") > 1.04 * town_.hits(5, "all")
