"""Finishing leaves nothing behind, and only when nothing can be missing; the status says how far it is."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from crime_assets.core.errors import LegacyError, SourceForgot, StoreError
from crime_assets.migration import Lag, Quarantined, Road
from crime_assets.migration.finish import finish
from crime_assets.migration.follow import catch_up
from crime_assets.migration.load import load
from crime_assets.migration.progress import State
from crime_assets.migration.status import status
from crime_assets.migration.verify import verify
from crime_assets_tests.migration.roads import change, filled, quiet, road_of
from crime_assets_tests.migration.test_load import Ended, ended_at
from crime_assets_tests.migration.tiny import TinyDatabase
from crime_assets_tests.migration.tiny_store import TinyStore


@pytest.fixture
def database() -> TinyDatabase:
    return filled(20)


@pytest.fixture
def store() -> TinyStore:
    return TinyStore()


@pytest.fixture
def road(tmp_path: Path, database: TinyDatabase, store: TinyStore) -> Road:
    road = road_of(tmp_path, database, store)
    load(road, quiet)
    assert verify(road, False, quiet).verified
    return road


def test_nothing_is_left_in_the_database(road: Road, database: TinyDatabase, store: TinyStore) -> None:
    assert finish(road) == ["Changes are no longer kept."]
    assert database.lag() == Lag(0, "lost")
    assert finish(road) == []
    assert store.known
    assert store.known.state is State.FINISHED
    with pytest.raises(StoreError, match="finished"):
        catch_up(road)
    with pytest.raises(StoreError, match="finished"):
        load(road, quiet)


@pytest.mark.parametrize("stage", ["finished", "removed"])
def test_ended_in_between_it_can_be_finished(road: Road, database: TinyDatabase, stage: str) -> None:
    with pytest.raises(Ended):
        finish(road, ended_at(stage))
    finish(road)
    assert database.lag() == Lag(0, "lost")


def test_changes_that_nobody_has_followed_forbid_it(road: Road, database: TinyDatabase) -> None:
    change(database, random.Random(1))
    with pytest.raises(StoreError, match="has changed since"):
        finish(road)
    catch_up(road)
    with pytest.raises(StoreError, match="not verified as they are now"):
        finish(road)
    assert database.lag().state == "kept"
    assert verify(road, False, quiet).verified
    assert finish(road)


def test_what_is_set_aside_forbids_it(road: Road, store: TinyStore) -> None:
    store.set_aside([Quarantined("case#1", "DynamoDB refused it", "{}")])
    with pytest.raises(StoreError, match="set aside"):
        finish(road)


def test_lost_changes_forbid_it(road: Road, database: TinyDatabase, store: TinyStore) -> None:
    database.lose()
    with pytest.raises(SourceForgot):
        finish(road)
    assert store.known
    assert store.known.state is State.FORGOTTEN


def test_the_status_of_what_has_not_begun(tmp_path: Path, database: TinyDatabase, store: TinyStore) -> None:
    assert status(road_of(tmp_path, database, store)) == ["Nothing is loaded yet."]


def test_the_status_of_a_load_that_was_ended(tmp_path: Path, database: TinyDatabase, store: TinyStore) -> None:
    road = road_of(tmp_path, database, store)
    with pytest.raises(Ended):
        load(road, quiet, ended_at("kind loaded"))
    for _ in range(3):
        change(database, random.Random(1))
    store.set_aside([Quarantined("case#1", "DynamoDB refused it", "{}")])
    rows = len(filled(20).dump()["notes"]) + 20
    assert status(road) == [
        "The load has not ended.",
        f"20 documents of {rows} rows were loaded, and 0 were read again since; they are those of position 101.",
        "They are not verified as they are now.",
        "Set aside, for no item can hold them: 1. No export is made while there are such.",
        "tiny://memory keeps 3 bytes of changes for it, and says: kept.",
    ]


def test_a_database_that_is_away_does_not_hide_how_far_it_was(
    road: Road, database: TinyDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> list[str]:
        raise LegacyError("tiny://memory is not there: start it.")

    monkeypatch.setattr(database, "check", away)
    found = status(road)
    assert found[0] == "All is loaded, and its changes are followed."
    assert found[2:] == ["All 23 were verified at 2026-11-30 12:00:00 UTC.", "tiny://memory is not there: start it."]


def test_the_status_of_what_is_finished_asks_nobody(
    road: Road, database: TinyDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(road)
    monkeypatch.setattr(database, "check", None)
    assert status(road)[0].startswith("The migration is finished")
