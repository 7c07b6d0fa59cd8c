"""Writing many objects: all of them, several at a time, and no error is lost."""

from collections.abc import Iterator
from pathlib import Path
from threading import Barrier

import pytest

from crime_assets.streams.directory import DirectoryStore
from crime_assets.streams.writing import write_all

OBJECTS = {f"some/{number:03}": b"%d" % number * 1_000 for number in range(50)}


class FullStore(DirectoryStore):
    """Has no room for one key."""

    def write(self, key: str, content: bytes) -> None:
        if key == "some/020":
            raise OSError(28, "No space left on device")
        super().write(key, content)


class MeetingStore(DirectoryStore):
    """Writes nothing before two writes are under way."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.meeting = Barrier(2)

    def write(self, key: str, content: bytes) -> None:
        self.meeting.wait(timeout=10)
        super().write(key, content)


def stored(store: DirectoryStore) -> dict[str, bytes | None]:
    return {found.key: store.read(found.key) for found in store.list("")}


def test_everything_is_written_when_it_returns(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    write_all(store, OBJECTS.items())
    assert stored(store) == OBJECTS


def test_a_write_does_not_wait_for_the_one_before(tmp_path: Path) -> None:
    store = MeetingStore(tmp_path)
    write_all(store, list(OBJECTS.items())[:2])
    assert len(stored(store)) == 2


def test_the_error_of_a_write_is_raised_and_what_was_written_is_whole(tmp_path: Path) -> None:
    store = FullStore(tmp_path)
    with pytest.raises(OSError, match="No space left"):
        write_all(store, OBJECTS.items())
    left = stored(store)
    assert left.items() <= OBJECTS.items() - {("some/020", OBJECTS["some/020"])}
    assert OBJECTS.keys() - left.keys() >= {"some/020"}


def test_an_error_while_objects_are_made_is_raised_after_those_before_are_written(tmp_path: Path) -> None:
    def broken() -> Iterator[tuple[str, bytes]]:
        yield from list(OBJECTS.items())[:3]
        raise ValueError("no more")

    store = DirectoryStore(tmp_path)
    with pytest.raises(ValueError, match="no more"):
        write_all(store, broken())
    assert len(stored(store)) == 3
