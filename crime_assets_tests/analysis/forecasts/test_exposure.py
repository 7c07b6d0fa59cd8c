"""Exposure: the same figures as an independent computation gives, and what a cap costs by a plain loop."""

import numpy as np
import pandas as pd
import pytest

from crime_assets.analysis.forecasts.exposure import CAPS, cap_costs, exposure
from crime_assets.analysis.forecasts.places import Places, study_area
from crime_assets_tests.analysis.forecasts.towns import places_of

DAY = 17_000


@pytest.fixture(scope="module")
def places() -> Places:
    """Sixteen areas, and one cell of none."""
    town = places_of(300)
    names = [None if number == 7 else town.areas[area] for number, area in enumerate(town.area.tolist())]
    return study_area({}, town.ids, names, np.ones(300, dtype=np.int64))


def test_shares_are_those_of_an_independent_computation(places: Places):
    rng = np.random.default_rng(1)
    records = rng.poisson(3, 300).astype(float)
    found = np.unique(np.append(rng.choice(300, 40, replace=False), 7))
    residents = {area: int(number) for area, number in zip(places.areas, rng.integers(100, 900, 16), strict=True)}
    seen = exposure(found, places, records, residents, {}, DAY)

    frame = pd.DataFrame({"area": places.area, "records": records, "flagged": np.isin(np.arange(300), found)})
    known = frame[frame.area >= 0].groupby("area").sum()
    assert seen.flagged_cells.tolist() == known.flagged.tolist()
    assert np.allclose(seen.share_flagged, known.flagged / len(found))
    assert np.allclose(seen.share_records, known.records / records.sum())
    assert np.allclose(seen.share_residents, pd.Series(residents) / sum(residents.values()))
    # With the cell of no area they add to 1.
    assert seen.share_flagged.sum() + 1 / len(found) == pytest.approx(1)
    assert seen.share_residents.sum() == pytest.approx(1)


def test_unknown_residents_are_not_zero(places: Places):
    seen = exposure(np.array([0, 1]), places, np.ones(300), {"03": 100}, {}, DAY)
    assert seen.share_residents[3] == 1
    assert np.isnan(np.delete(seen.share_residents, 3)).all()
    assert np.isnan(exposure(np.array([0]), places, np.ones(300), {}, {}, DAY).share_residents).all()


def test_weeks_on_the_list_and_what_was_kept(places: Places):
    of_area = [np.nonzero(places.area == area)[0] for area in range(16)]
    lists = {DAY - 7 * week: of_area[week % 2][:4] for week in range(1, 80)}
    lists[DAY - 28] = np.concatenate([of_area[0][:1], of_area[5][:3]])
    # One after the day, which it cannot know.
    lists[DAY + 7] = of_area[9][:4]
    seen = exposure(of_area[0][:4], places, np.ones(300), {}, lists, DAY)
    assert seen.weeks == 52
    # Every second week of the last 51, and this one; the one of four weeks ago is among them.
    assert seen.weeks_flagged[[0, 1, 5, 9]].tolist() == [26, 26, 1, 0]
    assert seen.kept_share == 0.25
    assert np.isnan(exposure(of_area[0][:4], places, np.ones(300), {}, {}, DAY).kept_share)


def test_costs_of_caps_are_those_of_a_plain_loop(places: Places):
    rng = np.random.default_rng(2)
    windows = []
    for _ in range(3):
        expected = rng.gamma(0.5, size=300) * np.where(places.area == 3, 4, 1)
        windows.append((expected, rng.poisson(expected * 5), rng.random(300), rng.poisson(expected * 20).astype(float)))
    costs = cap_costs(windows, places)
    for cap, cost in zip(CAPS, costs, strict=True):
        whole = kept = 0.0
        for expected, came, _, records in windows:
            by_place = np.argsort(-expected)
            goal = 0.02 * places.km2.sum()
            cells = 1 + next(n for n in range(300) if places.km2[by_place[: n + 1]].sum() >= goal)
            whole += came[by_place[:cells]].sum()
            taken: list[int] = []
            for cell in by_place.tolist():
                area = places.area[cell]
                most = np.floor(cap * records[places.area == area].sum() / records.sum() * cells) if area >= 0 else 300
                if sum(places.area[other] == area for other in taken) < most and places.km2[taken].sum() < goal:
                    taken.append(cell)
            kept += came[taken].sum()
        assert cost == pytest.approx(1 - kept / whole)
    assert costs[2] >= costs[0]
    assert costs[2] > 0
    assert np.isnan(cap_costs([], places)).all()
