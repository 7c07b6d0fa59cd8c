"""What changes and how far it can be known: months, reporting delay, CompStat, and crime by community area."""

from __future__ import annotations

import math
import re
from calendar import monthrange
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd

from crime_assets_tests.sql.plain.delays import Learnt, days_of, is_seen, known_on, learnt
from crime_assets_tests.sql.plain.question import Question, Row, ratio

Month = tuple[int, int]
Window = tuple[date, date]
CLASSES = ("all", "other", "property", "violent")
UNMAPPED = "unmapped"
# The weights are data, not a computation: whoever changes them need not change them here as well.
_STATED = (Path(__file__).parents[3] / "sql/parts/severity.sql").read_text(encoding="utf-8")
WEIGHTS, NIBRS_WEIGHTS = (
    {code: int(Decimal(weight) * 1000) for code, weight in re.findall(r"\('(\w+)', ([0-9.]+)\)", stated)}
    for stated in _STATED.split("UNION ALL")
)
"""FBI code, and NIBRS code → thousandths of a year."""


def _classes(*found: pd.DataFrame) -> list[str]:
    """All classes that have rows, in order: that of codes in no table only if any of these records is of it."""
    return sorted([*CLASSES, UNMAPPED] if any(UNMAPPED in {*one["offense_class"]} for one in found) else CLASSES)


def _completeness(question: Question) -> list[tuple[float | None, int, int]]:
    """Of each lag: the share that is complete, how many records came just then, on how many days any were known."""
    return [(lag.complete, lag.new, lag.days) for lag in learnt(question).lags]


def _reporting_delay(question: Question) -> Iterator[Row]:
    occurred = question.crimes["occurred_on"]
    counts = Counter(days_of(occurred[occurred >= pd.Timestamp(question.as_of_day - timedelta(days=90))]))
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


def _windows(question: Question) -> Iterator[tuple[str, Window, Window, list[Window]]]:
    """Of each period: now, before, and the five years before."""
    last = question.last_complete_day
    ends = [_years_before(last, years) for years in range(6)]
    months = [(end - timedelta(days=27), end) for end in ends]
    yield "28d", months[0], (last - timedelta(days=55), last - timedelta(days=28)), months[1:]
    to_date = [(date(end.year, 1, 1), end) for end in ends]
    yield "ytd", to_date[0], to_date[1], to_date[1:]


def _compstat(question: Question) -> Iterator[Row]:
    crimes = question.crimes[["occurred_on", "district", "offense_class"]]
    known = learnt(question)
    windows = list(_windows(question))

    def within(window: Window, rows: pd.DataFrame = crimes) -> pd.DataFrame:
        return rows[rows["occurred_on"].between(pd.Timestamp(window[0]), pd.Timestamp(window[1]))]

    is_replayed = not is_seen(question, question.as_of_day)
    then = {window: question.as_of_day - (question.last_complete_day - window[1]) for _, _, window, _ in windows}
    seen = {window: within(window, known_on(question, day)) for window, day in then.items()}
    everything = [within(window) for _, now, before, years in windows for window in (now, before, *years)]
    districts = {
        None if pd.isna(value) else value
        for found in (*everything, *seen.values())
        for value in found["district"].unique()
    }
    classes = _classes(*everything, *seen.values())
    for period, now, before, years in windows:
        lacks = question.is_pulled_with_gap and question.pulled_from > now[0]
        whole = [year for year in years if question.is_whole(year) and not lacks]
        tables = {window: _tally(within(window)) for window in (now, before, *whole)}
        late = _sums(within(now), known.late)
        earlier = _sums(within(before), lambda day, known_day=then[before]: known.then(day, known_day))
        told = Before(
            then[before],
            question.is_whole(before) and not lacks,
            tables[before],
            _tally(seen[before]),
            earlier,
        )
        for district in sorted({*districts, "all"}, key=lambda name: (name is None, name or "")):
            for kind in classes:
                cell = (district, kind)
                count = tables[now][cell]
                past = [tables[year][cell] for year in whole]
                coming, margin = late[cell][0] / 1e6, _margin(late[cell], late["all", "all"][0] / 1e6, known.bursts)
                low, high = (None, None) if lacks or is_replayed else _in_the_end(known, count, coming, margin)
                compared = told.told(question, known, cell)
                estimate = compared["crimes_before"]
                fewest, most = compared["crimes_before_low"], compared["crimes_before_high"]
                yield {
                    "period": period,
                    "first_day": now[0],
                    "last_day": now[1],
                    "district": district,
                    "offense_class": kind,
                    "crimes": count,
                    **compared,
                    "change": None if estimate is None else count - estimate,
                    "z_before": _z(count, estimate),
                    "late_crimes": coming,
                    "crimes_in_the_end_low": low,
                    "crimes_in_the_end_high": high,
                    "flag": int((_z(count, most) or 0) >= 3) - int((_z(count, fewest) or 0) <= -3),
                    "five_years_low": min(past, default=None),
                    "five_years_high": max(past, default=None),
                    "five_years_mean": ratio(sum(past), len(past)),
                    "years": len(past),
                    "five_years_position": _position(count, count if high is None else high, past),
                }


Sums = dict[tuple[object, object], tuple[int, int, int]]


def _sums(crimes: pd.DataFrame, of_day: Callable[[date], tuple[int, int, int]]) -> Sums:
    """District and class → the sums over their records of what is said of one record of a day."""
    sums: Sums = defaultdict(lambda: (0, 0, 0))
    for (district, kind, day), count in _tally_days(crimes).items():
        held = sums[district, kind]
        sums[district, kind] = tuple(sum_ + count * value for sum_, value in zip(held, of_day(day), strict=True))
    return sums


