"""What the oracle takes and leaves, on messages by hand: it must not be wrong where rules are compared to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from crime_assets_tests.incidents.oracle import Alert, alerts

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = (NOON - datetime(1970, 1, 1, tzinfo=UTC)).days
SECOND = timedelta(seconds=1)
Arrived = tuple[datetime, bytes]


def message(number: int, wait: timedelta = SECOND, *, at: datetime = NOON, **changed: Any) -> Arrived:
    """A report of person A, who was cheated, registered at noon."""
    told = {
        "event_id": f"{number}-{changed.get('version', 1)}",
        "fir_id": f"SX/101/PS01/2026/{number}",
        "kind": "registered",
        "version": 1,
        "state": "SX",
        "district": "101",
        "police_station": "PS01",
        "registered_at": at.isoformat(),
        "acts_sections": [{"act": "BNS", "section": "318(4)"}],
        "complainant": {"ref": "A"},
        **changed,
    }
    return at + wait, orjson.dumps(told)


def found(*records: Arrived, watch: tuple[tuple[str, datetime, datetime], ...] = ()) -> set[Alert]:
    return alerts(records, watch, "UTC", NOON + timedelta(days=1))


def twice(day: int = DAY) -> set[Alert]:
    return {("duplicates", f"A|cheating|{day}", day, 1)}


def test_horizon_is_an_hour_to_the_microsecond() -> None:
    hour = timedelta(hours=1)
    assert found(message(1), message(2, hour)) == twice()
    assert found(message(1), message(2, hour + timedelta(microseconds=1))) == set()


def test_copies_amendments_and_other_days_count_for_nothing() -> None:
    assert found(message(1), message(1, 50 * SECOND), message(2, kind="amended", version=2)) == set()
    assert found(message(1), message(2, at=NOON - timedelta(hours=13))) == set()
    assert found(message(1), message(2, occurred_from="2026-03-01T23:59:59Z")) == set()
    assert found(message(1), message(2, occurred_from="2026-03-02T00:00:00Z")) == twice()


def test_clock_far_ahead_is_not_believed() -> None:
    """Registered an hour after midnight by a clock that is an hour and a minute ahead: it was a minute before."""
    later = NOON + timedelta(hours=13)
    wrong = message(2, -timedelta(hours=1, minutes=1), at=later, occurred_from=NOON.isoformat())
    assert found(message(1), wrong) == twice()
    # Five minutes are a station's own affair.
    right = message(2, -timedelta(minutes=5), at=later - timedelta(hours=1), occurred_from=NOON.isoformat())
    assert found(message(1), right) == set()


def test_watch_list_goes_by_arrival_and_by_reports() -> None:
    seen: dict[str, Any] = {"vehicles": [{"ref": "K", "role": "seen"}], "complainant": {}}
    watch = (("K", NOON + 10 * SECOND, NOON + 20 * SECOND),)
    for wait, is_found in ((9, False), (10, True), (19, True), (20, False)):
        assert bool(found(message(1, wait * SECOND, **seen), watch=watch)) == is_found
    both = [message(1, 11 * SECOND, **seen), message(2, 12 * SECOND, kind="amended", version=3, **seen)]
    assert found(*both, watch=watch) == {("watch_list", "K", DAY, 1), ("watch_list", "K", DAY, 2)}
    # The second copy of what was admitted counts for nothing, that of what was not does.
    assert found(message(1, **seen), message(1, 11 * SECOND, **seen), watch=watch) == set()
    day = timedelta(days=1)
    late = (("K", NOON + 2 * day, NOON + 8 * day),)
    assert found(message(1, day, **seen), message(1, 3 * day, **seen), watch=late) == {("watch_list", "K", DAY, 1)}
    assert found(message(1, 7 * day + SECOND, **seen), watch=late) == set()


def test_major_head_of_any_version() -> None:
    murder: dict[str, Any] = {
        "acts_sections": [{"act": "BNS", "section": "318"}, {"act": "IPC", "section": "303"}],
        "complainant": {},
    }
    amended = message(1, timedelta(days=2), kind="amended", version=2, **murder)
    assert found(message(1), amended) == {("major_head", "SX/101/PS01/2026/1|murder", 0, 1)}
