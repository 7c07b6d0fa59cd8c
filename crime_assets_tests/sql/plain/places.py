"""Places that stand out: hotspots, near_repeat, early_warning, by slow loops and formulas as textbooks write them."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from itertools import accumulate, count, product
from statistics import fmean, pstdev, variance

import h3
import numpy as np
import pandas as pd

from crime_assets_tests.sql.plain.delays import is_seen, known_on
from crime_assets_tests.sql.plain.question import Question, Row

Band = tuple[int, int]
OFFENSES = ("BURGLARY", "MOTOR VEHICLE THEFT", "ROBBERY")
DISTANCES = ((0, 0), (0, 100), (100, 200), (200, 300), (300, 400))
DELAYS = ((0, 7), (8, 14), (15, 21), (22, 28))
BANDS = list(product(DISTANCES, DELAYS))
Positions = np.ndarray[tuple[int], np.dtype[np.int64]]
NO_PAIRS = np.array([], dtype=np.int64)


def hotspots(question: Question) -> Iterator[Row]:
    """An own cell sum, own tails, own correction; cells themselves are h3's."""
    last = question.last_complete_day
    year = _days(question.crimes, last - timedelta(days=364), last)
    year = year[year["latitude"].notna() & year["longitude"].notna()]
    year = year.assign(
        cell=[h3.latlng_to_cell(*point, 9) for point in zip(year["latitude"], year["longitude"], strict=True)]
    )
    month = _days(year, last - timedelta(days=27), last)
    area = sorted(set(year["cell"]))
    known = set(area)
    neighbors = {cell: sorted(known.intersection(h3.grid_disk(cell, 1))) for cell in area}
    for name, crimes in (("28d", month), ("365d", year)):
        for offense_class in ("all", "property", "violent"):
            kept = crimes if offense_class == "all" else crimes[crimes["offense_class"] == offense_class]
            if len(kept):
                for row in _judged_cells(Counter(kept["cell"]), area, neighbors):
                    yield {**_leading(question, name), "offense_class": offense_class, **row}


def _judged_cells(crimes: Counter[str], area: list[str], neighbors: Mapping[str, list[str]]) -> list[Row]:
    counts = [crimes[cell] for cell in area]
    n, mean = len(counts), sum(counts) / len(counts)
    s = math.sqrt(sum(x * x for x in counts) / n - mean**2) if len(set(counts)) > 1 else 0
    spread = max(0.0, (variance(counts) - mean) / mean**2) if n > 1 else 0.0
    local = {cell: sum(crimes[other] for other in neighbors[cell]) for cell in area}
    most = Counter[int]()
    for cell in area:
        most[len(neighbors[cell])] = max(most[len(neighbors[cell])], local[cell])
    tails = {number: at_least_each(top, number * mean, spread / number) for number, top in most.items()}
    p = {cell: tails[len(neighbors[cell])][local[cell]] for cell in area}
    in_order = sorted(p.values())
    false_shares = {one: one * n / bisect_right(in_order, one) for one in in_order}
    q_values = dict(zip(reversed(false_shares), accumulate(reversed(false_shares.values()), min), strict=True))
    rows = []
    for cell in area:
        w = len(neighbors[cell])
        spread_of_sum = s * math.sqrt((n * w - w**2) / (n - 1)) if n > 1 else 0
        q = q_values[p[cell]]
        latitude, longitude = h3.cell_to_latlng(cell)
        rows.append(
            {
                "cell": cell,
                "latitude": round(latitude, 6),
                "longitude": round(longitude, 6),
                "crimes": crimes[cell],
                "cells_summed": w,
                "local_crimes": local[cell],
                "z_score": round((local[cell] - mean * w) / spread_of_sum, 9) if spread_of_sum else None,
                "p_value": six_digits(p[cell]),
                "q_value": six_digits(min(q, 1.0)),
                "is_hot": int(six_digits(q) <= 0.05 and local[cell] * n > w * sum(counts)),
            }
        )
    rows.sort(key=lambda row: (-row["is_hot"], -max(10, row["crimes"]), row["cell"]))
    return [row for row in rows if row["crimes"] or row["is_hot"]]


