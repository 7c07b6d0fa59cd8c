"""A history settles whole or not at all, a source that shrank is not believed, and a history can be loaded anew."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from crime_assets.core.errors import CrimeAssetsError, FeedError, Untypable
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.writing import reload as reloading
from crime_assets.lakehouse.writing.history import history_before, history_undated
from crime_assets.lakehouse.writing.reload import ReloadResult, reload_history
from crime_assets.lakehouse.writing.settling import check_total, check_typed, most_lacking
from crime_assets.sources.feeds import EARLY
from crime_assets_tests.build import CHICAGO, envelope, record
from crime_assets_tests.lakehouse.lakes import ListFeed, merge, quarantined, rows, snapshots, versions
from crime_assets_tests.lakehouse.writing.test_history import BEFORE, load, nothing_is_left

pytestmark = pytest.mark.slow

GOOD = [record(n, "2024-01-10", f"2024-01-{1 + n % 28:02}") for n in range(200)]


class Files(ListFeed):
    """A feed that can be a part of what it was."""

    def __init__(self, records: Sequence[Mapping[str, object]]) -> None:
        super().__init__(records, part_rows=40)
        self._total = len(records)

    def total(self) -> int:
        return self._total


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def bad(number: int) -> list[dict[str, object]]:
    return [{**one, "ward": "W"} for one in GOOD[:number]] + GOOD[number:]


@pytest.mark.parametrize(
    ("records", "untyped", "is_settled"),
    [
        (200, 0, True),
        (200, 10, True),
        (200, 11, False),
        (1_000_000, 50_000, True),
        (1_000_000, 50_001, False),
        (40, 9, True),
        (40, 10, False),
        (10, 5, True),
        (10, 6, False),
        (1, 1, False),
        (0, 0, True),
    ],
)
def test_a_small_share_may_be_in_quarantine(records: int, untyped: int, is_settled: bool) -> None:
    reasons = {"ward is no whole number; ": untyped} if untyped else {}
    if is_settled:
        check_typed(CHICAGO, records, reasons)
    else:
        with pytest.raises(Untypable, match=f"Of the {records:,} records of Chicago's history {untyped:,} cannot"):
            check_typed(CHICAGO, records, reasons)


def test_records_of_days_to_come_do_not_count() -> None:
    check_typed(CHICAGO, 160, {EARLY: 89, "ward is no whole number": 3})
    with pytest.raises(Untypable, match="Of the 7 records of Chicago's history 4 cannot be typed"):
        check_typed(CHICAGO, 160, {EARLY: 153, "ward is no whole number": 4})


def test_reasons_are_counted_the_commonest_first() -> None:
    with pytest.raises(Untypable, match=r"typed: b \(3\), a \(2\), c \(2\) and 2 other reasons[.] At most 5% may be"):
        check_typed(CHICAGO, 10, {"a": 2, "b": 3, "c": 2, "d; ": 1, "e": 1})


def test_a_history_that_cannot_be_typed_leaves_nothing_and_the_mended_one_is_whole(lake: Lake) -> None:
    with pytest.raises(Untypable, match=r"ward is no whole number \(11\)"):
        load(lake, ListFeed(bad(11)))

    assert (rows(lake), quarantined(lake), snapshots(lake), history_before(lake, CHICAGO)) == ([], [], [], None)
    assert nothing_is_left(lake)

    result = load(lake, ListFeed(GOOD))
    assert (result.records, result.rows, result.quarantined) == (200, 200, 0)
    assert quarantined(lake) == []


@pytest.mark.parametrize(
    ("rows", "most"), [(0, 0), (1, 0), (2, 0), (3, 1), (24, 11), (201, 100), (20_000, 100), (10**6, 5000)]
)
def test_a_source_may_lack_half_a_per_cent_or_less_than_half_of_a_few(rows: int, most: int) -> None:
    assert most_lacking(rows) == most


def test_a_source_that_shrank_is_not_taken(lake: Lake) -> None:
    load(lake, ListFeed(GOOD))
    check_total(lake, CHICAGO, Files(GOOD[:101]))
    with pytest.raises(
        FeedError, match=r"has only 100 records, but the lake has 200 crimes .*: fetch the whole export"
    ):
        check_total(lake, CHICAGO, Files(GOOD[:100]))


def test_a_source_of_which_nothing_is_in_the_lake_has_not_shrunk(lake: Lake) -> None:
    check_total(lake, CHICAGO, Files([]))


def test_a_history_loaded_anew_puts_right_what_the_first_lacked(lake: Lake) -> None:
    """What the first load did not have comes in, what it had wrong is replaced, what came since stays."""
    first = [*GOOD[:120], *({**one, "block": "WRONG"} for one in GOOD[120:150])]
    load(lake, ListFeed(first))
    edited = record(3, "2024-02-02", "2024-01-04", block="EDITED")
    merge(lake, envelope(edited, "2024-02-02"), envelope(record(999, "2024-02-02"), "2024-02-02"))

    done = reload_history(lake, CHICAGO, Files(GOOD), "r2")

    assert done == ReloadResult(records=200, inserted=50, replaced=30, superseded=0, quarantined=0)
    blocks = {row["id"]: row["block"] for row in rows(lake)}
    assert sorted(blocks) == [*range(200), 999]
    assert blocks[3] == "EDITED"
    assert {blocks[number] for number in range(120, 150)} == {GOOD[0]["block"]}
    before = snapshots(lake)
    assert reload_history(lake, CHICAGO, Files(GOOD), "r3") == ReloadResult(200, 0, 0, 0, 0)
    assert snapshots(lake) == before, "what changes nothing makes no snapshot"


def test_a_broken_off_reload_is_done_by_the_next(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    load(lake, ListFeed(GOOD[:10]))
    merge_typed, done = reloading.merge_typed, []

    def dying(*arguments: object) -> object:
        if len(done) == 1:
            raise KeyboardInterrupt
        done.append(1)
        return merge_typed(*arguments)

    monkeypatch.setattr(reloading, "_PARTS_TOGETHER", 2)
    with monkeypatch.context() as patch:
        patch.setattr(reloading, "merge_typed", dying)
        with pytest.raises(KeyboardInterrupt):
            reload_history(lake, CHICAGO, Files(GOOD), "r2")
    assert 10 < len(rows(lake)) < 200, "a whole lake, with some of it"

    reload_history(lake, CHICAGO, Files(GOOD), "r3")

    other = Lake(lake.home.with_name("other"))
    load(other, ListFeed(GOOD))
    assert versions(lake) == versions(other)


def test_a_reload_refuses_what_a_load_refuses_and_changes_nothing(lake: Lake) -> None:
    load(lake, ListFeed(GOOD))
    before = rows(lake), snapshots(lake)

    with pytest.raises(Untypable):
        reload_history(lake, CHICAGO, Files(bad(60)), "r2")
    with pytest.raises(FeedError, match="has only 90 records, but the lake has 200"):
        reload_history(lake, CHICAGO, Files(GOOD[:90]), "r2")

    assert (rows(lake), snapshots(lake)) == before
    assert quarantined(lake) == []


def test_what_belongs_to_no_day_is_counted_anew(lake: Lake) -> None:
    load(lake, ListFeed([*GOOD[:150], {**GOOD[150], "updated_on": "once"}]))
    assert history_undated(lake, CHICAGO) == 1
    reload_history(lake, CHICAGO, Files(GOOD), "r2")
    assert history_undated(lake, CHICAGO) == 0


def test_there_must_be_a_history_to_load_it_anew(lake: Lake) -> None:
    with pytest.raises(CrimeAssetsError, match="no history yet"):
        reload_history(lake, CHICAGO, Files(GOOD), "r1")


@pytest.mark.parametrize("seed", range(3))
def test_a_reload_after_any_first_load_and_any_day_is_the_lake_that_was_loaded_right(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    some = [one for one in GOOD if chance.random() < 0.7]
    wrong = [{**one, "block": "WRONG"} if chance.random() < 0.2 else one for one in some]
    day = [record(n, "2024-02-02", "2024-01-05", block=f"D{n}") for n in chance.sample(range(250), 30)]
    mended, right = Lake(tmp_path / "mended"), Lake(tmp_path / "right")
    for lake, history in ((mended, wrong), (right, GOOD)):
        load(lake, ListFeed(history))
        merge(lake, *(envelope(one, "2024-02-02") for one in day))

    reload_history(mended, CHICAGO, Files(GOOD), "r2")

    assert versions(mended) == versions(right)
    assert history_before(mended, CHICAGO) == BEFORE
