"""The verdicts on forecasts: plain functions from what the tables hold to passed or failed, with the numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from statistics import mean, median
from typing import Any

from crime_assets.analysis.forecasts import FEWEST_WINDOWS
from crime_assets.analysis.forecasts.targets import MOST_ARRESTS, TARGETS
from crime_assets.defs.checks.verdicts import Verdict

LEAST_KEPT, MOST_KEPT = 0.80, 0.995
"""Share of the list that was on it a week before: less is noise, and half a year of more no forecast but a habit."""
LEAST_HELD, MOST_HELD = 0.88, 0.995
"""Mean share of areas that the 95 % interval holds."""
MOST_TIMES_USUAL = 3.0
MOST_MORE_EXPOSED = 0.05
"""Of all flagged cells, in an area whose share of records has not grown as much."""
_JUDGED = 12
_HALF_A_YEAR = 26
_ADDS_UP, _ROUNDING = 1e-4, 0.01
"""What a sum may be off by: a share of it, and what rounding of thousands of cells leaves, records."""

Row = Mapping[str, Any]
Key = tuple[str, int]
"""Target and horizon."""


def no_look_ahead(totals: Sequence[Row], day: date, last_complete_day: date, newest_first_day: date | None) -> Verdict:
    """Windows begin after the as-of day, and nothing that became known later has a part in it."""
    wrong = [
        row for row in totals if row["first_day"] != day + timedelta(days=1) or row["known_to"] != last_complete_day
    ]
    if wrong:
        return Verdict(False, f"{_named(wrong)} as of {day}: the window or what was known is of other days.")
    if newest_first_day is not None and newest_first_day > day:
        return Verdict(False, f"Records that first came on {newest_first_day} are among what was known on {day}.")
    return Verdict(True, f"All windows begin after {day}, and what they are made of was known by then.")


def forecasts_add_up(
    cells: Mapping[Key, float], in_areas: Mapping[Key, float], areas: Mapping[Key, float], placed: Mapping[Key, float]
) -> Verdict:
    """Cells add up to what the city expects of all places, and areas to the cells that have one (`in_areas`)."""
    wrong = [
        key
        for key, total in placed.items()
        if not _is_as_much(cells.get(key), total) or not _is_as_much(areas.get(key, 0.0), in_areas.get(key, 0.0))
    ]
    if wrong:
        return Verdict(False, f"Cells, areas and the city do not add up: {_keys(wrong)}.")
    return Verdict(True, f"Cells and areas add up in all {len(placed)} forecasts.")


def enough_windows(totals: Sequence[Row]) -> Verdict:
    """Models are of enough finished windows; without these counting is shown."""
    few = [row for row in totals if row["trained_windows"] < FEWEST_WINDOWS]
    if few:
        which = f"all {len(few)} forecasts" if len(few) == len(totals) else _named(few)
        return Verdict(
            False,
            f"No model yet, so counts are shown: fewer than {FEWEST_WINDOWS} windows are finished for {which}. Time "
            "mends that, or a lake with a longer history.",
        )
    return Verdict(True, f"Models are of {min(row['trained_windows'] for row in totals)} finished windows or more.")


def targets_are_reported(counts: Row) -> Verdict:
    """Of no target's records a share has an arrest that says that police find it; `counts` by column, and arrests."""
    shares = {
        one.name: (counts[f"{one.column}_arrests"] or 0) / counts[one.column] for one in TARGETS if counts[one.column]
    }
    wrong = {name: share for name, share in shares.items() if share > MOST_ARRESTS}
    if wrong:
        told = ", ".join(f"{name} {share:.0%}" for name, share in wrong.items())
        return Verdict(False, f"Police find what is forecast: arrests of {told}, at most {MOST_ARRESTS:.0%}.", shares)
    most = max(shares.values(), default=0.0)
    return Verdict(True, f"At most {most:.0%} of the records of a target have an arrest.", shares)