def near_repeat(question: Question) -> Iterator[Row]:
    """Each crime with all after it. The permutations are those of numpy's generator with the documented seed."""
    last = question.last_complete_day
    crimes = _days(question.crimes, last - timedelta(days=364), last)
    crimes = crimes[crimes["latitude"].notna() & crimes["longitude"].notna()]
    for offense in OFFENSES:
        kept = [
            ((pd.Timestamp(last) - crime.occurred_on).days, crime.id, crime.latitude, crime.longitude)
            for crime in crimes[crimes["primary_type"] == offense].itertuples()
        ]
        days, _, latitudes, longitudes = zip(*sorted(kept), strict=True) if kept else ((), (), (), ())
        near = _near(latitudes, longitudes)
        rng = np.random.default_rng([1964, *offense.encode()])
        dealt = [_pairs(np.array(days), near), *(_pairs(rng.permutation(days), near) for _ in range(199))]
        leading = _leading(question, "365d")
        yield from ({**leading, "offense": offense, **row} for row in _judged_bands(dealt, len(days)))


def _near(latitudes: Sequence[float], longitudes: Sequence[float]) -> tuple[Positions, Positions, Positions]:
    """First and second of every pair at most 400 m apart, and the number of its band of distances."""
    degree = 6_371_008.8 * math.pi / 180
    shrunk = degree * math.cos(math.radians(fmean(latitudes))) if latitudes else 0
    north, east = np.array(latitudes) * degree, np.array(longitudes) * shrunk
    found: list[tuple[Positions, Positions, Positions]] = [(NO_PAIRS, NO_PAIRS, NO_PAIRS)]
    for one in range(len(latitudes)):
        meters = np.sqrt((north[one + 1 :] - north[one]) ** 2 + (east[one + 1 :] - east[one]) ** 2)
        (others,) = np.nonzero(meters <= DISTANCES[-1][1])
        bands = np.array([sum(meters[other] > top for _, top in DISTANCES) for other in others], dtype=np.int64)
        found.append((np.full(len(others), one), others + one + 1, bands))
    first, second, bands = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return first, second, bands


def _pairs(days: Positions, near: tuple[Positions, Positions, Positions]) -> list[int]:
    first, second, bands = near
    apart = np.abs(days[first] - days[second]) if len(first) else NO_PAIRS
    counts = np.bincount(bands * 400 + apart, minlength=400 * len(DISTANCES)).reshape(len(DISTANCES), 400)
    return [int(counts[DISTANCES.index(distance), low : high + 1].sum()) for distance, (low, high) in BANDS]


def _judged_bands(dealt: list[list[int]], crimes: int) -> Iterator[Row]:
    by_band = list(zip(*dealt, strict=True))
    moments = [(fmean(numbers), pstdev(numbers)) for numbers in by_band]
    scores = [
        [round((number - mean) / sd, 9) if sd else 0.0 for number, (mean, sd) in zip(numbers, moments, strict=True)]
        for numbers in dealt
    ]
    most = [max(row) for row in scores]
    for index, ((distance, delay), numbers) in enumerate(zip(BANDS, by_band, strict=True)):
        pairs, *others = numbers
        adjusted = sum(one >= scores[0][index] for one in most) / 200
        yield {
            "distance_from_m": distance[0],
            "distance_to_m": distance[1],
            "days_from": delay[0],
            "days_to": delay[1],
            "crimes": crimes,
            "pairs": pairs,
            "expected_pairs": sum(others) / 199,
            "knox_ratio": pairs / (sum(others) / 199) if sum(others) else None,
            "p_value": (1 + sum(one >= pairs for one in others)) / 200,
            "p_adjusted": adjusted,
            "is_repeat": int(adjusted <= 0.05),
            "permutations": 199,
        }


