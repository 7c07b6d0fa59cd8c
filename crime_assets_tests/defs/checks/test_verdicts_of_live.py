"""Verdicts on live reports, each shown passing and failing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from crime_assets.defs.checks import verdicts
from crime_assets.incidents.status import Status
from crime_assets.incidents.warehouse import MonthFigures

NOW = datetime(2026, 3, 1, tzinfo=UTC)
STATUS = Status("E1", NOW - timedelta(seconds=1), 0.5, None, reports=7, alerts=1, quarantined=0)
MARCH = MonthFigures(date(2026, 3, 1), 10, 11, NOW)
APRIL = MonthFigures(date(2026, 4, 1), 20, 22, NOW)


@pytest.mark.parametrize(
    ("changed", "silent", "passed", "is_error", "told"),
    [
        ({}, 1, True, False, "0.5 s behind"),
        ({"lag_seconds": 5.0}, 60, True, False, "5.0 s behind"),
        ({"lag_seconds": 5.1}, 1, False, False, "5.1 s behind"),
        ({"lag_seconds": 300.1}, 1, False, True, "300.1 s behind"),
        ({}, 61, False, True, "last said how far it is at 2026-02-28 23:58:59 UTC: start it again"),
        ({"lost_since": "2026-02-01"}, 1, False, True, "no longer has all reports since 2026-02-01"),
    ],
)
def test_a_consumer_keeps_up(changed: dict[str, object], silent: int, passed: bool, is_error: bool, told: str) -> None:
    status = replace(STATUS, written_at=NOW - timedelta(seconds=silent), **changed)
    found = verdicts.stream_lag(status, NOW)
    assert (found.passed, found.is_error) == (passed, is_error)
    assert told in found.sentence


def test_a_stream_that_nobody_reads() -> None:
    assert not verdicts.stream_lag(None, NOW).passed


def test_objects_of_firehose_are_whole() -> None:
    assert verdicts.objects_whole([]).passed
    found = verdicts.objects_whole([f"fir/{n}.gz" for n in range(1, 10)])
    assert (found.passed, found.is_error) == (False, True)
    assert "9 objects that Firehose wrote cannot be read to their end, such as fir/1.gz" in found.sentence


def test_a_report_has_one_row() -> None:
    assert verdicts.one_row_per_fir(7, 7).passed
    found = verdicts.one_row_per_fir(9, 7)
    assert not found.passed
    assert "2 rows too many" in found.sentence


def test_alerts_have_their_reports() -> None:
    assert verdicts.no_alert_without_events(3, []).passed
    found = verdicts.no_alert_without_events(30, [f"a{n}" for n in range(9)])
    assert (found.passed, found.is_error) == (False, True)
    assert "9 of 30 alerts" in found.sentence
    assert "a0, a1, a2, a3, a4:" in found.sentence


@pytest.mark.parametrize(
    ("theirs", "unlike", "told"),
    [
        ([MARCH, APRIL], [], ""),
        ([MARCH], [], "in months 2026-04-01"),
        ([MARCH, replace(APRIL, versions=23)], [], "in months 2026-04-01"),
        ([replace(MARCH, newest=NOW + timedelta(microseconds=1)), APRIL], [], "in months 2026-03-01"),
        ([MARCH, APRIL], ["f1"], "in reports f1"),
        ([APRIL], ["f1", "f2"], "in months 2026-03-01 and in reports f1, f2"),
    ],
)
def test_lake_and_warehouse_have_the_same(theirs: list[MonthFigures], unlike: list[str], told: str) -> None:
    found = verdicts.warehouse_equals_history([MARCH, APRIL], theirs, unlike, 9)
    assert found.passed is not bool(told)
    assert told in found.sentence
