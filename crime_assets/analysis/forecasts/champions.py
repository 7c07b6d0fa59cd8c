"""What is published as the forecast: the best count, unless a model has found more in finished windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crime_assets.analysis.forecasts import FEWEST_WINDOWS
from crime_assets.analysis.forecasts.counts import METHODS
from crime_assets.analysis.forecasts.verdicts import SHARE, Compared, Pair, Verdict, gain_of, judge
from crime_assets.analysis.statistics.figures import Floats

FEWEST = 4
"""Finished windows without which the count of a year is the best one."""
MOST_ORIGINS = 52
MODELS = ("mixture", "trees", "mean")

Hits = Mapping[str, Mapping[int, float]]
"""Method → origin → records found in it."""


@dataclass(frozen=True)
class Choice:
    """Of one target and horizon."""

    method: str
    best_count: str
    candidate: str | None
    verdict: Verdict


def choose(past: pa.Table, windows: Mapping[Pair, int], models: Sequence[str], history_days: int) -> dict[Pair, Choice]:
    """What each pair's forecast is, from rows of forecast_scores whose windows are finished, of one study area.

    `windows` has the number of finished windows that a model could be of, `models` those of MODELS that are there,
    `history_days` the days of records: with less than a year, the usual count is of all.
    """
    hits = _hits(past)
    usual = METHODS[0] if history_days >= 365 else "all"
    compared = {}
    for pair, number in windows.items():
        found = hits.get(pair, {})
        count = _best_count(found, usual)
        model = _candidate(pair, found, models) if number >= FEWEST_WINDOWS else None
        origins = _common(found, [count, *([model] if model else [])])
        compared[pair] = Compared(model, count, _of(found, model or count, origins), _of(found, count, origins), number)
    verdicts = judge(compared)
    return {
        pair: Choice(
            method=one.model if one.model and verdicts[pair].word == "better" else one.count,
            best_count=one.count,
            candidate=one.model,
            verdict=verdicts[pair],
        )
        for pair, one in compared.items()
    }


def _hits(past: pa.Table) -> dict[Pair, dict[str, dict[int, float]]]:
    """What a verdict counts. Where a window was published and replayed, what was published is taken."""
    is_counted = pc.and_(pc.and_(past["in_verdict"], pc.equal(past["grid"], "h3-9")), pc.equal(past["share"], SHARE))
    rows = past.filter(is_counted).sort_by([("basis", "descending")])
    names = ("target", "horizon", "method", "hits")
    columns = [rows[name].to_pylist() for name in names]
    days = rows["as_of_day"].cast(pa.int32()).to_pylist()
    found: dict[Pair, dict[str, dict[int, float]]] = {}
    for target, horizon, method, hits, day in zip(*columns, days, strict=True):
        # "replayed" comes before "published", which takes its place.
        found.setdefault((target, horizon), {}).setdefault(method, {})[day] = hits
    return found


def _best_count(found: Hits, usual: str) -> str:
    origins = _common(found, METHODS)
    if len(origins) < FEWEST:
        return usual
    return max(METHODS, key=lambda method: float(_of(found, method, origins).sum()))


def _candidate(pair: Pair, found: Hits, models: Sequence[str]) -> str:
    """The mean of both models, unless one of them alone has found more."""
    if "mean" not in models:
        return MODELS[0]
    origins = _common(found, MODELS)
    if len(origins) < FEWEST:
        return "mean"
    mean = _of(found, "mean", origins)
    gains = {part: gain_of(pair, _of(found, part, origins), mean) for part in MODELS[:2]}
    parts = [part for part, gain in gains.items() if gain.interval()[0] > 0]
    return max(parts, key=lambda part: gains[part].gain, default="mean")


def _common(found: Hits, methods: Sequence[str]) -> list[int]:
    """The newest origins that all of these were scored at, in ascending order."""
    days = [set(found.get(method, {})) for method in methods]
    return sorted(set.intersection(*days))[-MOST_ORIGINS:]


def _of(found: Hits, method: str, origins: Sequence[int]) -> Floats:
    return np.array([found[method][origin] for origin in origins], dtype=np.float64)
