"""Steps done by a job elsewhere: the same rows and metadata as here, its log in the run, one sentence an error.

The job's script really runs, in a process of its own that has no Dagster, as Glue and EMR Serverless would start it.
The lake is a local one that both ends see.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import boto3
import dagster as dg
import pytest
from dagster._core.errors import DagsterExecutionInterruptedError

from crime_assets.cloud.aws.clients import Clients
from crime_assets.cloud.aws.errors import AwsError, AwsThrottled
from crime_assets.core.errors import CrimeAssetsError, LakeError, UsageError
from crime_assets.defs.work import Work, spark_job
from crime_assets.defs.work.choice import work_for
from crime_assets.defs.work.in_process import InProcess
from crime_assets.defs.work.launchers import EmrServerlessApplication, GlueJob, Launcher, launcher_named
from crime_assets.defs.work.remote import Remote
from crime_assets.lakehouse.spark import session
from crime_assets.profiles import Profile, Settings
from crime_assets.profiles.settings import Place
from crime_assets_tests.build import clock_at, export_profile, record, write_export
from crime_assets_tests.cloud.aws.glue_server import JobServer
from crime_assets_tests.cloud.aws.servers import Seaweed
from crime_assets_tests.graph import QUIET, Graph, day_tags

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::dagster.PreviewWarning")]

SCRIPT = Path(spark_job.__file__)
FIRST, SECOND = "2024-01-25", "2024-01-26"
INSIGHT = "insight_crime_summary"
TOKEN = "token-of-ours"
IN_NO_JOB = "AWS Glue Job"


@pytest.fixture
def bucket(aws: Seaweed) -> str:
    """Where the ends meet; it holds the job's script, and one that dies without a word."""
    name = aws.bucket()
    scripts = {
        "job.py": SCRIPT.read_text(),
        "dies.py": "import os\nos._exit(3)\n",
        "errs.py": "import sys\nfrom crime_assets.defs.work import spark_job as job\n"
        "job._do = lambda *_: 1 / 0\njob.main(sys.argv[1:])\n",
        "stays.py": "import time\ntime.sleep(600)\n",
    }
    for key, text in scripts.items():
        aws.client().put_object(Bucket=name, Key=f"code/{key}", Body=text.encode())
    return name


@pytest.fixture
def jobs(aws: Seaweed, moto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobServer]:
    """The services that run jobs; what waits for them looks more often than it would elsewhere."""
    environment = {**aws.environment(), "AWS_ENDPOINT_URL": moto}
    monkeypatch.setattr("dagster_aws.pipes.clients.glue.time", SimpleNamespace(sleep=lambda _: time.sleep(0.1)))
    monkeypatch.setattr("dagster._core.pipes.utils.WAIT_FOR_LOGS_AFTER_EXECUTION_INTERVAL", 0)
    monkeypatch.setattr("dagster._core.pipes.utils.DEFAULT_SLEEP_INTERVAL", 0.1)
    with JobServer(tmp_path / "jobs", aws.client(), environment) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


def _define(name: str, bucket: str, script: str = "job.py", **arguments: str) -> GlueJob:
    """Define a Glue job; its launcher."""
    boto3.client("glue").create_job(
        Name=name,
        Role="crimes",
        Command={"Name": "glueetl", "ScriptLocation": f"s3://{bucket}/code/{script}"},
        DefaultArguments={f"--{key.replace('_', '-')}": value for key, value in arguments.items()},
    )
    return GlueJob(Clients(), name)


def _remote(profile: Profile, launcher: Launcher, bucket: str) -> Remote:
    return Remote(profile, launcher, boto3.client("s3"), Place(bucket, "landing"))


def _graph(profile: Profile, work: Work, monkeypatch: pytest.MonkeyPatch) -> Graph:
    return Graph(profile, overrides={"work": dg.ResourceDefinition.hardcoded_resource(work)})


def _crimes() -> list[dict[str, object]]:
    """A history, two days, a crime of the history edited on the second, two that cannot be typed."""
    crimes = [record(n, "2024-01-10", f"2024-01-0{n}", arrest=n % 2 == 0) for n in range(1, 8)]
    crimes += [record(20 + n, FIRST, "2024-01-20") for n in range(5)]
    crimes += [record(3, SECOND, "2024-01-03", arrest=True), record(30, SECOND, "2024-01-22")]
    return [*crimes, record(98, "2024-01-10", ward="x"), record(99, SECOND, ward="x")]


