"""Which service runs the job: what AWS Glue and EMR Serverless each need to start it, and nothing of what the job does.

Credentials and permissions are those of the job's own role. A Glue job's definition has script, role, worker type,
libraries and `--crime-secrets`. An application of EMR Serverless cannot hold all of that, so its tags do:
`crime-assets:role` (ARN), `crime-assets:entry-point` (s3://…/spark_job.py), `crime-assets:secrets` where there are any.
Neither may retry a job by itself: Dagster does that, and it watches only the first attempt.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Protocol

import dagster as dg
from dagster_aws.pipes import PipesEMRServerlessClient, PipesGlueClient, PipesS3ContextInjector, PipesS3MessageReader

from crime_assets.cloud.aws.clients import Clients
from crime_assets.core.errors import UsageError

# Dagster's own message handler uses a preview feature, and every use of it would cause a warning.
warnings.filterwarnings("ignore", category=dg.PreviewWarning, message=".*expected_writer_count")

_ROLE, _ENTRY_POINT, _SECRETS = (f"crime-assets:{name}" for name in ("role", "entry-point", "secrets"))


class Launcher(Protocol):
    """Starts the job and waits for its end. A run that is cancelled stops its job."""

    name: str

    def run(
        self,
        context: dg.AssetExecutionContext,
        injector: PipesS3ContextInjector,
        reader: PipesS3MessageReader,
        extras: Mapping[str, Any],
    ) -> Mapping[str, dg.MetadataValue]:
        """What the service says about the run. RuntimeError if the job fails; boto3's own errors."""


class GlueJob:
    """A job of AWS Glue, by name."""

    def __init__(self, clients: Clients, job: str) -> None:
        self.name = f"Glue job {job}"
        self._clients = clients
        self._job = job

    def run(
        self,
        context: dg.AssetExecutionContext,
        injector: PipesS3ContextInjector,
        reader: PipesS3MessageReader,
        extras: Mapping[str, Any],
    ) -> Mapping[str, dg.MetadataValue]:
        """Start the job and wait for its end."""
        pipes = PipesGlueClient(injector, reader, self._clients.client("glue"))
        return pipes.run(context=context, start_job_run_params={"JobName": self._job}, extras=dict(extras)).metadata


class EmrServerlessApplication:
    """An application of EMR Serverless, by id."""

    def __init__(self, clients: Clients, application: str, poll_seconds: float = 5.0) -> None:
        self.name = f"job of the EMR Serverless application {application}"
        self._clients = clients
        self._application = application
        self._poll_seconds = poll_seconds

    def run(
        self,
        context: dg.AssetExecutionContext,
        injector: PipesS3ContextInjector,
        reader: PipesS3MessageReader,
        extras: Mapping[str, Any],
    ) -> Mapping[str, dg.MetadataValue]:
        """Start a job in the application and wait for its end."""
        client = self._clients.client("emr-serverless")
        tags = client.get_application(applicationId=self._application)["application"].get("tags", {})
        if missing := [tag for tag in (_ROLE, _ENTRY_POINT) if not tags.get(tag)]:
            raise UsageError(
                f"The EMR Serverless application {self._application} has no tag {missing[0]}: tag it with the ARN of "
                "the job's role and the location of spark_job.py on S3."
            )
        arguments = ["--crime-secrets", tags[_SECRETS]] if tags.get(_SECRETS) else []
        pipes = _EmrServerless(client, injector, reader, poll_interval=self._poll_seconds)
        return pipes.run(
            context=context,
            start_job_run_params={
                "applicationId": self._application,
                "executionRoleArn": tags[_ROLE],
                "name": "crime-assets",
                "jobDriver": {"sparkSubmit": {"entryPoint": tags[_ENTRY_POINT], "entryPointArguments": arguments}},
            },
            extras=dict(extras),
        ).metadata


class _EmrServerless(PipesEMRServerlessClient):
    def _read_messages(self, *_: object) -> None:
        """Messages do come, over S3; Dagster's client would warn that it cannot read any."""


def launcher_named(job: str, clients: Clients) -> Launcher:
    """The launcher that CRIME_SPARK_JOB names: glue:JOB or emr-serverless:APPLICATION. UsageError otherwise."""
    service, _, name = job.partition(":")
    if service == "glue" and name:
        return GlueJob(clients, name)
    if service == "emr-serverless" and name:
        return EmrServerlessApplication(clients, name)
    raise UsageError(f"CRIME_SPARK_JOB={job} is not known: set it to glue:JOB or emr-serverless:APPLICATION.")
