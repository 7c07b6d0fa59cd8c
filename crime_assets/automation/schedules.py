"""The daily pull, by the city's own clock."""

import dagster as dg

from crime_assets.automation.jobs import PULL
from crime_assets.profiles import Profile

CATCH_UP_DAYS = 14
"""How far back a night asks again for change days that were never pulled: the portal was down, the laptop was shut."""


def build(days: dg.DailyPartitionsDefinition, timezone: str) -> dg.ScheduleDefinition:
    """Pull the change day that has just ended, at 02:00 city time; on by default."""

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
        with dg.partition_loading_context(effective_dt=night):
            ended = days.get_partition_keys()[-CATCH_UP_DAYS:]
        if not ended:
            return dg.SkipReason("The lake's first change day has not ended yet.")
        pulled = context.instance.get_materialized_partitions(dg.AssetKey("raw_crime_batches"))
        wanted = [*(day for day in ended[:-1] if day not in pulled), ended[-1]]
        # A run key fires once ever: with the night in it, a day whose pull failed is asked for again on the next.
        return [dg.RunRequest(run_key=f"{day}-{night:%Y-%m-%d}", partition_key=day) for day in wanted]

    return daily_pull
