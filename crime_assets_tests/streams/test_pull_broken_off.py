"""Pulls that break off, and objects that are lost or damaged: the next pull makes good for them."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crime_assets.core import keys
from crime_assets.core.batches import load_manifest
from crime_assets.core.errors import FeedError
from crime_assets.streams.directory import DirectoryStore
from crime_assets.streams.inventory import take_inventory
from crime_assets.streams.local import LocalStream
from crime_assets.streams.pull import pull
from crime_assets_tests import build
from crime_assets_tests.streams.pulling import (
    AFTER,
    COLUMNS,
    DAY,
    Crash,
    CrashingStream,
    Record,
    Recorder,
    complete,
    contents,
    ids,
    promised,
    pull_days,
    records,
)


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "landing")


class TestCrashes:
    @pytest.mark.parametrize("at", [0, 1, 2, 4])
    def test_in_the_middle_of_the_objects(self, store: DirectoryStore, at: int) -> None:
        with pytest.raises(Crash):
            pull_days(store, records(900), stream=CrashingStream(store, at))
        assert len(ids(store)) == 200 * at
        assert store.read(keys.manifest("chicago", DAY)) is None
        result = pull_days(store, records(900), hour=9)[DAY]
        assert (result.landed_before, result.new) == (200 * at, 900 - 200 * at)
        assert ids(store) == list(range(1, 901))
        assert promised(store) == 900
        assert complete(store)

    def test_between_the_objects_and_the_manifest(self, store: DirectoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
        write = DirectoryStore.write

        def crash(self: DirectoryStore, key: str, content: bytes) -> None:
            if key.startswith("manifests/"):
                raise Crash
            write(self, key, content)

        with monkeypatch.context() as patched:
            patched.setattr(DirectoryStore, "write", crash)
            with pytest.raises(Crash):
                pull_days(store, records(450))
        landed = contents(store)
        assert ids(store) == list(range(1, 451))
        assert pull_days(store, records(450), hour=9)[DAY].new == 0
        assert contents(store).items() > landed.items()
        assert set(contents(store)) - set(landed) == {keys.manifest("chicago", DAY)}
        assert promised(store) == 450
        assert complete(store)

    def test_between_the_manifests_of_two_days(self, store: DirectoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
        given = [*records(10), *records(10, AFTER, start=100)]
        write = DirectoryStore.write

        def crash(self: DirectoryStore, key: str, content: bytes) -> None:
            if key == keys.manifest("chicago", AFTER):
                raise Crash
            write(self, key, content)

        with monkeypatch.context() as patched:
            patched.setattr(DirectoryStore, "write", crash)
            with pytest.raises(Crash):
                pull_days(store, given, DAY, AFTER)
        assert complete(store, DAY)
        assert not complete(store, AFTER)
        pull_days(store, given, DAY, AFTER, hour=9)
        assert (promised(store, DAY), promised(store, AFTER)) == (10, 10)
        assert complete(store, AFTER)
        assert ids(store, AFTER) == list(range(100, 110))

    def test_the_source_fails_in_the_middle(self, store: DirectoryStore) -> None:
        def failing() -> Iterable[Record]:
            yield from records(450)
            raise FeedError("The network is gone.")

        with pytest.raises(FeedError, match="network"):
            pull_days(store, failing())
        assert store.read(keys.manifest("chicago", DAY)) is None
        pull_days(store, records(450), hour=9)
        assert ids(store) == list(range(1, 451))

    def test_the_rest_of_a_batch_lands_after_the_next_pull(self, store: DirectoryStore) -> None:
        """As with Firehose, which packs records as it likes and delivers in its own time."""
        recorder = Recorder(store)
        pull_days(store, records(150), stream=recorder)
        ((_, lines),) = recorder.batches
        for key in contents(store):
            store.delete(key)
        one, other = (f"{keys.deliveries_prefix('chicago', DAY)}{name}.gz" for name in ("one", "other"))
        store.write(one, gzip.compress(b"".join(lines[:60])))

        assert pull_days(store, records(150), hour=9)[DAY].new == 90
        assert complete(store)
        store.write(other, gzip.compress(b"".join(lines[60:])))
        assert complete(store), "more than was promised has landed"
        assert pull_days(store, records(150), hour=10)[DAY].new == 0
        assert complete(store)
        assert promised(store) == 150 + 90
        store.delete(one)
        assert not complete(store), "what had landed is promised"

    def test_a_promise_made_before_the_crash_is_not_kept_by_half(self, store: DirectoryStore) -> None:
        pull_days(store, records(100))
        with pytest.raises(Crash):
            pull_days(store, records(700), stream=CrashingStream(store, 1), hour=9)
        assert complete(store)
        assert promised(store) == 100
        pull_days(store, records(700), hour=10)
        assert promised(store) == 700
        assert ids(store) == list(range(1, 701))


class TestLostAndDamagedObjects:
    def test_a_lost_object_is_delivered_again(self, store: DirectoryStore, tmp_path: Path) -> None:
        pull_days(store, records(300))
        pull_days(store, records(320), hour=9)
        lost = next(found.key for found in store.list("raw/") if found.size == max(o.size for o in store.list("raw/")))
        (tmp_path / "landing" / lost).unlink()
        assert not complete(store)
        result = pull_days(store, records(320), hour=10)[DAY]
        assert (result.landed_before, result.new) == (20, 300)
        assert ids(store) == list(range(1, 321))
        assert promised(store) == 320
        assert complete(store)

    def test_a_damaged_object_is_made_good_for(self, store: DirectoryStore, tmp_path: Path) -> None:
        pull_days(store, records(300))
        (found,) = store.list("raw/")
        path = tmp_path / "landing" / found.key
        path.write_bytes(path.read_bytes()[: found.size // 2])
        assert not complete(store)
        result = pull_days(store, records(300), hour=9)[DAY]
        assert 0 < result.landed_before < 300
        assert result.new == 300 - result.landed_before
        inventory = take_inventory(store, "chicago", DAY)
        assert inventory.missing_batches == []
        assert inventory.distinct == 300
        assert [item.damage is not None for item in inventory.items] == [True, False]
        assert pull_days(store, records(300), hour=10)[DAY].new == 0

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
    def test_a_damaged_manifest_is_written_anew(self, store: DirectoryStore, content: bytes) -> None:
        pull_days(store, records(300))
        store.write(keys.manifest("chicago", DAY), content)
        assert pull_days(store, records(300), hour=9)[DAY].new == 0
        assert promised(store) == 300
        assert complete(store)

    def test_what_the_source_no_longer_has_is_promised_no_longer(self, store: DirectoryStore, tmp_path: Path) -> None:
        pull_days(store, records(3))
        (found,) = store.list("raw/")
        (tmp_path / "landing" / found.key).unlink()
        pull_days(store, records(1), hour=9)
        assert ids(store) == [1]
        assert complete(store)

    def test_a_new_column_at_the_source_is_noted(self, store: DirectoryStore) -> None:
        pull_days(store, records(3))
        at = datetime(2024, 1, 25, 9, tzinfo=UTC)
        stream = LocalStream(store, "chicago", lambda: at)
        pull(records(3), COLUMNS | {"new"}, build.CHICAGO, DAY, DAY, store, stream, at)
        content = store.read(keys.manifest("chicago", DAY))
        assert content is not None
        assert load_manifest(content).columns == COLUMNS | {"new"}
        assert ids(store) == [1, 2, 3]
