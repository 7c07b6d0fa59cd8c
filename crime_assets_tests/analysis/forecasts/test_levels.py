"""The city's level: right within a few per cent in a town, also where records come late."""

import numpy as np
import pytest

from crime_assets.analysis.forecasts.events import Daily, daily
from crime_assets.analysis.forecasts.levels import LEVELS, combined, levels, weights
from crime_assets_tests.analysis.forecasts.towns import FIRST, LAG, town


def constant(days: int, a_day: int = 10) -> Daily:
    occurred = np.arange(FIRST, FIRST + days, dtype=np.int32)
    return Daily(occurred, occurred + np.int32(LAG), np.full((days, 5), a_day))


def test_in_a_city_that_never_changes_every_level_is_exact():
    found = levels(constant(1500), FIRST + 1490, 28, LAG)
    assert tuple(found) == LEVELS
    for one in found.values():
        assert one == pytest.approx([280] * 5)


@pytest.mark.parametrize(("days", "there"), [(50, (1, 0, 0, 1)), (400, (1, 0, 1, 1)), (480, (1, 1, 1, 1))])
def test_with_little_history_there_are_fewer_levels(days: int, there: tuple[int, ...]):
    found = levels(constant(days), FIRST + days - 1 + LAG, 28, LAG)
    assert tuple(int(not np.isnan(one).any()) for one in found.values()) == there
    assert found["last_364_days"] == pytest.approx([280] * 5)
    said = {name: float(one[0]) for name, one in found.items()}
    assert combined(said, dict.fromkeys(LEVELS, 2.0)) == pytest.approx(280)


def test_a_stray_old_record_changes_nothing():
    days = constant(200)
    old = np.int32(FIRST - 8_000)
    stray = Daily(
        np.append(old, days.occurred), np.append(old + LAG, days.known), np.vstack([np.ones((1, 5), int), days.counts])
    )
    found, wanted = (levels(one, FIRST + 199 + LAG, 28, LAG) for one in (stray, days))
    assert np.stack([*found.values()]) == pytest.approx(np.stack([*wanted.values()]), nan_ok=True)
    assert [name for name, one in found.items() if not np.isnan(one).any()] == ["last_364_days", "last_84_days"]


def test_without_a_record_nothing_is_expected():
    empty = Daily(np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int32), np.zeros((0, 5), dtype=np.int64))
    assert levels(empty, FIRST, 28, LAG)["last_364_days"].tolist() == [0.0] * 5


def test_late_records_cancel():
    # A fifth of the records come 20 days later: the last 84 days as known lack a twentieth.
    events, _ = town(3, "late", cells=50, per28=2500)
    days = daily(events)
    origin = FIRST + 1700
    found = levels(days, origin, 28, LAG)
    came = events.truth(origin, 28, 99_999)[1]
    for level in ("last_year_and_recent_change", "last_84_days", "last_364_days"):
        assert np.abs(found[level] / came - 1).max() < 0.06
    plain = days.between(origin - LAG - 83, origin - LAG, origin) / 3
    assert (plain / came).mean() < 0.965
    assert abs((found["last_84_days"] / came).mean() - 1) < 0.02


def test_a_city_that_grows_is_seen_by_the_recent_change():
    days = constant(1500)
    grown = np.where(days.occurred > FIRST + 1390, 15, 10)
    found = levels(Daily(days.occurred, days.known, np.repeat(grown[:, None], 5, 1)), FIRST + 1490, 28, LAG)
    assert found["last_year_and_recent_change"][0] == pytest.approx(280 * 1.5**0.7)
    assert found["last_84_days"][0] == pytest.approx(420)


def test_a_level_weighs_more_the_nearer_it_was():
    came = [100.0] * 12
    said = {"last_364_days": [120.0] * 12, "seasonal_share": [100.0] * 12, "last_84_days": [100.0] * 4 + [np.nan] * 8}
    # One window that was off by a tenth is counted with those that there were.
    expected = {"last_364_days": 13 / (12 * 0.04 + 0.01), "seasonal_share": 13 / 0.01, "last_84_days": 5 / 0.01}
    assert weights(said, came) == pytest.approx(expected)
    assert weights(said, [0.0] * 12) == pytest.approx(dict.fromkeys(said, 100.0))
    assert combined({"last_364_days": 130.0, "seasonal_share": 100.0}, {"last_364_days": 1, "seasonal_share": 2}) == 110
    assert (
        combined({"last_364_days": 130.0, "seasonal_share": np.nan}, {"last_364_days": 1, "seasonal_share": 2}) == 130
    )
