"""Following: each kind of change arrives, also twice, and a step that is ended in between loses none."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from crime_assets.core.errors import SourceForgot, StoreError
from crime_assets.migration import Road, Step, follow
from crime_assets.migration.finish import finish
from crime_assets.migration.follow import catch_up, follow_once
from crime_assets.migration.holding import holding
from crime_assets.migration.load import load
from crime_assets.migration.progress import State, Verified
from crime_assets.migration.verify import verify
from crime_assets_tests.migration.roads import NOW, change, filled, quiet, road_of, should_be, there
from crime_assets_tests.migration.test_load import Ended, ended_at
from crime_assets_tests.migration.tiny import TinyDatabase, Work
from crime_assets_tests.migration.tiny_store import TinyStore


@pytest.fixture
def database() -> TinyDatabase:
    return filled(30)


@pytest.fixture
def store() -> TinyStore:
    return TinyStore()


@pytest.fixture
def road(tmp_path: Path, database: TinyDatabase, store: TinyStore) -> Road:
    road = road_of(tmp_path, database, store)
    load(road, quiet)
    return road


def _swap(work: Work) -> None:
    first, second = work.tables["cases"]["1",], work.tables["cases"]["2",]
    work.put("cases", **{**first, "number": "2"})
    work.put("cases", **{**second, "number": "1"})


def _again(work: Work) -> None:
    work.delete("cases", "3")
    work.put("cases", number="3", title="again")


def _emptied(work: Work) -> None:
    work.truncate("cases")
    work.truncate("notes")
    work.put("cases", number="7", title="after it was emptied")


CHANGES: dict[str, Callable[[Work], None]] = {
    "insert": lambda work: work.put("cases", number="99", title="new"),
    "update": lambda work: work.put("cases", number="1", title="changed"),
    "delete": lambda work: work.delete("cases", "1"),
    "another key": lambda work: work.move("cases", "1", number="98"),
    "swap": _swap,
    "deleted and inserted": _again,
    "child": lambda work: work.put("notes", case_number="1", line="9", text="new"),
    "child moves": lambda work: [
        work.put("notes", case_number="1", line="9", text="moves"),
        work.move("notes", "1", "9", case_number="2"),
    ][0],
    "child without a root": lambda work: work.put("notes", case_number="500", line="1", text="nobody's"),
    "emptied": _emptied,
    "key of two texts": lambda work: work.move("labels", "iucr", "a#b", list="a", code="#b"),
}


@pytest.mark.parametrize("name", [*CHANGES])
def test_each_kind_of_change_arrives(road: Road, database: TinyDatabase, store: TinyStore, name: str) -> None:
    with database.commit() as work:
        CHANGES[name](work)
    assert catch_up(road) > 0
    assert there(store) == should_be(database)
    assert store.known
    assert store.known.position == database.position


@pytest.mark.parametrize("step", [catch_up, finish])
def test_a_table_that_was_replaced_is_noticed_although_nothing_changed(
    road: Road, database: TinyDatabase, store: TinyStore, step: Callable[[Road], object]
) -> None:
    verify(road, False, quiet)
    database.identities["labels"] = "another one"
    with pytest.raises(SourceForgot, match=r"^labels: altered or replaced.*verify --repair"):
        step(road)
    assert store.known
    assert (store.known.state, store.known.verified) == (State.FORGOTTEN, None)
    assert verify(road, True, quiet).verified
    assert catch_up(road) == 0


def test_a_root_that_comes_after_its_child_has_it(road: Road, database: TinyDatabase, store: TinyStore) -> None:
    with database.commit() as work:
        work.put("notes", case_number="500", line="1", text="first")
    catch_up(road)
    with database.commit() as work:
        work.put("cases", number="500", title="then")
    catch_up(road)
    assert there(store) == should_be(database)


@pytest.mark.parametrize("stage", ["changes told", "changes kept", "advanced"])
def test_ended_anywhere_nothing_is_lost(
    road: Road, database: TinyDatabase, store: TinyStore, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    monkeypatch.setattr(follow, "ROOTS", 3)
    draw = random.Random(stage)
    for _ in range(20):
        change(database, draw)
    with pytest.raises(Ended):
        catch_up(road, ended_at(stage))
    for _ in range(5):
        change(database, draw)
    catch_up(road)
    assert there(store) == should_be(database)
    assert database.lag().bytes == 0


def test_a_position_is_kept_with_the_last_of_its_documents(
    road: Road, database: TinyDatabase, store: TinyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "ROOTS", 2)
    with database.commit() as work:
        for number in range(1, 8):
            work.put("cases", number=str(number), title="changed")
    before = store.known
    assert before
    with pytest.raises(Ended):
        catch_up(road, ended_at("changes kept", 3))
    assert store.known
    assert store.known.position == before.position
    assert database.lag().bytes == 1


def test_up_to_a_snapshot_is_what_the_snapshot_shows(road: Road, database: TinyDatabase, store: TinyStore) -> None:
    draw = random.Random(1)
    for _ in range(10):
        change(database, draw)
    expected = should_be(database)
    with database.exact(1) as snapshot, holding(road) as held:
        for _ in range(10):
            change(database, draw)
        follow_once(held, snapshot)
        assert held.progress.position == snapshot.position
    assert there(store) == expected
    catch_up(road)
    assert there(store) == should_be(database)


def test_a_large_transaction_is_read_in_pieces(
    road: Road, database: TinyDatabase, store: TinyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "ROOTS", 500)
    with database.commit() as work:
        for number in range(100, 2_100):
            work.put("cases", number=str(number), title="one of many")
    pieces: list[str] = []
    assert catch_up(road, pieces.append) == 2_000
    assert pieces.count("changes kept") == 4
    assert there(store) == should_be(database)


def test_what_was_verified_stays_so_until_something_changes(
    road: Road, database: TinyDatabase, store: TinyStore
) -> None:
    verified = Verified(database.position, 1, 2, 3, 4, NOW)
    with holding(road) as held:
        held.keep(verified=verified)
    with database.commit():
        pass
    assert catch_up(road) == 0
    assert store.known
    assert store.known.verified
    assert store.known.verified.position == store.known.position == database.position
    with database.commit() as work:
        work.put("cases", number="1", title="changed")
    # Also if it is ended before its end.
    with pytest.raises(Ended):
        catch_up(road, ended_at("changes kept"))
    assert store.known.verified is None


def test_it_follows_until_it_is_stopped(
    road: Road, database: TinyDatabase, store: TinyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "_POLL", 0.001)
    stop, draw, looks = threading.Event(), random.Random(1), 0
    steps: list[Step] = []

    def stage(name: str) -> None:
        nonlocal looks
        looks += name == "changes told"
        if name == "changes told" and looks <= 3:
            # Nobody has looked for it yet.
            change(database, draw)
        if name == "changes told" and looks == 3:
            stop.set()

    count = follow.follow(road, stop, steps.append, stage)
    assert looks == 4
    assert there(store) == should_be(database)
    assert steps[-1].done == count > 0


def test_before_a_load_has_ended_it_does_not_begin(tmp_path: Path, database: TinyDatabase, store: TinyStore) -> None:
    road = road_of(tmp_path, database, store)
    with pytest.raises(StoreError, match="legacy load"):
        catch_up(road)
    with pytest.raises(Ended):
        load(road, quiet, ended_at("begun"))
    with pytest.raises(StoreError, match="legacy load"):
        catch_up(road)


def test_lost_changes_are_told_with_what_to_do(road: Road, database: TinyDatabase, store: TinyStore) -> None:
    database.lose()
    with pytest.raises(SourceForgot, match="repair"):
        catch_up(road)
    assert store.known
    assert store.known.state is State.FORGOTTEN


def test_a_document_of_no_root_does_not_stop_it(road: Road, database: TinyDatabase, store: TinyStore) -> None:
    store.items["case#%", "-"] = "{}"
    with database.commit() as work:
        work.truncate("cases")
    catch_up(road)
    assert [name for name, _ in store.items if name.startswith("case")] == ["case#%"]
