"""Rows of the forecast tables, from what is said of one target and horizon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from h3.api import basic_int as h3

from crime_assets.analysis.forecasts import FEWEST_WINDOWS, HORIZONS, SHARES, trees
from crime_assets.analysis.forecasts.champions import MODELS
from crime_assets.analysis.forecasts.counts import METHODS
from crime_assets.analysis.forecasts.exposure import SHARE, cap_costs, exposure, own_shares
from crime_assets.analysis.forecasts.intervals import Spread, bounds
from crime_assets.analysis.forecasts.mixture import causes, causes_of_all
from crime_assets.analysis.forecasts.pairs import Inputs, OfTarget, Said
from crime_assets.analysis.forecasts.places import by_area, names_of
from crime_assets.analysis.forecasts.ranking import capped, flagged, order, places_of
from crime_assets.analysis.forecasts.shares import CAUSES
from crime_assets.analysis.forecasts.states import YEAR
from crime_assets.analysis.forecasts.targets import TARGETS
from crime_assets.analysis.forecasts.trends import BEFORE_DAYS, NOW_DAYS, trends
from crime_assets.analysis.statistics.figures import Floats, Ints
from crime_assets.lakehouse.schema import Column, arrow_schema

Columns = dict[str, object]
"""Name → an array, or one value for all rows; NaN means NULL."""
_DIGITS = 6


def of_pair(inputs: Inputs, one: OfTarget, said: Said, horizon: int) -> dict[str, Columns]:
    """The rows of one target and horizon: cells, areas, totals and exposure."""
    key: Columns = {"as_of_day": inputs.t, "target": TARGETS[one.target].name, "horizon": horizon}
    window: Columns = {"first_day": inputs.t + 1, "last_day": inputs.t + horizon}
    history = one.city.states[inputs.t].all[one.target]
    ordered = order(said.expected, history)
    lists = {share: _listed(inputs, one, ordered, share) for share in SHARES}
    return {
        "cells": key | window | _cells(inputs, one, said, ordered, lists),
        "areas": key | _areas(one, said, inputs.t, horizon),
        "totals": key | window | _totals(inputs, one, said),
        "exposure": key | _exposure(inputs, one, said, horizon, lists[SHARE]),
    }


def table(parts: Sequence[Columns], columns: tuple[Column, ...]) -> pa.Table:
    """The parts one after the other; floats to six digits."""
    schema = arrow_schema(columns)
    made = []
    for part in parts:
        rows = max((len(value) for value in part.values() if isinstance(value, np.ndarray | list)), default=1)
        arrays = [_array(part[field.name], field.type, rows) for field in schema]
        made.append(pa.table(arrays, schema=schema))
    return pa.concat_tables(made).combine_chunks() if made else schema.empty_table()


def rows(given: Sequence[Columns], columns: tuple[Column, ...]) -> pa.Table:
    """A table of single rows."""
    names = [column.name for column in columns]
    together: Columns = {name: [row[name] for row in given] for name in names}
    return table([together] if given else [], columns)


def _array(value: object, kind: pa.DataType, rows: int) -> pa.Array:
    if pa.types.is_floating(kind):
        rounded = np.round(np.broadcast_to(np.asarray(value, dtype=np.float64), rows), _DIGITS) + 0.0
        return pa.array(rounded, kind, from_pandas=True)
    whole = value if isinstance(value, np.ndarray | list) else [value] * rows
    if pa.types.is_date(kind):
        return pa.array(whole, pa.int32()).cast(kind)
    return pa.array(whole, kind)


def _listed(inputs: Inputs, one: OfTarget, ordered: Ints, share: float) -> Ints:
    """The flagged cells, at most as many of an area as the cap lets in."""
    places = inputs.places
    if inputs.cap is None:
        return flagged(ordered, places.km2, share)
    own = own_shares(places, one.city.states[inputs.t].d365[one.target])
    return capped(ordered, places.km2, places.area, own, share, inputs.cap)


def _cells(inputs: Inputs, one: OfTarget, said: Said, ordered: Ints, lists: Mapping[float, Ints]) -> Columns:
    places, state = inputs.places, one.city.states[inputs.t]
    year, history = state.d365[one.target], state.all[one.target]
    inside = said.level.expected * one.placed(inputs.t)
    found: list[int | None] = [None] * len(places)
    for share in sorted(lists, reverse=True):
        for cell in lists[share].tolist():
            found[cell] = int(share)
    would_be = np.zeros(len(places), dtype=bool)
    would_be[flagged(ordered, places.km2, max(lists))] = True
    label, q = _trends(one, inputs.t)
    return {
        "cell": [h3.int_to_str(cell) for cell in places.ids.tolist()],
        "latitude": places.latitude,
        "longitude": places.longitude,
        "area": names_of(places),
        "method": said.choice.method,
        "expected": said.expected,
        **_intervals(said.spreads.cells, said.expected),
        "place": places_of(ordered),
        "flagged": found,
        "is_capped_out": would_be & np.array([one is None for one in found]),
        **{f"expected_{name}": inside * said.shares.get(name, np.nan) for name in (*METHODS, *MODELS)},
        "place_counting": places_of(order(said.shares[said.choice.best_count], history)),
        "records_365d": year.astype(np.int64),
        "records_all": history.astype(np.int64),
        **_causes(said, one, inputs.t),
        "trend": label,
        "trend_q": q,
    }


def _causes(said: Said, one: OfTarget, day: int) -> Columns:
    weights = said.learned.weights
    found = np.full((len(CAUSES), 1), np.nan) if weights is None else causes(weights, one.known[day].phi)
    return {f"from_{name}": part for name, part in zip(CAUSES, _adding_up(found), strict=True)}


def _adding_up(parts: Floats) -> Floats:
    """Rounded so that they still add to 1: the last part takes what rounding leaves."""
    rounded = np.round(parts, _DIGITS)
    rounded[-1] = np.maximum(0, 1 - rounded[:-1].sum(axis=0))
    return rounded


def _trends(one: OfTarget, day: int) -> tuple[list[str | None], Floats]:
    last = day - one.city.lag - NOW_DAYS
    before = one.city.events.counted(last - BEFORE_DAYS + 1, last, day)[one.target, :-1]
    return trends(one.city.states[day].d28[one.target].astype(np.int64), before)


def _areas(one: OfTarget, said: Said, day: int, horizon: int) -> Columns:
    places, state = one.city.places, one.city.states[day]
    expected = by_area(places, said.expected)
    last_year = by_area(places, state.last_year[HORIZONS.index(horizon), one.target]).astype(np.int64)
    is_known = day + 1 - YEAR >= one.city.first_record
    return {
        "area": list(places.areas),
        "method": said.choice.method,
        "expected": expected,
        **_intervals(said.spreads.areas, expected),
        "records_28d": by_area(places, state.d28[one.target]).astype(np.int64),
        "records_last_year": last_year if is_known else [None] * len(places.areas),
    }


def _totals(inputs: Inputs, one: OfTarget, said: Said) -> Columns:
    verdict, tuned = said.choice.verdict, said.learned.tuned
    expected = np.array([said.level.expected])
    weights = said.learned.weights
    whole = np.full((len(CAUSES), 1), np.nan) if weights is None else causes_of_all(weights)[:, None]
    return {
        "known_to": inputs.t - inputs.lag,
        "known_share": _known_share(inputs, one),
        "placed_share": one.placed(inputs.t),
        "expected": expected,
        **_intervals(said.spreads.city, expected),
        "level": said.level.name,
        "method": said.choice.method,
        "best_count": said.choice.best_count,
        "candidate": said.choice.candidate,
        "verdict": verdict.word,
        "sentence": verdict.sentence,
        "gain": verdict.gain,
        "gain_low": verdict.low,
        "gain_high": verdict.high,
        "p_holm": verdict.p_holm,
        "origins": verdict.origins,
        "half_life": tuned.half_life,
        "kde_meters": tuned.meters,
        "trained_windows": said.learned.windows if said.learned.windows >= FEWEST_WINDOWS else 0,
        **{f"from_{name}": part for name, part in zip(CAUSES, _adding_up(whole), strict=True)},
        "cells": len(inputs.places),
        "area_id": inputs.places.area_id,
        "models": _models(said),
    }


def _known_share(inputs: Inputs, one: OfTarget) -> float:
    """Of last year's records of the same 28 days, those that were known a year ago; NaN without such."""
    last = inputs.t - inputs.lag - 364
    now, then = (one.city.daily.between(last - 27, last, known)[one.target] for known in (inputs.t, inputs.t - 364))
    return float(then / now) if now else float("nan")