def _margin(sums: tuple[int, int, int], city: float, bursts: float, missing: float | None = None) -> float:
    """1.96 standard deviations; `missing` is how many of the cell's records the bursts are about."""
    _, variance, error = (value / 1e6 for value in sums)
    missing = sums[0] / 1e6 if missing is None else missing
    shared = missing**2 * (bursts - 1) / city if city else 0
    return 1.96 * math.sqrt(variance + error**2 + shared)


def _in_the_end(known: Learnt, count: int, coming: float, margin: float) -> tuple[int | None, int | None]:
    if not known.is_known:
        return None, None
    return count + max(0, math.floor(coming - margin)), count + math.ceil(coming + margin)


@dataclass(frozen=True)
class Before:
    """The window before: when it was as old as the present one, and its cells as known now and as seen then."""

    known_day: date
    is_whole: bool
    now: Counter[tuple[object, object]]
    seen: Counter[tuple[object, object]]
    sums: Sums

    def told(self, question: Question, known: Learnt, cell: tuple[object, object]) -> Row:
        """The columns of a cell about this window."""
        estimate, city = self.sums[cell][0] / 1e6, self.sums["all", "all"][0] / 1e6
        now, seen = self.now[cell], self.seen[cell]
        margin = _margin(self.sums[cell], self.now["all", "all"] - city, known.bursts, now - estimate)
        is_replayed = not is_seen(question, question.as_of_day)
        basis: str | None
        if not self.is_whole:
            basis, then, low, high = None, None, None, None
        elif is_seen(question, self.known_day):
            basis, then, low, high = "seen", seen, seen, seen
        elif not known.is_known:
            basis, then, low, high = "unknown", now, seen, now
        else:
            basis, then = "estimated", math.floor(estimate + 0.5)
            low = max(0, math.floor(estimate - margin))
            low = min(low, seen) if is_replayed and seen < estimate - margin else low
            high = min(math.ceil(estimate + margin), now)
            high = now if is_replayed and self.known_day < question.serial_ids_from else high
        return {
            "crimes_before": then,
            "before_basis": basis,
            "crimes_before_low": None if then is None or low is None else min(low, then),
            "crimes_before_high": None if then is None or high is None else max(high, then),
            "crimes_before_now": now if self.is_whole else None,
        }


def _z(now: int, before: object) -> float | None:
    return None if before is None else 2 * (math.sqrt(now) - math.sqrt(int(str(before))))


def _position(count: int, most: int, past: list[int]) -> str | None:
    if not past:
        return None
    if count > max(past):
        return "above"
    return "below" if most < min(past) else "within"


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


@dataclass(frozen=True)
class Months:
    """The crimes of each month of a period, and the months that lie wholly in it."""

    question: Question
    crimes: Mapping[Month, pd.DataFrame]
    whole: Container[Month]

    def as_old(self, month: Month, earlier: Month) -> tuple[int | None, str | None]:
        """How many crimes of the earlier month were known when it was as old, and how that is known."""
        if month not in self.whole or earlier not in self.whole:
            return None, None
        day = self.question.as_of_day - (_last_of(month) - _last_of(earlier))
        if is_seen(self.question, day):
            seen = known_on(self.question, day)["occurred_on"]
            return int(seen.between(pd.Timestamp(*earlier, 1), pd.Timestamp(_last_of(earlier))).sum()), "seen"
        known, crimes = learnt(self.question), self.crimes[earlier]
        lost = sum(1_000_000 - known.then(found, day)[0] for found in days_of(crimes["occurred_on"]))
        return len(crimes) - math.floor(lost / 1e6 + 0.5), "estimated" if known.is_known else "unknown"


def _monthly_trends(question: Question) -> Iterator[Row]:
    for period in question.periods:
        groups = {
            (day.year, day.month): crimes
            for day, crimes in period.crimes.groupby(pd.to_datetime(period.crimes["month"]))
        }
        days = pd.Series([(day.year, day.month) for day in period.days], dtype=object).value_counts()
        whole = {
            month
            for month in groups
            if days[month] == monthrange(*month)[1] and not question.lacks((date(*month, 1), _last_of(month)))
        }
        months = Months(question, groups, whole)
        for year, month in sorted(groups):
            crimes = groups[year, month]
            before, before_basis = months.as_old((year, month), (year, month - 1) if month > 1 else (year - 1, 12))
            year_before, year_basis = months.as_old((year, month), (year - 1, month))
            yield {
                **period.leading,
                "month": date(year, month, 1),
                "crimes": len(crimes),
                "arrests": int(crimes["arrest"].sum()),
                "arrest_share": ratio(crimes["arrest"].sum(), len(crimes)),
                "violent_crimes": int(crimes["is_violent"].sum()),
                "property_crimes": int(crimes["is_property"].sum()),
                "domestic_crimes": int(crimes["domestic"].sum()),
                "days_covered": int(days[year, month]),
                "crimes_previous_month": before,
                "previous_month_basis": before_basis,
                "crimes_year_before": year_before,
                "year_before_basis": year_basis,
                "change_from_previous_month": None if before is None else len(crimes) - before,
                "change_from_year_before": None if year_before is None else len(crimes) - year_before,
                "z_from_year_before": _z(len(crimes), year_before),
                "unsettled": int(_last_of((year, month)) >= period.as_of_day - timedelta(days=35)),
            }


def _last_of(month: Month) -> date:
    return date(*month, monthrange(*month)[1])


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
        for kind in _classes(question.periods[-1].crimes):
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
    "monthly_trends": _monthly_trends,
    "compstat": _compstat,
    "region_magnitude": _region_magnitude,
    "reporting_delay": _reporting_delay,
}
