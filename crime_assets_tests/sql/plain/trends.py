"""What changes and how far it can be known: reporting delay, CompStat, and the size of crime by community area."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pandas as pd

from crime_assets_tests.sql.plain.question import Question, Row, ratio

LAGS = range(91)
CLASSES = ("all", "other", "property", "violent")
# The weights are data, not a computation: whoever changes them need not change them here as well.
_STATED = (Path(__file__).parents[3] / "sql/parts/severity.sql").read_text(encoding="utf-8")
WEIGHTS = {code: int(Decimal(weight) * 1000) for code, weight in re.findall(r"\('(\w+)', ([0-9.]+)\)", _STATED)}
"""FBI code → thousandths of a year."""


def _days(values: pd.Series) -> list[date]:
    return [day.date() for day in pd.to_datetime(values)]


def _delays(question: Question) -> tuple[dict[date, list[int]], list[date]]:
    """Occurrence day → after how many days each of its records was first published; the change days learnt from."""
    end = question.as_of_day
    crimes = question.crimes
    recent = crimes[
        (crimes["occurred_on"] <= pd.Timestamp(end))
        & (crimes["occurred_on"] >= pd.Timestamp(end - timedelta(days=145)))
    ]
    first = dict(zip(recent["id"], _days(recent["change_day"]), strict=True))
    seen = set(first.values())
    if question.superseded is not None and len(question.superseded):
        versions = zip(question.superseded["id"], _days(question.superseded["change_day"]), strict=True)
        for number, day in versions:
            if day <= end:
                seen.add(day)
                first[number] = min(first.get(number, day), day)
    begin = max(question.first_change_day, end - timedelta(days=55))
    delays: dict[date, list[int]] = {}
    for number, occurred in zip(recent["id"], _days(recent["occurred_on"]), strict=True):
        delays.setdefault(occurred, []).append((first[number] - occurred).days)
    for found in delays.values():
        found.sort()
    return delays, sorted(day for day in seen if begin <= day <= end)


def _completeness(question: Question) -> list[tuple[float | None, int, int]]:
    """Of each lag: the share that is complete, how many records came just then, on how many days any were known."""
    delays, window = _delays(question)
    steps: list[tuple[Fraction, int, int]] = []
    for lag in LAGS:
        known = new = days = 0
        for change_day in window:
            found = delays.get(change_day - timedelta(days=lag), [])
            by_then, before = bisect_right(found, lag), bisect_right(found, lag - 1)
            known, new, days = known + by_then, new + by_then - before, days + (by_then > 0)
        steps.append((1 - Fraction(new, known) if known else Fraction(1), new, days))
    complete = 1.0
    shares: list[float] = []
    for step, _, _ in reversed(steps):
        shares.append(math.floor(complete * 1e6 + 0.5) / 1e6)
        complete *= float(step)
    return [
        (share if window else None, new, days) for share, (_, new, days) in zip(reversed(shares), steps, strict=True)
    ]


def _reporting_delay(question: Question) -> Iterator[Row]:
    occurred = question.crimes["occurred_on"]
    counts = Counter(_days(occurred[occurred >= pd.Timestamp(question.as_of_day - timedelta(days=90))]))
    for lag, (complete, new, days) in enumerate(_completeness(question)):
        day = question.as_of_day - timedelta(days=lag)
        expected = counts[day] / complete if complete else None
        yield {
            "period": "90d",
            "first_day": question.as_of_day - timedelta(days=90),
            "last_day": question.as_of_day,
            "days_since": lag,
            "occurred_on": day,
            "crimes": counts[day],
            "completeness": complete,
            "expected_crimes": expected,
            "still_expected": expected - counts[day] if expected is not None else None,
            "first_published_in_window": new,
            "change_days": days,
            "unsettled": int(complete is None or complete < 0.98),
        }


def _years_before(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return date(day.year - years, 2, 28)


Window = tuple[date, date]


def _windows(question: Question) -> Iterator[tuple[str, Window, Window, list[Window]]]:
    """Of each period: now, before, and the five years before."""
    last = question.last_complete_day
    ends = [_years_before(last, years) for years in range(6)]
    months = [(end - timedelta(days=27), end) for end in ends]
    yield "28d", months[0], (last - timedelta(days=55), last - timedelta(days=28)), months[1:]
    to_date = [(date(end.year, 1, 1), end) for end in ends]
    yield "ytd", to_date[0], to_date[1], to_date[1:]


def _late(question: Question) -> dict[date, int]:
    """Day → how many millionths of a record are still to come for each that is known."""
    return {
        question.as_of_day - timedelta(days=lag): math.floor(1e6 / share - 1e6 + 0.5) if share else 0
        for lag, (share, _, _) in enumerate(_completeness(question))
    }


def _compstat(question: Question) -> Iterator[Row]:
    crimes = question.crimes[["occurred_on", "district", "offense_class"]]
    late = _late(question)
    windows = list(_windows(question))
    unknown = _unknown_days(crimes["occurred_on"], windows, question.last_complete_day)

    def is_whole(window: Window) -> bool:
        return unknown.isdisjoint(pd.date_range(*window))

    def within(window: Window) -> pd.DataFrame:
        return crimes[crimes["occurred_on"].between(pd.Timestamp(window[0]), pd.Timestamp(window[1]))]

    everything = [within(window) for _, now, before, years in windows for window in (now, before, *years)]
    districts = {None if pd.isna(value) else value for found in everything for value in found["district"].unique()}
    for period, now, before, years in windows:
        whole = [year for year in years if is_whole(year)]
        tables = {window: _tally(within(window)) for window in (now, before, *whole)}
        to_come = Counter[tuple[object, object]]()
        for (district, kind, day), count in _tally_days(within(now)).items():
            to_come[district, kind] += count * late.get(day, 0)
        for district in sorted({*districts, "all"}, key=lambda name: (name is None, name or "")):
            for kind in CLASSES:
                count = tables[now][district, kind]
                then = tables[before][district, kind] if is_whole(before) else None
                coming = to_come[district, kind] / 1e6
                past = [tables[year][district, kind] for year in whole]
                z = None if then is None else 2 * (math.sqrt(count) - math.sqrt(then))
                z_later = None if then is None else 2 * (math.sqrt(count + coming) - math.sqrt(then))
                yield {
                    "period": period,
                    "first_day": now[0],
                    "last_day": now[1],
                    "district": district,
                    "offense_class": kind,
                    "crimes": count,
                    "crimes_before": then,
                    "change": None if then is None else count - then,
                    "z_before": z,
                    "late_crimes": coming,
                    "flag": 0 if z is None or z_later is None else (z >= 3) - (z <= -3 and z_later <= -3),
                    "five_years_low": min(past, default=None),
                    "five_years_high": max(past, default=None),
                    "five_years_mean": ratio(sum(past), len(past)),
                    "years": len(past),
                    "five_years_position": _position(count, coming, past),
                }


def _unknown_days(
    occurred: pd.Series, windows: list[tuple[str, Window, Window, list[Window]]], last: date
) -> set[pd.Timestamp]:
    """The days before the first record, and of every 28 days or more in a row without one."""
    first = min(window[0] for _, now, before, years in windows for window in (now, before, *years))
    recorded = set(occurred)
    unknown: set[pd.Timestamp] = set()
    empty: list[pd.Timestamp] = []
    begin = min([pd.Timestamp(first), *recorded])
    has_begun = False
    for day in pd.date_range(begin, pd.Timestamp(last)):
        if day in recorded:
            unknown.update(empty if len(empty) >= 28 or not has_begun else ())
            empty, has_begun = [], True
        else:
            empty.append(day)
    unknown.update(empty if len(empty) >= 28 or not has_begun else ())
    return unknown


def _position(count: int, coming: float, past: list[int]) -> str | None:
    if not past:
        return None
    if count > max(past):
        return "above"
    return "below" if count + coming < min(past) else "within"


def _tally(crimes: pd.DataFrame) -> Counter[tuple[object, object]]:
    """How many there are of each district and class, the city ("all") and all classes ("all") among them."""
    tally = Counter[tuple[object, object]]()
    for (district, kind, _), count in _tally_days(crimes).items():
        tally[district, kind] += count
    return tally


def _tally_days(crimes: pd.DataFrame) -> Counter[tuple[object, object, date]]:
    tally = Counter[tuple[object, object, date]]()
    grouped = crimes.groupby(["district", "offense_class", "occurred_on"], dropna=False).size()
    for (district, kind, day), count in grouped.items():
        for place in (None if pd.isna(district) else district, "all"):
            for name in (kind, "all"):
                tally[place, name, day.date()] += count
    return tally


def _region_magnitude(question: Question) -> Iterator[Row]:
    areas = sorted({int(area) for area in question.periods[-1].crimes["community_area"].dropna()})
    has_unknown = bool(question.periods[-1].crimes["community_area"].isna().any())
    for period in sorted(question.periods, key=lambda period: period.name):
        count, weight = Counter[tuple[int | None, str]](), Counter[tuple[int | None, str]]()
        grouped = period.crimes.groupby(["community_area", "offense_class", "fbi_code"], dropna=False).size()
        for (area, kind, code), found in grouped.items():
            for name in (kind, "all"):
                key = (None if pd.isna(area) else int(area), name)
                count[key] += found
                weight[key] += found * WEIGHTS.get(code, min(WEIGHTS.values()))
        rows: list[int | None] = [*areas, None] if has_unknown else [*areas]
        for kind in CLASSES:
            of_class, heaviness = sum(count[area, kind] for area in rows), sum(weight[area, kind] for area in rows)
            average = ratio(sum(count[area, kind] for area in areas), len(areas))
            by_count = sorted(areas, key=lambda area: (-count[area, kind], area))
            by_weight = sorted(areas, key=lambda area: (-weight[area, kind], area))
            for area in [*by_count, None] if has_unknown else by_count:
                in_area = ratio(count[area, kind], count[area, "all"])
                in_city = ratio(of_class, len(period.crimes))
                yield {
                    **period.leading,
                    "offense_class": kind,
                    "area_rank": None if area is None else by_count.index(area) + 1,
                    "community_area": area,
                    "crimes": count[area, kind],
                    "share": ratio(count[area, kind], of_class),
                    "city_average": average,
                    "ratio_to_city": ratio(count[area, kind], average) if average and area is not None else None,
                    "location_quotient": in_area / in_city if in_area is not None and in_city else None,
                    "severity": weight[area, kind] / 1000,
                    "severity_share": ratio(weight[area, kind], heaviness),
                    "severity_rank": None if area is None else by_weight.index(area) + 1,
                }


TRENDS: Mapping[str, Callable[[Question], Iterator[Row]]] = {
    "compstat": _compstat,
    "region_magnitude": _region_magnitude,
    "reporting_delay": _reporting_delay,
}