def _models(said: Said) -> str:
    if said.learned.weights is None:
        return ""
    return f"mixture, trees (xgboost {trees.release()})" if said.learned.trees else "mixture"


def _exposure(inputs: Inputs, one: OfTarget, said: Said, horizon: int, found: Ints) -> Columns:
    places, states = inputs.places, one.city.states
    year = states[inputs.t].d365[one.target].astype(np.float64)
    lists = _earlier(inputs, TARGETS[one.target].name, horizon)
    seen = exposure(found, places, year, inputs.residents, lists, inputs.t)
    windows = [
        (expected, came, states[origin].all[one.target], states[origin].d365[one.target])
        for origin, expected, came in said.judged
    ]
    costs = cap_costs(windows, places)
    return {
        "area": list(places.areas),
        "flagged_cells": seen.flagged_cells,
        "share_flagged": seen.share_flagged,
        "share_records_365d": seen.share_records,
        "share_residents": seen.share_residents,
        "ratio_residents": _over(seen.share_flagged, seen.share_residents),
        "ratio_records": _over(seen.share_flagged, seen.share_records),
        "weeks_flagged": seen.weeks_flagged,
        "weeks": seen.weeks,
        "kept_share": seen.kept_share,
        **dict(zip(("cost_25", "cost_20", "cost_15"), costs, strict=True)),
    }


def _earlier(inputs: Inputs, target: str, horizon: int) -> dict[int, Ints]:
    """Day → positions of the cells on its list."""
    rows = inputs.lists
    rows = rows.filter(pc.and_(pc.equal(rows["target"], target), pc.equal(rows["horizon"], horizon)))
    days = rows["as_of_day"].cast(pa.int32()).to_numpy()
    ids = np.array([h3.str_to_int(cell) for cell in rows["cell"].to_pylist()], dtype=np.int64)
    position = {cell: number for number, cell in enumerate(inputs.places.ids.tolist())}
    found = np.array([position.get(cell, -1) for cell in ids.tolist()], dtype=np.int64)
    return {int(day): np.sort(found[(days == day) & (found >= 0)]) for day in np.unique(days)}


def _intervals(spread: Spread, expected: Floats) -> Columns:
    found: Columns = {}
    for nominal in (80, 95):
        found[f"low_{nominal}"], found[f"high_{nominal}"] = bounds(spread, expected, nominal / 100)
    return found


def _over(part: Floats, whole: Floats) -> Floats:
    found: Floats = np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)
    return found
