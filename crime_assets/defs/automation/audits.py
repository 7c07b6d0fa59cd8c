"""What is added where there is a policy: the audit trail as tables daily, and a review of everybody's access weekly."""

import dagster as dg

from crime_assets.defs.assets import audit
from crime_assets.defs.checks import audit_trail
from crime_assets.defs.names import Names

TRAIL = "write_audit_trail"
CHAIN = "check_audit_trail"
REVIEW = "review_access"


def build(names: Names, timezone: str) -> dg.Definitions:
    """The assets, the check, the jobs, and the schedules, which are on by default."""
    trail, review = (dg.AssetSelection.assets(key) for key in names.keys("audit_trail", "access_review"))
    chain = dg.AssetSelection.checks_for_assets(names.key("audit_trail"))
    return dg.Definitions(
        assets=audit.build(names),
        asset_checks=[audit_trail.build(names)],
        jobs=[
            # A broken trail stops the asset, and with it every check of the same run.
            dg.define_asset_job(CHAIN, chain, description="Check the chain of the audit trail.", tags=names.tags),
            dg.define_asset_job(
                TRAIL,
                trail.without_checks(),
                description="Bring the audit trail into tables, if its chain is whole.",
                tags=names.tags,
            ),
            dg.define_asset_job(REVIEW, review, description="Say who may see what, and who did.", tags=names.tags),
        ],
        schedules=_schedules(timezone),
    )


def _schedules(timezone: str) -> list[dg.ScheduleDefinition]:
    on = dg.DefaultScheduleStatus.RUNNING
    return [
        dg.ScheduleDefinition(
            name=f"{CHAIN}_daily",
            job_name=CHAIN,
            cron_schedule="20 0 * * *",
            execution_timezone=timezone,
            default_status=on,
            description="Checks the chain of the audit trail, at 00:20 city time.",
        ),
        dg.ScheduleDefinition(
            name=f"{TRAIL}_daily",
            job_name=TRAIL,
            cron_schedule="30 0 * * *",
            execution_timezone=timezone,
            default_status=on,
            description="Brings the audit trail into tables, at 00:30 city time.",
        ),
        dg.ScheduleDefinition(
            name=f"{REVIEW}_weekly",
            job_name=REVIEW,
            cron_schedule="0 6 * * 1",
            execution_timezone=timezone,
            default_status=on,
            description="Reviews who may see what and who did, on Mondays at 06:00 city time.",
        ),
    ]
