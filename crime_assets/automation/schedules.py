"""The daily pull, by the city's own clock."""

import dagster as dg

from crime_assets.automation.jobs import PULL
from crime_assets.cities import City


def build(days: dg.DailyPartitionsDefinition, city: City) -> dg.ScheduleDefinition:
    """Pull the change day that has just ended, at 02:00 city time; on by default."""

    @dg.schedule(
        name=f"{PULL}_daily",
        job_name=PULL,
        cron_schedule="0 2 * * *",
        execution_timezone=city.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Pulls the change day that has just ended, at 02:00 city time.",
    )
    def daily_pull(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        day = days.get_last_partition_key(context.scheduled_execution_time)
        if day is None:
            return dg.SkipReason("The lake's first change day has not ended yet.")
        return dg.RunRequest(run_key=day, partition_key=day)

    return daily_pull
