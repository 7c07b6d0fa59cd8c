"""How good one forecast of one window was: what it found, against what could be found. A record elsewhere is a miss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy import special

from crime_assets.analysis.statistics.figures import Floats, Ints

NOMINALS = (80, 90, 95)
"""Of intervals, percent."""
UNITS = ("cells", "top", "areas", "city")


@dataclass(frozen=True)
class Score:
    """Of a list of flagged cells; NaN where nothing came, or nothing could be found."""

    cells: int
    hits: float
    crimes: int
    pai: float
    """Prediction accuracy index: the share of all records that was found, over the share of the area."""
    pei: float
    """Prediction efficiency index: records found, over the most that as many cells could have."""
    rri: float
    """Recapture rate: records expected in the flagged cells, over those found."""
    deviance: float
    """Mean Poisson deviance of the cells, at the true total."""


@dataclass(frozen=True)
class Calibration:
    """How often intervals held what came, for one of UNITS; an entry for each of NOMINALS."""

    unit: str
    nominal: tuple[int, ...]
    held: tuple[float | None, ...]
    """Mean share; None without a window."""
    counts: tuple[int, ...]
    """Windows."""


def score(share: Floats, came: Ints, crimes: int, expected: float, km2: Floats, found: Ints) -> Score:
    """The score of shares (n) of the cells against the records that came in each.

    `crimes` is all of them, those without a place included; `expected` is the sum over the cells; `found` has the
    positions of the flagged cells.
    """
    hits = float(came[found].sum())
    most = float(np.sort(came)[::-1][: len(found)].sum())
    area = float(km2[found].sum() / km2.sum())
    return Score(
        cells=len(found),
        hits=hits,
        crimes=crimes,
        pai=_over(_over(hits, crimes), area),
        pei=_over(hits, most),
        rri=_over(expected * float(share[found].sum()), hits),
        deviance=deviance(share, came),
    )


def deviance(share: Floats, came: Ints) -> float:
    """Mean over cells of 2 (y ln(y/m) - y + m), where m spreads the true total as the shares say."""
    mean = share * came.sum()
    return float((2 * (special.xlogy(came, came) - special.xlogy(came, mean) - came + mean)).mean())


def calibration(past: pa.Table) -> tuple[Calibration, ...]:
    """What the intervals of finished windows have held, for each unit; past rows of forecast_scores."""
    found = []
    for unit in UNITS:
        columns = [past[f"coverage_{nominal}_{unit}"].drop_null().to_numpy() for nominal in NOMINALS]
        held = tuple(float(one.mean()) if len(one) else None for one in columns)
        found.append(Calibration(unit, NOMINALS, held, tuple(len(one) for one in columns)))
    return tuple(found)


def _over(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