def list_drift(lists: Mapping[Key, Mapping[date, frozenset[str]]]) -> Verdict:
    """Lists change from week to week, but not wildly; as-of day → cells on the list."""
    wild, stuck = [], []
    for key, found in lists.items():
        days = sorted(found)
        kept = [len(found[b] & found[a]) / max(1, len(found[b])) for a, b in pairwise(days)]
        if kept and kept[-1] < LEAST_KEPT:
            wild.append(key)
        if len(kept) >= _HALF_A_YEAR and min(kept[-_HALF_A_YEAR:]) > MOST_KEPT:
            stuck.append(key)
    if wild:
        return Verdict(False, f"Less than {LEAST_KEPT:.0%} of the list was on it before: {_keys(wild)}.")
    if stuck:
        return Verdict(False, f"The list has hardly changed in {_HALF_A_YEAR} weeks: {_keys(stuck)}.")
    return Verdict(True, "Lists keep most of their cells from week to week, and change.")


def level_drift(errors: Mapping[Key, Sequence[float]]) -> Verdict:
    """The city's total is not further off than usual; relative errors of finished windows, the newest last."""
    wrong = {
        key: found[-1]
        for key, found in errors.items()
        if len(found) > _JUDGED and abs(found[-1]) > MOST_TIMES_USUAL * median(map(abs, found[:-1]))
    }
    if wrong:
        told = ", ".join(f"{_keys([key])} {error:+.0%}" for key, error in wrong.items())
        return Verdict(False, f"Totals were further off than {MOST_TIMES_USUAL:.0f} times as usual: {told}.")
    return Verdict(True, "Totals were no further off than usual.")


def exposure_drift(now: Sequence[Row], before: Sequence[Row]) -> Verdict:
    """No area has many more of the flagged cells than 13 weeks ago, unless its share of records grew as well."""
    then = {(row["target"], row["horizon"], row["area"]): row for row in before}
    wrong = []
    for row in now:
        old = then.get((row["target"], row["horizon"], row["area"]))
        grown = row["share_flagged"] - old["share_flagged"] if old else 0.0
        if old and grown > MOST_MORE_EXPOSED > row["share_records_365d"] - old["share_records_365d"]:
            wrong.append(f"area {row['area']} ({row['target']}, {row['horizon']} days) {grown:+.0%}")
    if wrong:
        return Verdict(False, f"More is flagged there than records explain, in 13 weeks: {', '.join(wrong[:5])}.")
    return Verdict(True, "No area has far more of the flagged cells than 13 weeks ago without more records.")


def coverage_in_line(held: Mapping[Key, Sequence[float]]) -> Verdict:
    """The 95 % intervals of areas hold about 95 of 100; shares held in finished windows, the newest last."""
    means = {key: mean(found[-_JUDGED:]) for key, found in held.items() if len(found) >= _JUDGED}
    wrong = {key: one for key, one in means.items() if not LEAST_HELD <= one <= MOST_HELD}
    if wrong:
        told = ", ".join(f"{_keys([key])} {one:.1%}" for key, one in wrong.items())
        return Verdict(False, f"95 % intervals of areas held another share of {_JUDGED} windows: {told}.")
    return Verdict(
        True, f"95 % intervals of areas hold what they say, in all {len(means)} that have {_JUDGED} windows."
    )


def beats_counting(now: Sequence[Row], before: Sequence[Row]) -> Verdict:
    """No model that was shown the time before has lost its verdict."""
    was_better = {(row["target"], row["horizon"]) for row in before if row["verdict"] == "better"}
    lost = [row for row in now if (row["target"], row["horizon"]) in was_better and row["verdict"] != "better"]
    if lost:
        return Verdict(False, " ".join(f"{row['target']}, {row['horizon']} days: {row['sentence']}" for row in lost))
    better = sum(row["verdict"] == "better" for row in now)
    return Verdict(True, f"A model is shown in {better} of {len(now)} forecasts, in all others a count.")


def by_key(rows: Sequence[Row], value: str) -> dict[Key, list[Any]]:
    """Target and horizon → values, in the order of the rows; NULL left out."""
    found: dict[Key, list[Any]] = defaultdict(list)
    for row in rows:
        if row[value] is not None:
            found[row["target"], row["horizon"]].append(row[value])
    return dict(found)


def _is_as_much(found: float | None, wanted: float) -> bool:
    return found is not None and abs(found - wanted) <= _ADDS_UP * wanted + _ROUNDING


def _named(rows: Sequence[Row]) -> str:
    return _keys([(row["target"], row["horizon"]) for row in rows])


def _keys(keys: Sequence[Key]) -> str:
    return ", ".join(f"{target} {horizon} days" for target, horizon in sorted(keys))
