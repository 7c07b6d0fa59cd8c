"""Earlier periods as they were known when they were as old: by hand, and held against plain Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import pyarrow as pa
import pytest

from crime_assets.lakehouse.schema import REMOVED, arrow_schema
from crime_assets_tests.sql.asking import ask, columns, crime, question, random_crimes, table, tuples
from crime_assets_tests.sql.plain import assert_same, expected

AS_OF = date(2024, 3, 31)
COMPLETE = date(2024, 3, 23)
THEN = AS_OF - timedelta(days=28)
"""When the 28 days before were as old as the last 28 complete days are now."""
BEFORE = COMPLETE - timedelta(days=30)
"""A day of the 28 days before."""
LIVE = AS_OF - timedelta(days=40)
COLUMNS = ("crimes_before", "before_basis", "crimes_before_low", "crimes_before_high", "crimes_before_now")


def version(number: int, change_day: date, occurred_on: date = BEFORE, **more: object) -> dict[str, object]:
    """A version that the lake pulled on the day after its change day."""
    pulled = datetime.combine(change_day + timedelta(days=1), time(6), UTC)
    return crime(
        number,
        datetime.combine(occurred_on, time(12)),
        **{"district": "001", "change_day": change_day, "ingested_at": pulled, **more},
    )


def background(first: date = date(2023, 12, 1)) -> list[dict[str, object]]:
    """A crime a week in a district of its own, so that the lake holds all windows, and enough to learn from."""
    days = range(0, (COMPLETE - first).days, 7)
    weekly = [
        version(-1 - day, first + timedelta(days=day + 8), first + timedelta(days=day), district="999") for day in days
    ]
    many = AS_OF - timedelta(days=80)
    return [*weekly, *(version(-1000 - n, many + timedelta(days=8), many, district="999") for n in range(1900))]


def removed_rows(rows: Iterable[Mapping[str, object]]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), arrow_schema(REMOVED))


def compstat(
    crimes: list[dict[str, object]],
    superseded: list[dict[str, object]] | None = None,
    removed: pa.Table | None = None,
    first_change_day: date = LIVE,
    serial_ids_from: date | None = None,
    pulled_since: date | None = None,
) -> dict[str, dict[str, object]]:
    """District → its row of all offenses in 28 days."""
    rows = ask(
        "compstat",
        table(background() + crimes),
        AS_OF,
        table(superseded or []),
        removed=removed,
        first_change_day=first_change_day,
        serial_ids_from=serial_ids_from,
        pulled_since=pulled_since,
    ).to_pylist()
    return {row["district"]: row for row in rows if (row["period"], row["offense_class"]) == ("28d", "all")}


def told(row: Mapping[str, object]) -> list[object]:
    return [row[name] for name in COLUMNS]


def test_what_the_lake_saw_is_counted_as_it_was_known():
    later = THEN + timedelta(days=5)
    known = [version(number, THEN) for number in range(4)]
    came_late = [version(10, later), version(11, THEN + timedelta(days=1))]
    moved_away = version(20, THEN), version(20, later, district="002")
    moved_in_time = version(30, LIVE, district="002"), version(30, THEN)
    moved_in_later = version(40, THEN, BEFORE - timedelta(days=60)), version(40, later)
    edited_twice = version(50, LIVE, district="002"), version(50, THEN - timedelta(days=1)), version(50, later)
    now = [*known, *came_late, moved_away[1], moved_in_time[1], moved_in_later[1], edited_twice[2]]
    then = [moved_away[0], moved_in_time[0], moved_in_later[0], *edited_twice[:2]]
    gone = removed_rows(
        [
            {**version(60, THEN), "removed_on": later, "noticed_at": None},
            {**version(61, THEN), "removed_on": THEN, "noticed_at": None},
        ]
    )
    rows = compstat(now, then, gone)
    # Of district 001: the four, 20, 30, 50 and 60 were known; today the four, 10, 11, 30, 40 and 50 are.
    assert told(rows["001"]) == [8, "seen", 8, 8, 9]
    assert told(rows["002"]) == [0, "seen", 0, 0, 1]


@pytest.mark.parametrize("is_turned", [False, True])
def test_of_two_versions_of_a_day_the_newer_counts(is_turned: bool):
    morning, evening = (datetime.combine(THEN, time(hour), UTC) for hour in (8, 20))
    older = [version(1, THEN, updated_on=morning), version(1, THEN, updated_on=evening, district="002")]
    rows = compstat([version(1, AS_OF, district="003")], older[::-1] if is_turned else older)
    assert ("001" in rows, rows["002"]["crimes_before"]) == (False, 1)


def test_a_version_of_the_day_itself_counts_and_one_of_the_next_day_does_not():
    rows = compstat([version(1, THEN), version(2, THEN + timedelta(days=1))])
    assert told(rows["001"]) == [1, "seen", 1, 1, 2]


@pytest.mark.parametrize(
    ("first_change_day", "basis"), [(THEN + timedelta(days=1), "seen"), (THEN + timedelta(days=2), "estimated")]
)
def test_a_lake_saw_what_was_known_from_the_day_before_its_first(first_change_day: date, basis: str):
    assert compstat([version(1, THEN)], first_change_day=first_change_day)["001"]["before_basis"] == basis


@pytest.mark.parametrize(
    ("days_before", "days_after", "basis"),
    [(0, 3, "seen"), (0, 4, "estimated"), (5, 8, "seen"), (5, 9, "estimated"), (-1, 9, "seen")],
)
def test_a_pull_more_than_three_days_after_a_day_spoils_it_if_it_is_of_a_change_day_up_to_it(
    days_before: int, days_after: int, basis: str
):
    day = THEN - timedelta(days=days_before)
    pulled = datetime.combine(day + timedelta(days=days_after), time(1), UTC)
    rows = compstat([version(1, THEN - timedelta(days=6)), version(2, day, ingested_at=pulled)])
    assert rows["001"]["before_basis"] == basis


@pytest.mark.parametrize("missing", [COMPLETE - timedelta(days=27), AS_OF - timedelta(days=1), AS_OF])
def test_a_period_in_which_a_day_was_never_pulled_is_compared_with_nothing(missing: date):
    found = compstat([version(1, THEN), version(2, AS_OF, COMPLETE)], pulled_since=missing + timedelta(days=1))["001"]
    assert told(found) == [None] * len(COLUMNS)
    assert [found[name] for name in ("crimes_in_the_end_high", "flag", "years", "five_years_position")] == [
        None,
        0,
        0,
        None,
    ]


def test_a_day_that_was_never_pulled_spoils_the_windows_whose_late_records_it_would_have_brought():
    last = COMPLETE - timedelta(days=28)
    found = compstat([version(1, THEN), version(2, AS_OF, COMPLETE)], pulled_since=last)["001"]
    assert (found["crimes_before"], found["crimes_in_the_end_low"]) == (None, 1)
    before_it = compstat([version(1, THEN)], pulled_since=last - timedelta(days=27), first_change_day=date(2024, 1, 1))
    assert before_it["001"]["before_basis"] == "seen"


@pytest.mark.parametrize("stray", [False, True])
def test_early_warning_learns_from_no_window_before_a_gap(stray: bool):
    days = [COMPLETE - timedelta(days=n) for n in range(150)]
    crimes = [version(n, day + timedelta(days=8), day, beat="0111") for n, day in enumerate(days)]
    old = [version(900, date(2016, 1, 9), date(2016, 1, 1), beat="0111")] if stray else []
    ended = COMPLETE - timedelta(days=120)
    for since, windows in ((None, 4), (ended, 3)):
        found = ask("early_warning", table(crimes + old), AS_OF, first_change_day=date(2023, 1, 1), pulled_since=since)
        assert {row["windows"] for row in found.to_pylist()} == {windows}


def waited(number: int, first: int = 1000) -> list[dict[str, object]]:
    """A day of which a quarter of the records came after 7 days, the others on the as-of day, 9 days after."""
    day = AS_OF - timedelta(days=9)
    return [
        version(first + n, AS_OF if n % 4 else AS_OF - timedelta(days=2), day, district="777") for n in range(number)
    ]


def test_a_history_is_counted_by_the_delays_that_were_learnt():
    """The 28 days before end on a day that was eight days old then: a quarter of it was known."""
    last = COMPLETE - timedelta(days=28)
    history = [version(n, AS_OF - timedelta(days=1), last) for n in range(80)]
    rows = compstat([*history, *waited(400)], first_change_day=AS_OF)
    row = rows["001"]
    # 300 of 400 came just then: the logarithm of the share has the variance 300 / (400 * 100).
    margin = 1.96 * (80 * 0.25 * 0.75 + (80 * 0.25) ** 2 * 300 / 40_000) ** 0.5
    assert told(row) == [20, "estimated", int(20 - margin), int(20 + margin) + 1, 80]
    older = compstat(
        [*(version(n, AS_OF - timedelta(days=1), last - timedelta(days=1)) for n in range(80)), *waited(400)],
        first_change_day=AS_OF,
    )
    assert told(older["001"]) == [80, "estimated", 80, 80, 80]


@pytest.mark.parametrize(("now", "flag"), [(20, 0), (36, 0), (49, 1), (8, 0), (2, -1)])
def test_a_flag_holds_against_the_whole_interval(now: int, flag: int):
    last = COMPLETE - timedelta(days=28)
    history = [version(n, AS_OF - timedelta(days=1), last) for n in range(80)]
    present = [version(200 + n, AS_OF - timedelta(days=1), COMPLETE - timedelta(days=9)) for n in range(now)]
    row = compstat([*history, *present, *waited(400)], first_change_day=AS_OF)["001"]
    assert (row["crimes_before_low"], row["crimes_before_high"], row["flag"]) == (11, 29, flag)
    assert row["z_before"] == pytest.approx(2 * (now**0.5 - 20**0.5))


def test_without_anything_learnt_it_is_compared_as_it_is_known_today():
    known, new = version(1, THEN), version(2, THEN + timedelta(days=1))
    rows = compstat([known, new, version(3, AS_OF, BEFORE)], first_change_day=AS_OF + timedelta(days=1))
    assert told(rows["001"]) == [3, "unknown", 1, 3, 3]
    assert (rows["001"]["crimes_in_the_end_low"], rows["001"]["crimes_in_the_end_high"]) == (None, None)


def replayed(number: int, change_day: date, occurred_on: date = BEFORE, **more: object) -> dict[str, object]:
    return version(number, change_day, occurred_on, ingested_at=datetime(2026, 1, 1, tzinfo=UTC), **more)


def test_a_replay_is_between_what_its_stamps_show_and_what_is_known_now():
    rows = compstat(
        [
            *(replayed(n, THEN) for n in range(6)),
            *(replayed(10 + n, AS_OF - timedelta(days=n)) for n in range(5)),
            *(replayed(100 + n, AS_OF - timedelta(days=n % 9), AS_OF - timedelta(days=30)) for n in range(50)),
        ]
    )
    row = rows["001"]
    assert row["before_basis"] == "estimated"
    assert row["crimes_before_low"] <= 6
    assert (row["crimes_before_high"], row["crimes_before_now"]) == (11, 11)


def test_ids_tell_when_records_of_a_history_were_reported():
    """A hundred are reported each day, from the day they occurred to the 19th after; half are edited later."""
    rng = np.random.default_rng(8)
    days = np.arange(-160, 1)
    reported = np.repeat(days, 100)
    occurred = reported - rng.integers(0, 20, reported.size)
    published = np.maximum(reported, occurred + 7)
    edited = np.where(rng.random(reported.size) < 0.5, published + rng.integers(1, 30, reported.size), published)
    shown = published <= 0
    stamped = np.where(edited <= 0, edited, published)
    base = np.datetime64(AS_OF)
    crimes = columns(
        id=np.arange(reported.size)[shown],
        occurred_on=base + occurred[shown],
        change_day=base + stamped[shown],
        ingested_at=np.repeat(np.datetime64("2026-01-01T00:00:00"), shown.sum()),
    )
    truth = [np.mean(np.maximum(np.arange(20), 7) <= lag) for lag in range(91)]
    with_ids, without = (
        ask(
            "reporting_delay", crimes, AS_OF, first_change_day=AS_OF - timedelta(days=70), serial_ids_from=serial
        ).to_pylist()
        for serial in (date(2020, 1, 1), None)
    )
    assert [row["completeness"] for row in with_ids] == pytest.approx(truth, abs=0.03)
    assert min(row["completeness"] - share for row, share in zip(without, truth, strict=True)) < -0.1


def test_a_bulk_stamp_in_a_replay_teaches_nothing_where_ids_tell():
    rng = np.random.default_rng(9)
    reported = np.repeat(np.arange(-160, 1), 100)
    occurred = reported - rng.integers(0, 20, reported.size)
    published = np.maximum(reported, occurred + 7)
    stamped = np.where(published < -20, -20, published)
    shown = published <= 0
    base = np.datetime64(AS_OF)
    crimes = columns(
        id=np.arange(reported.size)[shown],
        occurred_on=base + occurred[shown],
        change_day=base + stamped[shown],
        ingested_at=np.repeat(np.datetime64("2026-01-01T00:00:00"), shown.sum()),
    )
    rows = ask(
        "reporting_delay",
        crimes,
        AS_OF,
        first_change_day=AS_OF - timedelta(days=70),
        serial_ids_from=date(2020, 1, 1),
    ).to_pylist()
    truth = [np.mean(np.maximum(np.arange(20), 7) <= lag) for lag in range(91)]
    assert [row["completeness"] for row in rows] == pytest.approx(truth, abs=0.05)
    assert max(row["change_days"] for row in rows) == 20


CASES = {
    "seen": (1, False, False),
    "some days late": (9, False, False),
    "replayed": (900, False, False),
    "replayed, with ids": (900, True, False),
    "some days late, with ids, rows removed": (9, True, True),
    "seen, rows removed": (1, False, True),
}


@pytest.mark.parametrize(
    ("case", "gap_ended"), [*((case, 0) for case in CASES), ("some days late", 3), ("some days late", 38)]
)
@pytest.mark.parametrize("name", ["compstat", "monthly_trends", "early_warning", "reporting_delay"])
def test_equals_the_plain_computation(name: str, case: str, gap_ended: int):
    most_days_after, has_ids, has_removed = CASES[case]
    as_of_day = date(2024, 4, 9)
    rng = np.random.default_rng(len(case))
    everything = [
        {
            **row,
            "id": number,
            "ingested_at": datetime.combine(row["change_day"], time(6), UTC)
            + timedelta(days=1 if hash_of(row["change_day"]) % 3 else most_days_after),
        }
        for number, row in enumerate(
            sorted(random_crimes(4, 6000, date(2023, 1, 1), as_of_day), key=lambda row: row["change_day"])
        )
        if row["change_day"] <= as_of_day
    ]
    edited = [row for row in everything if row["id"] % 5 == 0]
    older = [
        {**row, "change_day": row["change_day"] - timedelta(days=int(rng.integers(1, 30))), "district": "777"}
        for row in edited
    ]
    older += [{**row, "change_day": row["change_day"] - timedelta(days=40), "beat": "7771"} for row in edited[::2]]
    gone = [row for row in everything if row["id"] % 11 == 3] if has_removed else []
    removed = removed_rows(
        {**row, "removed_on": row["change_day"] + timedelta(days=int(rng.integers(1, 60))), "noticed_at": None}
        for row in gone
    )
    gone_by_now = {row["id"] for row in removed.to_pylist() if row["removed_on"] <= as_of_day}
    crimes = table([row for row in everything if row["id"] not in gone_by_now])
    serial = date(2023, 6, 1) if has_ids else None
    gap = as_of_day - timedelta(days=gap_ended) if gap_ended else None
    asks = question(crimes, as_of_day, table(older), removed, serial, gap)
    found = ask(name, crimes, as_of_day, table(older), removed=removed, serial_ids_from=serial, pulled_since=gap)
    assert_same(tuples(found), expected(name, asks))


def hash_of(day: object) -> int:
    return day.toordinal() if isinstance(day, date) else 0
