"""The script of a job elsewhere: does the one step that a run asks for over Dagster Pipes, and answers.

The same file is the script of a Glue job and the entry point of one on EMR Serverless; crime-assets must be installed
there in the release of the run. It needs no Dagster, only dagster-pipes. Two arguments may stand in the job's
definition: --crime-home, a directory for copies and spills (without it, one that vanishes with the job), and
--crime-secrets, a secret of Secrets Manager that holds a JSON object of the variables that never travel.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from dagster_pipes import (
    PipesCliArgsParamsLoader,
    PipesContext,
    PipesEnvVarParamsLoader,
    PipesParamsLoader,
    PipesS3ContextLoader,
    PipesS3MessageWriter,
    open_dagster_pipes,
)

from crime_assets.analysis.made import insights_of
from crime_assets.cloud.aws.clients import Clients
from crime_assets.cloud.aws.errors import explained
from crime_assets.core.errors import CrimeAssetsError, UsageError
from crime_assets.defs.work import messages, steps
from crime_assets.profiles import Profile, Settings, open_profile

if TYPE_CHECKING:
    from crime_assets.defs.work.messages import Request, Result

_WRITE_EVERY_SECONDS = 1


def main(arguments: Sequence[str]) -> int:
    """Do what the run asks for; returns the exit code. Our errors are the answer, others leave a traceback."""
    options = _options(arguments)
    # Glue passes arguments, EMR Serverless passes variables.
    loader: PipesParamsLoader = PipesCliArgsParamsLoader()  # type: ignore[no-untyped-call]
    if not loader.is_dagster_pipes_process():
        loader = PipesEnvVarParamsLoader()  # type: ignore[no-untyped-call]
    if not loader.is_dagster_pipes_process():
        print("spark_job.py is started by a run: materialize an asset with CRIME_SPARK_JOB set.", file=sys.stderr)
        return UsageError.exit_code
    clients = Clients()
    s3 = clients.client("s3")
    with (
        tempfile.TemporaryDirectory(prefix="crime-assets-") as directory,
        open_dagster_pipes(
            context_loader=PipesS3ContextLoader(s3),
            message_writer=PipesS3MessageWriter(s3, interval=_WRITE_EVERY_SECONDS),
            params_loader=loader,
        ) as pipes,
    ):
        try:
            request = messages.load_request(pipes.get_extra("request"))
            secrets = _secrets(clients, options.crime_secrets, request.secrets)
            home = {"CRIME_HOME": options.crime_home or directory}
            profile = open_profile(Settings.from_environment({**request.settings, **secrets, **home}))
            pipes.report_custom_message(messages.dump_result(_do(request, profile, pipes)))
        except CrimeAssetsError as error:
            pipes.log.error(str(error))
            pipes.report_custom_message(messages.dump_error(error))
            return error.exit_code
    return 0


def _do(request: Request, profile: Profile, pipes: PipesContext) -> Result:
    what = " ".join(filter(None, [request.step, request.insight]))
    pipes.log.info(f"{what} of {profile.city.name}: {_named(request.days)}")
    match request.step:
        case "history":
            return steps.load_history(profile, profile.feed, request.days[0], request.run_id)
        case "merge":
            return steps.merge(profile, request.days, request.run_id)
        case "insight":
            found = [insight for insight in insights_of(profile.city) if insight.name == request.insight]
            if found:
                return steps.compute(profile, profile.engine, found[0], request.days)
    raise messages.other_release()


def _secrets(clients: Clients, name: str, wanted: Sequence[str]) -> Mapping[str, str]:
    """The variables in that secret. UsageError if one that the run has set is missing."""
    found: Mapping[str, str] = {}
    if name:
        with explained(f"read the secret {name}", "--crime-secrets of the job"):
            text = clients.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"]
        try:
            found = {str(key): str(value) for key, value in json.loads(text).items()}
        except (ValueError, AttributeError):
            # The error itself would show some of the secret.
            raise UsageError(
                f"The secret {name} is not a JSON object: write variables and their values in it."
            ) from None
    if missing := [variable for variable in wanted if not found.get(variable)]:
        raise UsageError(
            f"The job has no {missing[0]}, which never travels with a run: keep it in a secret of Secrets Manager, and "
            "name that to the job as --crime-secrets."
        )
    return {variable: found[variable] for variable in wanted}


def _named(days: Sequence[date]) -> str:
    return str(days[0]) if len(days) == 1 else f"{days[0]} to {days[-1]}, {len(days)} days"


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    # The services add arguments of their own.
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--crime-home", default="")
    parser.add_argument("--crime-secrets", default="")
    return parser.parse_known_args(arguments)[0]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
