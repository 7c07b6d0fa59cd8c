"""The contract of `crimes`: one row per id, the newest version, nothing lost, nothing written for nothing."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from crime_assets.core.envelopes import Envelope
from crime_assets.core.errors import LandingError
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.writing import merge as merging
from crime_assets.streams.deliveries import DamagedLine
from crime_assets_tests.build import CHICAGO
from crime_assets_tests.lakehouse.lakes import merge, orphans, paths, properties, quarantined, rows, snapshots, versions
from crime_assets_tests.lakehouse.writing.versions import (
    BEFORE,
    DAY,
    deliveries,
    known,
    model,
    random_versions,
    version,
    without_time,
)


def test_a_new_lake_gets_its_rows(lake: Lake) -> None:
    result = merge(lake, version(1, "2024-01-20"), version(2, "2024-01-21", "2024-02-01"))

    assert [(row["id"], row["month"], row["change_day"]) for row in rows(lake)] == [
        (1, date(2024, 1, 1), date(2024, 1, 20)),
        (2, date(2024, 2, 1), date(2024, 1, 21)),
    ]
    assert set(paths(lake)) == {"2024-01", "2024-02"}
    assert result == merging.MergeResult(
        rows=2,
        delivered=2,
        inserted=2,
        replaced=0,
        superseded=0,
        quarantined=0,
        files_removed=0,
        files_added=2,
        files_skipped=0,
        bytes_rewritten=sum(Path(path).stat().st_size for path in paths(lake).values()),
        snapshot_id=snapshots(lake)[-1],
    )


def test_nothing_delivered_makes_no_snapshot(lake: Lake) -> None:
    assert merge(lake).snapshot_id is None
    assert snapshots(lake) == []


def test_an_equal_version_again_makes_no_snapshot_and_keeps_its_time(lake: Lake) -> None:
    merge(lake, version(1, "2024-01-20", pulled="2024-01-21T08:00:00"))
    before, files = snapshots(lake), paths(lake)

    again = merge(lake, *[version(1, "2024-01-20", pulled="2024-01-22T08:00:00")] * 3)

    assert (again.delivered, again.rows, again.inserted, again.replaced, again.snapshot_id) == (3, 1, 0, 0, None)
    assert (again.files_removed, again.files_added, again.files_skipped, again.bytes_rewritten) == (0, 0, 1, 0)
    assert (snapshots(lake), paths(lake)) == (before, files)
    assert rows(lake)[0]["ingested_at"] == datetime(2024, 1, 21, 8, tzinfo=UTC)
    assert snapshots(lake, "crimes_superseded") == []


def test_of_versions_delivered_together_the_newest_wins(lake: Lake) -> None:
    merge(lake, *(version(1, f"2024-01-{day}", arrest=day == 25) for day in (22, 25, 20, 24)))

    assert [(row["updated_on"].day, row["arrest"]) for row in rows(lake)] == [(25, True)]
    assert sorted(row["updated_on"].day for row in rows(lake, "crimes_superseded")) == [20, 22, 24]


def test_an_older_version_never_replaces_a_newer_one_whenever_it_was_pulled(lake: Lake) -> None:
    merge(lake, version(1, "2024-01-25"))
    before = snapshots(lake)

    late = merge(lake, version(1, "2024-01-20", pulled="2024-03-01T08:00:00"))

    assert known(lake) == {1: datetime(2024, 1, 25, 15, 40)}
    assert (late.inserted, late.replaced, late.superseded, late.snapshot_id) == (0, 0, 1, None)
    assert snapshots(lake) == before
    assert [row["updated_on"].day for row in rows(lake, "crimes_superseded")] == [20]


@pytest.mark.parametrize("again", [("a", "b"), ("b", "a"), ("a",), ("b",)])
def test_two_versions_with_one_stamp_that_come_again_and_again_settle_at_once(
    lake: Lake, again: tuple[str, ...]
) -> None:
    """As where an export has a record twice, and a look-back delivers both anew."""

    def both(pulled: str) -> dict[str, Envelope]:
        return {
            "a": version(1, "2024-01-20T10:00:00.000", pulled=pulled),
            "b": version(1, "2024-01-20T10:00:00.000", pulled=pulled, arrest=True),
        }

    merge(lake, *both("2024-01-21T08:00:00").values())
    settled = rows(lake)
    later = both("2024-01-22T08:00:00")
    merge(lake, *later.values())
    assert rows(lake) == settled
    # Merging what lies in the landing store again, in any part and order, is what a re-run does.
    for pulled in ("2024-01-21T08:00:00", "2024-01-21T08:00:00"):
        result = merge(lake, *(both(pulled)[name] for name in again))
        assert (result.snapshot_id, rows(lake)) == (None, settled)


@pytest.mark.parametrize("first_is_later", [True, False])
def test_of_versions_with_one_stamp_the_latest_pulled_wins(lake: Lake, first_is_later: bool) -> None:
    early = version(1, "2024-01-20", pulled="2024-01-21T08:00:00.000001", arrest=False)
    later = version(1, "2024-01-20", pulled="2024-01-21T08:00:00.000002", arrest=True)

    for each in (later, early) if first_is_later else (early, later):
        merge(lake, each)

    assert [row["arrest"] for row in rows(lake)] == [True]
    # A version that lost within its own change day was never what a day ended with.
    assert rows(lake, "crimes_superseded") == []


def test_fractions_of_a_second_count(lake: Lake) -> None:
    merge(lake, version(1, "2024-01-20T10:00:00.124"))
    merge(lake, version(1, "2024-01-20T10:00:00.123", pulled="2024-01-25T08:00:00"))

    assert known(lake) == {1: datetime(2024, 1, 20, 10, 0, 0, 124000)}


def test_an_edit_that_moves_a_crime_to_another_month_leaves_one_row(lake: Lake) -> None:
    merge(lake, version(1, "2024-01-20", "2024-01-05"), version(2, "2024-01-20", "2024-03-05"))
    march = paths(lake)["2024-03"]

    moved = merge(lake, version(1, "2024-01-21", "2023-12-31"))

    assert [(row["id"], row["month"]) for row in rows(lake)] == [(1, date(2023, 12, 1)), (2, date(2024, 3, 1))]
    # January lost its last row: it has no file, and not an empty one.
    assert set(paths(lake)) == {"2023-12", "2024-03"}
    assert paths(lake)["2024-03"] == march
    assert (moved.rows, moved.replaced, moved.files_removed, moved.files_added, moved.files_skipped) == (2, 1, 1, 1, 1)
    assert [(row["id"], row["month"]) for row in rows(lake, "crimes_superseded")] == [(1, date(2024, 1, 1))]


def test_moving_into_a_month_that_exists_rewrites_both(lake: Lake) -> None:
    merge(lake, *(version(id, "2024-01-20", f"2024-0{month}-05") for id, month in ((1, 1), (2, 1), (3, 2), (4, 3))))
    before = paths(lake)

    moved = merge(lake, version(1, "2024-01-21", "2024-02-07"))

    assert [(row["id"], row["month"].month) for row in rows(lake)] == [(1, 2), (2, 1), (3, 2), (4, 3)]
    assert {month for month, path in paths(lake).items() if before[month] != path} == {"2024-01", "2024-02"}
    assert (moved.files_removed, moved.files_added, moved.files_skipped) == (2, 2, 1)


def test_only_months_that_change_are_written(lake: Lake) -> None:
    merge(lake, *(version(month, "2024-01-20", f"2023-{month:02}-05") for month in range(1, 13)))
    before = paths(lake)

    # One id of March is there already, one loses, one of May is new, one of July changes.
    result = merge(
        lake,
        version(3, "2024-01-20", "2023-03-05"),
        version(4, "2024-01-19", "2023-04-05"),
        version(50, "2024-01-21", "2023-05-31T23:59:59.999"),
        version(7, "2024-01-21", "2023-07-05", arrest=True),
    )

    assert {month for month, path in paths(lake).items() if before[month] != path} == {"2023-05", "2023-07"}
    assert (result.delivered, result.inserted, result.replaced, result.superseded) == (4, 1, 1, 2)
    assert (result.files_removed, result.files_added, result.files_skipped) == (2, 2, 10)
    assert result.rows == len(rows(lake)) == 13


def test_data_files_are_sorted_inside(lake: Lake) -> None:
    times = random.Random(1).sample(range(24), 10)
    merge(lake, *(version(id, "2024-01-20", f"2024-01-05T{hour:02}:00:00.000") for id, hour in enumerate(times)))

    table = tables.load(lake, "chicago", "crimes")

    assert table is not None
    assert [row["hour"] for row in table.scan().to_arrow().to_pylist()] == sorted(times)


def test_what_iceberg_readers_see_is_what_we_see(lake: Lake) -> None:
    merge(lake, version(1, "2024-01-20"), version(2, "2024-01-20", "2024-02-29T23:00:00.000"))
    table = tables.load(lake, "chicago", "crimes")

    assert table is not None
    assert table.format_version == 2
    assert [str(field.transform) for field in table.spec().fields] == ["month"]
    assert sorted(table.scan().to_arrow().to_pylist(), key=lambda row: row["id"]) == rows(lake)
    found = table.scan(row_filter="occurred_at >= '2024-02-01T00:00:00'").to_arrow().to_pylist()
    assert [row["id"] for row in found] == [2]


def test_snapshots_say_what_they_did(lake: Lake) -> None:
    merging.merge_deliveries(lake, CHICAGO, [version(1, "2024-01-20"), version(2, "2024-01-18")], {"run-id": "r1"})
    first = properties(lake)
    merging.merge_deliveries(lake, CHICAGO, [version(1, "2024-01-25"), version(1, "2024-01-23")], {"run-id": "r2"})

    said = {"kind": "days", "superseded": "0"}
    assert first == {**said, "first-changed-day": "2024-01-18", "inserted": "2", "replaced": "0", "run-id": "r1"}
    assert properties(lake) == {
        "kind": "days",
        # Version 23 became visible with it, on the days from 23 to 24.
        "first-changed-day": "2024-01-23",
        "inserted": "0",
        "replaced": "1",
        "superseded": "2",
        "run-id": "r2",
    }
    assert properties(lake, "crimes_superseded") == {
        "kind": "superseded",
        "rows": "2",
        "first-changed-day": "2024-01-23",
    }


def test_a_row_that_is_replaced_changes_nothing_before_the_change(lake: Lake) -> None:
    merge(lake, version(1, "2018-02-10", "2018-01-05"))

    merge(lake, version(1, "2024-01-25", "2018-01-05"))

    # Day 2018-02-10 knew the old version, and knows it still.
    assert properties(lake)["first-changed-day"] == "2024-01-25"
    assert properties(lake, "crimes_superseded")["first-changed-day"] == "2024-01-25"


def test_superseded_versions_are_kept_once_and_exactly(lake: Lake) -> None:
    old = version(1, "2024-01-20", block='it\'s "old" \x01 é', latitude=None, ward="0")
    merge(lake, old)
    (kept,) = rows(lake)

    merge(lake, version(1, "2024-01-22"))
    merge(lake, old, old)
    merge(lake, version(1, "2024-01-23"), old, version(1, "2024-01-22"))

    superseded = {row["updated_on"].day: row for row in rows(lake, "crimes_superseded")}
    assert sorted(superseded) == [20, 22]
    assert superseded[20] == kept


def test_of_each_day_only_the_last_version_is_kept(lake: Lake) -> None:
    hours = [version(1, f"2024-01-20T{hour:02}:00:00.000") for hour in (8, 12, 10)]

    result = merge(lake, *hours, version(1, "2024-01-22"))

    assert result.superseded == 1
    assert versions(lake, "crimes_superseded") == [(1, hours[1].md5)]


def test_case_numbers_may_be_shared(lake: Lake) -> None:
    merge(lake, *(version(id, "2024-01-20", case_number="JH1", fbi_code="01A") for id in (1, 2)))

    assert [(row["id"], row["case_number"]) for row in rows(lake)] == [(1, "JH1"), (2, "JH1")]


def test_quarantine_holds_each_record_once(lake: Lake) -> None:
    bad = version(1, "2024-01-20", ward="W")
    damaged = DamagedLine("not JSON", "{'")

    first = merge(lake, bad, bad, damaged, damaged, version(2, "2024-01-20"))
    seen = snapshots(lake, "crimes_quarantine")
    again = merge(lake, bad, damaged, version(1, "2024-01-20", ward="W", pulled="2024-02-01T00:00:00"))
    more = merge(lake, bad, version(3, "2024-01-20", date="x"))

    assert (first.quarantined, again.quarantined, more.quarantined) == (2, 0, 1)
    assert (first.delivered, first.inserted, first.rows) == (5, 1, 1)
    assert len(seen) == 1
    assert [
        (row["reason"], row["id"], row["raw"] == damaged.raw, row["record_md5"]) for row in quarantined(lake)
    ] == sorted(
        [
            ("occurred_at is no time", "3", False, version(3, "2024-01-20", date="x").md5),
            ("not JSON", None, True, damaged.md5),
            ("ward is no whole number", "1", False, bad.md5),
        ]
    )
    assert versions(lake) == [(2, version(2, "2024-01-20").md5)]


def test_a_record_that_is_mended_leaves_its_bad_version_in_quarantine(lake: Lake) -> None:
    merge(lake, version(1, "2024-01-20", ward="W"))
    merge(lake, version(1, "2024-01-21", ward="3"))

    assert [(row["id"], row["ward"]) for row in rows(lake)] == [(1, 3)]
    assert [row["updated_on"] for row in quarantined(lake)] == ["2024-01-20T15:40:00.000"]


def test_an_error_while_reading_deliveries_changes_nothing(lake: Lake) -> None:
    def lines() -> Any:
        yield version(1, "2024-01-20")
        raise LandingError("The delivery x is cut off: deliver its records again.")

    with pytest.raises(LandingError, match="The delivery x is cut off"):
        merging.merge_deliveries(lake, CHICAGO, lines(), {})

    assert tables.names(lake, "chicago") == []


def test_a_version_that_lost_within_its_day_is_not_kept_when_it_comes_again(lake: Lake) -> None:
    morning, noon = version(1, "2024-01-20T08:00:00.000"), version(1, "2024-01-20T12:00:00.000")
    merge(lake, morning)
    merge(lake, noon)
    merge(lake, version(1, "2024-01-22"))

    again = merge(lake, morning, noon)

    assert again.superseded == 0
    assert versions(lake, "crimes_superseded") == [(1, noon.md5)]
    # Alone, without the one it lost to, it is told as well.
    assert merge(lake, morning).superseded == 0


@pytest.mark.slow
def test_any_order_of_any_deliveries_ends_in_what_the_contract_says(tmp_path: Path) -> None:
    lines = random_versions(random.Random(11), 250)
    wanted = sorted(model(lines).items())
    whole = Lake(tmp_path / "whole")
    merge(whole, *lines)

    assert versions(whole) == wanted
    assert len({line.md5 for line in lines}) > 2.5 * len(wanted)
    for seed in range(2):
        lake = Lake(tmp_path / str(seed))
        rng = random.Random(seed)
        for part in deliveries(rng, lines, rng.randint(2, 7)):
            result = merge(lake, *part)
            assert result.rows == len(rows(lake))
        assert without_time(rows(lake)) == without_time(rows(whole))
        before = {name: snapshots(lake, name) for name in tables.names(lake, "chicago")}
        assert merge(lake, *lines).snapshot_id is None
        assert {name: snapshots(lake, name) for name in tables.names(lake, "chicago")} == before
        kept = versions(lake, "crimes_superseded")
        assert len(set(kept)) == len(kept)
        assert not set(kept) & set(wanted)
        assert orphans(lake) == []


@pytest.mark.parametrize("home", ["with space", "o'quote", "per%41cent", "gl[1]ob*", "ünï", 'dou"ble', "back\\slash"])
def test_a_lake_may_live_in_any_directory(tmp_path: Path, home: str) -> None:
    lake = Lake(tmp_path / home)

    merge(lake, *BEFORE)
    merge(lake, *DAY)

    assert [row["id"] for row in rows(lake)] == [1, 2, 3, 4]
    assert {path.name for path in tmp_path.iterdir()} == {home}
