"""Scores of past windows: of forecasts that were published, and of what would have been said on earlier days.

A replay knows of each day what was known then, but the place and the class of a record as they are known now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crime_assets.analysis.forecasts import HORIZONS, SHARES, STEP, squares
from crime_assets.analysis.forecasts.champions import MODELS
from crime_assets.analysis.forecasts.counts import METHODS, WIDTHS
from crime_assets.analysis.forecasts.days import is_on_grid, ordinal, replay_days
from crime_assets.analysis.forecasts.intervals import Bounds, bounds, covered
from crime_assets.analysis.forecasts.methods import Learned
from crime_assets.analysis.forecasts.pairs import City, Inputs, OfTarget, each_target
from crime_assets.analysis.forecasts.places import by_area
from crime_assets.analysis.forecasts.ranking import flagged, order
from crime_assets.analysis.forecasts.scores import NOMINALS, UNITS, score
from crime_assets.analysis.forecasts.squares import Squares
from crime_assets.analysis.forecasts.tables import Columns, rows
from crime_assets.analysis.forecasts.targets import TARGETS
from crime_assets.analysis.statistics.figures import Floats, Ints
from crime_assets.lakehouse.schema_forecasts import FORECAST_SCORES

GRID = "h3-9"
SQUARES_HORIZON = 28
"""Of the scores in squares."""
_EVERY, _TREES_EVERY = 4, 12
"""Days of the grid after which methods learn anew, and trees are grown anew; in between they keep what they have."""
_JUDGED_SHARE = 2.0
"""Percent of the area: coverage stands in the rows of this share."""
_JUDGED = "mixture"
"""Whose intervals are judged in replays."""
Tell = Callable[[str], object]
"""What a person is told who waits."""


def silently(_: str) -> None:
    """Where nobody waits."""


_KEY = [(name, "ascending") for name in ("as_of_day", "target", "horizon", "grid", "method", "share")]


@dataclass(frozen=True)
class Grid:
    """What the area is cut into, and which percentages of it are flagged."""

    name: str
    shares: Sequence[float]
    widths: Sequence[int] = WIDTHS
    """Of `kde`, meters."""
    is_judged: bool = True
    """Whether intervals are judged, and verdicts count it."""


H3 = Grid(GRID, SHARES)


@dataclass(frozen=True)
class Window:
    """A finished window: what came, and how many were expected."""

    day: int
    target: int
    horizon: int
    came: Ints
    """In each cell."""
    crimes: int
    history: Floats
    """Of each cell: breaks ties."""
    expected: float
    """In the city."""
    inside: float
    """In all cells."""


def replays(inputs: Inputs, days: Sequence[int], tell: Tell = silently) -> pa.Table:
    """Rows of forecast_scores for days of the grid, each at the horizons whose windows are finished as of `t`.

    `tell` is told whenever a target is done: the first replay of a lake takes a while.
    """
    return _scores(inputs, H3, HORIZONS, days, tell)


def squares_scores(inputs: Inputs, days: Sequence[int], tell: Tell = silently) -> pa.Table:
    """The same in squares, at 28 days, of counts and the mixture; places of `inputs` are Squares, and so events lie.

    There are three times as many of them as of cells: trees and wide kernels would take longer than all other replays.
    """
    if not isinstance(inputs.places, Squares):
        raise TypeError("The places must be squares.")
    grid = Grid(squares.NAME, squares.shares(inputs.places), WIDTHS[:2], is_judged=False)
    return _scores(replace(inputs, with_trees=False), grid, (SQUARES_HORIZON,), days, tell)


def score_published(inputs: Inputs, cells: pa.Table, areas: pa.Table, totals: pa.Table) -> pa.Table:
    """Rows of forecast_scores for published forecasts whose windows are finished as of `t`, from their tables."""
    found: list[Columns] = []
    for total in totals.to_pylist():
        day = ordinal(total["as_of_day"])
        if day + total["horizon"] + inputs.lag <= inputs.t:
            found.extend(_published(inputs, total, day, _of(cells, total), _of(areas, total)))
    return rows(found, FORECAST_SCORES).sort_by(_KEY)


def _scores(inputs: Inputs, grid: Grid, horizons: Sequence[int], days: Sequence[int], tell: Tell) -> pa.Table:
    asked = {
        horizon: sorted({*days} & {*replay_days(inputs.t, horizon, inputs.lag, inputs.first_record)})
        for horizon in horizons
    }
    replayed = sorted({day for found in asked.values() for day in found})
    city = City(inputs, horizons, replayed, grid.widths)

    def of_target(number: int) -> list[Columns]:
        one = OfTarget(city, number)
        return [row for horizon in horizons for row in _replayed(inputs, grid, one, asked[horizon], horizon)]

    found: list[Columns] = []
    for target, part in zip(TARGETS, each_target(inputs, of_target), strict=True):
        tell(f"Replayed {target.name} on {len(replayed)} days in {grid.name}.")
        found += part
    return rows(found, FORECAST_SCORES).sort_by(_KEY)


def _replayed(inputs: Inputs, grid: Grid, one: OfTarget, days: Sequence[int], horizon: int) -> Iterator[Columns]:
    learned: Learned | None = None
    for number, day in enumerate(days):
        if learned is None or learned.weights is None or number % _EVERY == 0:
            kept = learned.trees if learned is not None and number % _TREES_EVERY else None
            learned = one.learned(day, horizon, kept)
        shares, level = one.shares(learned, day, horizon), one.level(day, horizon)
        window = Window(
            day,
            one.target,
            horizon,
            inputs.events.came(one.target, day, horizon, inputs.t),
            int(one.crimes(day, horizon, inputs.t)),
            one.city.states[day].all[one.target].astype(np.float64),
            level.expected,
            level.expected * one.placed(day),
        )
        held: Columns = {}
        if grid.is_judged and _JUDGED in shares:
            spreads = one.spreads(one.judged(learned, level, _JUDGED, day, horizon), level, day, horizon)
            expected = window.inside * shares[_JUDGED]
            held = _coverage(
                inputs,
                window,
                expected,
                {
                    nominal: (
                        bounds(spreads.cells, expected, nominal / 100),
                        bounds(spreads.areas, by_area(inputs.places, expected), nominal / 100),
                        bounds(spreads.city, np.array([window.expected]), nominal / 100),
                    )
                    for nominal in NOMINALS
                },
            )
        for method, share in shares.items():
            yield from _scored(inputs, grid, window, method, share, "replayed", held if method == _JUDGED else {})


def _published(
    inputs: Inputs, total: Mapping[str, object], day: int, cells: pa.Table, areas: pa.Table
) -> Iterator[Columns]:
    """The rows of one pair; `cells` are in the order of the study area, which is that of their identifiers."""
    target = [one.name for one in TARGETS].index(str(total["target"]))
    horizon = int(str(total["horizon"]))
    came, crimes = inputs.events.until(inputs.t).truth(day, horizon, inputs.t)
    expected = cells["expected"].to_numpy()
    window = Window(
        day,
        target,
        horizon,
        came[target],
        int(crimes[target]),
        cells["records_all"].to_numpy().astype(np.float64),
        float(str(total["expected"])),
        float(expected.sum()),
    )
    whole = pa.Table.from_pylist([dict(total)])
    held = _coverage(
        inputs,
        window,
        expected,
        {nominal: (_said(cells, nominal), _said(areas, nominal), _said(whole, nominal)) for nominal in (80, 95)},
    )
    for method in (*METHODS, *MODELS):
        column = cells[f"expected_{method}"]
        if column.null_count == 0:
            share = column.to_numpy()
            share = share / share.sum() if share.sum() else np.full(len(share), 1 / len(share))
            yield from _scored(
                inputs, H3, window, method, share, "published", held if method == total["method"] else {}
            )


def _scored(
    inputs: Inputs, grid: Grid, window: Window, method: str, share: Floats, basis: str, held: Columns
) -> Iterator[Columns]:
    """A row for each share of the area; `held` has the coverage of the method's intervals, if it is judged."""
    is_final = window.day + window.horizon + inputs.lag + STEP <= inputs.t
    nothing: Columns = {f"coverage_{nominal}_{unit}": np.nan for nominal in NOMINALS for unit in UNITS}
    ordered = order(share, window.history)
    for percent in grid.shares:
        found = flagged(ordered, inputs.places.km2, percent)
        made = score(share, window.came, window.crimes, window.inside, inputs.places.km2, found)
        yield {
            "as_of_day": window.day,
            "target": TARGETS[window.target].name,
            "horizon": window.horizon,
            "grid": grid.name,
            "method": method,
            "share": percent,
            "basis": basis,
            "state": "final" if is_final else "provisional",
            "scored_to": inputs.t,
            "in_verdict": grid.is_judged and is_on_grid(window.day),
            **vars(made),
            "expected": window.expected,
            "level_error": window.expected / window.crimes - 1 if window.crimes else np.nan,
            **nothing,
            **(held if percent == _JUDGED_SHARE else {}),
            "area_id": inputs.places.area_id,
        }


