"""What forecasts are made of, as the lake has it on a day: records, the study area, earlier scores and lists.

Knows nothing about Dagster, and works nothing out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from crime_assets.analysis.forecast_statements import statements_of
from crime_assets.analysis.forecasts import places, squares
from crime_assets.analysis.forecasts.days import day_of, ordinal
from crime_assets.analysis.forecasts.events import Events, begin_of, of_rows
from crime_assets.analysis.forecasts.pairs import Inputs
from crime_assets.core import keys
from crime_assets.core.errors import CrimeAssetsError
from crime_assets.engines import Engine
from crime_assets.lakehouse.writing.forecasts import PLACES, SCORES, days, read
from crime_assets.profiles import Profile

_LAYER = "community_area"
_LIST = 2
"""Percent of the area on the list that patrols would follow."""
_WEEKS = timedelta(days=364)


def obstacle(profile: Profile, engine: Engine, day: date) -> str | None:
    """Why there is nothing to forecast from on a day, in words; None once there is, or anything has been forecast."""
    lake, city = profile.lake, profile.city
    if days(lake, city):
        return None
    asked = statements_of(city)
    if not engine.insight(asked.events, day).num_rows:
        return "the lake knows of no index crime"
    if read(lake, city, PLACES).num_rows or boundaries(profile):
        return None
    has_place = engine.insight(asked.cells_seen, profile.first_change_day).num_rows
    return None if has_place else "no index crime before the lake began has a place, and boundaries are not there"


def inputs(profile: Profile, engine: Engine, day: date) -> Inputs:
    """All that a forecast as of a day is made of. CrimeAssetsError if there is no study area, or no record."""
    lake, city = profile.lake, profile.city
    rows = read(lake, city, PLACES)
    if not rows.num_rows:
        raise CrimeAssetsError("There is no study area yet: materialize forecast_places first.")
    area, lag = places.of_table(rows), _lag(profile, day)
    events = _events(profile, engine, day, area, lag)
    begin = begin_of(events.until(ordinal(day)).occurred)
    return Inputs(
        events=events,
        places=area,
        t=ordinal(day),
        lag=lag,
        first_record=int(events.occurred.min()) if begin is None else begin,
        past=read(lake, city, SCORES),
        lists=_lists(profile, day),
        residents=city.residents,
        cap=profile.settings.forecast_cap,
    )


def in_squares(profile: Profile, engine: Engine, given: Inputs) -> Inputs:
    """The same with the study area in squares of 600 feet: records are read once more, to lie in these."""
    area = squares.squares(given.places)
    return replace(given, places=area, events=_events(profile, engine, day_of(given.t), area, given.lag))


def _events(profile: Profile, engine: Engine, day: date, area: places.Places, lag: int) -> Events:
    asked = statements_of(profile.city)
    shares = engine.insight(asked.completeness, day)["completeness"]
    curve = None if shares.null_count else shares.to_numpy()
    found = engine.insight(asked.events, day)
    if not found.num_rows:
        raise CrimeAssetsError(f"The lake knows of no index crime on {day}: there is nothing to forecast from.")
    return of_rows(found, curve, lag, area)


def boundaries(profile: Profile) -> Mapping[str, places.Rings]:
    """The shapes of community areas; none if they were never fetched."""
    key = keys.boundaries(profile.city.name, _LAYER)
    content = profile.landing.read(key)
    if content is None:
        return {}
    try:
        found: Mapping[str, places.Rings] = json.loads(content)["areas"]
    except (ValueError, KeyError, TypeError) as error:
        raise CrimeAssetsError(f"{profile.landing.location(key)} is damaged: materialize boundaries anew.") from error
    return found


def _lists(profile: Profile, day: date) -> pa.Table:
    """The cells on the lists of a year: as_of_day, target, horizon, cell."""
    name = "forecast_cells"
    recent = {one for one in days(profile.lake, profile.city) if day - _WEEKS <= one < day}
    columns = ["as_of_day", "target", "horizon", "cell", "flagged"]
    rows = read(profile.lake, profile.city, name, recent, columns)
    return rows.filter(pc.less_equal(rows["flagged"], _LIST)).drop_columns(["flagged"])


def _lag(profile: Profile, day: date) -> int:
    """Days after which a day is complete."""
    return (day - profile.city.last_complete_day(day)).days
