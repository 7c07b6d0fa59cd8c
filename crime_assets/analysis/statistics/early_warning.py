"""Early warning: units whose crimes are out of line with their own history, by control limits."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crime_assets.analysis.statistics.chance import at_least
from crime_assets.analysis.statistics.figures import FEW, Floats, Ints, rounded_probabilities

TAIL = 0.001
"""Largest chance, on each side, of an alarm in a unit that is in line."""
FEWEST_WINDOWS = 3
"""Fewest whole windows of history for which there are limits."""
MOST_WINDOWS = 13
"""Most windows of history that are used."""

_SCHEMA = pa.schema(
    [
        ("as_of_day", pa.date32()),
        ("period", pa.string()),
        ("first_day", pa.date32()),
        ("last_day", pa.date32()),
        ("unit_kind", pa.string()),
        ("unit", pa.string()),
        ("crimes", pa.int64()),
        ("expected_crimes", pa.float64()),
        ("lower_limit", pa.int64()),
        ("upper_limit", pa.int64()),
        ("z_expected", pa.float64()),
        ("alarm", pa.int32()),
        ("history_crimes", pa.int64()),
        ("windows", pa.int32()),
        ("windows_seen", pa.int32()),
        ("dispersion", pa.float64()),
        ("false_alarms", pa.float64()),
    ]
)


@dataclass(frozen=True)
class Limits:
    """The numbers of crimes of a unit that raise no alarm, and the chance of an alarm if the unit is in line."""

    lower: int
    upper: int
    beyond: float


def table(rows: pa.Table) -> pa.Table:
    """All units of each kind, the greatest rise first, from their crimes in each window; window 0 is the newest."""
    kinds = rows["unit_kind"].unique().to_pylist()
    return pa.concat_tables(
        [_SCHEMA.empty_table(), *(_rows(rows.filter(pc.equal(rows["unit_kind"], kind)), kind) for kind in kinds)]
    )


def dispersion(history: Ints) -> float:
    """How much more counts (a row for each unit, a column for each window) vary than the Poisson distribution.

    The variance is mean + dispersion * mean². By moments, pooled over all units: the expected count of a unit in a
    window is its share of all crimes times the crimes of the window, which removes the variance that comes from the
    window itself. Never below 0; 9 decimals.
    """
    expected = np.outer(history.sum(axis=1), history.sum(axis=0)) / history.sum()
    left = 1 - history.sum(axis=0) / history.sum()
    room = (left * expected**2).sum()
    more = ((history - expected) ** 2 - left * expected).sum()
    return round(max(0.0, float(more / room)), 9) if room > 0 else 0.0


def limits(before: int, growth: float, spread: float) -> Limits:
    """The control limits of a unit with `before` crimes in its history, if the city now has `growth` times its own.

    `growth` must be above 0. If every rate is equally likely beforehand, what comes after `before` crimes is
    negative binomial with the shape before + 1. So one crime more than was recorded is assumed, and a unit without
    history has limits too. `spread` is how much more units vary than the Poisson distribution.
    """
    mean, wider = (before + 1) * growth, spread + 1 / (before + 1)
    # At most a thousandth of any distribution lies 32 standard deviations above its mean (Cantelli's inequality).
    most = math.ceil(mean + 32 * math.sqrt(mean + wider * mean**2)) + 1
    chances = at_least(np.arange(most + 1), mean, wider)
    lower = int(np.argmax(1 - chances[1:] > TAIL))
    upper = int(np.flatnonzero(chances > TAIL)[-1])
    return Limits(lower, upper, float(1 - chances[lower] + chances[upper + 1]))


def _rows(rows: pa.Table, kind: str) -> pa.Table:
    units, crimes, history, windows = _windows(rows)
    before = history.sum(axis=1)
    growth = crimes.sum() / before.sum() if before.any() else np.nan
    expected: Floats = before * growth
    scores = np.round(2 * (np.sqrt(crimes) - np.sqrt(expected)), 9) + 0.0
    spread = dispersion(history) if windows >= FEWEST_WINDOWS and before.any() else None
    found = [None if spread is None or growth == 0 else limits(past, growth, spread) for past in before.tolist()]
    alarms = [
        0 if limit is None else int(count > limit.upper) - int(count < limit.lower)
        for count, limit in zip(crimes.tolist(), found, strict=True)
    ]
    beyond = np.array([sum(limit.beyond for limit in found if limit is not None)])
    columns = (
        pa.repeat(rows["as_of_day"][0], len(units)),
        pa.repeat("28d", len(units)),
        pa.repeat(rows["first_day"][0], len(units)),
        pa.repeat(rows["last_day"][0], len(units)),
        pa.repeat(kind, len(units)),
        pa.array(units),
        crimes,
        pa.array(expected, from_pandas=True),
        pa.array([None if limit is None else limit.lower for limit in found], pa.int64()),
        pa.array([None if limit is None else limit.upper for limit in found], pa.int64()),
        pa.array(scores, from_pandas=True),
        pa.array(alarms, pa.int32()),
        before,
        pa.repeat(pa.scalar(windows, pa.int32()), len(units)),
        pa.repeat(rows["windows_seen"][0].cast(pa.int32()), len(units)),
        pa.array([spread] * len(units), pa.float64()),
        pa.repeat(float(rounded_probabilities(beyond)[0]), len(units)),
    )
    rise = np.where((crimes < FEW) | (before < FEW), -np.inf, scores)
    return pa.table(list(columns), schema=_SCHEMA).take(np.lexsort((np.array(units), -rise)))


def _windows(rows: pa.Table) -> tuple[list[str], Ints, Ints, int]:
    """The units, their crimes now and in each window of history, and how many whole windows the lake covers."""
    units = sorted(rows["unit"].unique().to_pylist())
    windows: int = rows["windows"][0].as_py()
    counts = np.zeros((len(units), MOST_WINDOWS + 1), dtype=np.int64)
    counts[np.searchsorted(units, rows["unit"].to_pylist()), rows["window_number"].to_numpy()] = rows["crimes"]
    return units, counts[:, 0], counts[:, 1 : 1 + windows], windows
