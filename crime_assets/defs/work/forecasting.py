"""Forecasts in the process that makes them: what they are made of, what is said, and how it is scored.

Knows nothing about Dagster. What a forecast says is worked out by `analysis.forecasts`; here it is read from the lake
and kept there. Nothing is locked while it is worked out: an engine shows one state of the lake.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crime_assets.analysis.forecast_statements import statements_of
from crime_assets.analysis.forecasts import HORIZONS, STEP, places, squares
from crime_assets.analysis.forecasts.days import day_of, is_sunday, newest_sunday, ordinal, replay_days
from crime_assets.analysis.forecasts.making import forecast
from crime_assets.analysis.forecasts.pairs import Inputs
from crime_assets.analysis.forecasts.replaying import (
    GRID,
    SQUARES_HORIZON,
    Tell,
    replays,
    score_published,
    silently,
    squares_scores,
)
from crime_assets.analysis.forecasts.scores import Calibration
from crime_assets.core.errors import CrimeAssetsError
from crime_assets.defs.work.forecast_inputs import boundaries, in_squares, inputs
from crime_assets.engines import Engine
from crime_assets.lakehouse.schema import arrow_schema
from crime_assets.lakehouse.schema_forecasts import FORECAST_TOTALS
from crime_assets.lakehouse.writing.forecasts import (
    PLACES,
    SAID,
    SCORES,
    days,
    put_places,
    put_scores,
    read,
    say,
    scores_made_by,
)
from crime_assets.lakehouse.writing.history import history_before
from crime_assets.profiles import Profile
from crime_assets.streams.inventory import merged_days

Pair = tuple[date, int]
"""An as-of day and a horizon."""


@dataclass(frozen=True)
class ForecastResult:
    """What is said of a day: whether it is new, its totals (a row a target and horizon), rows of each table, seconds.

    `calibration` is of finished windows, one for each kind of interval; empty where the forecast was there already.
    """

    said: bool
    totals: pa.Table
    rows: Mapping[str, int]
    seconds: float
    calibration: tuple[Calibration, ...] = ()


@dataclass(frozen=True)
class ScoreResult:
    """Pairs of an as-of day and a horizon that were scored, how many of these are final, and whose scores changed."""

    published: int
    replayed: int
    in_squares: int
    """Those that were replayed in squares of 600 feet."""
    final: int
    changed: Sequence[date]
    seconds: float


def sunday_of(asked: Sequence[date]) -> date:
    """The newest Sunday among days: forecasts stand for the week that follows. CrimeAssetsError if there is none."""
    sundays = [day for day in asked if is_sunday(ordinal(day))]
    if not sundays:
        newest = day_of(newest_sunday(ordinal(max(asked))))
        raise CrimeAssetsError(
            f"Forecasts are made as of Sundays, and {max(asked)} is none: materialize them for {newest}."
        )
    return max(sundays)


def awaited(profile: Profile) -> date | None:
    """The newest Sunday that is merged and of which nothing is said; None if there is no such day."""
    merged = merged_days(profile.landing, profile.city.name)
    if not merged:
        return None
    day = day_of(newest_sunday(ordinal(merged[-1])))
    is_new = day in merged and day not in days(profile.lake, profile.city)
    return day if is_new and day >= profile.first_change_day else None


def make_places(profile: Profile, engine: Engine, *, anew: bool = False) -> tuple[pa.Table, bool]:
    """The study area, and whether it is new: it is made once, of boundaries and of records before the lake began.

    Scores compare only within one study area, so another one is made only if it is asked for, `anew`.
    CrimeAssetsError if the lake has no history, or boundaries that cannot be read.
    """
    lake, city = profile.lake, profile.city
    held = read(lake, city, PLACES)
    if held.num_rows and not anew:
        return held, False
    first = history_before(lake, city)
    if first is None:
        raise CrimeAssetsError("The lake has no history yet: materialize crime_history once, then forecast.")
    seen = engine.insight(statements_of(city).cells_seen, first)
    made = places.table(
        places.study_area(
            boundaries(profile),
            places.cells_of(seen["latitude"].to_numpy(), seen["longitude"].to_numpy()),
            seen["community_area"].to_pylist(),
            seen["records"].to_numpy(),
        )
    )
    return made, put_places(lake, city, made)


def make(profile: Profile, engine: Engine, day: date) -> ForecastResult:
    """Say the forecast as of a Sunday, unless it was said: then that one is given as it is.

    CrimeAssetsError if it cannot be known, or nobody had it in its time: see `_check`.
    """
    begun = time.monotonic()
    lake, city = profile.lake, profile.city
    if day in days(lake, city):
        return _kept(profile, day, time.monotonic() - begun)
    _check(profile, day)
    given = inputs(profile, engine, day)
    _check_is_not_past(day, days(lake, city), given.past)
    made = forecast(given)
    now, release = profile.clock(), statements_of(city).release
    totals = made.totals.append_column("release", pa.array([release] * made.totals.num_rows, pa.string()))
    totals = totals.append_column("made_on", pa.array([now] * totals.num_rows, pa.timestamp("us", tz="UTC")))
    totals = totals.select(arrow_schema(FORECAST_TOTALS).names)
    tables = dict(zip(SAID, (made.cells, made.areas, made.exposure, totals), strict=True))
    if not say(lake, city, day, tables):
        return _kept(profile, day, time.monotonic() - begun)
    rows = {name: table.num_rows for name, table in tables.items()}
    return ForecastResult(True, tables[SAID[-1]], rows, time.monotonic() - begun, made.calibration)


def score(profile: Profile, engine: Engine, day: date, tell: Tell = silently) -> ScoreResult:
    """Score what was said and can be judged as of a Sunday, and replay days of the grid that nobody forecast.

    In squares all days of the grid are replayed. Scores become final 28 days after they were first made. `tell` is told
    how far the replays are. CrimeAssetsError as for `make`.
    """
    begun = time.monotonic()
    _check(profile, day)
    lake, city = profile.lake, profile.city
    given = inputs(profile, engine, day)
    release = statements_of(city).release
    published = _published(profile, given)
    is_released = scores_made_by(lake, city) == release
    replayed = _to_replay(given, GRID, HORIZONS, is_released=is_released) - published
    in_grid = _to_replay(given, squares.NAME, (SQUARES_HORIZON,), is_released=is_released)
    missing = _unscored(given, GRID, published, "published")
    parts = []
    if missing:
        of_days = {one for one, _ in missing}
        tables = (read(lake, city, name, of_days) for name in ("forecast_cells", "forecast_areas", SAID[-1]))
        parts.append(_of_pairs(score_published(given, *tables), missing))
    if replayed:
        parts.append(_of_pairs(replays(given, _days(replayed), tell), replayed))
    if in_grid:
        parts.append(_of_pairs(squares_scores(in_squares(profile, engine, given), _days(in_grid), tell), in_grid))
    if not parts:
        return ScoreResult(0, 0, 0, 0, [], time.monotonic() - begun)
    rows = pa.concat_tables(parts)
    changed = put_scores(lake, city, rows, release)
    final = {
        _pair(row) for row in rows.select(["as_of_day", "horizon", "state"]).to_pylist() if row["state"] == "final"
    }
    return ScoreResult(len(missing), len(replayed), len(in_grid), len(final), changed, time.monotonic() - begun)


def _check(profile: Profile, day: date) -> None:
    """CrimeAssetsError if a day is no Sunday, lies before the lake's first change day, or has not been merged."""
    sunday_of([day])
    first = history_before(profile.lake, profile.city)
    if first is None or day < first:
        raise CrimeAssetsError(
            f"The lake cannot forecast from {day}: "
            + (f"what was known is told from {first} on." if first else "it has no history yet.")
        )
    if day not in merged_days(profile.landing, profile.city.name):
        raise CrimeAssetsError(f"The changes of {day} have not been merged: materialize crimes for it first.")


