"""Each check of forecasts passes on sound figures, and fails on one planted fault with the numbers in its sentence."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from crime_assets.defs.checks import verdicts_of_forecasts as verdicts

DAY = date(2025, 11, 16)
KNOWN_TO = date(2025, 11, 8)
KEYS = [("burglary", 7), ("burglary", 28), ("robbery", 28)]


def total(target: str = "burglary", horizon: int = 28, **more: object) -> dict[str, object]:
    return {
        "target": target,
        "horizon": horizon,
        "first_day": DAY + timedelta(days=1),
        "known_to": KNOWN_TO,
        "trained_windows": 24,
        "verdict": "as good",
        "sentence": "Counting is as good.",
        **more,
    }


TOTALS = [total(*key) for key in KEYS]


def test_nothing_looks_ahead() -> None:
    assert verdicts.no_look_ahead(TOTALS, DAY, KNOWN_TO, DAY).passed
    assert verdicts.no_look_ahead(TOTALS, DAY, KNOWN_TO, None).passed
    assert not verdicts.no_look_ahead(TOTALS, DAY, KNOWN_TO, DAY + timedelta(days=1)).passed
    for fault in ({"first_day": DAY}, {"known_to": DAY}):
        found = verdicts.no_look_ahead([*TOTALS, total("index", 90, **fault)], DAY, KNOWN_TO, DAY)
        assert not found.passed
        assert found.sentence.startswith("index 90 days as of 2025-11-16")


def test_forecasts_add_up() -> None:
    cells, areas = dict.fromkeys(KEYS, 99.0), dict.fromkeys(KEYS, 98.5)
    rounded = {key: value + 0.015 for key, value in cells.items()}
    assert verdicts.forecasts_add_up(cells, areas, areas, rounded).passed
    assert verdicts.forecasts_add_up(cells, {}, {}, cells).passed, "no area is known"
    for faulty in (
        (cells | {KEYS[0]: 99.1}, areas, areas, cells),
        (cells | {KEYS[0]: 0.0}, areas, areas, cells),
        (cells, areas, areas | {KEYS[0]: 98.4}, cells),
        ({key: cells[key] for key in KEYS[1:]}, areas, areas, cells),
        (cells, areas, {key: areas[key] for key in KEYS[1:]}, cells),
    ):
        found = verdicts.forecasts_add_up(*faulty)
        assert (found.passed, found.sentence) == (False, "Cells, areas and the city do not add up: burglary 7 days.")


def test_enough_windows() -> None:
    assert verdicts.enough_windows([total(trained_windows=8)]).passed
    found = verdicts.enough_windows([*TOTALS, total("index", 90, trained_windows=7)])
    assert (found.passed, "index 90 days" in found.sentence) == (False, True)
    found = verdicts.enough_windows([total(trained_windows=0)] * 15)
    assert (found.passed, "finished for all 15 forecasts" in found.sentence) == (False, True)


def test_targets_are_reported() -> None:
    columns = ("violent_street", "burglary", "vehicle_theft", "robbery", "index_crime")
    counts = dict.fromkeys(columns, 100) | {f"{name}_arrests": 40 for name in columns}
    assert verdicts.targets_are_reported(counts).passed
    found = verdicts.targets_are_reported(counts | {"index_crime_arrests": 41})
    assert (found.passed, "index 41%" in found.sentence) == (False, True)
    assert verdicts.targets_are_reported(dict.fromkeys(counts)).passed, "there is nothing to share"


def lists(weeks: int, new_a_week: int) -> dict[verdicts.Key, dict[date, frozenset[str]]]:
    """Lists of a hundred cells, some of which are new each week."""
    cells = range(1000)
    return {
        KEYS[0]: {
            DAY + timedelta(days=7 * week): frozenset(map(str, cells[week * new_a_week : week * new_a_week + 100]))
            for week in range(weeks)
        }
    }


@pytest.mark.parametrize(
    ("weeks", "new", "passes"),
    [(1, 0, True), (5, 20, True), (5, 21, False), (26, 0, True), (27, 0, False), (27, 1, True)],
)
def test_lists_drift_but_not_wildly(weeks: int, new: int, passes: bool) -> None:
    found = verdicts.list_drift(lists(weeks, new))
    assert found.passed is passes
    assert passes or "burglary 7 days" in found.sentence


def test_levels_drift() -> None:
    usual = [0.05, -0.05] * 8
    assert verdicts.level_drift({KEYS[0]: [*usual, 0.15]}).passed
    found = verdicts.level_drift({KEYS[0]: [*usual, -0.16], KEYS[1]: usual})
    assert (found.passed, "burglary 7 days -16%" in found.sentence) == (False, True)
    assert verdicts.level_drift({KEYS[0]: [0.01, 0.9]}).passed, "too few to know what is usual"


def exposed(flagged: float, records: float) -> list[dict[str, object]]:
    key = {"target": "robbery", "horizon": 28, "area": "25"}
    return [{**key, "share_flagged": flagged, "share_records_365d": records}]


def test_exposure_drifts_only_with_records() -> None:
    assert verdicts.exposure_drift(exposed(0.30, 0.20), []).passed
    assert verdicts.exposure_drift(exposed(0.25, 0.20), exposed(0.20, 0.20)).passed
    assert verdicts.exposure_drift(exposed(0.30, 0.26), exposed(0.20, 0.20)).passed
    found = verdicts.exposure_drift(exposed(0.30, 0.22), exposed(0.20, 0.20))
    assert (found.passed, "area 25 (robbery, 28 days) +10%" in found.sentence) == (False, True)


def test_coverage_is_of_the_last_twelve_windows() -> None:
    sound = [0.2] * 3 + [0.95] * 12
    assert verdicts.coverage_in_line({KEYS[0]: sound}).passed
    assert verdicts.coverage_in_line({KEYS[0]: [0.1] * 11}).passed, "too few windows"
    for held in (0.87, 1.0):
        found = verdicts.coverage_in_line({KEYS[0]: sound, KEYS[2]: [held] * 12})
        assert (found.passed, f"robbery 28 days {held:.1%}" in found.sentence) == (False, True)


def test_a_model_that_is_no_longer_better_is_told_in_its_sentence() -> None:
    better = total(verdict="better")
    assert verdicts.beats_counting([better, total("robbery")], [better]).passed
    assert verdicts.beats_counting([total()], [total()]).passed
    found = verdicts.beats_counting([total()], [better])
    assert (found.passed, found.is_error) == (False, False)
    assert found.sentence == "burglary, 28 days: Counting is as good."


def test_values_by_target_and_horizon_leave_out_what_is_unknown() -> None:
    rows = [
        total(level_error=0.1),
        total(level_error=None),
        total("robbery", 7, level_error=0.2),
        total(level_error=0.3),
    ]
    assert verdicts.by_key(rows, "level_error") == {("burglary", 28): [0.1, 0.3], ("robbery", 7): [0.2]}
