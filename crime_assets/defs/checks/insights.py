"""What must hold for insights before anyone is shown them: one check each, derived from its header.

They look at what the tables hold, so they can be run at any time, and it does not matter who computed the rows.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import dagster as dg

from crime_assets.analysis.statistics import finished
from crime_assets.core.insights import Insight
from crime_assets.core.periods import first_days
from crime_assets.defs.checks import verdicts
from crime_assets.defs.checks.results import Results, days_checked, results
from crime_assets.defs.checks.verdicts import Verdict
from crime_assets.defs.names import Names
from crime_assets.engines import Engine
from crime_assets.engines.known import newest_of
from crime_assets.lakehouse.writing.insights import Held, stale_days
from crime_assets.profiles import Profile
from crime_assets.publishing.consistency import Recorded, faults, promised
from crime_assets.publishing.quality import INSIGHTS, consistency_of
from crime_assets.publishing.renewal import days_to_extract


def build(names: Names, insights: Sequence[Insight]) -> dg.AssetChecksDefinition:
    """The checks of all insights, one step: what `crimes` holds is counted once for all of them."""
    by_name = {consistency_of(insight): insight for insight in insights}

    @dg.multi_asset_check(
        name="check_insights",
        specs=[
            dg.AssetCheckSpec(
                name,
                asset=names.key(insight.table),
                blocking=True,
                description="Its rows keep what its header promises. "
                + " ".join(f"{part}: {what}." for part, what in promised(insight).items()),
            )
            for name, insight in by_name.items()
        ],
        can_subset=True,
    )
    def check_insights(
        context: dg.AssetCheckExecutionContext,
        engine: dg.ResourceParam[Engine],
        profile: dg.ResourceParam[Profile],
    ) -> Results:
        lake, landing, city = profile.lake, profile.landing, profile.city
        days = days_checked(context, landing, city)
        # The extracts of later days are made again if a late change alters what was known on them.
        to_extract = days_to_extract(lake, landing, city, tuple(insights), days)
        asked = [by_name[key.name] for key in context.selected_asset_check_keys]
        # All from one state of the lake: nobody merges between the count of crimes and the look at the tables.
        with lake.writing():
            recorded = {day: _recorded(profile, engine, day) for day in sorted({*days, *to_extract})}
            found = {consistency_of(insight): _verdict(profile, engine, insight, days, recorded) for insight in asked}
        yield from results(context, profile, INSIGHTS, found, existing=by_name)

    return check_insights


def _recorded(profile: Profile, engine: Engine, day: date) -> Recorded:
    last = profile.city.last_complete_day(day, newest_of(profile.city, engine.measure, day))
    bounds = {f"first_{period}": first for period, first in first_days(day, last).items()}
    return Recorded(engine.measure("recorded", day, last_complete_day=last, **bounds), day, last)


def _verdict(
    profile: Profile, engine: Engine, insight: Insight, days: Sequence[date], recorded: Mapping[date, Recorded]
) -> Verdict:
    """Of `days`, which must be there, and of the others that are."""
    held = Held(profile.lake, profile.city, insight)
    if not held.is_current or (missing := sorted({*days} - held.days)):
        which = "of this release" if not held.is_current else f"as of {missing[0]}"
        return Verdict(False, f"{insight.table} has no rows {which}: materialize it, then check it again.")
    found = {day: faults(insight, held.rows(day), recorded[day]) for day in recorded if day in held.days}
    if any(found.values()):
        for day in found.keys() & stale_days(profile.lake, profile.city, insight):
            # Crimes have changed since, so the next run computes it again: what it will give is what matters.
            found[day] = faults(insight, finished(insight, engine.insight(insight, day)), recorded[day])
    return verdicts.consistent(insight.table, promised(insight), found)
