"""The lake against its source: what is missing, what is gone, what must not be believed, and what past days knew."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from pathlib import Path

import pytest

from crime_assets.core.digests import record_digest
from crime_assets.core.errors import FeedError, LakeBusy
from crime_assets.core.insights import Insight
from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.duck import connection
from crime_assets.lakehouse.iceberg.tables import Change
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.reconciliation.reconcile import Comparison, Limits, MonthCounts, compare
from crime_assets.lakehouse.reconciliation.removal import Gone, Removal, remove
from crime_assets.lakehouse.writing.insights import replace_days, stale_days
from crime_assets.lakehouse.writing.removed import let_in
from crime_assets.sources.feeds import Record, Stamps
from crime_assets_tests.build import CHICAGO, envelope, record, stamps
from crime_assets_tests.lakehouse.lakes import files, merge, orphans, paths, properties, rows, snapshots, versions
from crime_assets_tests.lakehouse.writing.test_merge import Crash, interrupted

UNTIL = date(2024, 1, 20)
NOTICED = datetime(2024, 1, 21, 11, tzinfo=UTC)
JANUARY, DECEMBER = date(2024, 1, 1), date(2023, 12, 1)
INSIGHT = Insight("known", 99, "All that is known.", (), "SELECT id, record_md5 FROM crimes ORDER BY id, record_md5")


class Source:
    """A source with these records; `asked` says which months it was asked for in detail, and for how many ids."""

    name = "source"

    def __init__(self, *records: Mapping[str, object]) -> None:
        self.records = [dict(record) for record in records]
        self.asked: list[object] = []

    def month_stamps(self, until: date) -> dict[date | None, Stamps]:
        found: dict[date | None, Stamps] = {}
        for one in self._until(until):
            known = found.get(_month(one), Stamps())
            found[_month(one)] = known.plus(stamps(datetime.fromisoformat(str(one["updated_on"]))))
        return found

    def month_records(self, months: Collection[date | None], until: date) -> Iterator[Record]:
        self.asked.append(set(months))
        return iter([record for record in self._until(until) if _month(record) in months])

    def present(self, ids: Collection[int]) -> set[int]:
        self.asked.append(len(ids))
        return {int(str(record["id"])) for record in self.records} & set(ids)

    def count(self, first: date, last: date) -> int:
        return len([record for record in self.records if first <= _changed(record) <= last])

    def latest_day(self) -> date:
        return UNTIL

    def _until(self, until: date) -> list[Record]:
        return [record for record in self.records if _changed(record) <= until]


def _changed(record: Mapping[str, object]) -> date:
    return date.fromisoformat(str(record["updated_on"])[:10])


def _month(record: Mapping[str, object]) -> date | None:
    return date.fromisoformat(f"{str(record['date'])[:7]}-01") if "date" in record else None


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture
def engine(lake: Lake) -> Iterator[DuckDBEngine]:
    engine = DuckDBEngine(lake, CHICAGO)
    yield engine
    engine.close()


def fill(lake: Lake, *records: Mapping[str, object], pulled: str = "2024-01-20T08:00:00") -> None:
    merge(lake, *(envelope(record, pulled=pulled) for record in records))


def reconcile(lake: Lake, source: Source, **limits: int) -> Comparison:
    return compare(lake, CHICAGO, source, UNTIL, Limits(**limits))


def crimes(first: int, after: int, occurred: str = "2024-01-05") -> list[dict[str, object]]:
    return [record(n, "2024-01-10", occurred) for n in range(first, after)]


def take_out(lake: Lake, *ids: int, on: date = UNTIL, noticed: datetime = NOTICED) -> int:
    gone = [Gone(row["id"], row["updated_on"]) for row in rows(lake) if row["id"] in ids]
    return remove(lake, CHICAGO, Removal(gone, on, noticed), {"run-id": "run-7"})


def known(engine: DuckDBEngine, day: str) -> list[tuple[int, str]]:
    found = engine.insight(INSIGHT, date.fromisoformat(day)).to_pylist()
    return [(row["id"], row["record_md5"]) for row in found]


def version(of: Mapping[str, object]) -> tuple[int, str]:
    return int(str(of["id"])), record_digest(of)


# What is found.


def test_where_counts_agree_nothing_is_asked(lake: Lake) -> None:
    held = [*crimes(1, 4), *crimes(4, 6, "2023-12-05")]
    fill(lake, *held)
    source = Source(*held)

    found = reconcile(lake, source)

    assert found.months == [MonthCounts(JANUARY, 3, 3), MonthCounts(DECEMBER, 2, 2)]
    assert (found.rows, found.differing, list(found.missing), found.gone, source.asked) == (5, [], [], [], [])


def test_what_either_lacks_is_found_in_the_months_that_differ(lake: Lake) -> None:
    held = [*crimes(1, 5), *crimes(5, 7, "2023-12-05")]
    fill(lake, *held)
    new = [record(10, "2024-01-20", "2023-12-31T23:59:59.000"), record(11, "2024-01-09", "2023-11-30")]
    source = Source(*held[1:], *new)

    found = reconcile(lake, source)

    assert [month.month for month in found.differing] == [JANUARY, DECEMBER, date(2023, 11, 1)]
    assert list(found.missing) == new
    assert found.gone == [Gone(1, datetime(2024, 1, 10, 15, 40))]
    # Only the one id that did not come with its month is asked for.
    assert source.asked == [{JANUARY, DECEMBER, date(2023, 11, 1)}, 1]


def test_changes_after_the_day_compared_are_left_to_their_day(lake: Lake) -> None:
    held = crimes(1, 7)
    fill(lake, *held, record(50, "2024-01-21"))
    source = Source(
        *held[:3],
        record(4, "2024-01-21", arrest=True),
        record(5, "2024-01-21", "2023-12-05"),
        record(6, "2024-01-20T23:59:59.999"),
        record(99, "2024-01-21"),
    )

    found = reconcile(lake, source)

    assert found.differing == [MonthCounts(JANUARY, 4, 6)]
    assert [r["id"] for r in found.missing] == ["6"], "an edit of a day that was merged has been missed"
    assert found.gone == []


def test_a_missed_edit_that_moved_a_crime_to_another_month_is_pulled_and_nothing_removed(lake: Lake) -> None:
    held = crimes(1, 4)
    fill(lake, *held)
    moved = record(3, "2024-01-15", "2023-12-05")

    found = reconcile(lake, Source(*held[:2], moved))

    assert (list(found.missing), found.gone) == ([moved], [])


def test_the_quarantine_is_neither_missing_nor_pulled_again(lake: Lake) -> None:
    nameless = record(24, "2024-01-10")
    del nameless["id"]
    bad = [
        record(20, "2024-01-10", ward="W"),
        {**record(21, "2024-01-10"), "date": "long ago"},
        record(22, "2024-01-11", "0204-01-05"),
        {**record(23, "2024-01-10"), "id": "A-1"},
        nameless,
    ]
    # Of this one an older version is in quarantine and the present one is a row.
    mended = record(25, "2024-01-12", "2023-12-05")
    older = record(20, "2024-01-09", ward="V")
    fill(lake, *crimes(1, 3), older, *bad, record(25, "2024-01-10", "2024-01-05", ward="W"), mended)

    class Portal(Source):
        def month_stamps(self, until: date) -> dict[date | None, Stamps]:
            afternoon = datetime(2024, 1, 10, 15, 40)
            january = reduce(Stamps.plus, 5 * [stamps(afternoon)])
            unknown = stamps(afternoon).plus(stamps(afternoon + timedelta(days=1)))
            return {JANUARY: january, None: unknown, DECEMBER: stamps(afternoon + timedelta(days=2))}

    found = reconcile(lake, Portal(*crimes(1, 3), *bad, mended))
    assert found.differing == []
    assert [(month.month, month.lake) for month in found.months] == [(JANUARY, 5), (DECEMBER, 1), (None, 2)]

    # Compared by id all the same, because a row of each month is new.
    class Moved(Source):
        def month_stamps(self, until: date) -> dict[date | None, Stamps]:
            return {JANUARY: Stamps(6), None: Stamps(3)}

        def month_records(self, months: Collection[date | None], until: date) -> Iterator[Record]:
            return iter(self.records)

    newer = record(20, "2024-01-13", ward="still W")
    found = reconcile(lake, Moved(*crimes(1, 3), *bad, mended, newer))
    assert list(found.missing) == [newer], "only the version that the quarantine does not have"
    assert found.gone == []


def test_ids_are_told_as_numbers_and_a_record_may_come_twice(lake: Lake) -> None:
    fill(lake, {**record(1, "2024-01-10"), "id": "7.0"}, record(2, "2024-01-10"))
    same, new = {**record(1, "2024-01-10"), "id": " 007 "}, record(9, "2024-01-10")

    class Portal(Source):
        def present(self, ids: Collection[int]) -> set[int]:
            return set()

    found = reconcile(lake, Portal(same, new, new), most_removed=1)

    assert (list(found.missing), [gone.id for gone in found.gone]) == ([new], [2])


def test_an_empty_lake_takes_what_the_source_has(lake: Lake) -> None:
    found = reconcile(lake, Source(*crimes(1, 3)))
    assert (found.rows, len(found.missing), found.gone) == (0, 2, [])
    assert reconcile(lake, Source()).months == []


# What is not believed.


@pytest.mark.parametrize(
    ("rows_compared", "removed", "pulled"),
    [
        (0, 0, 10_000),
        (1, 0, 10_000),
        (2, 0, 10_000),
        (3, 1, 10_000),
        (10, 4, 10_000),
        (201, 100, 10_000),
        (20_000, 100, 10_000),
        (40_000, 200, 10_000),
        (8_200_000, 41_000, 41_000),
    ],
)
def test_limits_follow_the_size_of_the_lake_unless_a_person_says_otherwise(
    rows_compared: int, removed: int, pulled: int
) -> None:
    assert (Limits().removed(rows_compared), Limits().pulled(rows_compared)) == (removed, pulled)
    assert (Limits(7, 9).removed(rows_compared), Limits(7, 9).pulled(rows_compared)) == (7, 9)
    assert Limits(most_removed=0).removed(rows_compared) == 0


@pytest.mark.parametrize("left", [0, 6, 12])
def test_a_source_that_lacks_half_or_all_is_not_believed(lake: Lake, left: int) -> None:
    held = [*crimes(1, 13), *crimes(13, 25, "2023-12-05")]
    fill(lake, *held)
    before = {name: snapshots(lake, name) for name in tables.names(lake, "chicago")}
    source = Source(*held[:left])

    with pytest.raises(FeedError) as raised:
        reconcile(lake, source)

    lacks = 24 - left
    assert str(raised.value) == (
        f"The source of Chicago lacks {lacks} or more of the 24 rows compared, and at most 11 are removed at once, so "
        "nothing was changed: look at https://data.cityofchicago.org/d/ijzp-q8t2, and if it is right, allow as many "
        f"with `crime-assets reconcile --most-removed {lacks}` (in Dagster: the run config most_removed)."
    )
    assert source.asked == [], "nothing need be read to tell"
    assert {name: snapshots(lake, name) for name in tables.names(lake, "chicago")} == before
    assert len(reconcile(lake, source, most_removed=lacks).gone) == lacks
    with pytest.raises(FeedError, match=f"at most {lacks - 1} are removed"):
        reconcile(lake, source, most_removed=lacks - 1)


def test_rows_that_are_missing_in_one_month_are_not_hidden_by_new_ones_in_another(lake: Lake) -> None:
    fill(lake, *crimes(1, 13))

    with pytest.raises(FeedError, match=r"lacks 12 or more of the 12 rows compared.* --most-removed 12`"):
        reconcile(lake, Source(*crimes(101, 150, "2023-12-05")))


def test_all_records_stamped_anew_are_not_gone(lake: Lake) -> None:
    fill(lake, *crimes(1, 13))
    stamped = Source(*(record(n, "2024-01-21") for n in range(1, 13)))

    found = reconcile(lake, stamped)

    assert (list(found.missing), found.gone) == ([], [])


def test_another_dataset_is_not_pulled(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crime_assets.lakehouse.reconciliation.reconcile._CHUNK", 4)
    fill(lake, *crimes(1, 3))
    read = []

    class Portal(Source):
        def month_records(self, months: Collection[date | None], until: date) -> Iterator[Record]:
            for one in super().month_records(months, until):
                read.append(one)
                yield one

    source = Portal(*crimes(1, 100))
    with pytest.raises(FeedError, match=r"has 6 or more records that the lake lacks.*--most-pulled 99`"):
        reconcile(lake, source, most_pulled=5)

    assert len(read) == 8, "it stops as soon as it is too much"
    assert len(reconcile(lake, source, most_pulled=97).missing) == 97


def test_asking_for_ids_stops_as_soon_as_too_many_are_gone(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crime_assets.lakehouse.reconciliation.reconcile._CHUNK", 4)
    fill(lake, *crimes(1, 41))
    source = Source(*crimes(31, 41), *crimes(101, 132))

    with pytest.raises(FeedError, match=r"lacks 20 or more of the 40 rows.*--most-removed 30`"):
        reconcile(lake, source)

    assert source.asked[1:] == [4, 4, 4, 4, 4]


# What is removed.


def test_a_removed_crime_is_kept_apart_and_its_month_alone_rewritten(lake: Lake, engine: DuckDBEngine) -> None:
    fill(lake, *crimes(1, 4), *crimes(4, 7, "2023-12-05"), *crimes(7, 8, "2023-11-05"))
    before, held = paths(lake), {row["id"]: row for row in rows(lake)}

    assert take_out(lake, 2, 7) == 2

    assert [row["id"] for row in rows(lake)] == [1, 3, 4, 5, 6]
    removed = rows(lake, "crimes_removed")
    marks = {"removed_on": UNTIL, "noticed_at": NOTICED}
    assert removed == [{**held[2], **marks}, {**held[7], **marks}]
    after = paths(lake)
    assert after.keys() == {"2024-01", "2023-12"}, "a month without a row has no file"
    assert (after["2023-12"], after["2024-01"] != before["2024-01"]) == (before["2023-12"], True)
    assert properties(lake) == {
        "kind": "removed",
        "removed": "2",
        "first-changed-day": "2024-01-20",
        "run-id": "run-7",
    }
    answer = engine.query("SELECT id, removed_on FROM crimes_removed ORDER BY id")
    assert answer.rows == [(2, UNTIL), (7, UNTIL)]
    assert orphans(lake) == []


def test_removing_what_is_gone_already_changes_nothing(lake: Lake) -> None:
    fill(lake, *crimes(1, 4))
    gone = [Gone(2, datetime(2024, 1, 10, 15, 40)), Gone(77, datetime(2024, 1, 10))]
    assert remove(lake, CHICAGO, Removal(gone, UNTIL, NOTICED), {}) == 1
    before = snapshots(lake), snapshots(lake, "crimes_removed")

    assert remove(lake, CHICAGO, Removal(gone, UNTIL + timedelta(days=7), NOTICED), {}) == 0

    assert (snapshots(lake), snapshots(lake, "crimes_removed")) == before


def test_a_crime_with_another_version_by_now_stays(lake: Lake) -> None:
    fill(lake, *crimes(1, 4))
    gone = [Gone(2, datetime(2024, 1, 10, 15, 40))]
    fill(lake, record(2, "2024-01-19", arrest=True))
    before = snapshots(lake)

    assert remove(lake, CHICAGO, Removal(gone, UNTIL, NOTICED), {}) == 0

    assert (len(rows(lake)), snapshots(lake), files(lake, "crimes_removed")) == (3, before, [])


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", ["crimes_removed", "crimes"])
def test_a_crash_between_the_two_commits_is_mended_by_the_next_week(
    lake: Lake, engine: DuckDBEngine, monkeypatch: pytest.MonkeyPatch, name: str, when: str
) -> None:
    held = crimes(1, 4)
    fill(lake, *held)
    with monkeypatch.context() as patch:
        patch.setattr(tables, "commit", interrupted(name, when))
        with pytest.raises(Crash):
            take_out(lake, 2)
    in_crimes = 2 in {row["id"] for row in rows(lake)}
    in_removed = 2 in {row["id"] for row in rows(lake, "crimes_removed")}
    assert (in_crimes, in_removed) == {
        ("crimes_removed", "before"): (True, False),
        ("crimes_removed", "after"): (True, True),
        ("crimes", "before"): (True, True),
        ("crimes", "after"): (False, True),
    }[name, when]
    assert known(engine, "2024-01-19") == [version(crime) for crime in held]

    later, first = UNTIL + timedelta(days=7), (UNTIL if in_removed else UNTIL + timedelta(days=7))
    take_out(lake, 2, on=later)

    assert [row["id"] for row in rows(lake)] == [1, 3]
    assert [(row["id"], row["removed_on"]) for row in rows(lake, "crimes_removed")] == [(2, first)]
    if in_crimes:
        assert properties(lake)["first-changed-day"] == str(first), "days that show it since the crash are stale"
    assert known(engine, str(first - timedelta(days=1))) == [version(crime) for crime in held]
    assert known(engine, str(first)) == [version(held[0]), version(held[2])]


def test_another_writer_in_between_is_planned_around(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(lake, *crimes(1, 4))
    commit = tables.commit
    others = [record(2, "2024-01-19", arrest=True), record(3, "2024-01-19", "2023-12-05")]

    def overtake(table: tables.Table, change: Change) -> int:
        if table.name()[-1] == "crimes" and others:
            with monkeypatch.context() as patch:
                patch.setattr(tables, "commit", commit)
                fill(Lake(lake.home), others.pop())
        return commit(table, change)

    monkeypatch.setattr(tables, "commit", overtake)
    # While the row of 2 is moved, 3 moves to another month, and then 2 gets another version.
    assert take_out(lake, 2) == 0
    monkeypatch.undo()

    assert [(row["id"], row["arrest"]) for row in rows(lake)] == [(1, False), (2, True), (3, False)]

    def always(table: tables.Table, change: Change) -> int:
        raise tables.StalePlan

    monkeypatch.setattr(tables, "commit", always)
    with pytest.raises(LakeBusy, match="during one removal: run again later"):
        take_out(lake, 1)


def test_only_what_was_pulled_after_a_removal_is_let_in_again(lake: Lake) -> None:
    fill(lake, record(1, "2024-01-15"), pulled="2024-01-16T08:00:00")
    take_out(lake, 1)
    cases = [
        (1, "2024-01-15 15:40", "2024-01-16T08:00:00Z", False),
        (1, "2024-01-15 15:40", "2024-01-16T07:59:59Z", False),
        (1, "2024-01-14 15:40", "2024-01-30T08:00:00Z", False),
        (1, "2024-01-15 15:40", "2024-01-16T08:00:01Z", True),
        (1, "2024-01-15 15:41", "2024-01-16T07:00:00Z", True),
        (2, "2024-01-14 15:40", "2024-01-16T07:00:00Z", True),
    ]
    with connection(lake.staging) as con:
        con.execute("CREATE TEMP TABLE incoming (n INTEGER, id BIGINT, updated_on TIMESTAMP, ingested_at TIMESTAMPTZ)")
        con.executemany("INSERT INTO incoming VALUES (?, ?, ?, ?)", [(n, *case[:3]) for n, case in enumerate(cases)])
        let_in(lake, CHICAGO, con)
        found = {row[0] for row in con.execute("SELECT n FROM incoming").fetchall()}
    assert found == {n for n, case in enumerate(cases) if case[3]}


# What past days knew.


def test_days_before_the_removal_know_the_version_they_knew(lake: Lake, engine: DuckDBEngine) -> None:
    first, second = record(1, "2024-01-10"), record(1, "2024-01-15", arrest=True)
    other = record(2, "2024-01-10")
    fill(lake, first, second, other)
    take_out(lake, 1)

    assert known(engine, "2024-01-09") == []
    assert known(engine, "2024-01-10") == known(engine, "2024-01-14") == [version(first), version(other)]
    assert known(engine, "2024-01-15") == known(engine, "2024-01-19") == [version(second), version(other)]
    assert known(engine, "2024-01-20") == known(engine, "2024-03-01") == [version(other)]


def test_a_crime_published_again_is_counted_once(lake: Lake, engine: DuckDBEngine) -> None:
    first, second = record(1, "2024-01-10"), record(1, "2024-01-15", arrest=True)
    again = record(1, "2024-01-25", "2023-12-05")
    fill(lake, first, second)
    take_out(lake, 1)
    fill(lake, again, pulled="2024-01-26T08:00:00")

    days = {f"2024-01-{n}": [found for _, found in known(engine, f"2024-01-{n}")] for n in range(10, 28)}
    assert days == {
        **{f"2024-01-{n}": [record_digest(first)] for n in range(10, 15)},
        **{f"2024-01-{n}": [record_digest(second)] for n in range(15, 20)},
        **{f"2024-01-{n}": [] for n in range(20, 25)},
        **{f"2024-01-{n}": [record_digest(again)] for n in range(25, 28)},
    }
    # And gone once more: both versions are kept.
    take_out(lake, 1, on=date(2024, 1, 27))
    assert {(row["record_md5"], row["removed_on"].day) for row in rows(lake, "crimes_removed")} == {
        (record_digest(second), 20),
        (record_digest(again), 27),
    }
    days["2024-01-27"] = []
    assert {day: [found for _, found in known(engine, day)] for day in days} == days


def test_the_same_version_published_again_is_known_throughout(lake: Lake, engine: DuckDBEngine) -> None:
    crime = record(1, "2024-01-10")
    fill(lake, crime)
    take_out(lake, 1)
    assert known(engine, "2024-01-22") == []
    fill(lake, crime, pulled="2024-01-23T08:00:00")

    assert {tuple(known(engine, f"2024-01-{n}")) for n in (12, 20, 22, 25)} == {(version(crime),)}

    assert take_out(lake, 1, on=date(2024, 1, 27)) == 1
    assert [row["removed_on"].day for row in rows(lake, "crimes_removed")] == [20, 27]
    assert known(engine, "2024-01-22") == known(engine, "2024-01-26") == [version(crime)]
    assert known(engine, "2024-01-27") == []


@pytest.mark.parametrize("seed", [1, 2])
def test_any_life_of_crimes_is_told_day_by_day(lake: Lake, engine: DuckDBEngine, seed: int) -> None:
    rng = random.Random(seed)
    told: dict[date, list[tuple[int, str]]] = {}
    now: dict[int, str] = {}
    for n in range(8):
        day = date(2024, 1, 10) + timedelta(days=n)
        changed = [
            record(id, str(day), f"2023-{rng.choice(('10', '11', '12'))}-05", ward=str(rng.randint(1, 50)))
            for id in rng.sample(range(1, 16), rng.randint(0, 5))
        ]
        fill(lake, *changed, pulled=f"{day}T20:00:00")
        now |= dict(map(version, changed))
        if now and rng.random() < 0.6:
            gone = rng.sample(sorted(now), min(len(now), rng.randint(1, 4)))
            take_out(lake, *gone, on=day, noticed=datetime(2024, 1, 10, 23, tzinfo=UTC) + timedelta(days=n))
            for id in gone:
                del now[id]
        told[day] = sorted(now.items())

    assert len(rows(lake, "crimes_removed")) > 5
    assert {day: known(engine, str(day)) for day in told} == told
    assert versions(lake) == told[max(told)]


def test_insights_from_the_day_of_the_removal_on_are_stale(lake: Lake, engine: DuckDBEngine) -> None:
    fill(lake, *crimes(1, 4))
    sql = "SELECT :as_of_day AS as_of_day, 'all' AS period, COUNT(*) AS crimes FROM crimes"
    insight = Insight("known", 99, "How many are known.", (), sql)
    days = [UNTIL + timedelta(days=n) for n in (-1, 0, 1)]
    replace_days(lake, CHICAGO, insight, {day: engine.insight(insight, day) for day in days})
    assert stale_days(lake, CHICAGO, insight) == []

    take_out(lake, 2)

    assert stale_days(lake, CHICAGO, insight) == days[1:]
    changed = replace_days(lake, CHICAGO, insight, {day: engine.insight(insight, day) for day in days})
    assert changed == days[1:]