def _profile(home: Path) -> Profile:
    return export_profile(home / "lake", write_export(home / "crimes.csv", _crimes()))


def _two_days(graph: Graph) -> dict[str, dict[str | None, dict[str, dg.MetadataValue]]]:
    """Load the history, run both days, and compute an insight for them; what was said of each."""
    graph.load()
    graph.run(FIRST, SECOND, job="backfill_change_days")
    job = graph.definitions.resolve_implicit_global_asset_job_def().get_subset(
        asset_selection={dg.AssetKey(INSIGHT)}, asset_check_selection=set()
    )
    result = job.execute_in_process(instance=graph.instance, run_config=QUIET, tags=day_tags(FIRST, SECOND))
    assert result.success
    return {name: graph.materialized(name) for name in ("crime_history", "crimes", INSIGHT)}


def _plain(said: dict[str, dict[str | None, dict[str, dg.MetadataValue]]]) -> dict[str, object]:
    """Without what is different for every run: snapshots and bytes, and what is of the job."""
    return {
        f"{asset} {day} {name}": value.value
        for asset, days in said.items()
        for day, metadata in days.items()
        for name, value in metadata.items()
        if not name.startswith(("snapshot", "bytes", IN_NO_JOB))
    }


def _log(instance: dg.DagsterInstance) -> str:
    return "\n".join(str(entry) for run in instance.get_runs() for entry in instance.all_logs(run.run_id))


def _attempt(work: Work, instance: dg.DagsterInstance | None = None) -> BaseException:
    """The error of a history load in a run."""
    instance = instance or dg.DagsterInstance.ephemeral()

    @dg.asset
    def crime_history(context) -> None:
        work.history(context, None, date(2024, 1, 25))

    with pytest.raises(CrimeAssetsError) as caught:
        dg.materialize([crime_history], instance=instance, run_config=QUIET)
    return caught.value


def _left(aws: Seaweed, bucket: str) -> list[str]:
    return [found["Key"] for found in aws.client().list_objects_v2(Bucket=bucket, Prefix="landing").get("Contents", [])]


