"""Events: the day from which a record was known, by hand; order of rows and later records do not matter."""

from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from crime_assets.analysis.forecasts.events import begin_of, daily, gathered, of_rows
from crime_assets.analysis.forecasts.places import Places
from crime_assets.analysis.forecasts.targets import TARGETS
from crime_assets_tests.analysis.forecasts.towns import places_of, town

DAY = 17_000
LAG = 8
CURVE = np.array([0.0] * 8 + [0.5, 0.75, 0.75, 0.875])


def rows(places: Places, *given: tuple[int, int, bool, int, int | None]) -> pa.Table:
    """Occurred, first day, whether it was seen to arrive, draw, and place (None: without)."""
    occurred, first, seen, draw, place = zip(*given, strict=True)
    points = [(None, None) if one is None else (places.latitude[one], places.longitude[one]) for one in place]
    columns: dict[str, object] = {
        "occurred_on": [date(1970, 1, 1) + timedelta(days=day) for day in occurred],
        "first_day": [date(1970, 1, 1) + timedelta(days=day) for day in first],
        "is_seen": pa.array(map(int, seen), pa.int32()),
        "draw": pa.array(draw, pa.int32()),
        "latitude": pa.array([point[0] for point in points], pa.float64()),
        "longitude": pa.array([point[1] for point in points], pa.float64()),
    }
    for number, target in enumerate(TARGETS):
        columns[target.column] = pa.array([number + 1] * len(given), pa.int64())
    return pa.table(columns)


def test_known_days_by_hand():
    places = places_of(7)
    late = DAY + 500
    found = of_rows(
        rows(
            places,
            (DAY, DAY + 30, True, 0, 0),  # seen to arrive: that day
            (DAY, DAY + 2, True, 0, 1),  # never before its day is complete
            (DAY, late, False, 0, 2),  # of history: by its draw, with the first half after 8 days
            (DAY, late, False, 32_767, 3),
            (DAY, late, False, 32_768, 4),
            (DAY, late, False, 49_152, 5),  # the curve stands still between days 9 and 10
            (DAY, late, False, 65_535, 6),  # later than all that was learnt
            (DAY, DAY + 9, False, 65_535, None),  # but never later than it was seen
        ),
        CURVE,
        LAG,
        places,
    )
    of_cell = dict(zip(found.cell.tolist(), (found.known - DAY).tolist(), strict=True))
    assert of_cell == {0: 30, 1: 8, 2: 8, 3: 8, 4: 9, 5: 11, 6: 12, 7: 9}
    assert found.counts[0].tolist() == [1, 2, 3, 4, 5]


def test_without_a_curve_history_is_known_when_its_day_is_complete():
    places = places_of(7)
    found = of_rows(rows(places, (DAY, DAY + 500, False, 65_535, 0)), None, LAG, places)
    assert found.known.tolist() == [DAY + LAG]


def test_the_share_that_is_known_follows_the_curve():
    places = places_of(7)
    draws = np.random.default_rng(2).integers(0, 65_536, 20_000).tolist()
    found = of_rows(rows(places, *((DAY, DAY + 500, False, draw, 0) for draw in draws)), CURVE, LAG, places)
    for age in range(8, 12):
        known = found.counts[found.known <= DAY + age, 0].sum()
        assert abs(known / 20_000 - CURVE[age]) < 0.01


def test_shuffled_rows_give_the_same_bytes():
    places = places_of(50)
    rng = np.random.default_rng(3)
    given = rows(
        places,
        *(
            (DAY + int(day), DAY + 400, False, int(draw), int(place) if place < 50 else None)
            for day, draw, place in zip(
                rng.integers(0, 20, 3000), rng.integers(0, 65_536, 3000), rng.integers(0, 52, 3000), strict=True
            )
        ),
    )
    one = of_rows(given, CURVE, LAG, places)
    other = of_rows(given.take(pa.array(rng.permutation(3000))), CURVE, LAG, places)
    for name in ("known", "occurred", "cell", "counts"):
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes()
    assert len(one.known) < 3000
    assert one.counts[:, 0].sum() == 3000


def test_counts_of_days_are_those_of_a_plain_loop():
    events, places = town(1, "late", cells=40, days=200, per28=50)
    first, last, known_by = 15_050, 15_090, 15_100
    plain = np.zeros((len(TARGETS), len(places) + 1), dtype=int)
    for known, occurred, cell, counts in zip(events.known, events.occurred, events.cell, events.counts, strict=True):
        if first <= occurred <= last and known <= known_by:
            plain[:, cell] += counts
    assert np.array_equal(events.counted(first, last, known_by), plain)
    assert np.array_equal(daily(events).between(first, last, known_by), plain.sum(axis=1))
    assert plain.sum() < events.counted(first, last, known_by + 50).sum()
    assert np.array_equal(events.until(known_by).counted(first, last, 99_999), plain)


def test_a_history_begins_after_its_last_long_gap():
    days = np.arange(DAY, DAY + 50, dtype=np.int32)
    assert begin_of(days[::-1]) == DAY
    assert begin_of(np.append(days, np.int32(DAY - 8_000))) == DAY
    assert begin_of(np.append(days, np.int32(DAY - 28))) == DAY - 28
    assert begin_of(days[:0]) is None


def test_what_came_without_a_place_counts_in_the_total_only():
    one = np.array([DAY, DAY + 1, DAY + 8], dtype=np.int32)
    cell = np.array([0, 2, 0], dtype=np.int32)
    events = gathered(one + np.int32(LAG), one, cell, np.ones((3, 5), dtype=np.int64), 2)
    cells, crimes = events.truth(DAY - 1, 7, DAY + 100)
    assert cells[0].tolist() == [1, 0]
    assert crimes[0] == 2
    assert np.array_equal(events.came(3, DAY - 1, 7, DAY + 100), cells[3])
    assert events.came(3, DAY - 1, 7, DAY + LAG - 1).sum() == 0
