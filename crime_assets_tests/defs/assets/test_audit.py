"""The audit trail in the graph: what comes into tables, what metadata says of it and must not, and the check."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from crime_assets.defs.automation.audits import CHAIN, REVIEW, TRAIL
from crime_assets.profiles import Profile, Settings
from crime_assets_tests.governance.policies import TEXT
from crime_assets_tests.graph import QUIET, Graph, Result, verdicts
from crime_assets_tests.lakehouse.lakes import rows

pytestmark = pytest.mark.slow

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SECRET = "SELECT id FROM crimes WHERE case_number = 'HX123456'"


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    (tmp_path / "policy.toml").write_text(TEXT)
    (tmp_path / "policy.toml").chmod(0o600)
    settings = Settings(home=tmp_path / "lake", policy=tmp_path / "policy.toml", audit_anchor=tmp_path)
    return Graph(Profile(settings, clock=lambda: NOW))


def run(graph: Graph, job: str, raises: bool = True) -> Result:
    found = graph.definitions.resolve_job_def(job)
    return found.execute_in_process(instance=graph.instance, run_config=QUIET, raise_on_error=raises)


def test_the_trail_comes_into_tables_and_metadata_tells_no_query(graph: Graph) -> None:
    access = graph.profile.access
    assert access is not None
    access.trail.append("ask", account="pdiaz", sql=SECRET)
    entry = access.trail.append("answer", seen=[987_654], principal="p.diaz", role="commander", sql=SECRET)
    assert verdicts(run(graph, CHAIN))["audit_chain"].passed
    result = run(graph, TRAIL)
    told = graph.materialized("audit_trail")[None]
    assert {name: told[name].value for name in ("new_lines", "new_ids", "lines", "head")} == {
        "new_lines": 2,
        "new_ids": 1,
        "lines": 2,
        "head": entry.hash,
    }
    assert [row["id"] for row in rows(graph.profile.lake, "audit_seen")] == [987_654]
    run(graph, TRAIL)
    run(graph, REVIEW)
    assert graph.materialized("audit_trail")[None]["new_lines"].value == 0
    review = graph.materialized("access_review")[None]
    assert {name: review[name].value for name in ("new_rows", "principals in use", "principals never used")} == {
        "new_rows": 4,
        "principals in use": 1,
        "principals never used": 3,
    }
    events = str(graph.instance.event_log_storage.get_logs_for_run(result.run_id))
    assert entry.hash in events
    assert not [secret for secret in ("HX123456", "987654", "p.diaz") if secret in events]


def test_a_broken_trail_fails_the_check_and_comes_into_no_table(graph: Graph) -> None:
    access = graph.profile.access
    assert access is not None
    for _ in range(3):
        access.trail.append("ask")
    (path,) = (graph.profile.lake.home / "trail").glob("*.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"n": 2', b'"n": 7'))
    assert not run(graph, TRAIL, raises=False).success
    assert graph.materialized("audit_trail") == {}
    found = verdicts(run(graph, CHAIN, raises=False))["audit_chain"]
    assert not found.passed
    assert "2026-05-01.jsonl:2" in str(found.metadata["problems"])
    assert found.severity == dg.AssetCheckSeverity.ERROR
