"""What happens daily, weekly and monthly, by the city's own clock."""

from datetime import date, timedelta

import dagster as dg

from crime_assets.analysis.forecasts.made import is_made_for
from crime_assets.core.errors import CrimeAssetsError
from crime_assets.defs.assets.boundaries import NOTHING_TO_FETCH
from crime_assets.defs.automation.at_work import WITHOUT_SUCCESS, days_at_work
from crime_assets.defs.automation.jobs import BOUNDARIES, FORECAST, PULL, RECONCILE, UPKEEP
from crime_assets.defs.names import Names
from crime_assets.defs.partitions import days_in_tags, range_tags
from crime_assets.defs.work.forecasting import awaited
from crime_assets.profiles import Profile
from crime_assets.profiles.clock import doubt
from crime_assets.sources.cities import City
from crime_assets.sources.feeds import Feed
from crime_assets.streams import LandingStore
from crime_assets.streams.holes import Range, missing_days, next_days, ranges_to_pull
from crime_assets.streams.inventory import merged_days
from crime_assets.streams.pull import days_between

CATCH_UP_DAYS = 30
"""Missing days that one night requests, besides the day that has just ended: an outage of a month is made up in one
night, a year in thirteen. Thirty days of changes are about one page of the portal, and the runs that merge them, day
by day, finish in the hours before upkeep."""
ENDED_DAYS = timedelta(days=30)
"""A source whose newest change is older than this has ended, like an export that nobody replaced: its days are no
longer requested."""

_RUNS_LOOKED_AT = 200


def build(names: Names, days: dg.DailyPartitionsDefinition, city: City) -> list[dg.ScheduleDefinition]:
    """All schedules, on by default."""
    timezone = city.timezone
    # Months are compared by their change stamps.
    compared = [_weekly_reconciliation(timezone)] if city.change_field else []
    forecast = [_weekly_forecast(timezone)] if is_made_for(city) else []
    always = [_daily_pull(names, days, timezone), _nightly_upkeep(timezone), _monthly_boundaries(timezone)]
    return [*always, *compared, *forecast]


def _daily_pull(names: Names, days: dg.DailyPartitionsDefinition, timezone: str) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=f"{PULL}_daily",
        job_name=PULL,
        cron_schedule="0 2 * * *",
        execution_timezone=timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Pulls the change day that has just ended, at 02:00 city time, and days that the lake lacks.",
    )
    def daily_pull(
        context: dg.ScheduleEvaluationContext,
        profile: dg.ResourceParam[Profile],
        feed: dg.ResourceParam[Feed],
        landing: dg.ResourceParam[LandingStore],
    ) -> list[dg.RunRequest] | dg.SkipReason:
        night = context.scheduled_execution_time
        if skipped := _not_now(profile, profile.city.today(night)):
            return skipped
        with dg.partition_loading_context(effective_dt=night):
            ended = days.get_last_partition_key()
        if ended is None:
            return dg.SkipReason("The lake's first change day has not ended yet.")
        last = _last_day(feed, date.fromisoformat(ended), profile.today)
        at_work = days_at_work(names, context.instance)
        missing = missing_days(landing, profile.city.name, profile.first_change_day, last)
        most = CATCH_UP_DAYS - len(at_work.intersection(missing))
        older = [day for day in missing if day not in at_work and str(day) != ended]
        chosen = next_days(landing, profile.city.name, older, most)
        apart = _days_to_pull_apart(names, context.instance).intersection(chosen)
        together = ranges_to_pull((day for day in chosen if day not in apart), apart_from=at_work | apart)
        wanted = sorted([*together, *((day, day) for day in apart)])
        requests = [_request(asked, night.date()) for asked in wanted]
        if str(last) == ended and last not in at_work:
            requests.append(_request((last, last), night.date()))
        return requests or dg.SkipReason(
            f"The lake has all change days of its source up to {last}, or runs are working on them."
        )

    return daily_pull


def _not_now(profile: Profile, today: date) -> dg.SkipReason | None:
    """Why nothing is done: there is no lake yet, or the machine's clock cannot be right."""
    if profile.state is None:
        return dg.SkipReason("The lake has not begun: materialize crime_history first.")
    said = doubt(profile, today)
    return dg.SkipReason(said) if said else None


