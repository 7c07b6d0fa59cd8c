"""The study area: cells inside rings and cells with records, the same ones whatever order they come in."""

import numpy as np
import pyarrow as pa
from h3.api import basic_int as h3

from crime_assets.analysis.forecasts.places import cells_of, names_of, of_table, place_of, study_area, table


def square(south: float, west: float, degrees: float) -> list[tuple[float, float]]:
    north, east = south + degrees, west + degrees
    return [(west, south), (east, south), (east, north), (west, north)]


WEST, EAST = square(41.80, -87.70, 0.03), square(41.80, -87.67, 0.03)
LAKE = square(41.81, -87.69, 0.01)
"""A hole in the western one."""
FAR = cells_of(np.array([42.5]), np.array([-87.0]))
RINGS = {"1": [WEST, LAKE], "2": [EAST]}


def test_cells_are_those_whose_center_is_inside_and_those_with_records():
    places = study_area(RINGS, np.repeat(FAR, 3), ["7", "9", None], np.array([2, 3, 9]))
    names = names_of(places)
    for position, cell in enumerate(places.ids.tolist()):
        latitude, longitude = h3.cell_to_latlng(cell)
        inside_west = 41.80 < latitude < 41.83 and -87.70 < longitude < -87.67
        inside_lake = 41.81 < latitude < 41.82 and -87.69 < longitude < -87.68
        inside_east = 41.80 < latitude < 41.83 and -87.67 < longitude < -87.64
        assert places.is_inside[position] == ((inside_west and not inside_lake) or inside_east)
        assert names[position] == ("9" if cell == FAR[0] else "1" if inside_west else "2")
    # A square of 0.03 degrees here is 8.3 km².
    assert 100 < len(places) < 200
    assert abs(places.km2[places.is_inside].sum() - (2 * 8.295 - 0.922)) < 0.4


def test_the_area_of_most_records_is_that_of_a_cell_outside_and_ties_go_by_name():
    assert study_area({}, np.repeat(FAR, 2), [9, 10], np.array([3, 3])).areas == ("10",)
    assert names_of(study_area({}, FAR, [None], np.array([3]))) == [None]


def test_order_of_what_was_seen_does_not_matter_and_a_cell_more_changes_the_digest():
    cells = cells_of(np.array([42.0, 42.1, 42.2]), np.array([-87.0, -87.0, -87.1]))
    one = study_area(RINGS, cells, ["1", None, "2"], np.array([1, 1, 1]))
    other = study_area(RINGS, cells[::-1], ["2", None, "1"], np.array([1, 1, 1]))
    assert table(one).equals(table(other))
    assert len(one.area_id) == 12
    assert study_area(RINGS, cells[:2], ["1", None], np.array([1, 1])).area_id != one.area_id


def test_the_table_gives_the_same_places_again_in_any_order():
    places = study_area(RINGS, FAR, [None], np.array([1]))
    rows = table(places)
    again = of_table(rows.take(pa.array(np.random.default_rng(1).permutation(len(places)))))
    assert table(again).equals(rows)
    assert np.array_equal(again.xy, places.xy)
    assert again.areas == ("1", "2")


def test_points_are_in_their_cells_and_others_nowhere():
    places = study_area(RINGS, FAR, [None], np.array([1]))
    latitudes = pa.chunked_array([[*places.latitude.tolist(), 41.815, 0.0], [None, 42.5]], pa.float64())
    longitudes = pa.chunked_array([[*places.longitude.tolist(), -87.685, 0.0, None], [-87.0]], pa.float64())
    n = len(places)
    far = int(np.searchsorted(places.ids, FAR[0]))
    assert place_of(places, latitudes, longitudes).tolist() == [*range(n), n, n, n, far]


def test_meters_are_meters():
    places = study_area(RINGS, FAR[:0], [], np.zeros(0, dtype=np.int64))
    first, last = places.ids[0], places.ids[-1]
    true = h3.great_circle_distance(h3.cell_to_latlng(first), h3.cell_to_latlng(last), unit="m")
    assert abs(np.hypot(*(places.xy[0] - places.xy[-1])) / true - 1) < 0.002
