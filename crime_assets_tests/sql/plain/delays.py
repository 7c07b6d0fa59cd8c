"""When records were first published, how complete days are at each age, and what the lake knew on a past day."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from fractions import Fraction
from functools import lru_cache

import pandas as pd

from crime_assets_tests.sql.plain.question import Question

LAGS = range(91)


def days_of(values: pd.Series) -> list[date]:
    return [day.date() for day in pd.to_datetime(values)]


@lru_cache(maxsize=4)
def pulled_after(question: Question) -> dict[date, float]:
    """Change day of the lake, up to the as-of day → how many days later the first of it was pulled."""
    after: dict[date, list[float]] = {}
    for rows in (question.crimes, question.superseded):
        if rows is not None and len(rows):
            pulls = pd.to_datetime(rows["ingested_at"], utc=True)
            for day, at in zip(days_of(rows["change_day"]), pulls, strict=True):
                if question.first_change_day <= day <= question.as_of_day:
                    after.setdefault(day, []).append(math.inf if pd.isna(at) else (at.date() - day).days)
    # Where it is not known when a day was pulled, nothing says that it was late.
    return {day: min(found) for day, found in after.items()}


def _is_late(days: float) -> bool:
    return math.isfinite(days) and days > 3


def is_seen(question: Question, day: date) -> bool:
    """Whether no pull of that day, or of one before it, came more than three days after it."""
    first = question.first_change_day
    if not first - timedelta(days=1) <= day <= question.as_of_day:
        return False
    return not any(
        _is_late((change + timedelta(days=after) - day).days)
        for change, after in pulled_after(question).items()
        if change <= max(day, first) and math.isfinite(after)
    )


def _greatest_ids(question: Question, recent: pd.DataFrame) -> dict[date, int]:
    """Change day → its tenth greatest id."""
    ids: dict[date, list[int]] = {}
    for number, day in zip(recent["id"], days_of(recent["change_day"]), strict=True):
        if question.serial_ids_from <= day <= question.as_of_day:
            ids.setdefault(day, []).append(number)
    return {day: sorted(found)[-10] for day, found in ids.items() if len(found) >= 10}


def _delays(question: Question) -> tuple[dict[date, list[int]], list[date]]:
    """Occurrence day → after how many days each of its records was first published; the change days learnt from."""
    end = question.as_of_day
    crimes = question.crimes
    recent = crimes[
        (crimes["occurred_on"] <= pd.Timestamp(end))
        & (crimes["occurred_on"] >= pd.Timestamp(end - timedelta(days=145)))
    ]
    first = dict(zip(recent["id"], days_of(recent["change_day"]), strict=True))
    if question.superseded is not None and len(question.superseded):
        versions = zip(question.superseded["id"], days_of(question.superseded["change_day"]), strict=True)
        for number, day in versions:
            if day <= end and number in first:
                first[number] = min(first[number], day)
    is_late = {day: _is_late(after) for day, after in pulled_after(question).items()}
    greatest = _greatest_ids(question, recent)
    lag = timedelta(days=(end - question.last_complete_day).days - 1)
    delays: dict[date, list[int]] = {}
    for number, occurred in zip(recent["id"], days_of(recent["occurred_on"]), strict=True):
        day = first[number]
        reported = min((change for change, most in greatest.items() if most >= number), default=None)
        if is_late.get(day, True) and reported is not None:
            day = min(day, max(reported, occurred + lag))
        delays.setdefault(occurred, []).append((day - occurred).days)
    for found in delays.values():
        found.sort()
    learnt = {day for day, late in is_late.items() if not late or day < question.serial_ids_from}
    learnt |= {day for day in greatest if day - timedelta(days=1) in greatest}
    return delays, sorted(day for day in learnt if end - timedelta(days=55) <= day <= end)


@dataclass(frozen=True)
class Lag:
    """What is learnt about a lag: completeness and the variance of its logarithm, and from how much."""

    complete: float | None
    log_variance: float
    new: int
    days: int
    known: int


def _learn(question: Question) -> tuple[list[Lag], float]:
    """Of each lag; and how many times greater the variance of a week's late records is than chance makes it."""
    delays, window = _delays(question)
    tables = {lag: [_known(delays, day, lag) for day in window] for lag in LAGS}
    totals = {lag: tuple(map(sum, zip(*table, strict=True))) if table else (0, 0) for lag, table in tables.items()}
    bursts = _bursts(question, window, tables, totals)
    complete, greenwood = 1.0, Fraction(0)
    found: list[Lag] = []
    own_lag = (question.as_of_day - question.last_complete_day).days
    for lag in reversed(LAGS):
        known, new = totals[lag]
        known_share = complete if complete >= 0.001 else 0.0
        share = math.floor(known_share * 1e6 + 0.5) / 1e6 if window else None
        variance = math.floor(float(greenwood) * bursts * 1e12 + 0.5) / 1e12
        found.append(Lag(share, variance, new, sum(there > 0 for there, _ in tables[lag]), known))
        if lag > own_lag and known == new > 0:
            known += 1
        complete *= float(1 - Fraction(new, known)) if known else 1
        greenwood += Fraction(new, known * (known - new)) if known > new else 0
    return found[::-1], bursts


