"""The whole graph on the aws profile: the same tables as on the local one, and what happens when AWS refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import boto3
import pytest

from crime_assets.core.errors import CrimeAssetsError
from crime_assets.defs.automation.jobs import BACKFILL
from crime_assets_tests.build import record, sample_profile, write_export
from crime_assets_tests.cloud.aws.athena_server import AthenaServer, Plan, on_duckdb
from crime_assets_tests.cloud.aws.firehose_server import DeliveryStream
from crime_assets_tests.cloud.aws.profiles import aws_profile, aws_variables
from crime_assets_tests.cloud.aws.servers import Seaweed
from crime_assets_tests.graph import Graph, Result, verdicts

pytestmark = pytest.mark.slow

PROGRAM = Path(sys.executable).with_name("crime-assets")
BEGUN = "2024-02-01T12:00:00"
FIRST, LAST = "2024-01-25", "2024-01-26"
DAYS = [date(2024, 1, 25), date(2024, 1, 26)]
ROWS = 2_000


@pytest.fixture
def variables(aws: Seaweed, firehose: DeliveryStream, tmp_path: Path) -> dict[str, str]:
    chosen = {"CRIME_FEED": "sample", "CRIME_SAMPLE_ROWS": str(ROWS)}
    return aws_variables(aws, firehose, tmp_path / "machine", FIRST) | chosen


def test_the_same_tables_as_on_the_local_profile(variables: dict[str, str], tmp_path: Path) -> None:
    local = Graph(sample_profile(tmp_path / "local", rows=ROWS, now=BEGUN))
    remote = Graph(aws_profile(variables, BEGUN))
    for graph in (local, remote):
        graph.load()
    ran = [graph.run(FIRST, LAST) for graph in (local, remote)]

    assert {check: found.passed for check, found in verdicts(ran[0]).items()} == {
        check: found.passed for check, found in verdicts(ran[1]).items()
    }
    assert remote.contents(*DAYS) == local.contents(*DAYS)
    assert len(remote.rows()) > ROWS
    # A machine that has never seen the lake does a day again: nothing is new.
    again = Graph(aws_profile({**variables, "CRIME_HOME": str(tmp_path / "other")}, BEGUN))
    before = remote.snapshots()
    again.run(LAST)
    assert again.snapshots() == before
    assert again.contents(*DAYS) == local.contents(*DAYS)


def errors(failed: Result) -> list[str]:
    """What the steps of a run ended with."""
    return [str(event.step_failure_data.error) for event in failed.get_step_failure_events()]


def test_athena_computes_the_same_insights_and_says_what_they_cost(
    variables: dict[str, str], aws: Seaweed, moto: str, athena: AthenaServer, tmp_path: Path
) -> None:
    """And Glue is the catalog."""
    glue = {"CRIME_CATALOG": "glue", "CRIME_LAKE": f"s3://{aws.bucket()}/lake"}
    chosen = {"CRIME_ENGINE": "athena", "CRIME_ATHENA_WORKGROUP": "crimes"}
    local = Graph(sample_profile(tmp_path / "local", rows=ROWS, now=BEGUN))
    remote = Graph(aws_profile({**variables, **glue, **chosen}, BEGUN))
    athena.runs = on_duckdb(remote.profile.lake, tmp_path / "spill")
    for graph in (local, remote):
        graph.load()
        graph.run(FIRST)

    assert remote.contents(DAYS[0]) == local.contents(DAYS[0])
    cost = remote.materialized("insight_crime_summary")[FIRST]
    assert (cost["statements"].value, cost["dollars"].value > 0) == (1, True)

    athena.plans.append(Plan(fails="GENERIC_INTERNAL_ERROR: out of luck"))
    again = ["insight_crime_summary", "insight_compstat"]
    assert any(
        "Athena could not answer (GENERIC" in error for error in errors(remote.run(FIRST, only=again, fails=True))
    )
    remote.run(FIRST, only=again)
    assert remote.contents(DAYS[0]) == local.contents(DAYS[0])


def test_what_firehose_holds_back_is_waited_for(variables: dict[str, str], firehose: DeliveryStream) -> None:
    firehose.server.buffer_seconds = 1.5
    graph = Graph(aws_profile(variables, BEGUN))
    graph.load()

    ran = graph.run(FIRST, job=BACKFILL)

    put = graph.materialized("raw_crime_batches")[FIRST]["dagster/partition_row_count"].value
    assert graph.materialized("crime_deliveries")[FIRST]["dagster/partition_row_count"].value == put
    assert verdicts(ran)["delivery_complete"].passed


def test_the_command_on_aws(variables: dict[str, str], moto: str, tmp_path: Path) -> None:
    changed = [record(n, f"2024-01-{20 + n % 7}", "2024-01-05") for n in range(70)]
    export = {"CRIME_FEED": "export", "CRIME_EXPORT": str(write_export(tmp_path / "crimes.csv", changed))}
    topic = boto3.client("sns").create_topic(Name="days")["TopicArn"]
    queue = boto3.client("sqs").create_queue(QueueName="days")["QueueUrl"]
    arn = boto3.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    boto3.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    environment = {**os.environ, **variables, **export, "CRIME_NOTICES_TOPIC": topic}

    def command(*arguments: str, **other: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PROGRAM, *arguments],
            env={**environment, **other},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )

    begun = command("run", "--no-insights", "--from", FIRST, "--to", FIRST)
    assert begun.returncode == 0, begun.stderr
    assert "rows in crimes" in begun.stdout
    asked = command("query", "--format", "csv", "SELECT count(*) AS rows, count(DISTINCT id) AS ids FROM crimes")
    assert (asked.stdout.split(), asked.returncode) == (["rows,ids", "60,60"], 0)

    (told,) = boto3.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    assert json.loads(told["Body"])["Subject"] == f"crime-assets chicago {FIRST} succeeded"

    refused = command("run", "--from", FIRST, "--to", FIRST, AWS_SECRET_ACCESS_KEY="wrong")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1), refused.stderr
    assert "check that the credentials are valid" in refused.stderr
    assert "wrong" not in refused.stderr
    missing = command("status", CRIME_LANDING="s3://no-such-bucket/landing")
    assert (missing.returncode, len(missing.stderr.splitlines())) == (1, 1), missing.stderr
    assert "no-such-bucket: it does not exist" in missing.stderr
    later = command("status", CRIME_FIRST_DAY="2024-01-26")
    assert (later.returncode, later.stderr.count("\n")) == (2, 1)
    assert "CRIME_FIRST_DAY is 2024-01-26: set it to 2024-01-25" in later.stderr

    assert command("run", "--no-insights", "--from", FIRST, "--to", FIRST).returncode == 0


def test_a_firehose_that_is_too_busy_fails_the_day_and_the_next_run_goes_on(
    variables: dict[str, str], firehose: DeliveryStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crime_assets.streams.firehose._GIVE_UP_SECONDS", 0.2)
    graph = Graph(aws_profile(variables, BEGUN))
    graph.load()
    firehose.server.fail_every = 1

    failed = graph.run(FIRST, job=BACKFILL, fails=True)

    assert any("Firehose took no record" in error for error in errors(failed))
    firehose.server.fail_every = 0
    rows = len(graph.rows())
    graph.run(FIRST, job=BACKFILL)
    assert len(graph.rows()) > rows


def test_a_server_that_is_away_is_one_sentence(variables: dict[str, str]) -> None:
    away = {**variables, "CRIME_CATALOG": "http://127.0.0.1:9"}
    with pytest.raises(CrimeAssetsError, match="cannot be reached: check CRIME_CATALOG"):
        aws_profile(away, BEGUN).engine.query("SELECT 1")
