"""A migration is killed 100 times over its steps, while the department works: nothing is lost, extra or different."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crime_assets_tests.migration.killed import Department
from crime_assets_tests.migration.servers import PostgresServer, postgres_served

pytestmark = pytest.mark.stress
OF_EACH = 20
CHANGES = 20_000
BEGIN, LOAD, FOLLOW, REPAIR, EXPORT = "begin", "load", "follow", "repair", "export"
OFTEN = ("read", "chunk kept", "chunk compared")
"""Stages that one run comes to many times."""
FOLLOWED = ("changes told", "changes kept", "advanced")
# What can be reached again and again.
STAGES = {
    BEGIN: ("beginning", "kept from here"),
    LOAD: ("read", "chunk kept", *FOLLOWED),
    FOLLOW: FOLLOWED,
    REPAIR: ("at a position", "chunk compared", "differences named", "repaired", "verified", *FOLLOWED),
    EXPORT: ("started", "data", "files", "summary", "kept"),
}


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_served() as found:
        yield found


def killed(department: Department, step: str, draw: random.Random, times: int) -> int:
    """Kill a step so often, half at a stage and half at any moment; returns how often it had to be begun for that."""
    done = begun = 0
    while done < times:
        begun += 1
        assert begun <= 5 * times, f"{step} ends before it is killed"
        if step == REPAIR and draw.random() < 0.5:
            department.plant()
        command = LOAD if step == BEGIN else step
        if done % 2:
            # Where it begins is soon passed.
            done += department.kill_after(command, draw.uniform(0, 0.05 if step == BEGIN else 0.6))
        else:
            stage = draw.choice(STAGES[step])
            done += department.kill_at(command, stage, draw.choice((1, 3)) if stage in OFTEN else 1)
    return begun


def test_a_hundred_kills_lose_nothing(
    server: PostgresServer, tmp_path: Path, thrown: Callable[[str, object], None]
) -> None:
    draw = random.Random(20)
    with server.database() as name:
        department = Department(server, name, tmp_path, crimes=20_000)
        with department.at_work(seed=20, pause=0.002) as working:
            for step in STAGES:
                if step == FOLLOW:
                    # Followed is only what is loaded.
                    assert department.begin(LOAD).wait(600) == 0
                killed(department, step, draw, OF_EACH)
            while working.changes < CHANGES and working.trouble is None:
                time.sleep(0.1)
        # What was planted last may have been killed before it was repaired.
        assert department.begin(REPAIR).wait(600) == 0
        verdict, unequal = department.drained()
        assert unequal == {}
        assert verdict.differences == 0
        assert verdict.verified
        assert department.left() == []
    thrown("kills of a migration over its steps, half at a stage and half at any moment", OF_EACH * len(STAGES))
    thrown("transactions of the department meanwhile", working.changes)
    thrown("rows lost, extra or different at the end", 0)
