"""Chooses where the work of a profile is done, from its settings."""

from __future__ import annotations

from crime_assets.defs.work import Work
from crime_assets.profiles import Profile


def work_for(profile: Profile) -> Work:
    """A job elsewhere where Spark is the engine and CRIME_SPARK_JOB names one; this process otherwise."""
    aws = profile.settings.aws
    if profile.settings.engine != "spark" or aws is None or not aws.spark_job:
        from crime_assets.defs.work.in_process import InProcess

        return InProcess(profile)
    from crime_assets.cloud.aws.clients import Clients
    from crime_assets.defs.work.launchers import launcher_named
    from crime_assets.defs.work.remote import Remote

    clients = Clients(aws.region)
    return Remote(profile, launcher_named(aws.spark_job, clients), clients.client("s3"), aws.landing)
