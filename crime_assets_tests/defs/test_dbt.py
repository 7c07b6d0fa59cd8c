"""Models of dbt in Dagster: after the insights that they read, with their own tests as checks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from crime_assets.core.errors import UsageError
from crime_assets.core.insights import all_insights
from crime_assets.definitions import build_defs
from crime_assets.profiles import Profile
from crime_assets.publishing.dbt.project import init
from crime_assets_tests.publishing.dbt.runs import WITHOUT_DBT, ask
from crime_assets_tests.publishing.dbt.small_lake import BY_MONTH, small_lake

pytest.importorskip("dagster_dbt", reason=WITHOUT_DBT)

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[2]
MODELS = {"stg_crimes", "crimes_by_month"}


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    return small_lake(tmp_path_factory.mktemp("dbt") / "lake", all_insights()[:1])


@pytest.fixture(scope="module")
def project(profile: Profile) -> Path:
    directory = profile.settings.home.parent / "project"
    init(profile, directory)
    return directory


@pytest.fixture(scope="module")
def location(project: Path) -> dg.Definitions:
    from crime_assets.defs.dbt import build

    return build(project)


def test_a_model_comes_after_all_that_its_rows_come_from(profile: Profile, location: dg.Definitions) -> None:
    graph = dg.Definitions.merge(build_defs(profile), location).resolve_asset_graph()
    parents = {
        key.to_user_string(): {parent.to_user_string() for parent in graph.get(key).parent_keys}
        for key in graph.get_all_asset_keys()
    }
    assert parents["stg_crimes"] == {"crimes"}
    assert parents["crimes_by_month"] == {"stg_crimes", "insight_crime_summary"}
    assert "raw_crime_batches" in parents["crime_deliveries"]
    assert "crime_deliveries" in parents["crimes"]
    assert "crimes" in parents["insight_crime_summary"]
    assert {key.to_user_string() for key in graph.executable_asset_keys} >= MODELS
    assert all(graph.get(dg.AssetKey(name)).partitions_def is None for name in MODELS)
    assert all(graph.get(dg.AssetKey(name)).description for name in MODELS)


def test_what_the_models_read_are_assets_and_nothing_else_is_added(profile: Profile, location: dg.Definitions) -> None:
    ours, theirs = (
        {key.to_user_string() for key in definitions.resolve_asset_graph().get_all_asset_keys()}
        for definitions in (build_defs(profile), location)
    )
    assert theirs - ours == MODELS


def test_the_models_are_made_with_their_own_tests_as_checks(
    profile: Profile, project: Path, location: dg.Definitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRIME_HOME", str(profile.settings.home))
    job = location.resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        done = job.execute_in_process(instance=instance, raise_on_error=True)
    made = {event.asset_key.to_user_string() for event in done.get_asset_materialization_events() if event.asset_key}
    checks = done.get_asset_check_evaluations()
    assert made == MODELS
    assert {check.asset_key.to_user_string() for check in checks} == {"crimes_by_month"}
    assert (len(checks), all(check.passed for check in checks)) == (4, True)
    assert done.get_asset_observation_events() == []
    assert ask(project, "FROM crimes_by_month ORDER BY ALL") == BY_MONTH


def test_a_changed_project_is_read_again(project: Path) -> None:
    """Also one that lost a file: its directory has changed."""
    from crime_assets.defs.dbt import _is_outdated, build

    manifest = project / "target/manifest.json"

    def touch(path: Path) -> None:
        later = manifest.stat().st_mtime + 1
        os.utime(path, (later, later))

    added = project / "models/marts/twice.sql"
    added.write_text("SELECT 2 * count(*) AS crimes FROM {{ ref('stg_crimes') }}")
    touch(added)
    keys = build(project).resolve_asset_graph().executable_asset_keys
    assert {key.to_user_string() for key in keys} == {*MODELS, "twice"}

    # dbt has just read it: what is older than the manifest is known.
    for path in {*project.rglob("*")} - {manifest}:
        os.utime(path, (0, 0))
    assert not _is_outdated(manifest, project)
    added.unlink()
    touch(added.parent)
    assert _is_outdated(manifest, project)


def test_the_workspace_of_its_own_is_valid(project: Path, tmp_path: Path) -> None:
    (tmp_path / "dagster").mkdir()
    program = Path(sys.executable).with_name("dagster")
    found = subprocess.run(
        [program, "definitions", "validate", "-w", PROJECT / "workspace-dbt.yaml"],
        env={**os.environ, "DAGSTER_HOME": str(tmp_path / "dagster"), "CRIME_DBT": str(project)},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert "Validation successful for code location crime_assets.defs.dbt:defs" in found.stderr + found.stdout


@pytest.mark.parametrize("setting", [None, "elsewhere"])
def test_without_a_project_it_is_said_what_to_set(
    setting: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crime_assets.defs.dbt import defs

    if setting:
        monkeypatch.setenv("CRIME_DBT", str(tmp_path / setting))
    told = f"CRIME_DBT is {tmp_path / setting if setting else 'not set'}: set it to a project that"
    with pytest.raises(UsageError, match=told):
        defs()


def test_where_there_is_a_policy_nothing_is_loaded(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from crime_assets.defs.dbt import defs

    monkeypatch.setenv("CRIME_DBT", str(project))
    monkeypatch.setenv("CRIME_POLICY", "policy.toml")
    with pytest.raises(UsageError, match="a policy says who may see what"):
        defs()
