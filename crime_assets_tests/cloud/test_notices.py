"""Notices: a topic and the metrics hear what came of a day; what they cannot be told fails nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from botocore.exceptions import ClientError

from crime_assets.cloud.aws.clients import Clients
from crime_assets.cloud.notices import DayReport, Notices
from crime_assets.core.errors import UsageError
from crime_assets_tests.cloud.notices import NAMESPACE, Listener, listen

ENDED = datetime(2024, 2, 1, 9, 30, tzinfo=UTC)
DONE = DayReport(
    city="chicago",
    run_id="0001",
    succeeded=True,
    ended_at=ENDED,
    first_day=date(2024, 1, 30),
    last_day=date(2024, 1, 31),
    records_delivered=1_234,
    objects=3,
    bytes_delivered=56_789,
    rows_inserted=1_000,
    rows_replaced=230,
    rows_quarantined=4,
    rows_total=8_490_000,
    lag_days=0,
    duration_seconds=12.34,
    failed_checks=("valid_coordinates",),
)
FAILED = DayReport(
    city="chicago",
    run_id="0002",
    succeeded=False,
    ended_at=ENDED,
    first_day=date(2024, 1, 31),
    last_day=date(2024, 1, 31),
    error="The portal did not answer: run again later.",
)
MEASURED = {
    "Succeeded": (1, "Count"),
    "Failed": (0, "Count"),
    "ChecksFailed": (1, "Count"),
    "RecordsDelivered": (1_234, "Count"),
    "ObjectsDelivered": (3, "Count"),
    "BytesDelivered": (56_789, "Bytes"),
    "RowsInserted": (1_000, "Count"),
    "RowsReplaced": (230, "Count"),
    "RowsQuarantined": (4, "Count"),
    "Rows": (8_490_000, "Count"),
    "LagDays": (0, "Count"),
    "Duration": (12.34, "Seconds"),
}


@pytest.fixture
def listener(moto: str) -> Listener:
    return listen(Clients())


def unwanted(sentence: str) -> None:
    raise AssertionError(sentence)


def test_a_day_reaches_the_topic_and_the_metrics(listener: Listener) -> None:
    Notices(listener.clients, listener.topic, NAMESPACE).announce(DONE, unwanted)
    (heard,) = listener.heard()
    assert heard["Subject"] == "crime-assets chicago 2024-01-30 to 2024-01-31 succeeded"
    assert heard["Message"].splitlines() == [
        heard["Subject"],
        "",
        "Records delivered: 1,234",
        "Objects delivered: 3",
        "Bytes delivered: 56,789",
        "Rows inserted: 1,000",
        "Rows replaced: 230",
        "Rows quarantined: 4",
        "Rows in crimes: 8,490,000",
        "Behind yesterday: 0 days",
        "Took: 12.3 s",
        "Checks that failed: valid_coordinates",
        "Run: 0001",
    ]
    assert listener.measured(ENDED) == MEASURED


def test_a_failed_day_says_why_and_counts_as_failed(listener: Listener) -> None:
    Notices(listener.clients, listener.topic, NAMESPACE).announce(FAILED, unwanted)
    (heard,) = listener.heard()
    assert heard["Subject"] == "crime-assets chicago 2024-01-31 failed"
    assert heard["Message"] == f"{heard['Subject']}\n\n{FAILED.error}\n\nRun: 0002"
    assert listener.measured(ENDED) == {"Succeeded": (0, "Count"), "Failed": (1, "Count"), "ChecksFailed": (0, "Count")}


def test_programs_get_the_same_as_json_and_can_choose_by_outcome(listener: Listener) -> None:
    notices = Notices(listener.clients, listener.topic, "")
    for report in (DONE, FAILED):
        notices.announce(report, unwanted)
    attributes = [
        {name: value["Value"] for name, value in heard["MessageAttributes"].items()} for heard in listener.heard()
    ]
    assert [(found["city"], found["outcome"]) for found in attributes] == [
        ("chicago", "succeeded"),
        ("chicago", "failed"),
    ]
    done, failed = (json.loads(found["report"]) for found in attributes)
    assert done["rows_total"] == 8_490_000
    assert (done["first_day"], done["last_day"]) == ("2024-01-30", "2024-01-31")
    assert (failed["error"], failed["succeeded"]) == (FAILED.error, False)
    assert "rows_total" not in failed
    assert not listener.clients.client("cloudwatch").list_metrics()["Metrics"], "no namespace, no metrics"


def test_without_a_topic_only_the_metrics_hear(listener: Listener) -> None:
    Notices(listener.clients, "", NAMESPACE).announce(DONE, unwanted)
    assert listener.heard() == []
    assert listener.measured(ENDED)["Rows"] == (8_490_000, "Count")


def test_a_missing_topic_fails_nothing_and_the_metrics_hear_all_the_same(listener: Listener) -> None:
    said: list[str] = []
    listener.clients.client("sns").delete_topic(TopicArn=listener.topic)
    Notices(listener.clients, listener.topic, NAMESPACE).announce(DONE, said.append)
    (sentence,) = said
    assert "run 0001 could not be sent" in sentence
    assert "it does not exist (NotFound" in sentence
    assert "CRIME_NOTICES_TOPIC" in sentence
    assert listener.measured(ENDED) == MEASURED


class _Refusing(Clients):
    """Clients whose every request is refused."""

    def client(self, service: str) -> object:
        class Refusing:
            def __getattr__(self, operation: str) -> object:
                def refuse(**_: object) -> None:
                    raise ClientError({"Error": {"Code": "AuthorizationError"}}, operation)

                return refuse

        return Refusing()


def test_refused_by_both_is_a_sentence_for_each(moto: str) -> None:
    said: list[str] = []
    topic = "arn:aws:sns:us-east-1:123456789012:days"
    Notices(_Refusing(), topic, NAMESPACE).announce(DONE, said.append)
    assert len(said) == 2
    assert "AWS refused to publish to the topic" in said[0]
    assert "CRIME_NOTICES_TOPIC" in said[0]
    assert "AWS refused to put metrics to CloudWatch" in said[1]
    assert "CRIME_METRICS_NAMESPACE" in said[1]
    assert all(sentence.count("\n") == 0 for sentence in said)


def test_nobody_there_is_a_sentence(moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    said: list[str] = []
    Notices(Clients(), "arn:aws:sns:us-east-1:123456789012:days", "").announce(DONE, said.append)
    assert "cannot be reached" in said[0]


def test_a_topic_of_another_region_is_told_at_start(moto: str) -> None:
    with pytest.raises(UsageError, match=r"in eu-west-1 but everything else in us-east-1: name a topic in us-east-1"):
        Notices(Clients(), "arn:aws:sns:eu-west-1:123456789012:days", "")


@pytest.mark.parametrize(
    "arn", ["days", "arn:aws:sqs:us-east-1:123456789012:days", "arn:aws:sns:us-east-1:123456789012:days.fifo", "arn\n"]
)
def test_what_is_no_topic_is_told_at_start(moto: str, arn: str) -> None:
    with pytest.raises(UsageError, match="not the ARN of a standard SNS topic"):
        Notices(Clients(), arn, "")


@pytest.mark.parametrize("namespace", ["AWS/Crimes", "a b", ":", "x" * 256])
def test_what_is_no_namespace_is_told_at_start(moto: str, namespace: str) -> None:
    with pytest.raises(UsageError, match="CRIME_METRICS_NAMESPACE"):
        Notices(Clients(), "", namespace)


def test_no_region_is_told_at_start() -> None:
    with pytest.raises(UsageError, match="set AWS_REGION"):
        Notices(Clients(), "", NAMESPACE)


def test_a_subject_is_one_short_line_of_ascii() -> None:
    report = replace(FAILED, city="São Paulo\n" * 20)
    assert report.subject.isascii()
    assert report.subject.isprintable()
    assert len(report.subject) == 100


def test_a_long_error_and_many_checks_still_fit_a_message(listener: Listener) -> None:
    """SNS takes 256 KiB, attributes counted."""
    report = replace(FAILED, error="x" * 300_000, failed_checks=tuple(f"check_{n}" for n in range(100_000)))
    Notices(listener.clients, listener.topic, NAMESPACE).announce(report, unwanted)
    (heard,) = listener.heard()
    assert len(json.dumps(heard)) < 20_000
    assert "check_19 and 99980 more" in heard["Message"]
    assert listener.measured(ENDED)["ChecksFailed"] == (100_000, "Count")


def test_a_notice_says_nothing_of_the_account(listener: Listener) -> None:
    said = (
        "AWS could not read the table (X: User: arn:aws:sts::123456789012:assumed-role/boss/me is not allowed, key "
        "AKIAIOSFODNN7EXAMPLE of account 123456789012); look at CRIME_LAKE, 1234567890123 bytes, then run again."
    )
    Notices(listener.clients, listener.topic, "").announce(replace(FAILED, error=said), unwanted)
    (heard,) = listener.heard()
    told = (
        "AWS could not read the table (X: User: … is not allowed, key … of account …); look at CRIME_LAKE, "
        "1234567890123 bytes, then run again."
    )
    assert heard["Message"].splitlines()[2] == told
    assert json.loads(heard["MessageAttributes"]["report"]["Value"])["error"] == told


def test_what_is_tried_again_says_so() -> None:
    assert replace(FAILED, will_retry=True).subject == "crime-assets chicago 2024-01-31 failed, will be retried"


@pytest.mark.slow
def test_the_module_alone_imports_no_boto3() -> None:
    code = "import sys, crime_assets.cloud.notices; sys.exit('boto3' in sys.modules or 'botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
