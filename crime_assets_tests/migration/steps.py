"""The steps of a migration as doubles, for tests of what calls them: commands, assets, checks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from threading import Event
from types import ModuleType
from typing import Any

import pytest

from crime_assets.core.errors import LegacyError
from crime_assets.migration import Difference, Road, Step, Verdict
from crime_assets.migration.progress import Position, Progress, Verified
from crime_assets_tests.migration.tiny import TinyDatabase
from crime_assets_tests.migration.tiny_store import TinyStore

VERIFIED = Verified(Position(7), 3, 5, 3, 8, datetime(2026, 11, 30, tzinfo=UTC))
EQUAL = Verdict(VERIFIED, 0, {}, (), 0)
UNEQUAL = Verdict(
    None,
    3,
    {"differs": 2, "missing": 1},
    (
        Difference("crime#1", "crimes", "block", "differs", "secret block", None),
        Difference("crime#2", "crimes", "", "missing", "row", None),
    ),
    0,
)


class _Database(TinyDatabase):
    def check(self) -> list[str]:
        return ["The server keeps changes without a limit: set max_slot_wal_keep_size."]


@dataclass(frozen=True)
class Exported:
    export: str
    items: int
    location: str


@dataclass
class Steps:
    """What was called, and what verifications find."""

    database: TinyDatabase = field(default_factory=_Database)
    store: TinyStore = field(default_factory=TinyStore)
    verdict: Verdict = EQUAL
    fails: str = ""
    called: list[str] = field(default_factory=list)

    def load(self, road: Road, tell: Callable[[Step], None]) -> Progress:
        self._call("load", road)
        tell(Step("crimes", 2, 4, 2.0))
        with self.store.hold() as progress:
            self.store.known = replace(progress, rows=8, documents=3, position=Position(6))
            return self.store.known

    def catch_up(self, road: Road) -> int:
        self._call("catch_up", road)
        return 7

    def follow(self, road: Road, stop: Event, tell: Callable[[Step], None]) -> int:
        self._call("follow", road)
        return 9

    def verify(self, road: Road, repair: bool, tell: Callable[[Step], None]) -> Verdict:
        self._call(f"verify {repair}", road)
        return replace(self.verdict, verified=VERIFIED, repaired=3) if repair else self.verdict

    def export(self, road: Road) -> Exported:
        self._call("export", road)
        return Exported("0173-0a1b", 3, "the landing store")

    def status(self, road: Road) -> list[str]:
        self._call("status", road)
        return ["All is loaded, and its changes are followed.", "The server is slow."]

    def finish(self, road: Road) -> list[str]:
        self._call("finish", road)
        return self.database.finish()

    def _call(self, name: str, road: Road) -> None:
        assert (road.database, road.store, road.city) == (self.database, self.store, "chicago")
        self.called.append(name)
        if self.fails == name:
            raise LegacyError("The database went away: wait for it.")


@contextmanager
def doubled(monkeypatch: pytest.MonkeyPatch) -> Iterator[Steps]:
    """In the place of the steps, the database and the store."""
    steps = Steps()
    modules: dict[str, dict[str, Any]] = {
        "load": {"load": steps.load},
        "follow": {"follow": steps.follow, "catch_up": steps.catch_up},
        "verify": {"verify": steps.verify},
        "export": {"export": steps.export},
        "status": {"status": steps.status},
        "finish": {"finish": steps.finish},
        "addresses": {"open_database": lambda *_: steps.database},
        "stores.sqlite": {"SqliteStore": lambda _: steps.store},
    }
    for name, parts in modules.items():
        module = ModuleType(f"crime_assets.migration.{name}")
        vars(module).update(parts)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    parent = ModuleType("crime_assets.migration.stores")
    parent.__path__ = []
    monkeypatch.setitem(sys.modules, parent.__name__, parent)
    yield steps
