"""What forecasts are made of, as the lake has it on a day: records, the study area, earlier scores and lists.

Knows nothing about Dagster, and works nothing out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from crime_assets.analysis.forecast_statements import statements_of
from crime_assets.analysis.forecasts import places
from crime_assets.analysis.forecasts.days import ordinal
from crime_assets.analysis.forecasts.events import of_rows
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
    area, asked, lag = places.of_table(rows), statements_of(city), _lag(profile, day)
    shares = engine.insight(asked.completeness, day)["completeness"]
    curve = None if shares.null_count else shares.to_numpy()
    found = engine.insight(asked.events, day)
    if not found.num_rows:
        raise CrimeAssetsError(f"The lake knows of no index crime on {day}: there is nothing to forecast from.")
    first = ordinal(pc.min(found["occurred_on"]).as_py())
    events = of_rows(found, curve, lag, area)
    return Inputs(
        events=events,
        places=area,
        t=ordinal(day),
        lag=lag,
        first_record=first,
        past=read(lake, city, SCORES),
        lists=_lists(profile, day),
        residents=city.residents,
        cap=profile.settings.forecast_cap,
    )


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
