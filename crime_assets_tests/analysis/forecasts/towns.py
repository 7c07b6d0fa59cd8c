"""Towns: places and events without any SQL, drawn by a seed, of which it is known how they came about."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
from h3.api import basic_int as h3

from crime_assets.analysis.forecasts import FEWEST_ORIGINS, HORIZONS
from crime_assets.analysis.forecasts.days import replay_days
from crime_assets.analysis.forecasts.events import Events, gathered
from crime_assets.analysis.forecasts.pairs import Inputs
from crime_assets.analysis.forecasts.places import Places, study_area
from crime_assets.analysis.forecasts.replaying import replays
from crime_assets.analysis.forecasts.targets import TARGETS
from crime_assets.lakehouse.schema import arrow_schema
from crime_assets.lakehouse.schema_forecasts import FORECAST_CELLS, FORECAST_SCORES

LAG = 8
FIRST = 15_000
"""The day of the first record."""
CENTER = h3.latlng_to_cell(41.88, -87.63, 9)
BURST_DAYS = 84
STEP = 28


def places_of(cells: int) -> Places:
    """A round town; areas are stripes from south to north."""
    rings = next(rings for rings in range(200) if 1 + 3 * rings * (rings + 1) >= cells)
    ids = np.array(sorted(h3.grid_disk(CENTER, rings))[:cells], dtype=np.int64)
    north = np.array([h3.cell_to_latlng(cell)[0] for cell in ids.tolist()])
    stripes = np.argsort(np.argsort(north)) * 16 // cells
    return study_area({}, ids, [f"{stripe:02d}" for stripe in stripes.tolist()], np.ones(cells, dtype=np.int64))


def events_of(places: Places, occurred: np.ndarray, cell: np.ndarray, target: np.ndarray, delay: np.ndarray) -> Events:
    """Events of single records."""
    counts = np.zeros((len(occurred), len(TARGETS)), dtype=np.int64)
    counts[np.arange(len(occurred)), target] = 1
    known = np.maximum(occurred + delay, occurred + LAG)
    return gathered(known.astype(np.int32), occurred.astype(np.int32), cell.astype(np.int32), counts, len(places))


def town(
    seed: int, kind: str = "constant", cells: int = 1024, days: int = 1900, per28: int = 400
) -> tuple[Events, Places]:
    """Every target has `per28` records in 28 days; cells' rates are gamma(.5).

    Kinds: `constant`; `bursts`, where an eighth of the records come in spells of 84 days in a few cells; `late`, where
    a fifth of the records are known 20 days later than others.
    """
    rng = np.random.default_rng([seed, cells])
    places = places_of(cells)
    parts = []
    for target in range(len(TARGETS)):
        rates = rng.gamma(0.5, size=cells) + 1e-3
        number = rng.poisson(per28 * days / STEP)
        is_burst = rng.random(number) < (0.12 if kind == "bursts" else 0)
        occurred = FIRST + rng.integers(0, days, number)
        cell = rng.choice(cells, number, p=rates / rates.sum())
        cell[is_burst] = _spells(rng, cells, days)[occurred[is_burst] - FIRST, rng.integers(0, 1 << 20, is_burst.sum())]
        delay = np.where(rng.random(number) < (0.2 if kind == "late" else 0), 28, LAG)
        parts.append((occurred, cell, np.full(number, target), delay))
    return events_of(places, *(np.concatenate(part) for part in zip(*parts, strict=True))), places


class _Table:
    """Day and draw → one of the cells that are in a spell that day."""

    def __init__(self, active: np.ndarray) -> None:
        self.active = active

    def __getitem__(self, key: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        days, draws = key
        rows = self.active[days // STEP]
        return rows[np.arange(len(days)), draws % rows.shape[1]]


def _spells(rng: np.random.Generator, cells: int, days: int) -> _Table:
    new = max(2, round(25 / 5844 * cells))
    periods = days // STEP + 1
    begun = rng.integers(0, cells, (periods + BURST_DAYS // STEP, new))
    return _Table(np.hstack([begun[late : late + periods] for late in range(BURST_DAYS // STEP)]))


def with_records(events: Events, places: Places, occurred: np.ndarray, cell: int, target: int) -> Events:
    """The events and more records in one cell, known as soon as can be."""
    number = len(occurred)
    added = events_of(places, occurred, np.full(number, cell), np.full(number, target), np.full(number, LAG))
    return joined(events, added)


def joined(one: Events, other: Events) -> Events:
    columns = [np.concatenate([getattr(part, name) for part in (one, other)]) for name in ("known", "occurred", "cell")]
    counts = np.concatenate([one.counts, other.counts]).astype(np.int64)
    return gathered(*columns, counts, one.cells)


def without(events: Events, rows: np.ndarray) -> Events:
    kept = np.ones(len(events.known), dtype=bool)
    kept[rows] = False
    columns = {name: getattr(events, name)[kept] for name in ("known", "occurred", "cell", "counts")}
    return replace(events, **columns)


def inputs_of(events: Events, places: Places, t: int, past: pa.Table | None = None) -> Inputs:
    """What a forecast is made of, without trees; nothing was forecast before."""
    return Inputs(
        events=events,
        places=places,
        t=t,
        lag=LAG,
        first_record=FIRST,
        past=arrow_schema(FORECAST_SCORES).empty_table() if past is None else past,
        lists=arrow_schema(FORECAST_CELLS).empty_table().select(["as_of_day", "target", "horizon", "cell"]),
        residents={},
        with_trees=False,
    )


def replayed(inputs: Inputs) -> pa.Table:
    """Scores of the newest days that a lake with this history replays first, as many as a verdict asks for."""
    days = {day for horizon in HORIZONS for day in replay_days(inputs.t, horizon, LAG, FIRST, FEWEST_ORIGINS)}
    return replays(inputs, sorted(days))
