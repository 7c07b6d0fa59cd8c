"""Early warning: a sudden rise is found, chance gives no more alarms than stated, and examples worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta

import numpy as np
import pyarrow as pa
import pytest

from crime_assets.analysis.statistics.early_warning import dispersion, limits, table
from crime_assets_tests.analysis.statistics.bounds import most_expecting
from crime_assets_tests.sql.asking import answer, crime

AS_OF = date(2024, 2, 29)
LAST = date(2024, 2, 21)
UNITS = 250
WINDOWS = 13


def warned(counts: np.ndarray) -> dict[str, dict]:
    """The table for counts with a row for each beat and a column for each window, the newest first."""
    beats, windows = counts.shape
    rows = pa.table(
        {
            "as_of_day": pa.repeat(pa.scalar(AS_OF), counts.size),
            "first_day": pa.repeat(pa.scalar(LAST - timedelta(days=27)), counts.size),
            "last_day": pa.repeat(pa.scalar(LAST), counts.size),
            "unit_kind": pa.repeat("beat", counts.size),
            "unit": [f"{beat:04d}" for beat in range(beats) for _ in range(windows)],
            "window_number": np.tile(np.arange(windows), beats),
            "crimes": counts.ravel(),
            "windows": pa.repeat(windows - 1, counts.size),
            "windows_seen": pa.repeat(0, counts.size),
        }
    )
    return {row["unit"]: row for row in table(rows).to_pylist()}


def history_of(windows: Mapping[str, Sequence[int]]) -> list[dict[str, object]]:
    """Crimes of beats, so many in each window, the newest first; on the first day of the window."""
    days = [
        (beat, LAST - timedelta(days=28 * window + 27))
        for beat, counts in windows.items()
        for window, count in enumerate(counts)
        for _ in range(count)
    ]
    return [crime(n, datetime.combine(day, time(8)), beat=beat) for n, (beat, day) in enumerate(days)]


def elsewhere(first: date) -> list[dict[str, object]]:
    """A crime a day without a beat, so that there is no gap."""
    days = [first + timedelta(days=n) for n in range((LAST - first).days + 1)]
    return [crime(1000 + n, datetime.combine(day, time(8)), beat=None) for n, day in enumerate(days)]


def rows_of(crimes: list[dict[str, object]]) -> dict[str, dict]:
    return {row["unit"]: row for row in answer("early_warning", crimes, AS_OF) if row["unit_kind"] == "beat"}


@pytest.mark.slow
def test_chance_gives_no_more_alarms_than_stated():
    # 64 cities of 250 beats in line with their history, half of them with a season: as many alarms as all tables
    # together state, and three standard deviations more, once in a thousand.
    alarms = stated = 0.0
    for seed in range(64):
        rng = np.random.default_rng(seed)
        rates = rng.gamma(2.0, 15.0, UNITS)
        season = 1 + (0.4 if seed % 2 else 0.0) * np.sin(np.arange(WINDOWS + 1) / 2 + seed)
        found = warned(rng.poisson(np.outer(rates, season)))
        alarms += sum(row["alarm"] != 0 for row in found.values())
        stated += found["0000"]["false_alarms"]
    assert 16 < stated < 64 * UNITS * 0.002
    assert alarms <= most_expecting(stated)


def test_a_sudden_rise_and_a_sudden_fall_are_found_and_little_else():
    others = stated = 0.0
    for seed in range(5):
        counts = np.random.default_rng(seed).poisson(30, (100, WINDOWS + 1))
        counts[7, 0], counts[8, 0] = 75, 6
        found = warned(counts)
        assert (found["0007"]["alarm"], found["0008"]["alarm"]) == (1, -1)
        others += sum(row["alarm"] != 0 for row in found.values()) - 2
        stated += found["0007"]["false_alarms"]
    assert others <= most_expecting(stated)


def test_a_rise_of_the_whole_city_is_no_alarm():
    counts = np.random.default_rng(2).poisson(30, (100, WINDOWS + 1))
    counts[:, 0] = np.random.default_rng(3).poisson(60, 100)
    assert not any(row["alarm"] for row in warned(counts).values())


def test_a_history_that_varies_more_than_chance_widens_the_limits():
    rng = np.random.default_rng(6)
    steady = rng.poisson(100, (200, WINDOWS + 1))
    varied = rng.poisson(100 * rng.gamma(10.0, 0.1, (200, WINDOWS + 1)))
    assert dispersion(steady[:, 1:]) < 0.002
    assert dispersion(varied[:, 1:]) == pytest.approx(0.1, abs=0.015)
    assert max(row["upper_limit"] for row in warned(steady).values()) < 160
    assert min(row["upper_limit"] for row in warned(varied).values()) > 170
    assert sum(row["alarm"] != 0 for row in warned(varied).values()) <= 2


def test_dispersion_by_hand():
    # Two units and two windows: 10 and 20, 20 and 10. Expected are 15 each; half the variance is left. So
    # (4 * 25 - 4 * 7.5) / (4 * 112.5).
    assert dispersion(np.array([[10, 20], [20, 10]])) == round(70 / 450, 9)
    assert dispersion(np.array([[10, 20], [20, 40]])) == 0.0


def test_limits_by_hand():
    # Nothing in the history and a city that is as busy in the period as in the whole history: a geometric count of mean
    # 1, of which n or more have the chance 1 / 2^n: 2^-9 is above a thousandth, 2^-10 is not.
    found = limits(0, 1.0, 0.0)
    assert (found.lower, found.upper) == (0, 9)
    assert found.beyond == pytest.approx(2.0**-10)


def test_figures_by_hand():
    crimes = history_of({"0111": [2] + 13 * [2], "0112": [4] + 13 * [1]})
    rows = rows_of(crimes)
    # Shares of 2 / 3 and 1 / 3 of six crimes.
    assert [(unit, row["crimes"], row["history_crimes"], row["windows"]) for unit, row in rows.items()] == [
        ("0111", 2, 26, 13),
        ("0112", 4, 13, 13),
    ]
    assert rows["0111"]["expected_crimes"] == pytest.approx(4)
    assert rows["0111"]["z_expected"] == pytest.approx(2 * (math.sqrt(2) - 2), abs=1e-9)
    assert rows["0112"]["z_expected"] == pytest.approx(2 * (2 - math.sqrt(2)), abs=1e-9)
    assert {row["dispersion"] for row in rows.values()} == {0.0}
    assert {row["alarm"] for row in rows.values()} == {0}


def test_windows_end_on_the_last_complete_day():
    offsets = (-1, 0, 27, 28, 55, 56, 391, 392)
    crimes = [crime(n, datetime.combine(LAST - timedelta(days=n), time(8)), beat="0111") for n in offsets]
    later = crime(500, datetime.combine(AS_OF, time(8)), beat="0112")
    (row,) = rows_of([*crimes, later, *elsewhere(LAST - timedelta(days=392))]).values()
    assert (row["crimes"], row["history_crimes"], row["windows"]) == (2, 4, 13)


@pytest.mark.parametrize(("days_covered", "windows"), [(4 * 28, 3), (4 * 28 - 1, 2), (27, 0)])
def test_without_three_whole_windows_there_are_no_limits(days_covered: int, windows: int):
    first = datetime.combine(LAST - timedelta(days=days_covered - 1), time(8))
    now = [crime(n, datetime.combine(LAST, time(8)), beat="0111") for n in range(1, 40)]
    early = [crime(100 + n, first + timedelta(days=3 * n), beat=beat) for n in range(20) for beat in ("0111", "0112")]
    found = rows_of([*now, *early, *elsewhere(first.date())])
    assert {row["windows"] for row in found.values()} == {windows}
    for row in found.values():
        assert (row["upper_limit"] is None) == (row["lower_limit"] is None) == (windows < 3)
        assert (row["dispersion"] is None) == (windows < 3)
        assert (row["false_alarms"] > 0) == (windows == 3)
    if windows < 3:
        assert not any(row["alarm"] for row in found.values())


def test_a_unit_without_history_is_no_alarm_for_two_records():
    busy = {f"{beat:04d}": 14 * [9] for beat in range(20)}
    rows = rows_of(history_of({**busy, "3100": [2], "3101": [6]}))
    assert (rows["3100"]["expected_crimes"], rows["3100"]["history_crimes"], rows["3100"]["lower_limit"]) == (0.0, 0, 0)
    assert (rows["3100"]["alarm"], rows["3101"]["alarm"]) == (0, 1)


def test_areas_are_units_too_and_records_without_a_unit_are_left_out():
    crimes = [
        crime(n, datetime.combine(LAST - timedelta(days=28 * (n % 5)), time(8)), beat=beat, community_area=area)
        for n, (beat, area) in enumerate([("0111", 8)] * 10 + [(None, 32)] * 5 + [("0111", None)] * 5)
    ]
    rows = answer("early_warning", crimes, AS_OF)
    assert [(row["unit_kind"], row["unit"], row["crimes"]) for row in rows] == [
        ("beat", "0111", 3),
        ("community area", "32", 1),
        ("community area", "8", 2),
    ]


def test_the_greatest_rise_comes_first_and_small_counts_last_by_name():
    windows = {"0115": [8], "0111": [20], "0114": [40], "0113": [1], "0112": [30]}
    rows = rows_of(history_of({beat: now + 13 * [25 if now[0] > 8 else 1] for beat, now in windows.items()}))
    assert list(rows) == ["0114", "0112", "0111", "0113", "0115"]


def test_an_empty_lake_and_one_without_recent_crimes():
    assert answer("early_warning", [], AS_OF) == []
    (row,) = rows_of(history_of({"0111": 3 * [0] + 10 * [5]})).values()
    assert (row["windows"], row["crimes"], row["upper_limit"], row["alarm"]) == (0, 0, None, 0)
