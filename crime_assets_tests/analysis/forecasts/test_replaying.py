"""Scores of the past: a replay knows what was known that day, and a published forecast is scored as it was said."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from crime_assets.analysis.forecasts import HORIZONS, SHARES
from crime_assets.analysis.forecasts.counts import METHODS
from crime_assets.analysis.forecasts.days import is_on_grid, newest_sunday, ordinal, replay_days
from crime_assets.analysis.forecasts.making import forecast
from crime_assets.analysis.forecasts.pairs import Inputs
from crime_assets.analysis.forecasts.replaying import replays, score_published
from crime_assets.analysis.forecasts.targets import TARGETS
from crime_assets.lakehouse.schema import arrow_schema
from crime_assets.lakehouse.schema_forecasts import FORECAST_SCORES
from crime_assets_tests.analysis.forecasts.towns import FIRST, LAG, inputs_of, replayed, town

DAYS = 560
T = newest_sunday(FIRST + DAYS - 1)


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    return inputs_of(*town(21, "late", 127, DAYS, 120), T)


@pytest.fixture(scope="module")
def scores(inputs: Inputs) -> pa.Table:
    return replayed(inputs)


def test_every_finished_window_of_the_grid_is_scored_by_every_method(scores: pa.Table):
    assert scores.schema == arrow_schema(FORECAST_SCORES)
    for horizon in HORIZONS:
        rows = scores.filter(pc.equal(scores["horizon"], horizon)).to_pylist()
        days = {ordinal(row["as_of_day"]) for row in rows}
        assert days == set(replay_days(T, horizon, LAG, FIRST))
        assert all(is_on_grid(day) and day + horizon + LAG <= T for day in days)
        counts = [row for row in rows if row["method"] in METHODS]
        assert len(counts) == len(days) * len(TARGETS) * len(SHARES) * len(METHODS)
        assert all(row["in_verdict"] and row["basis"] == "replayed" for row in rows)
        final = {row["state"] for row in rows if ordinal(row["as_of_day"]) + horizon + LAG + 28 <= T}
        assert final == {"final"}
    # The newest window of 28 days still gets late records.
    assert "provisional" in scores["state"].to_pylist()


def test_a_mixture_is_there_once_eight_windows_were_finished_and_its_intervals_are_judged(scores: pa.Table):
    is_of = pc.and_(pc.equal(scores["horizon"], 28), pc.equal(scores["method"], "mixture"))
    rows = scores.filter(is_of).to_pylist()
    first = min(ordinal(row["as_of_day"]) for row in rows)
    assert first - LAG - FIRST >= 90 + 28 * 9
    for row in rows:
        is_judged = row["share"] == 2
        for nominal in (80, 90, 95):
            for unit in ("cells", "top", "areas", "city"):
                assert (row[f"coverage_{nominal}_{unit}"] is not None) == is_judged
    held = np.mean([row["coverage_90_areas"] for row in rows if row["share"] == 2])
    assert 0.8 < held <= 1


def test_a_replay_does_not_know_what_came_later(inputs: Inputs, scores: pa.Table):
    # All records of the last half year in one cell: forecasts of earlier days are the same, and find other records.
    day = max(day for day in replay_days(T, 28, LAG, FIRST) if day < T - 150)
    events = inputs.events
    cell = np.where(events.known > day, 0, events.cell).astype(np.int32)
    moved = replays(replace(inputs, events=replace(events, cell=cell)), [day])
    was = scores.filter(pc.equal(scores["as_of_day"].cast(pa.int32()), day))
    for name in ("method", "share", "expected", "cells", "crimes"):
        assert moved[name].equals(was[name])
    assert not moved["hits"].equals(was["hits"])


def test_a_published_forecast_is_scored_as_it_was_said(inputs: Inputs, scores: pa.Table):
    day = max(day for day in replay_days(T, 90, LAG, FIRST))
    made = forecast(replace(inputs, t=day))
    found = score_published(inputs, made.cells, made.areas, made.totals)
    assert set(found["basis"].to_pylist()) == {"published"}
    assert len(set(zip(found["target"].to_pylist(), found["horizon"].to_pylist(), strict=True))) == 15
    # The same day replayed is the same forecast, but for classes that changed, of which a town has none.
    both = {}
    for name, table in (("published", found), ("replayed", scores)):
        is_of = pc.and_(pc.equal(table["as_of_day"].cast(pa.int32()), day), pc.equal(table["method"], "all"))
        both[name] = table.filter(is_of).to_pylist()
    assert len(both["published"]) == 45
    for one, other in zip(both["published"], both["replayed"], strict=True):
        assert (one["hits"], one["crimes"], one["cells"]) == (other["hits"], other["crimes"], other["cells"])
        assert one["deviance"] == pytest.approx(other["deviance"], abs=1e-4)
        assert one["level_error"] == pytest.approx(other["level_error"], abs=1e-5)
    said = {row["target"]: row["method"] for row in made.totals.to_pylist() if row["horizon"] == 28}
    judged = [row for row in found.to_pylist() if row["coverage_80_areas"] is not None]
    assert {(row["target"], row["method"]) for row in judged if row["horizon"] == 28} == set(said.items())
    assert all(row["coverage_90_areas"] is None for row in judged)


def test_windows_that_are_not_finished_are_not_scored(inputs: Inputs):
    made = forecast(replace(inputs, t=T - 35))
    found = score_published(inputs, made.cells, made.areas, made.totals)
    assert set(found["horizon"].to_pylist()) == {7}
    assert set(found["state"].to_pylist()) == {"provisional"}
    nothing = score_published(replace(inputs, t=T - 35), made.cells, made.areas, made.totals)
    assert nothing.num_rows == 0
    assert nothing.schema == arrow_schema(FORECAST_SCORES)
