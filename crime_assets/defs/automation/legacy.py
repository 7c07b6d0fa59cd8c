"""What is added where there is a legacy database: its documents are brought up to date, verified and exported nightly.

The job itself is among `jobs`, for its outcome is announced.
"""

from __future__ import annotations

import dagster as dg

from crime_assets.defs.assets import legacy as assets
from crime_assets.defs.automation.jobs import MIGRATE
from crime_assets.defs.checks import legacy as checks
from crime_assets.defs.names import Names
from crime_assets.profiles import Profile
from crime_assets.profiles.legacy import LegacyRoad


def build(names: Names, profile: Profile) -> dg.Definitions:
    """Assets, check and schedule, which is on by default. UsageError if the database cannot be read from here."""
    LegacyRoad(profile)
    return dg.Definitions(
        assets=assets.build(names),
        asset_checks=checks.build(names),
        schedules=[
            dg.ScheduleDefinition(
                name=f"{MIGRATE}_nightly",
                job_name=MIGRATE,
                # Before the day's run at 02:00, which may read the export.
                cron_schedule="0 1 * * *",
                execution_timezone=profile.city.timezone,
                default_status=dg.DefaultScheduleStatus.RUNNING,
                description="Brings documents of the legacy database up to date, at 01:00 city time.",
            )
        ],
    )
