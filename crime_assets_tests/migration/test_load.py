"""Loading: all of it arrives whatever is changed or ended meanwhile, and little is read twice."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from crime_assets.core.errors import LegacyError, SourceForgot, StoreBusy, StoreError
from crime_assets.migration import Chunk, Step, holding
from crime_assets.migration import load as loading
from crime_assets.migration.documents import DocumentMapping
from crime_assets.migration.follow import catch_up
from crime_assets.migration.load import load
from crime_assets.migration.progress import Key, State
from crime_assets_tests.migration.roads import change, filled, quiet, road_of, should_be, there
from crime_assets_tests.migration.tiny import BOTH, CASE, TinyDatabase, TinySnapshot
from crime_assets_tests.migration.tiny_store import TinyStore

CHUNK = 10


class Ended(BaseException):
    """As if the process had ended here: nothing of ours catches it."""


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "ROOTS", CHUNK)


def ended_at(wanted: str, nth: int = 1) -> Callable[[str], None]:
    seen = 0

    def stage(name: str) -> None:
        nonlocal seen
        seen += name == wanted
        if name == wanted and seen == nth:
            raise Ended(name)

    return stage


def at_the_end(steps: list[Step]) -> list[tuple[str, int, int | None]]:
    """What was told last of each: how often it is told depends on the machine."""
    return [(step.what, step.done, step.of) for step in {step.what: step for step in steps}.values()]


def test_all_roots_and_children_become_documents(tmp_path: Path) -> None:
    database, store = filled(25), TinyStore()
    steps: list[Step] = []
    progress = load(road_of(tmp_path, database, store), steps.append)
    assert there(store) == should_be(database)
    tables = database.dump()
    assert progress.state is State.FOLLOWING
    assert progress.done == {"case", "label"}
    assert (progress.documents, progress.rows) == (28, sum(map(len, tables.values())))
    assert at_the_end(steps) == [("cases", 25, 25), ("labels", 3, 3)]


def test_it_is_read_once(tmp_path: Path) -> None:
    database, store = filled(25), TinyStore()
    load(road_of(tmp_path, database, store), quiet)
    assert database.roots_read == 28
    load(road_of(tmp_path, database, store), quiet)
    assert database.roots_read == 28


@pytest.mark.parametrize(
    ("stage", "nth", "told"),
    [
        ("chunk kept", 1, [("cases", 25, 25), ("labels", 3, 3)]),
        ("kind loaded", 1, [("labels", 3, 3)]),
        # Whoever goes on with a later kind does not know how much of it there is already.
        ("chunk kept", 4, [("labels", 0, None)]),
    ],
)
def test_what_is_expected_counts_what_an_earlier_run_kept(
    tmp_path: Path, stage: str, nth: int, told: list[tuple[str, int, int | None]]
) -> None:
    road, steps = road_of(tmp_path, filled(25), TinyStore()), list[Step]()
    with pytest.raises(Ended):
        load(road, quiet, ended_at(stage, nth))
    load(road, steps.append)
    assert at_the_end(steps) == told


STAGES = [
    *(("beginning", 1), ("kept from here", 1), ("begun", 1), ("read", 1), ("read", 3), ("chunk kept", 1)),
    *(("chunk kept", 4), ("changes told", 1), ("changes kept", 1), ("changes kept", 2), ("advanced", 1)),
    *(("kind loaded", 1), ("kind loaded", 2), ("loaded", 1)),
]


@pytest.mark.parametrize(("stage", "nth"), STAGES)
def test_ended_anywhere_it_goes_on_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, nth: int
) -> None:
    monkeypatch.setattr(loading, "FOLLOW_EVERY", 0.0)
    database, store, draw = filled(35), TinyStore(), random.Random(f"{stage} {nth}")
    end = ended_at(stage, nth)

    def changing(name: str) -> None:
        change(database, draw)
        end(name)

    with pytest.raises(Ended):
        load(road_of(tmp_path, database, store), quiet, changing)
    for _ in range(5):
        change(database, draw)
    load(road_of(tmp_path, database, store), quiet)
    assert there(store) == should_be(database)


@pytest.mark.parametrize("nth", range(1, 7))
@pytest.mark.parametrize("stage", ["read", "chunk kept"])
def test_what_is_kept_is_not_read_again(tmp_path: Path, stage: str, nth: int) -> None:
    """Ended at p % of the roots, exactly the others are read; two chunks at most were read in vain before."""
    database, store = filled(60), TinyStore()
    with pytest.raises(Ended):
        load(road_of(tmp_path, database, store), quiet, ended_at(stage, nth))
    before, kept = database.roots_read, len(store.items)
    assert kept == CHUNK * (nth if stage == "chunk kept" else nth - 1)
    # The chunk that was not kept, and one ahead of it.
    assert before <= kept + 2 * CHUNK
    load(road_of(tmp_path, database, store), quiet)
    assert database.roots_read - before == 63 - kept


class Delayed(TinyDatabase):
    """A change of the chunk, committed after it is read and before anybody can keep it."""

    @contextmanager
    def snapshot(self) -> Iterator[TinySnapshot]:
        with super().snapshot() as now:
            yield Changing(self, now)


class Changing(TinySnapshot):
    def __init__(self, database: TinyDatabase, now: TinySnapshot) -> None:
        super().__init__(database, now._tables, now.position)

    def after(self, mapping: DocumentMapping, key: Key | None, rows: int) -> Chunk | None:
        chunk = super().after(mapping, key, rows)
        if chunk and mapping is CASE:
            with self._database.commit() as work:
                for (number,) in zip(chunk.roots["number"].to_pylist(), strict=True):
                    work.put("cases", number=number, title="changed after it was read")
        return chunk


@pytest.mark.parametrize("every", [0.0, 3600.0])
def test_a_chunk_never_overwrites_what_was_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: float
) -> None:
    monkeypatch.setattr(loading, "FOLLOW_EVERY", every)
    database, store = Delayed(), TinyStore()
    database.__dict__.update(filled(45).__dict__)
    load(road_of(tmp_path, database, store), quiet)
    catch_up(road_of(tmp_path, database, store))
    titles = {row["title"] for row in database.dump()["cases"].values()}
    assert titles == {"changed after it was read"}
    assert there(store) == should_be(database)


def test_the_database_need_not_keep_the_changes_of_hours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "FOLLOW_EVERY", 0.0)
    database, store, draw = filled(60), TinyStore(), random.Random(3)
    kept: list[int] = []

    def changing(name: str) -> None:
        if name == "chunk kept":
            kept.append(database.lag().bytes or 0)
            for _ in range(10):
                change(database, draw)

    load(road_of(tmp_path, database, store), quiet, changing)
    assert len(kept) >= 6
    assert max(kept) <= 10
    assert there(store) == should_be(database)


def test_lost_changes_are_told_and_nothing_goes_on_in_silence(tmp_path: Path) -> None:
    database, store = filled(25), TinyStore()
    with pytest.raises(Ended):
        load(road_of(tmp_path, database, store), quiet, ended_at("chunk kept", 2))
    database.lose()
    for _ in range(2):
        with pytest.raises(SourceForgot, match="verify"):
            load(road_of(tmp_path, database, store), quiet)
    assert store.known
    assert store.known.state is State.FORGOTTEN
    with pytest.raises(SourceForgot, match="verify --repair"):
        catch_up(road_of(tmp_path, database, store))


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"cases.ward": "numeric(3,0)"}, "No mapping names cases.ward"),
        ({"cases.title": "numeric(3,0)"}, "cases.title is numeric"),
        ({"cases.title": None}, "There is no column cases.title"),
    ],
)
def test_tables_that_are_altered_meanwhile_end_it(tmp_path: Path, columns: dict[str, str | None], told: str) -> None:
    database, store = filled(25), TinyStore()
    before = dict(database.columns)
    with pytest.raises(Ended):
        load(road_of(tmp_path, database, store), quiet, ended_at("chunk kept", 1))
    database.columns = {name: text for name, text in (before | columns).items() if text is not None}
    with pytest.raises(LegacyError, match=told):
        load(road_of(tmp_path, database, store), quiet)
    database.columns = before
    load(road_of(tmp_path, database, store), quiet)
    assert there(store) == should_be(database)


def test_a_type_that_still_fits_may_have_other_values_now(tmp_path: Path) -> None:
    database, store = filled(5), TinyStore()
    load(road_of(tmp_path, database, store), quiet)
    database.columns["cases.title"] = "character varying(20)"
    change(database, random.Random(1))
    with pytest.raises(SourceForgot, match=r"cases\.title: altered"):
        catch_up(road_of(tmp_path, database, store))
    assert store.known
    assert store.known.state is State.FORGOTTEN


def test_another_mapping_makes_other_documents(tmp_path: Path) -> None:
    database, store = filled(5), TinyStore()
    load(road_of(tmp_path, database, store), quiet)
    others = [replace(CASE, derived=(("upper", "upper(title)"),)), BOTH[1]]
    with pytest.raises(StoreError, match="another mapping"):
        load(road_of(tmp_path, database, store, others), quiet)


def test_two_at_once_do_not_load(tmp_path: Path) -> None:
    database, store = filled(5), TinyStore()
    with holding.holding(road_of(tmp_path, database, store)), pytest.raises(StoreBusy):
        load(road_of(tmp_path, database, store), quiet)


def test_a_document_that_no_item_holds_is_set_aside_until_it_fits(tmp_path: Path) -> None:
    database, store = filled(5), TinyStore()
    long = "x" * 2_100
    with database.commit() as work:
        work.put("labels", list="iucr", code=long, title="too long a key")
    load(road_of(tmp_path, database, store), quiet)
    assert [one.id for one in store.aside()] == [f"label#iucr#{long}"]
    assert len(store.items) == 8
    with database.commit() as work:
        work.move("labels", "iucr", long, code="short")
    catch_up(road_of(tmp_path, database, store))
    assert store.aside() == []
    assert there(store) == should_be(database)