def _known(delays: dict[date, list[int]], change_day: date, lag: int) -> tuple[int, int]:
    """How many records of the day that long before were known on a change day, and how many of them were new."""
    found = delays.get(change_day - timedelta(days=lag), [])
    by_then = bisect_right(found, lag)
    return by_then, by_then - bisect_right(found, lag - 1)


def _bursts(
    question: Question,
    window: list[date],
    tables: Mapping[int, list[tuple[int, int]]],
    totals: Mapping[int, tuple[int, ...]],
) -> float:
    weeks: dict[int, list[Fraction]] = {}
    for lag in LAGS:
        known, new = totals[lag]
        if lag <= (question.as_of_day - question.last_complete_day).days or not known:
            continue
        hazard = Fraction(new, known)
        for day, (there, came) in zip(window, tables[lag], strict=True):
            if there:
                week = weeks.setdefault((question.as_of_day - day).days // 7, [Fraction(0), Fraction(0)])
                week[0] += came - there * hazard
                week[1] += there * hazard * (1 - hazard)
    variance = sum(week[1] for week in weeks.values())
    if len(weeks) < 2 or not variance:
        return 1.0
    ratio_of_squares = sum(week[0] ** 2 for week in weeks.values()) * len(weeks) / (variance * (len(weeks) - 1))
    return max(1.0, math.floor(float(ratio_of_squares) * 1000 + 0.5) / 1000)


@dataclass(frozen=True)
class Learnt:
    """What the delays that were learnt say of one record of a day: whole millionths."""

    question: Question
    lags: list[Lag]
    bursts: float

    @property
    def is_known(self) -> bool:
        """Whether there was enough to learn from: twenty records a lag on average."""
        return sum(lag.known for lag in self.lags) >= 20 * len(self.lags)

    def late(self, day: date) -> tuple[int, int, int]:
        """How much of a record is still to come, the variance of that, and the error that all records share."""
        lag = (self.question.as_of_day - day).days
        found = self.lags[lag] if lag in LAGS else None
        if found is None or not found.complete:
            return 0, 0, 0
        share = found.complete
        return (
            math.floor(1e6 / share - 1e6 + 0.5),
            math.floor((1 - share) / (share * share) * 1e6 + 0.5),
            math.floor(math.sqrt(found.log_variance) / share * 1e6 + 0.5),
        )

    def then(self, day: date, known_day: date) -> tuple[int, int, int]:
        """How much of a record that is known now was known then, the variance of that, and the shared error."""
        younger, older = (known_day - day).days, (self.question.as_of_day - day).days
        if younger not in LAGS:
            return 1_000_000, 0, 0
        before = self.lags[younger]
        now = self.lags[older] if older in LAGS else replace(self.lags[90], log_variance=0.0)
        if before.complete is None or not now.complete:
            return 1_000_000, 0, 0
        share = before.complete / now.complete
        return (
            math.floor(share * 1e6 + 0.5),
            math.floor(share * (1 - share) * 1e6 + 0.5),
            math.floor(share * math.sqrt(max(0.0, before.log_variance - now.log_variance)) * 1e6 + 0.5),
        )


@lru_cache(maxsize=4)
def learnt(question: Question) -> Learnt:
    """What was learnt from the last 56 change days."""
    return Learnt(question, *_learn(question))


def known_on(question: Question, day: date) -> pd.DataFrame:
    """The versions of crimes that the lake knew on a day: of each id the newest up to then, unless it was removed."""
    versions = [question.crimes.assign(removed_on=None)]
    for rows, removed in ((question.superseded, False), (question.removed, True)):
        if rows is not None and len(rows):
            gone = pd.to_datetime(rows["removed_on"]) if removed else None
            kept = rows.assign(occurred_on=pd.to_datetime(rows["occurred_on"]), removed_on=gone)
            versions.append(kept[kept["removed_on"] <= pd.Timestamp(question.as_of_day)] if removed else kept)
    everything = pd.concat(versions, ignore_index=True)
    everything["change_day"] = pd.to_datetime(everything["change_day"])
    known = everything[everything["change_day"] <= pd.Timestamp(day)]
    by = [name for name in ("change_day", "updated_on", "ingested_at", "record_md5") if name in known]
    newest = known.sort_values(by, kind="stable").groupby("id").tail(1)
    return newest[~(pd.to_datetime(newest["removed_on"]) <= pd.Timestamp(day))]
