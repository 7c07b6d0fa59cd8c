"""What must hold for crimes: one row per id before anything is published, and plausible figures."""

from collections.abc import Sequence
from datetime import date

import dagster as dg

from crime_assets.core import keys
from crime_assets.core.batches import load_manifest
from crime_assets.defs.checks import verdicts
from crime_assets.defs.checks.results import Results, days_checked, results
from crime_assets.defs.checks.verdicts import Verdict
from crime_assets.defs.names import Names
from crime_assets.engines import Engine
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.writing.history import history_undated
from crime_assets.profiles import Profile
from crime_assets.sources.cities import City
from crime_assets.sources.feeds import Feed
from crime_assets.streams import LandingStore
from crime_assets.streams.inventory import merged_days

_ASSET = "crimes"
_WARNING = {
    "quarantine_share": "Few records could not be typed.",
    "freshness": "The newest crime is no older than the city's publication lag explains.",
    "codes_valid": "Districts, beats and offense codes are ones that the city uses.",
    "coordinates_valid": "Most rows have a location, and it is in the city.",
    "daily_count_in_line": "The newest complete day has about as many crimes as its weekday usually has.",
    "no_day_missing": "Every change day from the lake's first to the newest merged one was merged.",
    "clearance_rate": "Arrests recorded, by offense class, against the trailing year. An arrest is not clearance.",
}


_ACCESS = "access_as_planned"


def build(names: Names, *, is_granted: bool) -> dg.AssetChecksDefinition:
    """The checks of `crimes`, one step; if people are granted access by AWS, also whether it is as the policy says."""
    warning = (
        {**_WARNING, _ACCESS: "People may see what the policy says, and nothing else."} if is_granted else _WARNING
    )

    @dg.multi_asset_check(
        name="check_crimes",
        specs=[
            dg.AssetCheckSpec(
                "one_row_per_id", asset=names.key(_ASSET), blocking=True, description="No id occurs twice."
            ),
            *(dg.AssetCheckSpec(name, asset=names.key(_ASSET), description=what) for name, what in warning.items()),
        ],
        can_subset=True,
    )
    def check_crimes(
        context: dg.AssetCheckExecutionContext,
        city: dg.ResourceParam[City],
        engine: dg.ResourceParam[Engine],
        feed: dg.ResourceParam[Feed],
        landing: dg.ResourceParam[LandingStore],
        lake: dg.ResourceParam[Lake],
        profile: dg.ResourceParam[Profile],
    ) -> Results:
        as_of_day = days_checked(context, landing, city)[-1]
        manifest = landing.read(keys.manifest(city.name, as_of_day))
        undated = load_manifest(manifest).undated if manifest is not None else 0
        unseen = max(0, undated - history_undated(lake, city))
        merged = merged_days(landing, city.name)
        found = _judge(city, engine, feed, merged[-1:], as_of_day, unseen)
        found["no_day_missing"] = verdicts.no_day_missing(profile.first_change_day, merged)
        if is_granted:
            found[_ACCESS] = verdicts.access_as_planned(profile.drift())
        yield from results(context, profile, _ASSET, found)

    return check_crimes


def _judge(
    city: City, engine: Engine, feed: Feed, merged: Sequence[date], as_of_day: date, unseen: int
) -> dict[str, Verdict]:
    """`merged` has only the newest change day that was merged, or nothing."""
    (rows,) = engine.measure("one_row_per_id", as_of_day)
    # Naming them takes as long as counting: it is done if there are any.
    repeated = engine.measure("repeated_ids", as_of_day) if rows["surplus_rows"] else []
    (fresh,) = engine.measure("freshness", as_of_day)
    newest_day = city.last_complete_day(as_of_day, fresh["newest_occurred_on"])
    # Whoever publishes quarters of a year is not late in between.
    expected = city.last_complete_day(as_of_day)
    lag_days = city.lag_days if city.publishes == "days" else (as_of_day - expected).days
    counts = engine.measure("daily_counts", as_of_day, newest_day=newest_day)
    box = dict(zip(("south", "west", "north", "east"), city.bounding_box, strict=True))
    (places,) = engine.measure("coordinates", as_of_day, **box)
    return {
        "one_row_per_id": verdicts.one_row_per_id(rows, repeated),
        "quarantine_share": verdicts.quarantine_share(
            engine.measure("quarantine", as_of_day), rows["row_count"], unseen
        ),
        "freshness": verdicts.freshness(
            fresh["newest_occurred_on"], as_of_day, lag_days, next(iter(merged), None), feed.latest_day()
        ),
        "codes_valid": verdicts.codes_valid(engine.measure("codes", as_of_day), city),
        "coordinates_valid": verdicts.coordinates_valid(places),
        "daily_count_in_line": verdicts.daily_count_in_line(
            {row["occurred_on"]: row["crimes"] for row in counts}, newest_day
        ),
        "clearance_rate": _arrests(city, engine, as_of_day),
    }


def _arrests(city: City, engine: Engine, as_of_day: date) -> Verdict:
    if "arrest" in city.not_published:
        return Verdict(True, f"{city.title} does not publish arrests: there is nothing to compare.")
    return verdicts.arrest_share_steady(engine.measure("arrest_shares", as_of_day))
