"""What happens daily, weekly and monthly, by the city's own clock."""

import dagster as dg

from crime_assets.defs.assets.boundaries import NOTHING_TO_FETCH
from crime_assets.defs.automation.jobs import BOUNDARIES, PULL, RECONCILE, UPKEEP
from crime_assets.profiles import Profile
from crime_assets.profiles.clock import doubt
from crime_assets.streams import LandingStore
from crime_assets.streams.inventory import merged_days

CATCH_UP_DAYS = 14
"""How far back a night asks again for change days that were never pulled: the portal was down, the laptop was shut."""


def build(days: dg.DailyPartitionsDefinition, timezone: str) -> list[dg.ScheduleDefinition]:
    """All schedules, on by default."""
    return [
        _daily_pull(days, timezone),
        _nightly_upkeep(timezone),
        _weekly_reconciliation(timezone),
        _monthly_boundaries(timezone),
    ]


def _daily_pull(days: dg.DailyPartitionsDefinition, timezone: str) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=f"{PULL}_daily",
        job_name=PULL,
        cron_schedule="0 2 * * *",
        execution_timezone=timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Pulls the change day that has just ended, at 02:00 city time, and recent ones never pulled.",
    )
    def daily_pull(
        context: dg.ScheduleEvaluationContext, profile: dg.ResourceParam[Profile]
    ) -> list[dg.RunRequest] | dg.SkipReason:
        if profile.state is None:
            return dg.SkipReason("The lake has not been begun: materialize crime_history first.")
        night = context.scheduled_execution_time
        if said := doubt(profile, profile.city.today(night)):
            return dg.SkipReason(said)
        with dg.partition_loading_context(effective_dt=night):
            ended = days.get_partition_keys()[-CATCH_UP_DAYS:]
        if not ended:
            return dg.SkipReason("The lake's first change day has not ended yet.")
        pulled = context.instance.get_materialized_partitions(dg.AssetKey("raw_crime_batches"))
        wanted = [*(day for day in ended[:-1] if day not in pulled), ended[-1]]
        # A run key fires once ever: with the night in it, a day whose pull failed is asked for again on the next.
        return [dg.RunRequest(run_key=f"{day}-{night:%Y-%m-%d}", partition_key=day) for day in wanted]

    return daily_pull


def _nightly_upkeep(timezone: str) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=f"{UPKEEP}_nightly",
        job_name=UPKEEP,
        cron_schedule="0 4 * * *",
        execution_timezone=timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Keeps the lake's tables small and quick to read, at 04:00 city time, after the pull.",
    )
    def nightly_upkeep(profile: dg.ResourceParam[Profile]) -> dg.RunRequest | dg.SkipReason:
        if profile.state is None:
            return dg.SkipReason("The lake has not been begun: materialize crime_history first.")
        if said := doubt(profile, profile.today):
            return dg.SkipReason(said)
        return dg.RunRequest()

    return nightly_upkeep


def _weekly_reconciliation(timezone: str) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=f"{RECONCILE}_weekly",
        job_name=RECONCILE,
        cron_schedule="0 5 * * 0",
        execution_timezone=timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Holds the lake against its source, on Sundays at 05:00 city time.",
    )
    def weekly_reconciliation(
        profile: dg.ResourceParam[Profile], landing: dg.ResourceParam[LandingStore]
    ) -> dg.RunRequest | dg.SkipReason:
        if profile.state is None or not merged_days(landing, profile.city.name):
            return dg.SkipReason("The lake has no change day yet: run one first.")
        if said := doubt(profile, profile.today):
            return dg.SkipReason(said)
        return dg.RunRequest()

    return weekly_reconciliation


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
