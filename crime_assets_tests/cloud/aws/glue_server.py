"""A stand-in for the services that run jobs: AWS Glue (JSON 1.1) and EMR Serverless (REST), on loopback.

It knows what starting, watching and stopping a job takes, and really runs each job's script, which it fetches from S3,
as a process of its own: with the arguments or variables that the service would give it, and without Dagster, which no
job has.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_PROJECT = Path(__file__).parents[3]
_ENVIRONMENT = re.compile(r"--conf spark\.emr-serverless\.driverEnv\.(\w+)=(\S+)")


@dataclass
class Job:
    """A started job: its name or application, what it was given, and its process."""

    name: str
    arguments: Sequence[str]
    variables: Mapping[str, str]
    process: subprocess.Popen[bytes]
    log: Path
    was_stopped: bool = False

    @property
    def is_over(self) -> bool:
        return self.process.poll() is not None

    @property
    def last_words(self) -> str:
        return (self.log.read_text().strip().splitlines() or [""])[-1]


@dataclass
class JobServer:
    """The services' state. Leads boto3 to itself by `environment`."""

    directory: Path
    s3: Any
    job_environment: Mapping[str, str]
    definitions: dict[str, dict[str, Any]] = field(default_factory=dict)
    applications: dict[str, dict[str, str]] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)

    def __enter__(self) -> JobServer:
        (self.directory / "without" / "dagster").mkdir(parents=True)
        (self.directory / "without" / "dagster" / "__init__.py").write_text("raise ImportError('a job has no Dagster')")
        service = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                asked = json.loads(body or b"{}")
                target = self.headers.get("X-Amz-Target", "")
                if target:
                    status, answer = service.glue(target.removeprefix("AWSGlue."), asked)
                else:
                    status, answer = service.emr(self.command, urlsplit(self.path).path, asked)
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1" if target else "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - as the base class calls them

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        for job in self.jobs.values():
            self._stop(job)

    @property
    def environment(self) -> dict[str, str]:
        """The standard variables that lead to this server."""
        address = f"http://127.0.0.1:{self._server.server_address[1]}"
        return {"AWS_ENDPOINT_URL_GLUE": address, "AWS_ENDPOINT_URL_EMR_SERVERLESS": address}

    def glue(self, action: str, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:  # noqa: PLR0911 - one an action
        """CreateJob, StartJobRun, GetJobRun, BatchStopJobRun."""
        name = asked.get("JobName") or asked.get("Name", "")
        if action == "CreateJob":
            self.definitions[name] = asked
            return 200, {"Name": name}
        if name not in self.definitions:
            return 400, {"__type": "EntityNotFoundException", "Message": f"Job {name} not found"}
        if action == "StartJobRun":
            definition = self.definitions[name]
            if any(job.name == name and not job.is_over for job in self.jobs.values()):
                return 400, {"__type": "ConcurrentRunsExceededException", "Message": f"Concurrent runs of {name}"}
            run = f"jr_{secrets.token_hex(32)}"
            given = {**definition.get("DefaultArguments", {}), **asked.get("Arguments", {})}
            own = {"--JOB_NAME": name, "--JOB_RUN_ID": run, "--enable-glue-datacatalog": "true"}
            arguments = [text for pair in {**own, **given}.items() for text in pair]
            self._start(run, name, definition["Command"]["ScriptLocation"], arguments, {})
            return 200, {"JobRunId": run}
        if action == "GetJobRun":
            return 200, {"JobRun": {"Id": asked["RunId"], "JobName": name, **self._glue_state(asked["RunId"])}}
        if action == "BatchStopJobRun":
            for run in asked["JobRunIds"]:
                self._stop(self.jobs[run])
            stopped = [{"JobName": name, "JobRunId": run} for run in asked["JobRunIds"]]
            return 200, {"SuccessfulSubmissions": stopped, "Errors": []}
        return 400, {"__type": "InvalidInputException", "Message": action}

    def emr(  # noqa: PLR0911 - one an action
        self, method: str, path: str, asked: dict[str, Any]
    ) -> tuple[int, dict[str, Any]]:
        """GetApplication, StartJobRun, GetJobRun, CancelJobRun, GetDashboardForJobRun."""
        match [method, *path.strip("/").split("/")]:
            case [_, "applications", application, *_] if application not in self.applications:
                return 404, {"message": f"Application {application} does not exist"}
            case ["GET", "applications", application]:
                tags = self.applications[application]
                return 200, {"application": {"applicationId": application, "type": "Spark", "tags": tags}}
            case ["POST", "applications", application, "jobruns"]:
                submit = asked["jobDriver"]["sparkSubmit"]
                variables = dict(_ENVIRONMENT.findall(submit["sparkSubmitParameters"]))
                assert len(variables) == len(shlex.split(submit["sparkSubmitParameters"])) // 2
                run = secrets.token_hex(8)
                self._start(run, application, submit["entryPoint"], submit["entryPointArguments"], variables)
                return 200, {"applicationId": application, "jobRunId": run, "arn": f"arn:aws:emr-serverless:::{run}"}
            case ["GET", "applications", application, "jobruns", run]:
                return 200, {"jobRun": {"applicationId": application, "jobRunId": run, **self._emr_state(run)}}
            case ["GET", "applications", application, "jobruns", run, "dashboard"]:
                return 200, {"url": f"https://example.org/{run}"}
            case ["DELETE", "applications", application, "jobruns", run]:
                self._stop(self.jobs[run])
                return 200, {"applicationId": application, "jobRunId": run}
        return 404, {"message": path}

    def _start(self, run: str, name: str, script: str, arguments: Sequence[str], variables: Mapping[str, str]) -> None:
        place = urlsplit(script)
        directory = self.directory / run
        directory.mkdir()
        body = self.s3.get_object(Bucket=place.netloc, Key=place.path.lstrip("/"))["Body"].read()
        (directory / "script.py").write_bytes(body)
        path = os.pathsep.join([str(self.directory / "without"), str(_PROJECT)])
        environment = {"PATH": os.environ["PATH"], "NO_PROXY": "127.0.0.1,localhost", "PYTHONPATH": path}
        log = directory / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "script.py", *arguments],
                cwd=directory,
                env={**environment, **self.job_environment, **variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.jobs[run] = Job(name, arguments, variables, process, log)

    def _glue_state(self, run: str) -> dict[str, str]:
        job = self.jobs[run]
        if job.was_stopped:
            return {"JobRunState": "STOPPED"}
        if not job.is_over:
            return {"JobRunState": "RUNNING"}
        if job.process.returncode == 0:
            return {"JobRunState": "SUCCEEDED"}
        return {"JobRunState": "FAILED", "ErrorMessage": job.last_words}

    def _emr_state(self, run: str) -> dict[str, str]:
        job = self.jobs[run]
        if job.was_stopped:
            return {"state": "CANCELLED"}
        if not job.is_over:
            return {"state": "RUNNING"}
        return {"state": "SUCCESS"} if job.process.returncode == 0 else {"state": "FAILED", "stateDetails": "exit code"}

    @staticmethod
    def _stop(job: Job) -> None:
        if not job.is_over:
            job.was_stopped = True
            job.process.kill()
        job.process.wait()
