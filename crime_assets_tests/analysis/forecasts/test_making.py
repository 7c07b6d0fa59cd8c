"""A whole forecast of a small town: it adds up, it is the same twice, and nothing that was not known changes it."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from crime_assets.analysis.forecasts import HORIZONS
from crime_assets.analysis.forecasts.days import day_of, newest_sunday
from crime_assets.analysis.forecasts.events import Events, gathered
from crime_assets.analysis.forecasts.making import ADDED_BY_THE_LAKE, Made, forecast
from crime_assets.analysis.forecasts.pairs import Inputs
from crime_assets.analysis.forecasts.targets import TARGETS
from crime_assets.lakehouse.schema import arrow_schema
from crime_assets.lakehouse.schema_forecasts import FORECAST_AREAS, FORECAST_CELLS, FORECAST_EXPOSURE, FORECAST_TOTALS
from crime_assets_tests.analysis.forecasts.towns import FIRST, LAG, inputs_of, joined, replayed, town, without

CELLS, DAYS = 127, 500
T = newest_sunday(FIRST + DAYS - 40)


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    events, places = town(11, "late", CELLS, DAYS, 120)
    return inputs_of(events, places, T)


@pytest.fixture(scope="module")
def made(inputs: Inputs) -> Made:
    return forecast(inputs)


def digest(made: Made) -> str:
    tables = (made.cells, made.areas, made.totals, made.exposure)
    return hashlib.sha256("".join(str(table.to_pylist()) for table in tables).encode()).hexdigest()


def test_the_tables_have_their_columns_and_a_row_for_each_cell_and_area(made: Made):
    assert made.cells.schema == arrow_schema(FORECAST_CELLS)
    assert made.areas.schema == arrow_schema(FORECAST_AREAS)
    assert made.exposure.schema == arrow_schema(FORECAST_EXPOSURE)
    expected = {column.name for column in FORECAST_TOTALS} - ADDED_BY_THE_LAKE
    assert set(made.totals.column_names) == expected
    assert (made.cells.num_rows, made.areas.num_rows, made.totals.num_rows) == (15 * CELLS, 15 * 16, 15)
    for table, columns in ((made.cells, FORECAST_CELLS), (made.areas, FORECAST_AREAS), (made.totals, FORECAST_TOTALS)):
        required = [column.name for column in columns if column.required and column.name in table.column_names]
        assert [name for name in required if table[name].null_count] == []


def test_windows_begin_the_day_after_and_what_is_known_ends_before(made: Made):
    for row in made.totals.to_pylist():
        assert row["as_of_day"] == day_of(T)
        assert row["first_day"] == day_of(T + 1)
        assert row["last_day"] == day_of(T + row["horizon"])
        assert row["known_to"] == day_of(T - LAG)
        # A fifth of the records come 20 days late: of the last 28 days, most of these are not known.
        assert 0.8 < row["known_share"] < 0.95


def test_cells_areas_and_the_city_add_up(made: Made):
    for total in made.totals.to_pylist():
        is_of = {"target": total["target"], "horizon": total["horizon"]}
        cells, areas = (only(table, **is_of) for table in (made.cells, made.areas))
        assert pc.sum(cells["expected"]).as_py() == pytest.approx(total["expected"], abs=1e-3)
        assert pc.sum(areas["expected"]).as_py() == pytest.approx(total["expected"], abs=1e-3)
        for name in ("365d", "3y", "all", "decayed", "kde", "last_year", "mixture"):
            column = cells[f"expected_{name}"]
            assert column.null_count in ({0, CELLS} if name == "mixture" else {0})
            if not column.null_count:
                assert pc.sum(column).as_py() == pytest.approx(total["expected"], abs=1e-3)
        assert cells["expected"].equals(cells[f"expected_{total['method']}"])
        for table in (cells, areas, pa.Table.from_pylist([total])):
            low_95, low_80, high_80, high_95 = (
                table[name].to_numpy() for name in ("low_95", "low_80", "high_80", "high_95")
            )
            assert (low_95 <= low_80).all()
            assert (low_80 <= high_80).all()
            assert (high_80 <= high_95).all()


def test_records_without_a_place_are_expected_in_the_city_and_in_no_cell(inputs: Inputs, made: Made):
    events = inputs.events
    is_lost = np.arange(len(events.cell)) % 5 == 0
    cell = np.where(is_lost, CELLS, events.cell).astype(np.int32)
    without_places = forecast(replace(inputs, events=replace(events, cell=cell)))
    assert without_places.totals["expected"].equals(made.totals["expected"])
    for total in without_places.totals.to_pylist():
        cells = only(without_places.cells, target=total["target"], horizon=total["horizon"])
        assert pc.sum(cells["expected"]).as_py() / total["expected"] == pytest.approx(0.8, abs=0.04)


def test_causes_add_to_one_where_there_is_a_mixture(made: Made):
    causes = [name for name in made.cells.column_names if name.startswith("from_")]
    assert len(causes) == 6
    for table in (made.cells, made.totals):
        there = table.filter(pc.is_valid(table[causes[0]]))
        assert there.num_rows
        assert np.abs(sum(there[name].to_numpy() for name in causes) - 1).max() < 1e-4


def test_places_are_by_expected_and_flags_by_places(made: Made):
    for horizon in HORIZONS:
        rows = only(made.cells, target="robbery", horizon=horizon).sort_by("place").to_pylist()
        assert [row["place"] for row in rows] == list(range(1, CELLS + 1))
        keys = [(-round(row["expected"], 5), -row["records_all"]) for row in rows]
        assert [key[0] for key in keys] == sorted(key[0] for key in keys)
        # One, two and five per cent of 127 cells, the last one in.
        assert [row["flagged"] for row in rows[:9]] == [1, 1, 2, 5, 5, 5, 5, None, None]
        assert not any(row["is_capped_out"] for row in rows)


def test_a_year_and_a_half_has_models_at_28_days_and_says_that_there_are_too_few_windows(made: Made):
    words = {(row["target"], row["horizon"]): row["verdict"] for row in made.totals.to_pylist()}
    assert {words[target.name, 28] for target in TARGETS} == {"too few"}
    assert set(made.totals["models"].to_pylist()) == {"mixture"}
    trained = {row["horizon"]: row["trained_windows"] for row in made.totals.to_pylist()}
    assert trained == {7: 12, 28: 11, 90: 9}


def test_a_short_history_has_counts_only_and_says_so():
    events, places = town(12, "constant", 37, 200, 60)
    made = forecast(inputs_of(events, places, newest_sunday(FIRST + 199)))
    for row in made.totals.to_pylist():
        assert (row["verdict"], row["method"], row["models"], row["candidate"]) == ("no model", "all", "", None)
        assert row["sentence"].startswith("No model: only ")
        assert row["expected"] > 0
    assert made.cells["expected_mixture"].null_count == made.cells.num_rows
    # Nobody knows them: none would be another thing.
    assert made.areas["records_last_year"].null_count == made.areas.num_rows


def test_without_any_record_nothing_is_expected_anywhere():
    events, places = town(12, "constant", 37, 200, 60)
    made = forecast(inputs_of(events.until(0), places, T))
    assert set(made.cells["expected"].to_pylist()) == {0.0}
    assert set(made.totals["expected"].to_pylist()) == {0.0}


def test_the_same_events_give_the_same_bytes_in_any_order(inputs: Inputs, made: Made):
    events = inputs.events
    shuffled = np.random.default_rng(1).permutation(len(events.known))
    again = gathered(
        *(column[shuffled] for column in (events.known, events.occurred, events.cell)),
        events.counts[shuffled].astype(np.int64),
        CELLS,
    )
    assert digest(forecast(replace(inputs, events=again))) == digest(made)


def edited(events: Events, rng: np.random.Generator, rows: np.ndarray, after: int) -> Events:
    """One record is added, left out, or moved to another cell, among those known after a day."""
    kind = int(rng.integers(3))
    row = rng.choice(rows)
    fewer = without(events, np.array([row])) if kind else events
    if kind == 1:
        return fewer
    known = np.array([after + int(rng.integers(1, 60))], dtype=np.int32)
    occurred = (known - LAG - rng.integers(0, 300, 1)).astype(np.int32)
    counts = np.zeros((1, len(TARGETS)), dtype=np.int64)
    counts[0, rng.integers(len(TARGETS))] = 1
    return joined(fewer, gathered(known, occurred, rng.integers(0, CELLS, 1).astype(np.int32), counts, CELLS))


@pytest.mark.slow
def test_nothing_that_was_not_known_changes_a_forecast(inputs: Inputs, made: Made):
    # A hundred edits, ten at a time.
    (later,) = np.nonzero(inputs.events.known > T)
    rng = np.random.default_rng(2)
    for _ in range(10):
        events = inputs.events
        for _ in range(10):
            events = edited(events, rng, np.nonzero(events.known > T)[0], T)
        assert digest(forecast(replace(inputs, events=events))) == digest(made)
    assert len(later) > 100
    # What was known does.
    (row,) = np.nonzero(inputs.events.known <= T)[0][-1:]
    assert digest(forecast(replace(inputs, events=without(inputs.events, np.array([row]))))) != digest(made)


def test_scores_of_windows_that_were_not_finished_change_nothing(inputs: Inputs, made: Made):
    past = replayed(replace(inputs, t=T + 35))
    later = past.filter(pc.greater(pc.add(past["as_of_day"].cast(pa.int32()), past["horizon"]), T - LAG))
    assert later.num_rows
    assert digest(forecast(replace(inputs, past=later))) == digest(made)


def test_a_cap_leaves_cells_out_and_lets_others_in(inputs: Inputs, made: Made):
    capped = forecast(replace(inputs, cap=2.5)).cells
    was, now = (only(table, horizon=28).to_pylist() for table in (made.cells, capped))
    listed, still = ({(row["target"], row["cell"]) for row in rows if row["flagged"]} for rows in (was, now))
    out = {(row["target"], row["cell"]) for row in now if row["is_capped_out"]}
    assert out == listed - still
    assert out
    assert still - listed
    assert [row["expected"] for row in was] == [row["expected"] for row in now]


_ALONE = """
from crime_assets_tests.analysis.forecasts.test_making import T, digest, forecast, inputs_of, town
events, places = town(11, "late", 127, 500, 120)
import sys
sys.stdout.write(digest(forecast(inputs_of(events, places, T))))
"""


@pytest.mark.slow
@pytest.mark.parametrize("threads", ["1", "2"])
def test_another_process_gives_the_same_bytes_whatever_its_threads(made: Made, threads: str):
    variables = os.environ | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
    alone = subprocess.run(
        [sys.executable, "-c", _ALONE], capture_output=True, text=True, env=variables, timeout=300, check=True
    )
    assert alone.stdout == digest(made)


def only(table: pa.Table, **values: object) -> pa.Table:
    for name, value in values.items():
        table = table.filter(pc.equal(table[name], value))
    return table
