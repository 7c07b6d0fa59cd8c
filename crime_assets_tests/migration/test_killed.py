"""Steps are killed for real while the department works: at the end its tables and documents are the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from crime_assets_tests.migration.killed import Department
from crime_assets_tests.migration.servers import PostgresServer

pytestmark = pytest.mark.slow
KILLS = (
    ("load", "kept from here", 1),
    ("load", "chunk kept", 3),
    ("load", "changes kept", 1),
    ("follow", "changes kept", 2),
    ("repair", "repaired", 1),
    ("export", "files", 1),
)


def test_six_kills_lose_nothing(postgres_legacy: PostgresServer, tmp_path: Path) -> None:
    with postgres_legacy.database() as name:
        department = Department(postgres_legacy, name, tmp_path, crimes=1_500)
        with department.at_work(seed=6, pause=0.005) as working:
            for step, stage, nth in KILLS:
                if step == "follow":
                    # Followed is only what is loaded.
                    assert department.begin("load").wait(120) == 0
                if step == "repair":
                    department.plant()
                assert department.kill_at(step, stage, nth), f"{step} came to {stage}"
        assert working.changes > 100
        # What the killed repair had not come to is repaired by the export's verification.
        verdict, unequal = department.drained()
        assert unequal == {}
        assert verdict.verified
        assert verdict.differences == 0
        assert department.left() == []
