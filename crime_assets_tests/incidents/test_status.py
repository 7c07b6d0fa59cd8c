"""What a consumer says of itself, as others read it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crime_assets.core.errors import LandingError
from crime_assets.incidents.status import Status, read_epoch, read_status
from crime_assets.streams.directory import DirectoryStore
from crime_assets_tests.incidents.consumed import NAME, Consumed


def test_it_is_what_the_consumer_writes(tmp_path: Path) -> None:
    consumed = Consumed(tmp_path)
    consumed.put([(datetime(2026, 1, 1, tzinfo=UTC), "k", b"no report")])
    consumed.run()
    found = read_status(consumed.store, NAME)

    written = datetime.fromisoformat(consumed.status["written_at"])
    assert found == Status(consumed.epoch, written, 0.0, None, reports=0, alerts=0, quarantined=1)
    assert read_epoch(consumed.store, NAME) == consumed.epoch


def test_where_nothing_was_read_there_is_none(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    assert (read_status(store, NAME), read_epoch(store, NAME)) == (None, None)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", json.dumps({"epoch": 1, "written_at": "then"}).encode()])
def test_a_damaged_one_is_named(tmp_path: Path, content: bytes) -> None:
    store = DirectoryStore(tmp_path)
    for name, read in (("status", read_status), ("epoch", read_epoch)):
        store.write(f"live/stream=fir/{name}.json", content)
        with pytest.raises(LandingError, match=rf"stream=fir/{name}.json in the landing store is damaged"):
            read(store, NAME)
