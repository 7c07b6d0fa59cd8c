"""The sensor on landing objects, and the one that lets insights follow crimes."""

import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import islice

import dagster as dg

from crime_assets.defs.automation.at_work import WITHOUT_SUCCESS, days_at_work
from crime_assets.defs.automation.jobs import MERGE
from crime_assets.defs.names import Names
from crime_assets.profiles import Profile
from crime_assets.profiles.clock import behind
from crime_assets.sources.cities import City
from crime_assets.streams import LandingStore
from crime_assets.streams.watch import Unmerged, Watch, unmerged

STATE_TAG = "crime-assets/landing-state"
ATTEMPTS = 3
"""Runs in a row that may end without success for one state of a day's objects. After that, the day is tried once a
day: the obstacle, such as a full disk, may have been removed."""
_ONE_DAY = timedelta(days=1)
MOST_RUNS = 20
"""Runs requested by one tick."""
SWEEP_SECONDS = 5.0
"""After this long a tick checks no more old days: the next tick goes on where it stopped."""


def build(names: Names) -> list[dg.SensorDefinition]:
    """Both sensors, on by default."""
    return [
        _landing_objects(names),
        dg.AutomationConditionSensorDefinition(
            "insights_follow_crimes",
            target=dg.AssetSelection.groups("insights", "publishing", "cities"),
            run_tags=names.tags,
            default_status=dg.DefaultSensorStatus.RUNNING,
            description="Computes the insights of every change day that crimes gained, and what is made from them.",
        ),
    ]


def _landing_objects(names: Names) -> dg.SensorDefinition:
    @dg.sensor(
        job_name=MERGE,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Merges change days with objects that the lake has not merged yet.",
    )
    def landing_objects(
        context: dg.SensorEvaluationContext,
        profile: dg.ResourceParam[Profile],
        city: dg.ResourceParam[City],
        landing: dg.ResourceParam[LandingStore],
    ) -> dg.SensorResult | dg.SkipReason:
        if profile.state is None:
            return dg.SkipReason("The lake has not begun: materialize crime_history first.")
        if said := behind(profile, profile.today):
            return dg.SkipReason(said)
        swept_to = date.fromisoformat(context.cursor) if context.cursor else None
        yesterday = profile.today - timedelta(days=1)
        late = time.monotonic() + SWEEP_SECONDS
        watch = Watch(profile.first_change_day, yesterday, swept_to, lambda: time.monotonic() > late)
        waiting = unmerged(landing, city.name, watch)
        requests = list(islice(_requests(names, context, waiting, profile.clock()), MOST_RUNS))
        full = len(requests) == MOST_RUNS
        swept_to = watch.swept_to(date.fromisoformat(str(requests[-1].partition_key)) if full else None)
        return dg.SensorResult(run_requests=requests, cursor=swept_to.isoformat() if swept_to else "")

    return landing_objects


def _requests(
    names: Names, context: dg.SensorEvaluationContext, waiting: Iterator[Unmerged], now: datetime
) -> Iterator[dg.RunRequest]:
    at_work = days_at_work(names, context.instance)
    for found in waiting:
        day = found.day.isoformat()
        if found.day in at_work:
            context.log.info(f"{day}: a run is working on it.")
            continue
        tags = {STATE_TAG: f"{day}-{found.state}", **names.tags}
        tried = context.instance.get_runs_count(dg.RunsFilter(tags=tags, statuses=WITHOUT_SUCCESS))
        lately = dg.RunsFilter(tags=tags, statuses=WITHOUT_SUCCESS, created_after=now - _ONE_DAY)
        if tried >= ATTEMPTS and context.instance.get_runs_count(lately):
            context.log.warning(
                f"{day}: {tried} runs on the same objects ended without success; the next is tomorrow, see their "
                "errors, or merge by hand."
            )
            continue
        # A run key fires only once, so each attempt has its own.
        yield dg.RunRequest(run_key=f"{day}-{found.state}-{tried}", partition_key=day, tags=tags)
