"""Tables of forecasts as anyone may see them: without small numbers, and without digits that would tell them.

What a count expects is a level times that count, so it is hidden where the count is small; what a model expects, where
there are few records in all. Shares of the model by cause are cut to tenths: that of the season, in hundredths, would
tell the few records of a season. The lake does not say how many records of last year's days a cell has, nor those of
the last 28: what is made of them alone is not shown of cells.

A place is hidden with its expected count: equal counts lie in the order of their cells, so places would tell where one
count ends and the next begins. For the same reason no order of rows may go by a hidden place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crime_assets.analysis.forecasts import SHARES
from crime_assets.analysis.forecasts.champions import MODELS
from crime_assets.analysis.forecasts.counts import METHODS
from crime_assets.analysis.small_numbers import HIDDEN, protect
from crime_assets.core.insights import Count, Counting
from crime_assets.publishing.forecast_tables import RECORDS, pairs_of

_YEAR, _HISTORY = RECORDS
_COUNT_BEHIND: Mapping[str, str] = {"365d": _YEAR, "3y": _YEAR, "kde": _YEAR, "last_year": "records_last_year"}
"""Method → the count of an area that its expected records would tell; that of all history for the others."""
_SAID = ("expected", "low_80", "high_80", "low_95", "high_95")
_CAUSES = ("from_long_run", "from_years", "from_weeks", "from_neighbors", "from_season", "from_elsewhere")
_COSTS = ("cost_25", "cost_20", "cost_15")
_NESTED = ("365d", "3y", "all")
"""Counts each of which is among those of the next: one less another may be small."""
_ONE_MAP = ("as_of_day", "target", "horizon", "grid", "method")
_OF_HITS, _OF_CRIMES = ("hits", "pei", "rri"), ("crimes", "level_error", "deviance")
"""Columns of scores that tell hits, or all records of the window; `pai` tells either."""
ON_COUNTING_LIST = "flagged_counting"
"""Like `flagged`, on lists of the best count that are as long as those that are shown."""
_LAST_YEAR_OF = 28
"""Days of the window whose count of last year is shown of areas."""
_DIGITS = 2
"""Significant ones of what is expected of a cell or an area: more would be false, and tell the count behind."""

Mask = NDArray[np.bool_]


def as_shown(tables: Mapping[str, pa.Table], threshold: int) -> dict[str, pa.Table]:
    """The tables with NULL for what must not be seen, and a column `hidden` with the names of these columns, or NULL.

    `cells` have one more column, ON_COUNTING_LIST, for who needs no place to tell what is on a list. A threshold of 0
    or 1 hides nothing. `totals`, `patrols` and `rounds` have nothing to hide, and no such column.
    """
    threshold = threshold if threshold > 1 else 0
    best = {(row["target"], row["horizon"]): str(row["best_count"]) for row in tables["totals"].to_pylist()}

    def cells(rows: pa.Table, threshold: int) -> pa.Table:
        pair = next(iter(rows.select(["target", "horizon"]).slice(0, 1).to_pylist()), None)
        return _cells(rows, best[pair["target"], pair["horizon"]] if pair else METHODS[0], threshold)

    return {
        **tables,
        "totals": _rounded(tables["totals"], ["known_share"], 2) if threshold else tables["totals"],
        "areas": _by_pair(tables["areas"], _areas, threshold),
        "exposure": _by_pair(tables["exposure"], _exposure, threshold),
        "cells": _by_pair(tables["cells"], cells, threshold),
        "scores": _scores(tables["scores"], threshold),
    }


def _by_pair(rows: pa.Table, shown: Callable[[pa.Table, int], pa.Table], threshold: int) -> pa.Table:
    """Each target and horizon by itself: these are the rows that add up."""
    return pa.concat_tables(shown(part, threshold) for _, part in pairs_of(rows))


def _cells(rows: pa.Table, best_count: str, threshold: int) -> pa.Table:
    rows = rows.append_column(ON_COUNTING_LIST, _flagged_by_counting(rows))
    small = {method: _small_cells(rows, method, threshold) for method in (*METHODS, *MODELS)}
    small |= {method: [*small[method], *few] for method, few in _small_steps(rows, best_count, threshold).items()}
    hidden = {f"expected_{method}": found for method, found in small.items()}
    hidden |= dict.fromkeys((*_SAID, "place"), small.get(_method(rows), []))
    hidden["place_counting"] = small[best_count]
    hidden |= dict.fromkeys(_CAUSES, small[MODELS[0]])
    year = rows[_YEAR].to_numpy()
    hidden["trend"] = _numbers(_is_small(year, threshold))
    hidden["trend_q"] = _numbers(np.full(len(year), threshold > 0))
    found = _without_counts(protect(rows, Counting(), threshold, hidden))
    found = _rounded(found, _CAUSES, 1) if threshold else found
    return _cut(found, ["expected", *(f"expected_{method}" for method in (*METHODS, *MODELS))], _DIGITS)


def _small_steps(rows: pa.Table, best_count: str, threshold: int) -> dict[str, list[int]]:
    """Of the nested counts but one, the rows in which it less that one may be small; the best count is kept, if any."""
    kept = best_count if best_count in _NESTED else _NESTED[0]
    older = rows[_HISTORY].to_numpy() - rows[_YEAR].to_numpy()
    known, unknown = _numbers(_is_small(older, threshold)), _numbers((older > 0) & (threshold > 0))
    # How many are of three years is not known.
    return {one: unknown if "3y" in (one, kept) else known for one in _NESTED if one != kept}


def _flagged_by_counting(rows: pa.Table) -> pa.Array:
    flagged = [one for one in rows["flagged"].to_pylist() if one is not None]
    sizes = {int(share): sum(one <= share for one in flagged) for share in SHARES}
    places = rows["place_counting"].to_pylist()
    return pa.array([next((share for share in sizes if place <= sizes[share]), None) for place in places], pa.int32())


def _areas(rows: pa.Table, threshold: int) -> pa.Table:
    method = _method(rows)
    behind = _COUNT_BEHIND.get(method, _HISTORY)
    counts = tuple(
        Count(name, _SAID if name == behind else ())
        for name in dict.fromkeys(("records_28d", "records_last_year", behind))
    )
    unknown = {behind: _numbers(_may_be_small(rows, method, threshold))}
    if threshold and pc.any(pc.not_equal(rows["horizon"], _LAST_YEAR_OF)).as_py():
        # Weekly windows of four Sundays are the one of 28 days: one that is hidden would be what is left of it.
        unknown["records_last_year"] = list(range(rows.num_rows))
    found = protect(rows, Counting(counts, adds_up=("area",)), threshold, unknown)
    return _cut(_without_counts(found), ["expected"], _DIGITS)


def _exposure(rows: pa.Table, threshold: int) -> pa.Table:
    of_year = Count(_YEAR, ("share_records_365d", "ratio_records"))
    found = protect(rows, Counting((of_year,), adds_up=("area",)), threshold)
    return _rounded(_without_counts(found), _COSTS, 2) if threshold else _without_counts(found)


def _scores(rows: pa.Table, threshold: int) -> pa.Table:
    """Hits of a smaller share are among those of a larger one, and these among all records: no step may be small."""
    lists: dict[tuple[object, ...], list[int]] = defaultdict(list)
    keys = zip(*(rows[name].to_pylist() for name in _ONE_MAP), strict=True)
    for row, key in enumerate(keys):
        lists[key].append(row)
    hits, crimes, cells = (rows[name].to_pylist() for name in ("hits", "crimes", "cells"))
    hidden: set[int] = set()
    for of_map in lists.values():
        seen = crimes[of_map[0]]
        for row in sorted(of_map, key=lambda row: -cells[row]):
            if 0 < hits[row] < threshold or 0 < seen - hits[row] < threshold:
                hidden.add(row)
            else:
                seen = hits[row]
    few = {*_numbers(_is_small(rows["crimes"].to_numpy(), threshold))}
    told = dict.fromkeys(_OF_HITS, hidden) | dict.fromkeys(_OF_CRIMES, few) | {"pai": hidden | few}
    return protect(rows, Counting(), threshold, told)


def _small_cells(rows: pa.Table, method: str, threshold: int) -> list[int]:
    """The rows of cells in which what a method expects would tell a small count."""
    if method == "last_year":
        return list(range(rows.num_rows)) if threshold else []
    behind = rows[_COUNT_BEHIND.get(method, _HISTORY)].to_numpy()
    return _numbers(_is_small(behind, threshold) | _may_be_small(rows, method, threshold))


def _may_be_small(rows: pa.Table, method: str, threshold: int) -> Mask:
    """Where a count that is between those of a year and of all history, or is of cells nearby too, may be small."""
    year, history = rows[_YEAR].to_numpy(), rows[_HISTORY].to_numpy()
    is_unknown: Mask = np.zeros(rows.num_rows, dtype=bool)
    if method == "3y":
        is_unknown = (year < threshold) & (history > 0)
    elif method == "kde":
        is_unknown = year < threshold
    return is_unknown


def _is_small(counts: NDArray[np.int64], threshold: int) -> Mask:
    found: Mask = (counts > 0) & (counts < threshold)
    return found


def _numbers(mask: Mask) -> list[int]:
    return list(np.flatnonzero(mask).tolist())


def _method(rows: pa.Table) -> str:
    """By which the forecast of one target and horizon is made."""
    return str(rows["method"][0]) if rows.num_rows else ""


def _without_counts(rows: pa.Table) -> pa.Table:
    """Without the counts that are in files only to find what is hidden, also in what is said to be hidden."""
    kept = [
        ", ".join(name for name in names.split(", ") if name not in RECORDS) or None if names else None
        for names in rows[HIDDEN].to_pylist()
    ]
    column = rows.schema.get_field_index(HIDDEN)
    return rows.set_column(column, HIDDEN, pa.array(kept, pa.string())).drop_columns(list(RECORDS))


def _cut(rows: pa.Table, names: Sequence[str], digits: int) -> pa.Table:
    """Columns cut to so many significant digits."""
    for name in names:
        values = [None if value is None else float(f"{value:.{digits}g}") for value in rows[name].to_pylist()]
        rows = rows.set_column(rows.schema.get_field_index(name), name, pa.array(values, pa.float64()))
    return rows


def _rounded(rows: pa.Table, names: Sequence[str], digits: int) -> pa.Table:
    """Columns rounded to so many digits after the point."""
    for name in names:
        rows = rows.set_column(rows.schema.get_field_index(name), name, pc.round(rows[name], digits))
    return rows
