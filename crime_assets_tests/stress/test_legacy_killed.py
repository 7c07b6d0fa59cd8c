"""A migration is killed over and over in each of its steps, while the department works: nothing is lost or different.

20 kills a step out of PostgreSQL, and four a step out of MariaDB, which stands for Oracle.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from crime_assets.migration.sample import Dialect
from crime_assets_tests.migration.killed import Migration, Working
from crime_assets_tests.migration.mariadb_server import mariadb_served
from crime_assets_tests.migration.servers import Department, postgres_served

pytestmark = pytest.mark.stress
SEED = 20
BEGIN, LOAD, FOLLOW, REPAIR, EXPORT = "begin", "load", "follow", "repair", "export"
OFTEN = ("read", "chunk kept", "chunk compared")
"""Stages that one run comes to many times."""
FOLLOWED = ("changes told", "changes kept", "advanced")
STAGES = {
    BEGIN: ("beginning", "kept from here", "begun"),
    LOAD: ("read", "chunk kept", *FOLLOWED),
    FOLLOW: FOLLOWED,
    REPAIR: ("at a position", "chunk compared", "differences named", "repaired", "verified", *FOLLOWED),
    EXPORT: ("started", "data", "files", "summary", "kept"),
}
SOME_SECONDS = {BEGIN: 0.2, LOAD: 0.6, FOLLOW: 0.6}
"""Of steps that go on where they were, or for ever; the others are killed at any moment of the time they need."""


@contextmanager
def served(dialect: Dialect) -> Iterator[Department]:
    """An empty database on a server of its own."""
    if dialect == "mariadb":
        with mariadb_served() as maria, maria.department() as found:
            yield found
    else:
        with postgres_served() as postgres, postgres.department() as found:
            yield found


def lead_on(migration: Migration, working: Working) -> None:
    """While the department stands still, all of it is there."""
    with working.still:
        verdict, unequal = migration.drained()
    assert (unequal, verdict.differences) == ({}, 0)
    assert verdict.verified


def killed(migration: Migration, working: Working, step: str, draw: random.Random, times: int) -> None:
    """Kill a step so often, half at a stage and half at any moment."""
    command = LOAD if step == BEGIN else step
    longest = SOME_SECONDS.get(step) or migration.run(command)
    done = tried = 0
    while done < times:
        tried += 1
        assert tried <= 5 * times, f"{step} ends before it is killed"
        if step == BEGIN or (step == LOAD and migration.is_loaded()):
            # Passed once only: another migration, over what the one before has made in the database.
            if tried > 1:
                lead_on(migration, working)
            migration.begin_anew()
        if step == REPAIR and draw.random() < 0.5:
            migration.plant()
        if done % 2:
            done += migration.kill_after(command, draw.uniform(0, longest))
        else:
            stage = draw.choice(STAGES[step])
            done += migration.kill_at(command, stage, draw.choice((1, 3)) if stage in OFTEN else 1)


@pytest.mark.parametrize(("dialect", "of_each", "changes"), [("postgresql", 20, 20_000), ("mariadb", 4, 4_000)])
def test_kills_lose_nothing(
    tmp_path: Path, thrown: Callable[[str, object], None], dialect: Dialect, of_each: int, changes: int
) -> None:
    draw = random.Random(SEED)
    with served(dialect) as department:
        migration = Migration(department, dialect, tmp_path / "legacy", crimes=5_000)
        with migration.at_work(SEED, pause=0.002) as working:
            for step in STAGES:
                killed(migration, working, step, draw, of_each)
                if step == REPAIR:
                    # What was planted last, if it was killed before it had come to it.
                    migration.run(REPAIR)
                # Before anything is repaired that should not have to be.
                lead_on(migration, working)
            while working.changes < changes and working.trouble is None:
                time.sleep(0.1)
        lead_on(migration, working)
        assert migration.left() == []
    thrown(f"{dialect}: kills of a migration over its steps, half at a stage and half at any moment", of_each * 5)
    thrown(f"{dialect}: transactions of the department meanwhile", working.changes)
    thrown(f"{dialect}: rows lost, extra or different at the end", 0)
