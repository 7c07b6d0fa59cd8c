"""What no item holds blocks an export until its row is mended, by whichever step that arrives; no step forgets it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from crime_assets.core.errors import StoreError
from crime_assets.migration import DocumentStore, Road
from crime_assets.migration import load as loading
from crime_assets.migration.export import export
from crime_assets.migration.finish import finish
from crime_assets.migration.follow import catch_up
from crime_assets.migration.load import load
from crime_assets.migration.status import status
from crime_assets.migration.stores import FIRST
from crime_assets.migration.stores.sqlite import SqliteStore
from crime_assets.migration.verify import verify
from crime_assets_tests.migration.roads import filled, quiet, road_of
from crime_assets_tests.migration.stores.test_contract import dynamo_store
from crime_assets_tests.migration.test_load import Ended, ended_at
from crime_assets_tests.migration.throttling import Throttling
from crime_assets_tests.migration.tiny import TinyDatabase

LONG = "x" * 2_100
"""Of a key: an item's may have 2,048 bytes."""


@dataclass
class Trouble:
    """A row that no item holds, and how it is mended."""

    database: TinyDatabase
    store: DocumentStore
    make: Callable[[], None]
    mend: Callable[[], None]
    id: str


@pytest.fixture(params=["sqlite", pytest.param("dynamodb", marks=pytest.mark.slow)])
def trouble(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trouble]:
    """By our own limits, or because DynamoDB refuses it."""
    monkeypatch.setattr(loading, "ROOTS", 10)
    database = filled(25)

    def put(title: str) -> None:
        with database.commit() as work:
            work.put("cases", number="7", title=title)

    if request.param == "sqlite":

        def make() -> None:
            with database.commit() as work:
                work.put("labels", list="iucr", code=LONG, title="a key too long")

        def shorten() -> None:
            with database.commit() as work:
                work.move("labels", "iucr", LONG, code="short")

        yield Trouble(database, SqliteStore(tmp_path / "documents.db"), make, shorten, f"label#iucr#{LONG}")
        return
    strict = Throttling(seed=7, behind=request.getfixturevalue("moto"), busy=0)

    def refuse() -> None:
        strict.poisoned.add(("case#7", FIRST))
        put("refused")

    def take() -> None:
        strict.poisoned.clear()
        put("mended")

    with strict.serving() as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", address)
        yield Trouble(database, dynamo_store(), refuse, take, "case#7")


def blocked(road: Road, trouble: Trouble) -> None:
    assert [one.id for one in road.store.aside()] == [trouble.id]
    found = verify(road, False, quiet)
    assert (found.verified, [one.id for one in found.named]) == (None, [trouble.id])
    for step in (export, finish):
        with pytest.raises(StoreError, match="verif"):
            step(road)
    assert any(said.startswith("Set aside, for no item can hold them: 1.") for said in status(road))


def exported(road: Road) -> None:
    assert road.store.aside() == []
    found = verify(road, False, quiet).verified
    assert found
    assert export(road).items == found.items == sum(road.store.census(["case", "label"]).counts.values())


def test_a_load_that_goes_on_releases_it(trouble: Trouble, tmp_path: Path) -> None:
    road = road_of(tmp_path, trouble.database, trouble.store)
    trouble.make()
    with pytest.raises(Ended):
        load(road, quiet, ended_at("kind loaded", 2))
    assert [one.id for one in road.store.aside()] == [trouble.id]
    trouble.mend()
    load(road, quiet)
    exported(road)


def test_a_chunk_that_is_read_again_releases_it(trouble: Trouble, tmp_path: Path) -> None:
    road = road_of(tmp_path, trouble.database, trouble.store)
    trouble.make()
    # What is read is set aside before it is kept: then the process ends, and the row is mended.
    put = road.store.put
    road.store.put = _ended_behind(put, road.store)
    with pytest.raises(Ended):
        load(road, quiet)
    road.store.put = put
    assert [one.id for one in road.store.aside()] == [trouble.id]
    trouble.mend()
    load(road, quiet)
    exported(road)


def _ended_behind(put: Callable[..., None], store: DocumentStore) -> Callable[..., None]:
    def ending(*given: object) -> None:
        if store.aside():
            raise Ended
        put(*given)
        if store.aside():
            raise Ended

    return ending


@pytest.mark.parametrize("is_loaded_before", [False, True])
def test_following_releases_it(trouble: Trouble, tmp_path: Path, is_loaded_before: bool) -> None:
    road = road_of(tmp_path, trouble.database, trouble.store)
    if is_loaded_before:
        load(road, quiet)
    trouble.make()
    if is_loaded_before:
        catch_up(road)
    else:
        load(road, quiet)
    blocked(road, trouble)
    trouble.mend()
    catch_up(road)
    exported(road)


def test_repairing_after_lost_changes_releases_it(trouble: Trouble, tmp_path: Path) -> None:
    road = road_of(tmp_path, trouble.database, trouble.store)
    trouble.make()
    load(road, quiet)
    blocked(road, trouble)
    assert verify(road, True, quiet).verified is None, "its row is not mended"
    blocked(road, trouble)
    trouble.mend()
    trouble.database.lose()
    assert verify(road, True, quiet).verified
    exported(road)
