"""Gates in the graph: made after the insights, held against the lake, and removed when nobody may ask them any more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from crime_assets.governance.gates import GATE
from crime_assets.profiles import Profile
from crime_assets_tests.build import sample_profile
from crime_assets_tests.governance.policies import TEXT
from crime_assets_tests.graph import Graph, verdicts

pytestmark = pytest.mark.slow

DAY = "2024-01-25"
ROWS = TEXT.replace(', "insights"]', "]")
"""Without insights, which take most of the time."""
CHECKS = {"policy_covers_tables", "gates_hold_only_their_rows", "lake_is_closed"}


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    policy = tmp_path / "policy.toml"
    policy.write_text(ROWS)
    policy.chmod(0o600)
    without = sample_profile(tmp_path / "lake", rows=2_000)
    return Profile(replace(without.settings, policy=policy), clock=without.clock)


def test_gates_are_made_checked_and_removed(profile: Profile) -> None:
    graph, home = Graph(profile), profile.lake.home
    graph.load()
    graph.run(DAY, only=["raw_crime_batches", "crime_deliveries", "crimes"])
    home.chmod(0o700)

    graph.run(DAY, only=["governed_gates"])
    made = sorted(path.name for path in (home / "gates").iterdir() if path.is_dir())
    told = graph.materialized("governed_gates")[DAY]
    assert told["scopes"].value == ["analyst", "desk 011 025", "commander 011"]
    assert (len(made), told["removed"].value) == (3, 0)

    found = verdicts(graph.check(*CHECKS))
    assert found.keys() == CHECKS
    assert found["gates_hold_only_their_rows"].passed, found["gates_hold_only_their_rows"].description
    assert "primary_type_published, year" in str(found["policy_covers_tables"].description)
    assert "No other account" in str(found["lake_is_closed"].description)

    gate = home / "gates" / made[0] / GATE
    gate.chmod(0o600)
    with duckdb.connect(str(gate)) as con:
        con.execute("INSERT INTO crimes (district) VALUES ('012')")
    home.chmod(0o755)
    found = verdicts(graph.check(*CHECKS))
    assert not found["gates_hold_only_their_rows"].passed
    assert "chmod 700" in str(found["lake_is_closed"].description)

    assert profile.access is not None
    profile.access.trail.append("answer", principal="desk")
    graph.run(DAY, only=["governed_gates"])
    assert graph.materialized("governed_gates")[DAY]["scopes"].value == ["desk 011 025"]
    assert sorted(path.name for path in (home / "gates").iterdir() if path.is_dir()) == made

    assert profile.settings.policy is not None
    profile.settings.policy.write_text(ROWS.split("[principals.desk]")[0])
    graph.run(DAY, only=["governed_gates"])
    told = graph.materialized("governed_gates")[DAY]
    assert (told["scopes"].value, told["removed"].value) == (["commander 011"], 2), "the desk is no more"
