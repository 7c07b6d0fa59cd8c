"""A migration's outcome, as people and programs are told it: once, and not at all where the topic cannot be reached."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from crime_assets.cloud.aws.clients import Clients
from crime_assets.cloud.migration_notices import MigrationReport
from crime_assets.cloud.notices import Notices
from crime_assets_tests.cloud.notices import NAMESPACE, Listener, listen

ENDED = datetime(2024, 2, 1, 9, 30, tzinfo=UTC)
DONE = MigrationReport(
    city="chicago",
    run_id="0001",
    succeeded=True,
    ended_at=ENDED,
    documents=767_264,
    changes=12,
    differences=0,
    export="01731400000000-0a1b2c3d",
    duration_seconds=61.26,
)
FAILED = MigrationReport(
    city="chicago",
    run_id="0002",
    succeeded=False,
    ended_at=ENDED,
    error="arn:aws:dynamodb:us-east-1:123456789012:table/crimes is busy: wait for it.",
)


@pytest.fixture
def listener(moto: str) -> Listener:
    return listen(Clients())


def unwanted(sentence: str) -> None:
    raise AssertionError(sentence)


def test_a_migration_reaches_the_topic_and_the_metrics(listener: Listener) -> None:
    Notices(listener.clients, listener.topic, NAMESPACE).announce(DONE, unwanted)
    (heard,) = listener.heard()
    assert heard["Subject"] == "crime-assets chicago migration succeeded"
    assert heard["Message"].splitlines() == [
        heard["Subject"],
        "",
        "Documents: 767,264",
        "Read again: 12",
        "Differences: 0",
        "Export: 01731400000000-0a1b2c3d",
        "Took: 61.3 s",
        "Run: 0001",
    ]
    assert heard["MessageAttributes"]["outcome"]["Value"] == "succeeded"
    assert json.loads(heard["MessageAttributes"]["report"]["Value"])["differences"] == 0
    assert listener.measured(ENDED) == {
        "MigrationSucceeded": (1, "Count"),
        "MigrationFailed": (0, "Count"),
        "Documents": (767_264, "Count"),
        "DocumentsReadAgain": (12, "Count"),
        "Differences": (0, "Count"),
        "MigrationDuration": (61.26, "Seconds"),
    }


def test_a_failed_one_says_why_without_the_account(listener: Listener) -> None:
    Notices(listener.clients, listener.topic, NAMESPACE).announce(FAILED, unwanted)
    (heard,) = listener.heard()
    assert heard["Subject"] == "crime-assets chicago migration failed"
    assert heard["Message"] == f"{heard['Subject']}\n\n… is busy: wait for it.\n\nRun: 0002"
    assert json.loads(heard["MessageAttributes"]["report"]["Value"]) == {
        "city": "chicago",
        "run_id": "0002",
        "succeeded": False,
        "ended_at": "2024-02-01T09:30:00+00:00",
        "error": "… is busy: wait for it.",
    }
    assert listener.measured(ENDED) == {"MigrationSucceeded": (0, "Count"), "MigrationFailed": (1, "Count")}


def test_a_topic_that_is_gone_fails_nothing(listener: Listener) -> None:
    warnings: list[str] = []
    Notices(listener.clients, f"{listener.topic}-gone", "").announce(replace(DONE, run_id="0003"), warnings.append)
    (warning,) = warnings
    assert warning.startswith("A notice of run 0003 could not be sent; the run itself is not affected: ")