def _check_is_not_past(day: date, said: set[date], past: pa.Table) -> None:
    """CrimeAssetsError if something was said as of a later day, or scored by what was known later."""
    scored_to = pc.max(past["scored_to"]).as_py()
    later = max([*said, *([scored_to] if scored_to else [])], default=day)
    if day < later:
        raise CrimeAssetsError(
            f"Forecasts or scores as of {later} are there, so nobody had a forecast as of {day} in its time: its "
            f"windows are scored in {SCORES} as replayed."
        )


def _kept(profile: Profile, day: date, seconds: float) -> ForecastResult:
    tables = {name: read(profile.lake, profile.city, name, [day]) for name in SAID}
    return ForecastResult(False, tables[SAID[-1]], {name: rows.num_rows for name, rows in tables.items()}, seconds)


def _pair(row: Mapping[str, Any]) -> Pair:
    return row["as_of_day"], row["horizon"]


def _published(profile: Profile, given: Inputs) -> set[Pair]:
    """The pairs that were said of this study area, and whose windows are complete."""
    rows = read(profile.lake, profile.city, SAID[-1], columns=["as_of_day", "horizon", "area_id"]).to_pylist()
    return {
        _pair(row)
        for row in rows
        if row["area_id"] == given.places.area_id and ordinal(row["as_of_day"]) + row["horizon"] + given.lag <= given.t
    }


def _to_replay(given: Inputs, grid: str, horizons: Sequence[int], *, is_released: bool) -> set[Pair]:
    """The pairs of every fourth Sunday that lack scores.

    If the scores were made by another release, all replayed ones are made again.
    """
    first = given.first_record
    wanted = {(day_of(day), h) for h in horizons for day in replay_days(given.t, h, given.lag, first)}
    if is_released:
        return _unscored(given, grid, wanted, "replayed")
    held = _past(given, grid, "replayed").select(["as_of_day", "horizon"])
    return wanted | {_pair(row) for row in held.group_by(["as_of_day", "horizon"]).aggregate([]).to_pylist()}


def _past(given: Inputs, grid: str, basis: str) -> pa.Table:
    """Scores that are there."""
    return given.past.filter(pc.and_(pc.equal(given.past["grid"], grid), pc.equal(given.past["basis"], basis)))


def _unscored(given: Inputs, grid: str, pairs: set[Pair], basis: str) -> set[Pair]:
    """Those of the pairs that have no score of this study area, or one that is to become final."""
    past = _past(given, grid, basis)
    past = past.filter(pc.equal(past["area_id"], given.places.area_id))
    rows = past.select(["as_of_day", "horizon", "state"]).group_by(["as_of_day", "horizon", "state"])
    state = {_pair(row): row["state"] for row in rows.aggregate([]).to_pylist()}

    def is_due(pair: Pair) -> bool:
        is_settled = ordinal(pair[0]) + pair[1] + given.lag + STEP <= given.t
        return pair not in state or (is_settled and state[pair] != "final")

    return {pair for pair in pairs if is_due(pair)}


def _days(pairs: set[Pair]) -> list[int]:
    return sorted({ordinal(day) for day, _ in pairs})


def _of_pairs(rows: pa.Table, pairs: set[Pair]) -> pa.Table:
    """The rows of these pairs only."""
    chosen = np.array([_pair(row) in pairs for row in rows.select(["as_of_day", "horizon"]).to_pylist()], dtype=bool)
    return rows.filter(pa.array(chosen))
