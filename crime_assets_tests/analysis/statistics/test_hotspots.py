"""Hot spots: what is planted is found, noise is not, and small examples worked out by hand."""

from __future__ import annotations

import math
from datetime import date, datetime, time, timedelta

import numpy as np
import pyarrow as pa
import pytest
from h3.api import basic_int as h3

from crime_assets.analysis.statistics.hotspots import CLASSES, FALSE_DISCOVERIES, PERIODS, around, judge, table
from crime_assets_tests.analysis.statistics.bounds import most_of
from crime_assets_tests.sql.asking import answer, crime

AS_OF = date(2024, 2, 29)
LAST = date(2024, 2, 21)
"""The last complete day."""
CENTER = h3.latlng_to_cell(41.88, -87.63, 9)


def area(rings: int) -> np.ndarray:
    """All cells at most so far from the center."""
    return np.sort(np.array(h3.grid_disk(CENTER, rings), dtype=np.int64))


def crimes_in(counts: dict[int, int], first_number: int = 0, days_before: int = 0, **columns: object) -> list:
    day = datetime.combine(LAST - timedelta(days=days_before), time(12))
    cells = [cell for cell, count in counts.items() for _ in range(count)]
    return [
        crime(
            first_number + n,
            day,
            **dict(zip(("latitude", "longitude"), h3.cell_to_latlng(cell), strict=True)),
            **columns,
        )
        for n, cell in enumerate(cells)
    ]


def rows_of(crimes: list, period: str = "28d", offense_class: str = "all") -> dict[int, dict]:
    rows = answer("hotspots", crimes, AS_OF)
    kept = [row for row in rows if (row["period"], row["offense_class"]) == (period, offense_class)]
    return {h3.str_to_int(row["cell"]): row for row in kept}


@pytest.mark.slow
def test_noise_has_no_hot_spots():
    # 1080 tables without any hot spot: chance may give an alarm in one of twenty, and passes the bound of 77 once in a
    # thousand. Cells independent of one another, some with the same rate everywhere, some with rates that differ.
    alarms = runs = 0
    for rings in (3, 9, 18):
        neighbors = around(area(rings))
        for mean in (0.3, 3.0, 60.0):
            for unevenness in (0.0, 1.0):
                for seed in range(60):
                    rng = np.random.default_rng([seed, rings, int(10 * mean)])
                    rates = mean * (rng.gamma(1 / unevenness, unevenness, len(neighbors)) if unevenness else 1.0)
                    found = judge(rng.poisson(rates, len(neighbors)), neighbors)
                    alarms += bool((found.q <= FALSE_DISCOVERIES).any())
                    runs += 1
    assert runs == 1080
    assert alarms <= most_of(runs, FALSE_DISCOVERIES) == 77


@pytest.mark.parametrize(("mean", "planted"), [(0.3, 12), (3.0, 40), (60.0, 150)])
def test_a_planted_hot_spot_is_found_and_nothing_far_from_it(mean: float, planted: int):
    ids = area(18)
    neighbors = around(ids)
    far = 0
    for seed in range(20):
        rng = np.random.default_rng([seed, planted])
        counts = rng.poisson(mean, len(ids))
        hot_cell = int(rng.integers(len(ids)))
        counts[hot_cell] += planted
        hot = np.flatnonzero(judge(counts, neighbors).q <= FALSE_DISCOVERIES)
        assert hot_cell in hot
        far += len(set(hot.tolist()) - set(neighbors[hot_cell].tolist()))
    # Of about seven hot cells in each of twenty cities, one in twenty may be chance.
    assert far <= 7


def test_gi_star_by_hand():
    # Nineteen cells, 20 crimes in the middle one and 1 in each other: mean 2, deviation sqrt(418 / 19 - 4). In and
    # around the middle are 26 in 7 cells: (26 - 14) / (sqrt(18) * sqrt((19 * 7 - 49) / 18)).
    counts = dict.fromkeys(area(2).tolist(), 1) | {CENTER: 20}
    found = rows_of(crimes_in(counts))
    assert (found[CENTER]["crimes"], found[CENTER]["cells_summed"], found[CENTER]["local_crimes"]) == (20, 7, 26)
    assert found[CENTER]["z_score"] == pytest.approx(12 / math.sqrt(84), abs=1e-9)
    corner = next(cell for cell in counts if found[cell]["cells_summed"] == 4)
    assert found[corner]["z_score"] == pytest.approx((4 - 8) / math.sqrt(19 * 4 - 16), abs=1e-9)


