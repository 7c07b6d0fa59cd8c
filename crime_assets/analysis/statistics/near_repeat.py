"""Near repeats: the Knox test of space-time clustering, with permutations, for each kind of crime.

Knox, "The Detection of Space-Time Interactions", Applied Statistics 13 (1964). Seeded: the same crimes in the same
order give the same table.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crime_assets.analysis.statistics.figures import Floats, Ints

DISTANCES_M = (0, 100, 200, 300, 400)
"""Upper ends of the distance bands; the first means the same point, each other band begins where the last one ends."""
DELAYS_DAYS = (7, 14, 21, 28)
"""Upper ends of the bands of delays; each but the first begins a day after the end of the one before."""
PERMUTATIONS = 199
SIGNIFICANT = 0.05
EARTH_RADIUS_M = 6_371_008.8
"""Mean radius of the Earth (IUGG)."""

_SEED = 1964
_BANDS = len(DISTANCES_M) * len(DELAYS_DAYS)
_SCHEMA = pa.schema(
    [
        ("as_of_day", pa.date32()),
        ("period", pa.string()),
        ("first_day", pa.date32()),
        ("last_day", pa.date32()),
        ("offense", pa.string()),
        ("distance_from_m", pa.int32()),
        ("distance_to_m", pa.int32()),
        ("days_from", pa.int32()),
        ("days_to", pa.int32()),
        ("crimes", pa.int64()),
        ("pairs", pa.int64()),
        ("expected_pairs", pa.float64()),
        ("knox_ratio", pa.float64()),
        ("p_value", pa.float64()),
        ("p_adjusted", pa.float64()),
        ("is_repeat", pa.int32()),
        ("permutations", pa.int32()),
    ]
)


@dataclass(frozen=True)
class Knox:
    """The results for one kind; an entry for each band, the shortest distance first."""

    pairs: Ints
    expected: Floats
    p: Floats
    p_adjusted: Floats


def table(rows: pa.Table) -> pa.Table:
    """The bands of every kind, from its crimes; a row without a place only says that the kind exists."""
    return pa.concat_tables(
        _rows(rows.filter(pc.equal(rows["offense"], kind)), kind) for kind in rows["offense"].unique().to_pylist()
    )


def knox(latitudes: Floats, longitudes: Floats, days: Ints, kind: str) -> Knox:
    """The Knox test of crimes at these places (degrees) and days; the name of the kind seeds the permutations.

    Distances are measured on a plane where a degree of longitude is as long as at the mean latitude: within a city the
    error is below 0.4 %.
    """
    first, second, distance_band = _near(*_meters(latitudes, longitudes))
    delay_band = np.searchsorted(DELAYS_DAYS, np.arange(DELAYS_DAYS[-1] + 1))
    rng = np.random.default_rng([_SEED, *kind.encode()])
    dealt = np.empty((1 + PERMUTATIONS, _BANDS), dtype=np.int64)
    for number in range(1 + PERMUTATIONS):
        # Small integers: this is done for every pair, two hundred times.
        order = days if number == 0 else rng.permutation(days)
        short = order.astype(np.int16)
        apart = np.abs(short[first] - short[second])
        (soon,) = np.nonzero(apart <= DELAYS_DAYS[-1])
        bands = distance_band[soon] * len(DELAYS_DAYS) + delay_band[apart[soon]]
        dealt[number] = np.bincount(bands, minlength=_BANDS)
    return _judged(dealt)


def _judged(dealt: Ints) -> Knox:
    """From the pairs of each band: the first column as recorded, the others from the permutations.

    The recorded order counts as one of the permutations, since it is one if there is no connection: so p is exact.
    """
    recorded = dealt[0]
    deviation = dealt.std(axis=0)
    varies = deviation > 0
    scores = np.zeros(dealt.shape)
    # Rounded, so that equal scores of different bands are equal.
    scores[:, varies] = np.round((dealt - dealt.mean(axis=0))[:, varies] / deviation[varies], 9)
    most = scores.max(axis=1)
    return Knox(
        pairs=recorded,
        expected=dealt[1:].mean(axis=0),
        p=(dealt >= recorded).mean(axis=0),
        p_adjusted=(most[:, None] >= scores[0]).mean(axis=0),
    )


def _meters(latitudes: Floats, longitudes: Floats) -> tuple[Floats, Floats]:
    if not len(latitudes):
        return latitudes, longitudes
    east = np.radians(longitudes) * np.cos(np.radians(latitudes.mean())) * EARTH_RADIUS_M
    north = np.radians(latitudes) * EARTH_RADIUS_M
    return east - east.min(), north - north.min()


def _near(east: Floats, north: Floats) -> tuple[Ints, Ints, Ints]:
    """All pairs at most the longest distance apart, each once: positions of the two and the band of their distance."""
    reach = DISTANCES_M[-1]
    column, row = (east // reach).astype(np.int64) + 1, (north // reach).astype(np.int64)
    # The first column stays empty, so that the last of a row and the first of the next are no neighbors.
    columns = int(column.max(initial=0)) + 1
    square = row * columns + column
    order = np.argsort(square, kind="stable")
    sorted_squares = square[order]
    own = np.arange(len(order))
    # Each crime with those after it in its square and in the one to the right, and with the three squares above.
    starts = np.concatenate([own + 1, np.searchsorted(sorted_squares, sorted_squares + columns - 1)])
    ends = np.concatenate(
        [
            np.searchsorted(sorted_squares, sorted_squares + 1, side="right"),
            np.searchsorted(sorted_squares, sorted_squares + columns + 1, side="right"),
        ]
    )
    lengths = ends - starts
    first = np.repeat(np.concatenate([own, own]), lengths)
    second = np.arange(lengths.sum()) + np.repeat(starts - (np.cumsum(lengths) - lengths), lengths)
    first, second = order[first], order[second]
    distance = np.hypot(east[first] - east[second], north[first] - north[second])
    near = distance <= reach
    return first[near], second[near], np.searchsorted(DISTANCES_M, distance[near])


def _rows(rows: pa.Table, kind: str) -> pa.Table:
    placed = rows.filter(pc.is_valid(rows["latitude"]))
    latitudes, longitudes, days = (placed[name].to_numpy() for name in ("latitude", "longitude", "days_before"))
    found = knox(latitudes, longitudes, days, kind)
    distances = [(0, 0), *pairwise(DISTANCES_M)]
    delays = [
        (0, DELAYS_DAYS[0]),
        *((before + 1, to) for before, to in pairwise(DELAYS_DAYS)),
    ]
    bands = np.array([(*distance, *delay) for distance in distances for delay in delays], dtype=np.int32)
    ratio = np.divide(found.pairs, found.expected, out=np.full(_BANDS, np.nan), where=found.expected > 0)
    columns = (
        pa.repeat(rows["as_of_day"][0], _BANDS),
        pa.repeat("365d", _BANDS),
        pa.repeat(rows["first_day"][0], _BANDS),
        pa.repeat(rows["last_day"][0], _BANDS),
        pa.repeat(kind, _BANDS),
        *bands.T,
        pa.repeat(len(days), _BANDS),
        found.pairs,
        found.expected,
        pa.array(ratio, from_pandas=True),
        found.p,
        found.p_adjusted,
        (found.p_adjusted <= SIGNIFICANT).astype(np.int32),
        pa.repeat(pa.scalar(PERMUTATIONS, pa.int32()), _BANDS),
    )
    return pa.table(list(columns), schema=_SCHEMA)