def test_a_glue_job_leaves_the_same_as_this_process(
    aws: Seaweed, bucket: str, jobs: JobServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    here, there = _profile(tmp_path / "here"), _profile(tmp_path / "there")
    expected_said = _two_days(_graph(here, InProcess(here), monkeypatch))
    expected = Graph(here)
    boto3.client("secretsmanager").create_secret(Name="crimes", SecretString=json.dumps({"SOCRATA_APP_TOKEN": TOKEN}))
    launcher = _define("crimes", bucket, crime_home=str(there.settings.home), crime_secrets="crimes")
    secretive = Profile(replace(there.settings, app_token=TOKEN), there.clock)
    graph = _graph(there, _remote(secretive, launcher, bucket), monkeypatch)

    said = _two_days(graph)

    assert len(jobs.jobs) == 3
    for name in ("crimes", "crimes_superseded", "crimes_quarantine"):
        assert graph.rows(name) == expected.rows(name), name
        assert graph.rows(name), name
    for day in (FIRST, SECOND):
        found = graph.insight(INSIGHT, date.fromisoformat(day))
        assert found == expected.insight(INSIGHT, date.fromisoformat(day))
        assert found
    assert _plain(said) == _plain(expected_said)
    runs = {str(days[day]["AWS Glue Job Run ID"].value) for days in said.values() for day in days}
    assert runs == set(jobs.jobs)
    log = _log(graph.instance)
    assert "history of chicago: 2024-01-25" in log
    assert f"merge of chicago: {FIRST} to {SECOND}, 2 days" in log
    assert f"insight crime_summary of chicago: {FIRST} to {SECOND}, 2 days" in log
    assert _left(aws, bucket) == []
    assert not any(TOKEN in " ".join(job.arguments) for job in jobs.jobs.values())
    assert TOKEN not in log


@pytest.mark.stress
@pytest.mark.skipif(session.missing() is not None, reason=str(session.missing()))
def test_a_job_with_spark_leaves_the_same_rows(
    bucket: str, jobs: JobServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    here, there = _profile(tmp_path / "here"), _profile(tmp_path / "there")
    expected = _graph(here, InProcess(here), monkeypatch)
    expected.load()
    expected.run(FIRST, SECOND, job="backfill_change_days")
    _graph(there, InProcess(there), monkeypatch).load()
    launcher = _define("crimes", bucket, crime_home=str(there.settings.home))
    with_spark = Profile(replace(there.settings, engine="spark"), there.clock)
    found = _graph(there, _remote(with_spark, launcher, bucket), monkeypatch)

    found.run(FIRST, SECOND, job="backfill_change_days")

    (job,) = jobs.jobs.values()
    assert "SPARK" in job.log.read_text().upper()
    for name in ("crimes", "crimes_superseded", "crimes_quarantine"):
        assert found.rows(name) == expected.rows(name), name


def test_a_job_on_emr_serverless_works_too(
    aws: Seaweed, bucket: str, jobs: JobServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without a directory of its own the job begins a lake that vanishes with it.
    profile = _profile(tmp_path)
    jobs.applications["00f"] = {
        "crime-assets:role": "arn:aws:iam::123456789012:role/crimes",
        "crime-assets:entry-point": f"s3://{bucket}/code/job.py",
    }
    graph = _graph(
        profile, _remote(profile, EmrServerlessApplication(Clients(), "00f", poll_seconds=0.1), bucket), monkeypatch
    )

    graph.load()

    (said,) = graph.materialized("crime_history").values()
    (run,) = jobs.jobs
    assert said["records_read"].value == 8
    assert said["dagster/row_count"].value == 7
    assert said["AWS EMR Serverless Job Run ID"].value == run
    assert graph.snapshots() == {}
    assert "history of chicago: 2024-01-25" in _log(graph.instance)
    assert "won't be able to receive" not in _log(graph.instance)
    assert list(jobs.jobs[run].arguments) == []
    assert _left(aws, bucket) == []


def test_the_sentence_of_a_job_is_the_sentence_of_its_run(
    aws: Seaweed, bucket: str, jobs: JobServer, tmp_path: Path
) -> None:
    newer = tmp_path / "newer"
    newer.mkdir()
    (newer / "lake.json").write_text('{"format": 99, "cities": {}}')
    launcher = _define("crimes", bucket, crime_home=str(newer))

    error = _attempt(_remote(_profile(tmp_path), launcher, bucket))

    assert type(error) is LakeError
    assert str(error).startswith(f"The lake {newer} was written by a newer crime-assets")
    assert _left(aws, bucket) == []


@pytest.mark.parametrize(
    ("script", "last_words"), [("dies.py", ""), ("errs.py", " : ZeroDivisionError: division by zero")]
)
def test_a_job_that_dies_without_an_answer_is_one_sentence(
    aws: Seaweed, bucket: str, jobs: JobServer, tmp_path: Path, script: str, last_words: str
) -> None:
    launcher = _define("crimes", bucket, script, crime_home=str(tmp_path / "lake"))
    instance = dg.DagsterInstance.ephemeral()
    error = _attempt(_remote(_profile(tmp_path), launcher, bucket), instance)
    (run,) = jobs.jobs
    assert type(error) is AwsError
    assert str(error) == (
        f"The Glue job crimes gave no answer (Glue job crimes run {run} completed with status FAILED{last_words}): "
        "see its log, then run again."
    )
    # Where the job could still tell, its traceback is in the run.
    assert ("in _do" in _log(instance) or "in <lambda>" in _log(instance)) is (script == "errs.py")
    assert _left(aws, bucket) == []


def test_a_run_that_is_cancelled_stops_its_job(
    aws: Seaweed, bucket: str, jobs: JobServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: float) -> None:
        raise DagsterExecutionInterruptedError

    launcher = _define("crimes", bucket, "stays.py")
    monkeypatch.setattr("dagster_aws.pipes.clients.glue.time", SimpleNamespace(sleep=interrupt))
    with pytest.raises(DagsterExecutionInterruptedError):
        _attempt(_remote(_profile(tmp_path), launcher, bucket))
    (job,) = jobs.jobs.values()
    assert job.was_stopped
    assert job.process.poll() is not None
    assert _left(aws, bucket) == []


def test_what_aws_refuses_is_one_sentence(aws: Seaweed, bucket: str, jobs: JobServer, tmp_path: Path) -> None:
    profile = _profile(tmp_path)

    def refusal(launcher: Launcher) -> BaseException:
        return _attempt(_remote(profile, launcher, bucket))

    missing = refusal(GlueJob(Clients(), "none"))
    assert str(missing).startswith("It was not possible to run the Glue job none: it does not exist (EntityNotFound")
    assert "correct CRIME_SPARK_JOB" in str(missing)
    stranger = boto3.client("s3", aws_access_key_id="stranger", aws_secret_access_key="x")
    elsewhere = _attempt(Remote(profile, _define("crimes", bucket), stranger, Place(bucket, "landing")))
    assert f"AWS refused to exchange messages with the job over the bucket {bucket} (InvalidAcc" in str(elsewhere)
    assert "CRIME_LANDING" in str(elsewhere)
    assert jobs.jobs == {}
    jobs.applications["00f"] = {"crime-assets:role": "arn:aws:iam::123456789012:role/crimes"}
    untagged = refusal(EmrServerlessApplication(Clients(), "00f"))
    assert "00f has no tag crime-assets:entry-point: tag it" in str(untagged)
    stays = _define("stays", bucket, "stays.py")
    boto3.client("glue").start_job_run(JobName="stays")
    busy = refusal(stays)
    assert type(busy) is AwsThrottled
    assert "ConcurrentRunsExceededException" in str(busy)


def test_secrets_come_from_a_secret(moto: str) -> None:
    clients = Clients()
    manager = clients.client("secretsmanager")
    manager.create_secret(Name="crimes", SecretString=json.dumps({"SOCRATA_APP_TOKEN": TOKEN, "OTHER": "x"}))
    manager.create_secret(Name="text", SecretString=TOKEN)

    assert spark_job._secrets(clients, "", []) == {}
    assert spark_job._secrets(clients, "crimes", ["SOCRATA_APP_TOKEN"]) == {"SOCRATA_APP_TOKEN": TOKEN}
    for name, wanted, sentence in (
        ("", "SOCRATA_APP_TOKEN", "The job has no SOCRATA_APP_TOKEN, which never travels with a run"),
        ("crimes", "CRIME_CATALOG_CREDENTIAL", "The job has no CRIME_CATALOG_CREDENTIAL"),
        ("text", "SOCRATA_APP_TOKEN", "The secret text is not a JSON object"),
        ("none", "SOCRATA_APP_TOKEN", "It was not possible to read the secret none: it does not exist"),
    ):
        with pytest.raises(CrimeAssetsError, match=sentence) as caught:
            spark_job._secrets(clients, name, [wanted])
        assert TOKEN not in str(caught.value)


def test_the_script_alone_says_who_starts_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert spark_job.main([]) == UsageError.exit_code
    assert "is started by a run" in capsys.readouterr().err


@pytest.mark.parametrize("job", ["glue:", "crimes", "emr:00f", "lambda:x"])
def test_a_job_of_an_unknown_kind_is_refused(job: str) -> None:
    with pytest.raises(UsageError, match="set it to glue:JOB or emr-serverless:APPLICATION"):
        launcher_named(job, Clients())


AWS = {
    "CRIME_PROFILE": "aws",
    "CRIME_LAKE": "s3://tables/lake",
    "CRIME_LANDING": "s3://objects/landing",
    "CRIME_FIREHOSE": "crimes",
    "CRIME_FIRST_DAY": "2024-01-25",
    "AWS_REGION": "us-east-1",
}


@pytest.mark.parametrize(
    ("environment", "kind"),
    [
        ({}, InProcess),
        ({"CRIME_ENGINE": "spark"}, InProcess),
        (AWS, InProcess),
        ({**AWS, "CRIME_ENGINE": "spark"}, InProcess),
        ({**AWS, "CRIME_SPARK_JOB": "glue:crimes"}, InProcess),
        ({**AWS, "CRIME_SPARK_JOB": "glue:crimes", "CRIME_ENGINE": "spark"}, Remote),
        ({**AWS, "CRIME_SPARK_JOB": "emr-serverless:00f", "CRIME_ENGINE": "spark"}, Remote),
    ],
)
def test_work_is_remote_where_a_job_is_named(environment: dict[str, str], kind: type[Work], moto: str) -> None:
    profile = Profile(Settings.from_environment(environment), clock_at("2024-02-01T12:00:00"))
    assert type(work_for(profile)) is kind