def test_the_p_value_by_hand():
    # Two cells that are no neighbors, 0 and 4 crimes: mean 2, variance 8, so a negative binomial count with a size of
    # 4 / 6. The chance of 4 or more is 1 less those of 0 to 3; that of n is (size + n - 1) / n * 2 / (2 + size) times
    # that of n - 1.
    far = h3.grid_ring(CENTER, 5)[0]
    old = crimes_in({far: 1}, 100, days_before=100)
    row = rows_of(crimes_in({CENTER: 4}) + old)[CENTER]
    none = 0.25 ** (2 / 3)
    fewer = none * (1 + 2 / 3 * 0.75 + 2 / 3 * 5 / 3 / 2 * 0.75**2 + 2 / 3 * 5 / 3 * 8 / 3 / 6 * 0.75**3)
    assert row["p_value"] == pytest.approx(1 - fewer, rel=1e-5)
    # The other has p 1, so the first of two is corrected by a factor of 2.
    assert row["q_value"] == pytest.approx(2 * (1 - fewer), rel=1e-5)
    assert row["z_score"] == 1.0


def test_the_study_area_is_where_anything_was_recorded_in_the_year():
    ring = list(h3.grid_ring(CENTER, 1))
    crimes = crimes_in({CENTER: 3}) + crimes_in({ring[0]: 1}, 10, 364) + crimes_in({ring[1]: 1}, 20, 365)
    assert rows_of(crimes)[CENTER]["cells_summed"] == 2
    assert set(rows_of(crimes)) == {CENTER}
    assert set(rows_of(crimes, "365d")) == {CENTER, ring[0]}


def test_periods_and_classes_hold_their_crimes():
    crimes = [
        *crimes_in({CENTER: 1}, 0, 27, primary_type="BATTERY"),
        *crimes_in({CENTER: 2}, 10, 28, primary_type="THEFT"),
        *crimes_in({CENTER: 4}, 20, 0, primary_type="NARCOTICS"),
        *crimes_in({CENTER: 8}, 30, -1, primary_type="THEFT"),
        crime(50, datetime(2024, 2, 20), latitude=None, longitude=-87.63),
    ]
    rows = answer("hotspots", crimes, AS_OF)
    assert [(row["period"], row["offense_class"], row["crimes"]) for row in rows] == [
        ("28d", "all", 5),
        ("28d", "violent", 1),
        ("365d", "all", 7),
        ("365d", "property", 2),
        ("365d", "violent", 1),
    ]
    assert (rows[0]["cell"], rows[0]["latitude"]) == (h3.int_to_str(CENTER), round(h3.cell_to_latlng(CENTER)[0], 6))


def test_one_cell_and_equal_cells_are_never_hot():
    for counts in ({CENTER: 40}, dict.fromkeys(area(2).tolist(), 3)):
        for row in rows_of(crimes_in(counts)).values():
            assert row["z_score"] is None
            assert row["is_hot"] == 0
            assert 0.3 < row["p_value"] <= 1.0


@pytest.mark.parametrize("many", [20_000, 10_000_000])
def test_one_cell_with_nearly_all_crimes_does_not_make_the_others_hot(many: int):
    ids = area(25)
    counts = np.random.default_rng(1).poisson(5, len(ids))
    counts[500] = many
    points = pa.table(
        {
            "as_of_day": pa.repeat(pa.scalar(AS_OF), len(ids)),
            "last_day": pa.repeat(pa.scalar(LAST), len(ids)),
            "latitude": [h3.cell_to_latlng(cell)[0] for cell in ids.tolist()],
            "longitude": [h3.cell_to_latlng(cell)[1] for cell in ids.tolist()],
            **{f"{kind}_{period}": counts for kind in CLASSES for period in PERIODS},
        }
    )
    hot = {row["cell"] for row in table(points).to_pylist() if row["is_hot"]}
    assert hot <= {h3.int_to_str(cell) for cell in h3.grid_disk(int(ids[500]), 1)}


def test_hot_cells_come_first_and_quiet_neighbors_among_them_stay():
    # Twenty crimes in the middle, none around it, one in each other cell of the year.
    ring = h3.grid_ring(CENTER, 1)
    others = {cell: 1 for cell in area(9).tolist() if cell not in (CENTER, *ring)}
    crimes = [
        *crimes_in({CENTER: 20} | others),
        *crimes_in(dict.fromkeys(ring, 1), 1000, days_before=200),
    ]
    rows = [
        row for row in answer("hotspots", crimes, AS_OF) if row["period"] == "28d" and row["offense_class"] == "all"
    ]
    assert [(row["crimes"], row["is_hot"]) for row in rows] == [(20, 1)] + 6 * [(0, 1)] + len(others) * [(1, 0)]
    assert [row["cell"] for row in rows[1:7]] == sorted(h3.int_to_str(cell) for cell in ring)


def test_the_order_of_quiet_cells_does_not_give_their_counts_away():
    counts = {cell: 1 + n % 9 for n, cell in enumerate(area(3).tolist())}
    found = list(rows_of(crimes_in(counts)))
    assert found == sorted(counts)
