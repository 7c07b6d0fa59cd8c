"""The forecast of one day: five targets, three horizons, and beside each what counting says. A pure function.

Floats are rounded at the very end, so that the same events give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from crime_assets.analysis.forecasts import HORIZONS, tables
from crime_assets.analysis.forecasts.champions import MODELS, choose
from crime_assets.analysis.forecasts.pairs import City, Inputs, OfTarget, each_target
from crime_assets.analysis.forecasts.scores import Calibration, calibration
from crime_assets.analysis.forecasts.targets import TARGETS
from crime_assets.lakehouse.schema_forecasts import FORECAST_AREAS, FORECAST_CELLS, FORECAST_EXPOSURE, FORECAST_TOTALS

ADDED_BY_THE_LAKE = frozenset({"release", "made_on"})
"""Columns of forecast_totals that a pure function cannot know."""


@dataclass(frozen=True)
class Made:
    """The tables of one forecast; `totals` lacks what the lake adds."""

    cells: pa.Table
    areas: pa.Table
    totals: pa.Table
    exposure: pa.Table
    calibration: tuple[Calibration, ...]


def forecast(inputs: Inputs) -> Made:
    """The forecast as of `inputs.t`, for the windows that begin the day after."""
    city = City(inputs, HORIZONS, [inputs.t])
    windows = {horizon: len(city.windows(inputs.t, horizon)) for horizon in HORIZONS}
    past = finished(inputs)
    choices = choose(
        past,
        {(target.name, horizon): number for target in TARGETS for horizon, number in windows.items()},
        MODELS if inputs.with_trees else MODELS[:1],
        inputs.t - inputs.lag - inputs.first_record + 1,
    )

    def of_target(number: int) -> list[Mapping[str, tables.Columns]]:
        one, name = OfTarget(city, number), TARGETS[number].name
        said = {horizon: one.said(choices[name, horizon], inputs.t, horizon) for horizon in HORIZONS}
        return [tables.of_pair(inputs, one, found, horizon) for horizon, found in said.items()]

    pairs = [pair for found in each_target(inputs, of_target) for pair in found]
    parts = {name: [pair[name] for pair in pairs] for name in ("cells", "areas", "totals", "exposure")}
    totals = tuple(column for column in FORECAST_TOTALS if column.name not in ADDED_BY_THE_LAKE)
    return Made(
        tables.table(parts["cells"], FORECAST_CELLS),
        tables.table(parts["areas"], FORECAST_AREAS),
        tables.table(parts["totals"], totals),
        tables.table(parts["exposure"], FORECAST_EXPOSURE),
        calibration(past),
    )


def finished(inputs: Inputs) -> pa.Table:
    """Past scores of this study area whose windows were finished and known by `t`."""
    past = inputs.past
    closed = pc.add(pc.add(past["as_of_day"].cast(pa.int32()), past["horizon"]), inputs.lag)
    return past.filter(pc.and_(pc.less_equal(closed, inputs.t), pc.equal(past["area_id"], inputs.places.area_id)))
