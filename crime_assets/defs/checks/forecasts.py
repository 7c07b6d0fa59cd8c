"""What must hold for forecasts before anyone is shown them. They look at what the tables hold."""

from collections import defaultdict
from datetime import date, timedelta

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from crime_assets.analysis.forecast_statements import statements_of
from crime_assets.core.errors import CrimeAssetsError
from crime_assets.defs.assets.common import days_of
from crime_assets.defs.checks import verdicts_of_forecasts as verdicts
from crime_assets.defs.checks.results import Results, has_days, results
from crime_assets.defs.checks.verdicts import Verdict
from crime_assets.defs.names import Names
from crime_assets.defs.work.forecasting import sunday_of
from crime_assets.engines import Engine
from crime_assets.lakehouse.writing.forecasts import SAID, SCORES, days, read
from crime_assets.profiles import Profile

_BLOCKING = {
    "no_look_ahead": "Windows begin after the as-of day, and nothing that became known later has a part in them.",
    "forecasts_add_up": "Cells add up to what the city expects of all places, and areas to the cells in them.",
    "targets_are_reported": "What is forecast is reported by people rather than found by police.",
}
_WARNING = {
    "enough_windows": "There are enough finished windows for models; without them, counting is shown.",
    "list_drift": "Lists keep most of their cells from week to week, and change in half a year.",
    "level_drift": "The city's totals were no further off than usual.",
    "exposure_drift": "No area has far more of the flagged cells than 13 weeks ago without more records.",
}
_OF_SCORES = {
    "coverage_in_line": "The 95 % intervals of areas hold about 95 of 100 of what came.",
    "beats_counting": "A model that is shown is still better than counting.",
}
_QUARTER = timedelta(weeks=13)
_CELLS = "forecast_cells"
_KEYS = ["target", "horizon"]


def build(names: Names) -> dg.AssetChecksDefinition:
    """The checks of forecasts, one step."""

    def spec(name: str, asset: str, what: str, *, blocking: bool = False) -> dg.AssetCheckSpec:
        return dg.AssetCheckSpec(name, asset=names.key(asset), blocking=blocking, description=what)

    @dg.multi_asset_check(
        name="check_forecasts",
        specs=[
            *(spec(name, _CELLS, what, blocking=True) for name, what in _BLOCKING.items()),
            *(spec(name, _CELLS, what) for name, what in _WARNING.items()),
            *(spec(name, SCORES, what) for name, what in _OF_SCORES.items()),
        ],
        can_subset=True,
    )
    def check_forecasts(
        context: dg.AssetCheckExecutionContext, engine: dg.ResourceParam[Engine], profile: dg.ResourceParam[Profile]
    ) -> Results:
        said = days(profile.lake, profile.city)
        day = sunday_of(days_of(context)) if has_days(context) else max(said, default=None)
        if day not in said or day is None:
            raise CrimeAssetsError("Nothing has been forecast yet: materialize forecast_totals as of a Sunday first.")
        found = {**_of_day(profile, engine, day), **_of_past(profile, day, said)}
        yield from results(context, profile, _CELLS, found)

    return check_forecasts


def _of_day(profile: Profile, engine: Engine, day: date) -> dict[str, Verdict]:
    lake, city = profile.lake, profile.city
    totals = read(lake, city, SAID[-1], [day])
    first_days = engine.insight(statements_of(city).events, day)["first_day"]
    (arrests,) = engine.measure("arrest_share_of_targets", day)
    rows = totals.to_pylist()
    cells = read(lake, city, _CELLS, [day], [*_KEYS, "area", "expected"])
    areas = read(lake, city, "forecast_areas", [day], [*_KEYS, "expected"])
    placed = totals.select(_KEYS).append_column("expected", pc.multiply(totals["expected"], totals["placed_share"]))
    return {
        "no_look_ahead": verdicts.no_look_ahead(
            rows, day, city.last_complete_day(day), pc.max(first_days).as_py() if len(first_days) else None
        ),
        "forecasts_add_up": verdicts.forecasts_add_up(
            _summed(cells), _summed(cells.filter(pc.is_valid(cells["area"]))), _summed(areas), _summed(placed)
        ),
        "targets_are_reported": verdicts.targets_are_reported(arrests),
        "enough_windows": verdicts.enough_windows(rows),
    }


def _of_past(profile: Profile, day: date, said: set[date]) -> dict[str, Verdict]:
    lake, city = profile.lake, profile.city
    before = max((one for one in said if one < day), default=None)
    totals = [read(lake, city, SAID[-1], [one]).to_pylist() if one else [] for one in (day, before)]
    quarter = [read(lake, city, "forecast_exposure", [one]).to_pylist() for one in (day, day - _QUARTER)]
    past = read(lake, city, SCORES, {one for one in days(lake, city, SCORES) if one < day}).sort_by("as_of_day")
    past = past.filter(pc.and_(pc.equal(past["grid"], "h3-9"), pc.equal(past["share"], 2.0)))
    # Scores compare only within one study area.
    past = past.filter(pc.equal(past["area_id"], totals[0][0]["area_id"]))
    published = past.filter(pc.equal(past["basis"], "published")).to_pylist()
    errors = {(row["as_of_day"], row["target"], row["horizon"]): row for row in published}
    return {
        "list_drift": verdicts.list_drift(_lists(profile, {one for one in said if one <= day})),
        "level_drift": verdicts.level_drift(verdicts.by_key(list(errors.values()), "level_error")),
        "exposure_drift": verdicts.exposure_drift(*quarter),
        "coverage_in_line": verdicts.coverage_in_line(verdicts.by_key(past.to_pylist(), "coverage_95_areas")),
        "beats_counting": verdicts.beats_counting(*totals),
    }


def _summed(rows: pa.Table) -> dict[verdicts.Key, float]:
    """Target and horizon → all that is expected."""
    found = rows.group_by(_KEYS).aggregate([("expected", "sum")])
    return {(row["target"], row["horizon"]): row["expected_sum"] for row in found.to_pylist()}


def _lists(profile: Profile, said: set[date]) -> dict[verdicts.Key, dict[date, frozenset[str]]]:
    """Target and horizon → as-of day → the cells on the list, of the last 27 lists."""
    newest = sorted(said)[-27:]
    rows = read(profile.lake, profile.city, _CELLS, newest, ["as_of_day", *_KEYS, "cell", "flagged"])
    found: dict[verdicts.Key, dict[date, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in rows.filter(pc.less_equal(rows["flagged"], 2)).to_pylist():
        found[row["target"], row["horizon"]][row["as_of_day"]].add(row["cell"])
    return {key: {day: frozenset(cells) for day, cells in of_days.items()} for key, of_days in found.items()}
