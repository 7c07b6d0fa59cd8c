"""The history is loaded once: whole or not at all, one row per id, and as if every record had been merged."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import duckdb
import pytest

from crime_assets.core.digests import record_digest
from crime_assets.core.errors import FeedUnavailable, LakeBusy, LakeError, Untypable
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import CityState, Lake
from crime_assets.lakehouse.writing import history
from crime_assets.lakehouse.writing.history import HistoryResult, history_before, load_history
from crime_assets.sources.feeds import DAMAGE, RAW, History
from crime_assets_tests.build import CHICAGO, envelope, record
from crime_assets_tests.lakehouse.lakes import (
    ListFeed,
    merge,
    orphans,
    paths,
    properties,
    quarantined,
    rows,
    snapshots,
    versions,
)
from crime_assets_tests.lakehouse.writing.versions import (
    CURATED,
    Crash,
    interrupted,
    model,
    random_versions,
    without_time,
)

BEFORE = date(2024, 2, 1)
RECORDS = [
    record(1, "2024-01-10", "2023-12-05"),
    record(1, "2024-01-12", "2024-01-05"),
    record(1, "2024-01-11", "2023-12-05"),
    record(2, "2024-01-10", "2023-12-31T23:59:59.999"),
    record(2, "2024-01-10", "2023-12-31T23:59:59.999"),
    record(3, "2018-02-10", "2001-01-01T00:00:00.000"),
    record(4, "2024-01-10", ward="W"),
    record(4, "2024-01-10", ward="W"),
    {DAMAGE: "too many fields", RAW: "1,2,3,'"},
]


def load(lake: Lake, feed: ListFeed) -> HistoryResult:
    return load_history(lake, CHICAGO, feed, BEFORE, "run-1")


def nothing_is_left(lake: Lake) -> bool:
    return not (lake.staging / "history-chicago").exists() and orphans(lake) == []


def test_a_history_becomes_one_row_per_id(lake: Lake) -> None:
    result = load(lake, ListFeed(RECORDS))

    assert [(row["id"], row["updated_on"].isoformat(), row["record_md5"]) for row in rows(lake)] == [
        (1, "2024-01-12T15:40:00", record_digest(RECORDS[1])),
        (2, "2024-01-10T15:40:00", record_digest(RECORDS[3])),
        (3, "2018-02-10T15:40:00", record_digest(RECORDS[5])),
    ]
    assert set(paths(lake)) == {"2001-01", "2023-12", "2024-01"}
    assert [row["reason"] for row in quarantined(lake)] == ["too many fields", "ward is no whole number"]
    assert result == HistoryResult(
        loaded=True, records=9, rows=3, duplicates=3, quarantined=2, snapshot_id=snapshots(lake)[-1]
    )
    marks = {"kind": "history", "history-before": "2024-02-01", "history-undated": "1", "run-id": "run-1"}
    assert properties(lake) == marks
    assert nothing_is_left(lake)


def test_a_month_whose_only_row_lost_has_no_file(lake: Lake) -> None:
    load(lake, ListFeed([record(1, "2024-01-10", "2023-12-05"), record(1, "2024-01-12", "2024-01-05")]))

    assert set(paths(lake)) == {"2024-01"}
    assert nothing_is_left(lake)


def test_a_month_spread_over_parts_is_one_file(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_PARTS_TOGETHER", 1)
    load(lake, ListFeed([record(id, "2024-01-10", f"2023-0{id % 2 + 1}-05") for id in range(12)]))

    # Asking for the paths fails if a month has two.
    assert set(paths(lake)) == {"2023-01", "2023-02"}
    assert [id for id, _ in versions(lake)] == [*range(12)]
    assert nothing_is_left(lake)


def test_a_history_is_loaded_once(lake: Lake) -> None:
    load(lake, ListFeed(RECORDS))
    before, held = snapshots(lake), rows(lake)

    again = load(lake, ListFeed([record(9, "2024-01-10")]))

    assert again == HistoryResult(loaded=False)
    assert (snapshots(lake), rows(lake)) == (before, held)


def test_the_mark_outlives_later_merges(lake: Lake) -> None:
    assert history_before(lake, CHICAGO) is None
    load(lake, ListFeed(RECORDS))
    merge(lake, envelope(record(1, "2024-02-03")))

    assert history_before(Lake(lake.home), CHICAGO) == BEFORE


def test_an_empty_source_is_loaded_too(lake: Lake) -> None:
    result = load(lake, ListFeed([]))

    assert (result.loaded, result.records, result.rows, result.quarantined) == (True, 0, 0, 0)
    assert history_before(lake, CHICAGO) == BEFORE
    assert rows(lake) == []
    assert load(lake, ListFeed(RECORDS)).loaded is False
    assert merge(lake, envelope(record(1, "2024-02-03"))).rows == 1


def test_a_source_of_nothing_but_dirt_is_not_settled(lake: Lake) -> None:
    with pytest.raises(Untypable, match=r"Of the 3 records .* 3 cannot be typed: ward is no whole number \(2\), "):
        load(lake, ListFeed(RECORDS[-3:]))

    assert history_before(lake, CHICAGO) is None


def test_crimes_without_a_history_are_not_mixed_with_one(lake: Lake) -> None:
    merge(lake, envelope(record(1, "2024-01-20")))

    with pytest.raises(LakeError, match="has rows but no history: set another CRIME_HOME"):
        load(lake, ListFeed(RECORDS))

    assert [row["id"] for row in rows(lake)] == [1]


@pytest.mark.parametrize("given", [0, 2, 4, len(RECORDS)])
def test_an_error_of_the_feed_comes_out_as_itself_and_nothing_is_seen(lake: Lake, given: int) -> None:
    error = FeedUnavailable("The portal did not answer in 5 tries: run again later.")

    with pytest.raises(FeedUnavailable) as raised:
        load(lake, ListFeed(RECORDS[:given], error))

    assert raised.value is error
    assert (rows(lake), quarantined(lake), snapshots(lake)) == ([], [], [])
    assert history_before(lake, CHICAGO) is None
    assert load(lake, ListFeed(RECORDS)).rows == 3
    assert nothing_is_left(lake)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("a bug"), Crash()])
def test_any_error_in_the_feed_comes_out_as_itself(lake: Lake, error: BaseException) -> None:
    with pytest.raises(type(error)) as raised:
        load(lake, ListFeed(RECORDS, error))

    assert raised.value is error


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", ["crimes_quarantine", "crimes"])
def test_a_crash_between_any_two_commits_is_mended_by_running_again(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, when: str
) -> None:
    undisturbed = Lake(tmp_path / "undisturbed")
    load(undisturbed, ListFeed(RECORDS))
    with monkeypatch.context() as patch:
        patch.setattr(tables, "commit", interrupted(name, when))
        with pytest.raises(Crash):
            load(lake, ListFeed(RECORDS))
    if (name, when) != ("crimes", "after"):
        assert (rows(lake), history_before(lake, CHICAGO)) == ([], None)

    load(lake, ListFeed(RECORDS))

    assert without_time(rows(lake)) == without_time(rows(undisturbed))
    assert without_time(quarantined(lake)) == without_time(quarantined(undisturbed))
    assert history_before(lake, CHICAGO) == BEFORE
    assert len(snapshots(lake)) == len(snapshots(lake, "crimes_quarantine")) == 1


def test_what_the_feed_keeps_is_let_go_of_only_when_the_history_is_in_the_lake(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[str] = []

    class Keeping(ListFeed):
        @contextmanager
        def history(self, before: date) -> Iterator[History]:
            try:
                with super().history(before) as given:
                    yield given
            except BaseException:
                left.append("with an error")
                raise
            left.append("loaded" if history_before(lake, CHICAGO) else "too early")

    with pytest.raises(FeedUnavailable):
        load(lake, Keeping(RECORDS, FeedUnavailable("x")))
    with monkeypatch.context() as patch:
        patch.setattr(tables, "commit", interrupted("crimes", "before"))
        with pytest.raises(Crash):
            load(lake, Keeping(RECORDS))
    load(lake, Keeping(RECORDS))

    assert left == ["with an error", "with an error", "loaded"]


@pytest.mark.parametrize(("together", "processors"), [(1, 1), (1, 4), (5, 2), (1_000, 1)])
def test_parts_of_mixed_months_and_repeated_ids_end_in_the_newest_of_each(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, together: int, processors: int
) -> None:
    monkeypatch.setattr(history, "_PARTS_TOGETHER", together)
    monkeypatch.setattr(os, "cpu_count", lambda: processors)
    rng = random.Random(together)
    lines = [envelope(line.record) for line in random_versions(rng, 12)]
    rng.shuffle(lines)
    dirt = record(900, "2024-01-10", ward="W")
    records = [*(line.record for line in lines), *RECORDS[-1:] * 4, dirt, dirt]
    # Within one part, in neighbouring ones, and in the first and the last.
    records = [lines[5].record, lines[5].record, *records, lines[0].record, lines[5].record]

    result = load(lake, ListFeed(records))

    assert dict(versions(lake)) == model(lines)
    assert len(versions(lake)) == 12
    assert set(paths(lake)) == {f"{row['occurred_at']:%Y-%m}" for row in rows(lake)}
    for month, path in paths(lake).items():
        held = duckdb.execute("SELECT occurred_at, id FROM read_parquet(?, hive_partitioning = false)", [path])
        found = held.fetchall()
        assert found == sorted(found)
        assert {f"{at:%Y-%m}" for at, _ in found} == {month}
    assert len(quarantined(lake)) == 2
    assert (result.records, result.rows, result.quarantined) == (len(records), 12, 2)
    assert result.duplicates == len(records) - 12 - 6
    assert properties(lake)["history-undated"] == "4"
    assert nothing_is_left(lake)


@pytest.mark.parametrize("name", ["crimes_quarantine", "crimes"])
def test_a_load_that_another_writer_overtook_says_so(lake: Lake, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    commit = tables.commit
    others = [[envelope(record(9, "2024-01-20")), envelope(record(8, "2024-01-20", ward="V"))]]

    def overtake(table: tables.Table, change: tables.Change) -> int:
        if table.name()[-1] == name and others:
            merge(Lake(lake.home), *others.pop())
        return commit(table, change)

    monkeypatch.setattr(tables, "commit", overtake)
    with pytest.raises(LakeBusy, match="Another writer changed"):
        load(lake, ListFeed(RECORDS))

    assert [row["id"] for row in rows(lake)] == [9]
    assert nothing_is_left(lake)


@pytest.mark.slow
def test_a_history_and_the_days_after_it_equal_merging_all(lake: Lake, tmp_path: Path) -> None:
    rng = random.Random(21)
    # Ties of one stamp are settled by the time of the pull, which a history has only one of.
    lines = list({(line.record["id"], line.record["updated_on"]): line for line in random_versions(rng, 150)}.values())
    middle = date(2024, 1, 13)
    old = [line.record for line in lines if date.fromisoformat(str(line.record["updated_on"])[:10]) < middle]
    new = [line for line in lines if line.record not in old]
    merged = Lake(tmp_path / "merged")
    merge(merged, *lines)

    rng.shuffle(old)
    load_history(lake, CHICAGO, ListFeed(old), middle, "run")
    merge(lake, *new)

    assert len(old) > 100 < len(new)
    assert without_time(rows(lake)) == without_time(rows(merged))
    # Delivered again, the history's own records are known by their digests.
    before = snapshots(lake)
    assert merge(lake, *lines).snapshot_id is None
    assert snapshots(lake) == before


@pytest.mark.parametrize("home", ["o'quote", "per%41cent", "gl[1]ob*", "id=7"])
def test_a_history_may_be_loaded_in_any_directory(tmp_path: Path, home: str) -> None:
    lake = Lake(tmp_path / home)

    assert load(lake, ListFeed(RECORDS)).rows == 3
    assert [id for id, _ in versions(lake)] == [1, 2, 3]


def test_the_curated_tables_are_the_ones_that_tests_break(lake: Lake) -> None:
    load(lake, ListFeed(RECORDS))
    merge(lake, envelope(record(1, "2024-02-03")))

    assert tables.names(lake, "chicago") == sorted(CURATED)


@pytest.mark.parametrize("day", ["2024-01-19", "2024-02-20"])
def test_a_first_day_of_another_lake_is_noticed(lake: Lake, day: str) -> None:
    """Days between the two would be in no history, and nobody would ask for them."""
    lake.begin_city("chicago", CityState("export", day, 10, 7))
    load(lake, ListFeed(RECORDS))

    with pytest.raises(LakeError, match=f"change day {day}, and its crimes hold the history before 2024-02-01"):
        history_before(Lake(lake.home), CHICAGO)