def _coverage(
    inputs: Inputs, window: Window, expected: Floats, intervals: Mapping[int, tuple[Bounds, Bounds, Bounds]]
) -> Columns:
    """Shares of cells, flagged cells, areas and the city whose interval holds what came."""
    top = flagged(order(expected, window.history), inputs.places.km2, _JUDGED_SHARE)
    areas = by_area(inputs.places, window.came).astype(np.int64)
    held: Columns = {}
    for nominal, ((low, high), of_areas, of_city) in intervals.items():
        held[f"coverage_{nominal}_cells"] = covered(low, high, window.came)
        held[f"coverage_{nominal}_top"] = covered(low[top], high[top], window.came[top])
        held[f"coverage_{nominal}_areas"] = covered(*of_areas, areas) if len(areas) else np.nan
        held[f"coverage_{nominal}_city"] = covered(*of_city, np.array([window.crimes]))
    return held


def _said(rows: pa.Table, nominal: int) -> Bounds:
    return rows[f"low_{nominal}"].to_numpy(), rows[f"high_{nominal}"].to_numpy()


def _of(rows: pa.Table, total: Mapping[str, object]) -> pa.Table:
    """The rows of a pair, in the order of their key."""
    is_of = pc.and_(
        pc.equal(rows["as_of_day"], total["as_of_day"]),
        pc.and_(pc.equal(rows["target"], total["target"]), pc.equal(rows["horizon"], total["horizon"])),
    )
    return rows.filter(is_of).sort_by("cell" if "cell" in rows.column_names else "area")
