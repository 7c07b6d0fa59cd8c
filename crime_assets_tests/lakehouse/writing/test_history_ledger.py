"""A history load that was broken off goes on where it was, and ends row for row like one that was not."""

from __future__ import annotations

import json
import os
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from crime_assets.core.errors import FeedUnavailable
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.writing import history
from crime_assets.lakehouse.writing.history import HistoryResult, history_before
from crime_assets.sources.feeds import DAMAGE, RAW
from crime_assets_tests.build import CHICAGO, record
from crime_assets_tests.lakehouse.lakes import ListFeed, orphans, properties, quarantined, rows, snapshots
from crime_assets_tests.lakehouse.writing.test_history import load, nothing_is_left
from crime_assets_tests.lakehouse.writing.versions import Crash, interrupted, random_versions, without_time

pytestmark = pytest.mark.slow

_RNG = random.Random(7)
RECORDS = [line.record for line in random_versions(_RNG, 6)]
RECORDS += [{DAMAGE: "too many fields", RAW: "1,2,3"}, record(70, "2024-01-10", ward="W"), {DAMAGE: "cut", RAW: "1,"}]
_RNG.shuffle(RECORDS)
RECORDS = RECORDS[:21]
PARTS = 7
GONE = FeedUnavailable("The portal did not answer: run again later.")


@dataclass(frozen=True)
class Loaded:
    """What a load leaves."""

    result: HistoryResult
    crimes: list[dict[str, Any]]
    quarantine: list[dict[str, Any]]


def loaded(lake: Lake, feed: ListFeed) -> Loaded:
    """Load to the end, and see that nothing else is left of it."""
    result = load(lake, feed)
    assert len(snapshots(lake)) == 1
    assert result.snapshot_id == snapshots(lake)[0]
    assert nothing_is_left(lake)
    return Loaded(
        HistoryResult(result.loaded, result.records, result.rows, result.duplicates, result.quarantined),
        without_time(rows(lake)),
        without_time(quarantined(lake)),
    )


def broken_off(lake: Lake, breaks_at: int, **options: str) -> list[str]:
    """A load that breaks off at a part; nothing of it is seen. Returns the parts that were read."""
    feed = ListFeed(RECORDS, GONE, breaks_at=breaks_at, **options)
    with pytest.raises(FeedUnavailable):
        load(lake, feed)
    assert (rows(lake), quarantined(lake), snapshots(lake)) == ([], [], [])
    assert history_before(lake, CHICAGO) is None
    return feed.asked


def named(*parts: int) -> list[str]:
    return [str(part) for part in parts]


def ledger(lake: Lake) -> Path:
    return lake.staging / "history-chicago" / "done.jsonl"


def line_of(lake: Lake, part: int) -> dict[str, Any]:
    """What is written down of a part."""
    lines = [json.loads(line) for line in ledger(lake).read_text().splitlines() if line]
    return next(line for line in lines if line["parts"] == [str(part)])


