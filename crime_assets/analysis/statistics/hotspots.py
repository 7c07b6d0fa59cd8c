"""Hot spots: crimes counted in H3 cells, and which cells have more in and around them than chance explains."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa
from h3.api import basic_int as h3

from crime_assets.analysis.statistics.chance import at_least, spread_of
from crime_assets.analysis.statistics.figures import FEW, Floats, Ints, rounded_probabilities
from crime_assets.analysis.statistics.multiple_tests import false_discovery_rates

RESOLUTION = 9
"""Of the cells: about 0.1 km², 400 m from corner to corner."""
FALSE_DISCOVERIES = 0.05
"""Largest share of false positives among the cells that are called hot."""
PERIODS = {"28d": timedelta(days=28), "365d": timedelta(days=365)}
CLASSES = ("all", "property", "violent")

_SCHEMA = pa.schema(
    [
        ("as_of_day", pa.date32()),
        ("period", pa.string()),
        ("first_day", pa.date32()),
        ("last_day", pa.date32()),
        ("offense_class", pa.string()),
        ("cell", pa.string()),
        ("latitude", pa.float64()),
        ("longitude", pa.float64()),
        ("crimes", pa.int64()),
        ("cells_summed", pa.int32()),
        ("local_crimes", pa.int64()),
        ("z_score", pa.float64()),
        ("p_value", pa.float64()),
        ("q_value", pa.float64()),
        ("is_hot", pa.int32()),
    ]
)


@dataclass(frozen=True)
class Cells:
    """The study area: H3 cells in ascending order, and the position of each cell's neighbors among them.

    `neighbors` has a row of seven positions for each cell, itself included; one past the last cell means no cell.
    """

    ids: Ints
    neighbors: Ints


@dataclass(frozen=True)
class Judged:
    """The results for one period and class: an entry for each cell; `z` is NaN where it has no meaning."""

    crimes: Ints
    summed: Ints
    local: Ints
    z: Floats
    p: Floats
    q: Floats


def table(rows: pa.Table) -> pa.Table:
    """The cells of every period and class, hot ones first, from points with the columns `class`_`period`."""
    if not rows.num_rows:
        return _SCHEMA.empty_table()
    latitudes, longitudes = (rows[name].to_pylist() for name in ("latitude", "longitude"))
    of_points = np.array([h3.latlng_to_cell(*point, RESOLUTION) for point in zip(latitudes, longitudes, strict=True)])
    ids, of_point = np.unique(of_points, return_inverse=True)
    cells = Cells(ids, around(ids))
    tables = []
    for period, offense_class in itertools.product(PERIODS, CLASSES):
        counts = np.zeros(len(ids), dtype=np.int64)
        np.add.at(counts, of_point, rows[f"{offense_class}_{period}"].to_numpy())
        if counts.any():
            tables.append(_rows(rows, period, offense_class, cells, judge(counts, cells.neighbors)))
    return pa.concat_tables(tables)


def judge(counts: Ints, neighbors: Ints) -> Judged:
    """Gi*, p and q of every cell of the study area; there must be a count above 0."""
    summed = (neighbors < len(counts)).sum(axis=1)
    local = np.append(counts, 0)[neighbors].sum(axis=1)
    p_values = np.empty(len(counts))
    mean, spread = counts.sum() / len(counts), spread_of(counts)
    for cells in np.unique(summed).tolist():
        # A sum of n independent counts has n times their mean, and their spread divided by n.
        p_values[summed == cells] = at_least(local[summed == cells], cells * mean, spread / cells)
    q_values = rounded_probabilities(false_discovery_rates(p_values))
    return Judged(counts, summed, local, _gi_star(counts, summed, local), rounded_probabilities(p_values), q_values)


def _gi_star(counts: Ints, summed: Ints, local: Ints) -> Floats:
    """Ord and Getis, "Local Spatial Autocorrelation Statistics", Geographical Analysis 27 (1995)."""
    cells, mean, deviation = len(counts), counts.mean(), counts.std()
    # Without cells further away, or if all counts are the same, there is nothing to compare with.
    known = (summed < cells) & (deviation > 0)
    z = np.full(cells, np.nan)
    expected_deviation = deviation * np.sqrt((cells * summed - summed**2)[known] / (cells - 1))
    z[known] = np.round((local - mean * summed)[known] / expected_deviation, 9) + 0.0
    return z


def around(ids: Ints) -> Ints:
    """The position of each cell and its neighbors among these cells; see `Cells`."""
    positions = np.full((len(ids), 7), len(ids), dtype=np.int64)
    known = {cell: position for position, cell in enumerate(ids.tolist())}
    for position, cell in enumerate(ids.tolist()):
        found = [known[other] for other in h3.grid_disk(cell, 1) if other in known]
        positions[position, : len(found)] = found
    return positions


def _rows(rows: pa.Table, period: str, offense_class: str, cells: Cells, found: Judged) -> pa.Table:
    last_day = rows["last_day"][0].as_py()
    first_day = last_day - PERIODS[period] + timedelta(days=1)
    # Where a few cells have nearly all crimes, a sum as small as the mean is rare, but it is not a hot spot.
    is_above_mean = found.local * len(found.crimes) > found.summed * found.crimes.sum()
    hot = (found.q <= FALSE_DISCOVERIES) & is_above_mean
    (shown,) = np.nonzero((found.crimes > 0) | hot)
    kept = shown[np.lexsort((shown, -np.maximum(found.crimes[shown], FEW), ~hot[shown]))]
    ids = cells.ids[kept].tolist()
    centers = np.round([h3.cell_to_latlng(cell) for cell in ids], 6)
    columns = (
        pa.repeat(rows["as_of_day"][0], len(ids)),
        pa.repeat(period, len(ids)),
        pa.repeat(pa.scalar(first_day, pa.date32()), len(ids)),
        pa.repeat(pa.scalar(last_day, pa.date32()), len(ids)),
        pa.repeat(offense_class, len(ids)),
        pa.array([h3.int_to_str(cell) for cell in ids]),
        centers[:, 0],
        centers[:, 1],
        found.crimes[kept],
        found.summed[kept].astype(np.int32),
        found.local[kept],
        pa.array(found.z[kept], from_pandas=True),
        found.p[kept],
        found.q[kept],
        hot[kept].astype(np.int32),
    )
    return pa.table(list(columns), schema=_SCHEMA)
