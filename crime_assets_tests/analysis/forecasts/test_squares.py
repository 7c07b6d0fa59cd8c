"""Squares of 600 feet: they cover the study area once, and are scored like cells, beside all that is said."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from crime_assets.analysis.forecasts.counts import METHODS
from crime_assets.analysis.forecasts.days import newest_sunday, ordinal, replay_days
from crime_assets.analysis.forecasts.events import gathered
from crime_assets.analysis.forecasts.pairs import Inputs
from crime_assets.analysis.forecasts.places import cells_of, place_of
from crime_assets.analysis.forecasts.replaying import squares_scores
from crime_assets.analysis.forecasts.squares import SIDE_M, Squares, shares, squares
from crime_assets.analysis.forecasts.targets import TARGETS
from crime_assets_tests.analysis.forecasts.towns import FIRST, LAG, inputs_of, places_of, town

T = newest_sunday(FIRST + 559)


def at(area: Squares, latitudes: np.ndarray, longitudes: np.ndarray) -> np.ndarray:
    return place_of(area, pa.chunked_array([latitudes]), pa.chunked_array([longitudes]))


def test_squares_are_those_whose_center_is_in_a_cell_and_each_holds_what_is_around_its_center():
    cells = places_of(271)
    area = squares(cells)
    assert np.isin(cells_of(area.latitude, area.longitude), cells.ids).all()
    assert area.km2.sum() == pytest.approx(cells.km2.sum(), rel=0.01)
    assert area.area_id == cells.area_id
    own = np.arange(len(area))
    assert (at(area, area.latitude, area.longitude) == own).all()
    # 300 feet are 0.000822 degrees of latitude here, and 0.001104 of longitude.
    for north, east in ((0.8, 0.8), (0.8, -0.8), (-0.8, 0.8), (-0.8, -0.8)):
        assert (at(area, area.latitude + north * 0.000822, area.longitude + east * 0.001104) == own).all()
    beyond = at(area, area.latitude + 1.2 * 0.000822, area.longitude)
    assert (beyond != own).all()
    inside = beyond < len(area)
    assert np.allclose(area.xy[beyond[inside]] - area.xy[own[inside]], [0, SIDE_M])


def test_points_elsewhere_are_in_no_square():
    area = squares(places_of(91))
    outside = at(area, np.array([41.0, 42.9, 41.88, np.nan, -41.88]), np.array([-87.63, -87.63, -89.0, np.nan, 87.63]))
    assert (outside == len(area)).all()


def test_a_quarter_to_three_quarters_of_a_square_mile_are_20_to_58_squares():
    area = squares(places_of(271))
    assert [share * len(area) / 100 for share in shares(area)] == pytest.approx([20, 58])
    assert 0.25 <= 20 * 360_000 / 5280**2 <= 58 * 360_000 / 5280**2 <= 0.75
    assert shares(squares(places_of(1))) == (), "a village has too few"


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    """A town whose records lie in the centers of cells."""
    events, cells = town(21, "constant", 127, 560, 120)
    area = squares(cells)
    square = at(area, cells.latitude, cells.longitude)
    assert (square < len(area)).all()
    moved = gathered(events.known, events.occurred, square[events.cell], events.counts.astype(np.int64), len(area))
    return inputs_of(moved, area, T)


def test_every_finished_window_of_28_days_is_scored_and_no_verdict_counts_it(inputs: Inputs):
    days = replay_days(T, 28, LAG, FIRST)
    told: list[str] = []
    scores = squares_scores(inputs, days, told.append)
    assert set(scores["grid"].to_pylist()) == {"nij-600ft"}
    assert {ordinal(day) for day in scores["as_of_day"].to_pylist()} == set(days)
    assert set(scores["horizon"].to_pylist()) == {28}
    assert set(scores["method"].to_pylist()) == {*METHODS, "mixture"}
    assert sorted(set(scores["cells"].to_pylist())) == [20, 58]
    assert not any(scores["in_verdict"].to_pylist())
    assert scores["coverage_90_areas"].null_count == scores.num_rows
    assert len(told) == len(TARGETS)
    assert told[0] == f"Replayed violent_street on {len(days)} days in nij-600ft."


def test_hits_are_those_of_a_plain_loop(inputs: Inputs):
    day = replay_days(T, 28, LAG, FIRST)[0]
    scores = squares_scores(inputs, [day])
    events, burglary = inputs.events, 1
    before, came = np.zeros(len(inputs.places)), np.zeros(len(inputs.places))
    for known, occurred, square, counts in zip(
        events.known.tolist(), events.occurred.tolist(), events.cell.tolist(), events.counts.tolist(), strict=True
    ):
        if known <= day:
            before[square] += counts[burglary]
        if day < occurred <= day + 28:
            came[square] += counts[burglary]
    listed = sorted(range(len(before)), key=lambda square: (-before[square], square))[:20]
    is_of = pc.and_(pc.equal(scores["target"], "burglary"), pc.equal(scores["method"], "all"))
    (row,) = scores.filter(pc.and_(is_of, pc.equal(scores["cells"], 20))).to_pylist()
    assert row["hits"] == came[listed].sum() > 0
    assert row["crimes"] == came.sum()
    assert row["pai"] == pytest.approx(row["hits"] / row["crimes"] / (20 / len(before)), abs=1e-5)


def test_cells_are_no_squares():
    with pytest.raises(TypeError, match="must be squares"):
        squares_scores(inputs_of(*town(21, "constant", 91, 300, 60), T), [T])
