"""Waiting for what is on its way: as long as it can still come, no longer, and with few requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta

import pytest

from crime_assets.core import keys
from crime_assets.core.batches import Manifest, dump_manifest, entry
from crime_assets.core.digests import record_digest
from crime_assets.core.envelopes import seal
from crime_assets.streams import LandingStore, StoredObject
from crime_assets.streams.inventory import Inventory, read_inventory, take_inventories
from crime_assets.streams.waiting import wait_for_missing
from crime_assets_tests.build import record
from crime_assets_tests.streams.landings import Landing

DAY, OTHER = date(2024, 1, 20), date(2024, 1, 19)
PATIENCE = 1500.0


class Counted:
    """A store that keeps what was asked of it."""

    def __init__(self, store: LandingStore) -> None:
        self.store = store
        self.listed: list[str] = []
        self.opened: list[str] = []

    def list(self, prefix: str) -> Iterator[StoredObject]:
        self.listed.append(prefix)
        return self.store.list(prefix)

    def read(self, key: str) -> bytes | None:
        return self.store.read(key)

    def chunks(self, key: str) -> Iterator[bytes]:
        self.opened.append(key)
        return self.store.chunks(key)

    def write(self, key: str, content: bytes) -> None:
        self.store.write(key, content)


class Scene:
    """A store that time passes over: while somebody sleeps, what is due lands."""

    def __init__(self, store: LandingStore) -> None:
        self.store = Counted(store)
        self.now = datetime.now(UTC)
        self.due: list[tuple[datetime, Callable[[], None]]] = []
        self.slept: list[float] = []
        self.told: list[str] = []

    def lands(self, after: float, *ids: int, day: date = DAY, name: str | None = None) -> None:
        """So many seconds from now an object lands that holds batches of one record each."""
        lines = b"".join(seal(record(id, str(day)), "chicago", day, f"batch-{id}", self.now) for id in ids)
        key = keys.deliveries_prefix("chicago", day) + (name or f"{ids}")
        self.due.append((self.now + timedelta(seconds=after), lambda: self.store.store.write(key, lines)))

    def promise(self, *ids: int, day: date = DAY) -> None:
        batches = {f"batch-{id}": entry({record_digest(record(id, str(day)))}) for id in ids}
        content = dump_manifest("chicago", day, Manifest(batches, frozenset({"id"})))
        self.store.write(keys.manifest("chicago", day), content)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)
        self.pass_by()

    def pass_by(self) -> None:
        for one in [one for one in self.due if one[0] <= self.now]:
            self.due.remove(one)
            one[1]()

    def look(self, *days: date, patience: float = PATIENCE) -> dict[date, Inventory]:
        self.pass_by()
        first = take_inventories(self.store, "chicago", days or [DAY])
        clock = lambda: self.now  # noqa: E731
        return wait_for_missing(
            self.store, "chicago", first, patience, tell=self.told.append, clock=clock, sleep=self.sleep
        )


@pytest.fixture
def scene(landing: Landing) -> Scene:
    return Scene(landing.store)


def test_what_is_there_is_not_waited_for(scene: Scene) -> None:
    scene.promise(1)
    scene.lands(0, 1)
    found = scene.look()
    assert found[DAY].missing_batches == []
    assert scene.slept == scene.told == []
    assert len(scene.store.listed) == 1, "waiting for nothing costs nothing"


def test_what_comes_late_is_waited_for_and_looked_at_once(scene: Scene) -> None:
    scene.promise(1, 2, 3)
    scene.lands(0, 1)
    scene.lands(70, 2)
    scene.lands(100, 3)
    found = scene.look()
    assert found[DAY].missing_batches == []
    assert found[DAY].records == 3
    assert read_inventory(scene.store, "chicago", DAY) == found[DAY]
    assert 100 <= sum(scene.slept) < 150
    assert scene.told == ["Waiting for 2 batches of 1 change days that have not arrived yet."]
    assert len(scene.store.listed) <= 15, "polled ever less often"
    assert len(scene.store.opened) == 1 + 2 + 3, "looked into only when objects changed"


def test_what_does_not_come_is_missing_when_patience_has_ended(scene: Scene) -> None:
    scene.promise(1, 2)
    scene.lands(0, 1)
    found = scene.look()
    assert found[DAY].missing_batches == ["batch-2"]
    assert PATIENCE <= sum(scene.slept) < PATIENCE + 60
    assert len(scene.store.opened) == 1, "looked into again only when objects changed"


def test_later_runs_do_not_wait_for_it_again(scene: Scene) -> None:
    scene.promise(1, 2)
    scene.lands(0, 1)
    scene.look()
    scene.slept.clear()
    assert scene.look()[DAY].missing_batches == ["batch-2"]
    assert scene.slept == []
    scene.lands(0, 2)
    assert scene.look()[DAY].missing_batches == []
    assert scene.slept == []


def test_a_run_that_was_ended_while_it_waited_waits_for_the_rest_of_the_time(scene: Scene) -> None:
    scene.promise(1)
    scene.now += timedelta(seconds=1000)
    scene.lands(450, 1)
    assert scene.look()[DAY].missing_batches == []
    scene.promise(1, 2)
    scene.now = datetime.now(UTC) + timedelta(seconds=1400)
    scene.slept.clear()
    assert scene.look()[DAY].missing_batches == ["batch-2"]
    assert 90 < sum(scene.slept) < 160


def test_a_clock_of_the_server_that_goes_before_ours_makes_no_wait_longer(scene: Scene) -> None:
    scene.promise(1)
    scene.now -= timedelta(hours=5)
    scene.look()
    assert PATIENCE <= sum(scene.slept) < PATIENCE + 60


def test_a_stream_that_has_no_patience_is_not_waited_for(scene: Scene) -> None:
    scene.promise(1)
    scene.now -= timedelta(hours=5)
    assert scene.look(patience=0.0)[DAY].missing_batches == ["batch-1"]
    assert scene.slept == []
    assert len(scene.store.listed) == 1


def test_a_day_without_a_manifest_promises_nothing(scene: Scene) -> None:
    scene.lands(0, 1)
    assert scene.look()[DAY].promised_batches is None
    assert scene.slept == []


def test_several_days_are_waited_for_together_and_only_those_that_lack_something(scene: Scene) -> None:
    days = [OTHER, DAY, DAY + timedelta(days=1)]
    for day in days:
        scene.promise(1, day=day)
    scene.lands(0, 1, day=OTHER)
    scene.lands(5, 1)
    scene.lands(200, 1, day=days[2])
    found = scene.look(*days)
    assert list(found) == days
    assert all(inventory.missing_batches == [] for inventory in found.values())
    assert sum(scene.slept) < 250
    assert scene.store.listed.count(keys.deliveries_prefix("chicago", OTHER)) == 1
    assert scene.told == ["Waiting for 2 batches of 2 change days that have not arrived yet."]


def test_an_object_that_is_rewritten_whole_is_looked_at_again(scene: Scene) -> None:
    scene.promise(1, 2)
    scene.lands(0, 1, name="a")
    scene.lands(10, 1, 2, name="a")
    assert scene.look()[DAY].missing_batches == []
