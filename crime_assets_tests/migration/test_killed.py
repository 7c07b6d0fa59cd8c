"""Steps are killed for real while the department works: at the end its tables and documents are the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from crime_assets_tests.migration.killed import Migration
from crime_assets_tests.migration.servers import PostgresServer

pytestmark = pytest.mark.slow
KILLS = (
    ("load", "kept from here", 1),
    ("load", "chunk kept", 2),
    ("load", "changes kept", 1),
    ("follow", "changes kept", 2),
    ("repair", "repaired", 1),
    ("export", "files", 1),
)


def test_six_kills_lose_nothing(postgres_legacy: PostgresServer, tmp_path: Path) -> None:
    with postgres_legacy.department() as department:
        migration = Migration(department, "postgresql", tmp_path / "legacy", crimes=600)
        with migration.at_work(seed=6, pause=0.005) as working:
            for step, stage, nth in KILLS:
                if step == "follow":
                    # Followed is only what is loaded.
                    migration.run("load")
                if step == "repair":
                    migration.plant()
                if step == "export":
                    # What the killed repair had not come to.
                    migration.run("repair")
                assert migration.kill_at(step, stage, nth), f"{step} came to {stage}"
        assert working.changes > 100
        verdict, unequal = migration.drained()
        assert unequal == {}
        assert verdict.verified
        assert verdict.differences == 0
        assert migration.left() == []