@pytest.fixture(autouse=True)
def _one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part at a time, so that it is known which are done."""
    monkeypatch.setattr(history, "_PARTS_TOGETHER", 1)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    found = loaded(Lake(tmp_path_factory.mktemp("undisturbed")), ListFeed(RECORDS))
    assert (found.result.rows, found.result.quarantined) == (len(found.crimes), len(found.quarantine))
    assert found.result.rows > 3 < found.result.duplicates
    return found


@pytest.mark.parametrize("breaks_at", [0, 1, 4, PARTS - 1, PARTS])
def test_it_goes_on_after_any_number_of_parts(lake: Lake, undisturbed: Loaded, breaks_at: int) -> None:
    if breaks_at == PARTS:
        with pytest.raises(Crash):
            load(lake, ListFeed(RECORDS, Crash()))
    else:
        assert broken_off(lake, breaks_at) == named(*range(breaks_at))

    feed = ListFeed(RECORDS)
    assert loaded(Lake(lake.home), feed) == undisturbed
    assert feed.asked == named(*range(breaks_at, PARTS))
    assert properties(lake)["history-undated"] == "2"


def test_it_may_be_broken_off_again_and_again(lake: Lake, undisturbed: Loaded) -> None:
    asked = [broken_off(lake, breaks_at) for breaks_at in (1, 1, 4, 6)]
    feed = ListFeed(RECORDS)

    assert loaded(lake, feed) == undisturbed
    assert [*asked, feed.asked] == [named(0), named(), named(1, 2, 3), named(4, 5), named(6)]


def test_all_of_a_history_was_pulled_when_it_was_begun(lake: Lake) -> None:
    broken_off(lake, 4)
    load(lake, ListFeed(RECORDS))

    assert len({row["ingested_at"] for row in [*rows(lake), *quarantined(lake)]}) == 1


def test_parts_that_were_typed_together_are_done_together(
    lake: Lake, undisturbed: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "_PARTS_TOGETHER", 3)
    broken_off(lake, 5)
    feed = ListFeed(RECORDS)

    assert loaded(lake, feed) == undisturbed
    assert feed.asked == named(3, 4, 5, 6)


def test_what_other_threads_have_done_counts(lake: Lake, undisturbed: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    done = broken_off(lake, 4)
    feed = ListFeed(RECORDS)

    assert loaded(lake, feed) == undisturbed
    assert (sorted(done), sorted(feed.asked)) == (named(0, 1, 2, 3), named(4, 5, 6))


@pytest.mark.parametrize("cut", [1, 2])
def test_a_line_that_was_cut_off_is_a_part_that_is_not_done(lake: Lake, undisturbed: Loaded, cut: int) -> None:
    broken_off(lake, 3)
    written = ledger(lake).read_bytes()
    ledger(lake).write_bytes(written[:-cut])
    # The end of its line is all that such a part may lack.
    again = [2] if cut > 1 else []

    assert broken_off(lake, 5) == named(*again, 3, 4)
    feed = ListFeed(RECORDS)
    assert loaded(lake, feed) == undisturbed
    assert feed.asked == named(5, 6)


def test_what_a_power_cut_left_of_the_ledger_is_no_harm(lake: Lake, undisturbed: Loaded) -> None:
    broken_off(lake, 3)
    ledger(lake).write_bytes(ledger(lake).read_bytes() + b"\0" * 100)

    assert broken_off(lake, 5) == named(3, 4)
    assert loaded(lake, ListFeed(RECORDS)) == undisturbed


@pytest.mark.parametrize("kind", ["data", "rejects"])
def test_a_part_whose_file_is_gone_is_not_done(lake: Lake, undisturbed: Loaded, kind: str) -> None:
    broken_off(lake, PARTS - 1)
    part = next(part for part in range(PARTS - 1) if kind == "data" or line_of(lake, part)["rejects"])
    line = line_of(lake, part)
    place = ledger(lake).parent if kind == "rejects" else lake.warehouse / "chicago" / "crimes" / "data"
    (place / (line["rejects"] if kind == "rejects" else min(line["files"].values()))).unlink()
    feed = ListFeed(RECORDS)

    assert loaded(lake, feed) == undisturbed
    assert feed.asked == named(part, PARTS - 1)


def test_files_of_a_load_that_was_broken_off_are_no_rows_and_none_is_left_in_the_end(
    lake: Lake, undisturbed: Loaded
) -> None:
    broken_off(lake, 4)
    written = orphans(lake)
    assert len(written) > 4
    table = tables.load(lake, "chicago", "crimes")
    assert table is not None
    half = [tables.new_data_path(table, "occurred_month=2024-01"), ledger(lake).with_name("half.parquet")]
    for path in half:
        path.write_bytes(b"PAR1 half a file")

    broken_off(lake, 5)
    assert set(orphans(lake)) > set(written)
    assert not any(path.exists() for path in half)
    assert loaded(lake, ListFeed(RECORDS)) == undisturbed


def test_another_source_begins_anew(lake: Lake, undisturbed: Loaded) -> None:
    others = [record(id, "2024-01-11", "2019-07-05") for id in range(500, 510)]
    with pytest.raises(FeedUnavailable):
        load(lake, ListFeed(others, GONE, source="another"))
    written = orphans(lake)
    assert written
    feed = ListFeed(RECORDS)

    assert loaded(lake, feed) == undisturbed
    assert feed.asked == feed.parts
    assert not any(map(os.path.exists, written))


@pytest.mark.parametrize(
    "begun",
    [
        "",
        "[]",
        '{"format": 1, "source": "list", "pulled_at": "yesterday"}',
        '{"format": 0, "source": "list", "pulled_at": "2024-01-21T08:00:00+00:00"}',
    ],
)
def test_a_load_of_which_is_not_known_what_it_was_begins_anew(lake: Lake, undisturbed: Loaded, begun: str) -> None:
    broken_off(lake, 4)
    ledger(lake).with_name("begun.json").write_text(begun)
    feed = ListFeed(RECORDS)

    assert loaded(lake, feed) == undisturbed
    assert feed.asked == feed.parts


@pytest.mark.parametrize("name", ["crimes_quarantine", "crimes"])
def test_nothing_is_read_again_after_a_crash_at_the_end(
    lake: Lake, undisturbed: Loaded, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(tables, "commit", interrupted(name, "before"))
        with pytest.raises(Crash):
            load(lake, ListFeed(RECORDS))
    feed = ListFeed(RECORDS)
    load(lake, feed)

    assert feed.asked == []
    assert without_time(rows(lake)) == undisturbed.crimes
    assert without_time(quarantined(lake)) == undisturbed.quarantine
    assert not [path for path in orphans(lake) if "/crimes/" in path]