def _last_day(feed: Feed, ended: date, today: date) -> date:
    """The last day worth requesting: the one that has just ended, unless the source ended long before both it and
    `today`, since a tick may come late.
    """
    try:
        newest = feed.latest_day()
    except CrimeAssetsError:
        # The run will report what is wrong with the source, where people are notified.
        return ended
    return ended if min(ended, today) - newest <= ENDED_DAYS else newest


def _days_to_pull_apart(names: Names, instance: dg.DagsterInstance) -> set[date]:
    """Days of ranges whose pull failed while later pulls succeeded: one bad day must not stop the others.

    If nothing has succeeded since, the source itself failed.
    """
    ended = dg.RunsFilter(job_name=PULL, statuses=[dg.DagsterRunStatus.SUCCESS, *WITHOUT_SUCCESS], tags=names.tags)
    source_answers = False
    found: set[date] = set()
    for run in filter(names.has, instance.get_runs(ended, limit=_RUNS_LOOKED_AT)):
        days = days_in_tags(run.tags)
        if run.status == dg.DagsterRunStatus.SUCCESS:
            source_answers = True
        elif source_answers and days is not None and days[0] < days[1]:
            found.update(days_between(*days))
    return found


def _request(asked: Range, night: date) -> dg.RunRequest:
    """A run of these days. A run key fires only once: with the night in it, a failed night is retried."""
    first, last = asked
    if first == last:
        return dg.RunRequest(run_key=f"{first}-{night}", partition_key=str(first))
    return dg.RunRequest(run_key=f"{first}-to-{last}-{night}", tags=range_tags(first, last))


def _nightly_upkeep(timezone: str) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=f"{UPKEEP}_nightly",
        job_name=UPKEEP,
        cron_schedule="0 4 * * *",
        execution_timezone=timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Keeps the lake's tables small and fast to read, at 04:00 city time, after the pull.",
    )
    def nightly_upkeep(profile: dg.ResourceParam[Profile]) -> dg.RunRequest | dg.SkipReason:
        return _not_now(profile, profile.today) or dg.RunRequest()

    return nightly_upkeep


def _weekly_reconciliation(timezone: str) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=f"{RECONCILE}_weekly",
        job_name=RECONCILE,
        cron_schedule="0 5 * * 0",
        execution_timezone=timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Compares the lake with its source, on Sundays at 05:00 city time.",
    )
    def weekly_reconciliation(
        profile: dg.ResourceParam[Profile], landing: dg.ResourceParam[LandingStore]
    ) -> dg.RunRequest | dg.SkipReason:
        if not merged_days(landing, profile.city.name):
            return dg.SkipReason("The lake has no change day yet: run one first.")
        return _not_now(profile, profile.today) or dg.RunRequest()

    return weekly_reconciliation


def _weekly_forecast(timezone: str) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=f"{FORECAST}_weekly",
        job_name=FORECAST,
        # Each day: the changes of a Sunday may come late.
        cron_schedule="0 6 * * *",
        execution_timezone=timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Makes the forecasts of the newest Sunday once its changes are merged; asks at 06:00 city time.",
    )
    def weekly_forecast(profile: dg.ResourceParam[Profile]) -> dg.RunRequest | dg.SkipReason:
        if skipped := _not_now(profile, profile.today):
            return skipped
        day = awaited(profile)
        if day is None:
            return dg.SkipReason("The forecasts of the newest Sunday are there, or its changes are not merged yet.")
        return dg.RunRequest(partition_key=day.isoformat())

    return weekly_forecast


def _monthly_boundaries(timezone: str) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=f"{BOUNDARIES}_monthly",
        job_name=BOUNDARIES,
        cron_schedule="0 3 1 * *",
        execution_timezone=timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Fetches the shapes of the city's areas, on the first of a month at 03:00 city time.",
    )
    def monthly_boundaries(profile: dg.ResourceParam[Profile]) -> dg.RunRequest | dg.SkipReason:
        if profile.boundaries is None:
            return dg.SkipReason(NOTHING_TO_FETCH)
        return dg.RunRequest()

    return monthly_boundaries
