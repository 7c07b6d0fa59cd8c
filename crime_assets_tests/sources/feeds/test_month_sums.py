"""Sums of change stamps by month: how the portal is asked for them, and which answers are none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from crime_assets.core.errors import FeedUnavailable, SourceMoved
from crime_assets.sources.feeds import Stamps
from crime_assets.sources.feeds.socrata import SocrataFeed
from crime_assets_tests.build import CHICAGO, record
from crime_assets_tests.sources.feeds.soda_server import SodaServer, normal, tampered

UNTIL = date(2025, 9, 4)
AUGUST = date(2025, 8, 1)


@pytest.fixture
def portal() -> Iterator[SodaServer]:
    with SodaServer([record(1, "2025-09-04T23:59:58.000", "2025-08-05"), record(2, "2025-09-05", "2025-08-05")]) as one:
        yield one


def _feed(portal: SodaServer) -> SocrataFeed:
    return SocrataFeed(portal.city(CHICAGO), scheme="http", attempts=2, sleep=lambda _: None)


def test_months_are_summed_by_the_portal_in_one_question(portal: SodaServer) -> None:
    assert _feed(portal).month_stamps(UNTIL) == {AUGUST: Stamps(1, 2025, 9, 4, 23, 59, 58)}
    asked = portal.requests[0].params
    assert asked["$group"] == "date_trunc_ym(date)"
    assert asked["$where"] == "updated_on < '2025-09-05T00:00:00'"
    assert asked["$select"].startswith(
        "date_trunc_ym(date) AS month, count(*) AS n, sum(date_extract_y(updated_on)) AS"
    )
    assert len(portal.requests) == 2, "and the count that it is held against"


def _with(**fields: object) -> Any:
    def change(body: bytes) -> bytes:
        return json.dumps([{**row, **fields} for row in json.loads(body)]).encode()

    return tampered(change)


@pytest.mark.parametrize("value", [None, "", "-1", "1e5", "many", True, [2025], {"a": 1}, "²"])
def test_what_is_no_sum_is_asked_for_again(portal: SodaServer, value: object) -> None:
    portal.queue(_with(years=value), normal)
    assert _feed(portal).month_stamps(UNTIL)[AUGUST].years == 2025
    portal.queue(*[_with(years=value)] * 2)
    with pytest.raises(FeedUnavailable, match="not a sum by month"):
        _feed(portal).month_stamps(UNTIL)


def test_sums_may_be_numbers_and_have_decimals(portal: SodaServer) -> None:
    portal.queue(_with(years=2025, seconds="58.750"))
    assert _feed(portal).month_stamps(UNTIL) == {AUGUST: Stamps(1, 2025, 9, 4, 23, 59, 58)}


def test_a_column_that_is_no_time_any_more_is_told(portal: SodaServer) -> None:
    portal.drop_column("updated_on")
    with pytest.raises(SourceMoved):
        _feed(portal).month_stamps(UNTIL)