def early_warning(question: Question) -> Iterator[Row]:
    """Limits by trying one number after the other."""
    last = pd.Timestamp(question.last_complete_day)
    known = question.crimes[question.crimes["occurred_on"] <= last]
    if known.empty:
        return
    begin = max(question.unrecorded) + pd.Timedelta(days=1)
    if question.is_pulled_with_gap:
        begin = max(begin, pd.Timestamp(question.pulled_from))
    windows = max(0, min(13, ((last - begin).days + 1) // 28 - 1))
    found = [_window(question, number) for number in range(14)]
    seen = sum(as_seen for _, as_seen in found[1 : windows + 1])
    for kind, column in (("beat", "beat"), ("community area", "community_area")):
        counts: dict[str, Counter[int]] = defaultdict(Counter)
        for number, (crimes, _) in enumerate(found):
            for unit in crimes[column].dropna():
                counts[unit if isinstance(unit, str) else str(int(unit))][number] += 1
        for row in _judged_units(counts, windows, seen):
            yield {**_leading(question, "28d"), "unit_kind": kind, **row}


def _window(question: Question, number: int) -> tuple[pd.DataFrame, bool]:
    """The crimes of the 28 days that end so many windows before the last complete day, and whether they were seen."""
    day = question.as_of_day - timedelta(days=28 * number)
    last = question.last_complete_day - timedelta(days=28 * number)
    as_seen = number > 0 and is_seen(question, day)
    rows = known_on(question, day) if as_seen else question.crimes
    return _days(rows, last - timedelta(days=27), last), as_seen


def _judged_units(counts: Mapping[str, Counter[int]], windows: int, seen: int) -> list[Row]:
    now = {unit: found[0] for unit, found in counts.items()}
    past = {unit: sum(found[window] for window in range(1, windows + 1)) for unit, found in counts.items()}
    spread = _dispersion(counts, windows) if windows >= 3 and sum(past.values()) else None
    growth = sum(now.values()) / sum(past.values()) if sum(past.values()) else None
    rows: list[Row] = []
    false_alarms = 0.0
    for unit in sorted(counts):
        expected = None if growth is None else past[unit] * growth
        lower = upper = None
        alarm = 0
        if spread is not None and growth:
            shape = past[unit] + 1
            mean, wide = shape * growth, spread + 1 / shape
            so_far = accumulate(chance(number, mean, wide) for number in count())
            lower = next(number for number, share in enumerate(so_far) if share > 0.001)
            upper = next(number for number in count(int(mean)) if at_least(number + 1, mean, wide) <= 0.001)
            false_alarms += at_most(lower - 1, mean, wide) + at_least(upper + 1, mean, wide)
            alarm = 1 if now[unit] > upper else -1 if now[unit] < lower else 0
        rows.append(
            {
                "unit": unit,
                "crimes": now[unit],
                "expected_crimes": expected,
                "lower_limit": lower,
                "upper_limit": upper,
                "z_expected": None if expected is None else round(2 * (now[unit] ** 0.5 - expected**0.5), 9),
                "alarm": alarm,
                "history_crimes": past[unit],
                "windows": windows,
                "windows_seen": seen,
                "dispersion": spread,
            }
        )

    def place(row: Row) -> tuple[bool, float, object]:
        few = row["crimes"] < 10 or row["history_crimes"] < 10
        return few, 0 if few else -row["z_expected"], row["unit"]

    return [{**row, "false_alarms": six_digits(false_alarms)} for row in sorted(rows, key=place)]


def _dispersion(counts: Mapping[str, Counter[int]], windows: int) -> float:
    numbers = range(1, windows + 1)
    of_window = {window: sum(found[window] for found in counts.values()) for window in numbers}
    total = sum(of_window.values())
    more = room = 0.0
    for found in counts.values():
        past = sum(found[window] for window in numbers)
        for window in numbers:
            expected = past * of_window[window] / total
            left = 1 - of_window[window] / total
            more += (found[window] - expected) ** 2 - left * expected
            room += left * expected**2
    return round(max(0.0, more / room), 9) if room else 0.0


def at_least_each(most: int, mean: float, spread: float) -> list[float]:
    """The chance of that many or more, of a count with the variance mean + spread * mean², for each up to `most`."""
    terms = [chance(number, mean, spread) for number in range(most + 1)]
    while terms[-1] > 1e-18 * terms[most] or len(terms) < 2 * mean:
        terms.append(chance(len(terms), mean, spread))
    return list(accumulate(reversed(terms)))[::-1][: most + 1]


def at_least(number: int, mean: float, spread: float) -> float:
    return at_least_each(number, mean, spread)[number]


def at_most(number: int, mean: float, spread: float) -> float:
    """The chance of that many or fewer."""
    return math.fsum(chance(fewer, mean, spread) for fewer in range(number + 1))


@lru_cache(maxsize=4096)
def chance(number: int, mean: float, spread: float) -> float:
    """Poisson's formula, or that of the negative binomial distribution of the size 1 / spread."""
    if spread == 0:
        return math.exp(number * math.log(mean) - mean - math.lgamma(number + 1))
    size = 1 / spread
    ways = math.lgamma(size + number) - math.lgamma(size) - math.lgamma(number + 1)
    return math.exp(ways + size * math.log(size / (size + mean)) + number * math.log(mean / (size + mean)))


def six_digits(value: float) -> float:
    """The value to six significant digits."""
    return float(f"{value:.5e}")


def _leading(question: Question, name: str) -> Row:
    """The first columns of the rows of a period."""
    last = question.last_complete_day
    return {"period": name, "first_day": last - timedelta(days=int(name[:-1]) - 1), "last_day": last}


def _days(crimes: pd.DataFrame, first: object, last: object) -> pd.DataFrame:
    return crimes[crimes["occurred_on"].between(pd.Timestamp(first), pd.Timestamp(last))]


PLACES: Mapping[str, Callable[[Question], Iterator[Row]]] = {
    "hotspots": hotspots,
    "near_repeat": near_repeat,
    "early_warning": early_warning,
}
