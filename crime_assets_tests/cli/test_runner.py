"""Running as a command: what Dagster's own book-keeping costs."""

import os
from itertools import pairwise
from pathlib import Path

import dagster as dg
import pytest

from crime_assets.cli import runner
from crime_assets.cli.runner import _held_open
from crime_assets.core.errors import UsageError
from crime_assets.profiles import Profile, Settings

RUN = "00000000-0000-4000-8000-000000000001"


@dg.asset
def made() -> None:
    pass


def job() -> dg.JobDefinition:
    return dg.Definitions(assets=[made], jobs=[dg.define_asset_job("make")]).resolve_job_def("make")


def logs(home: Path) -> set[str]:
    """The SQLite logs of event files that lie there, by the name of their file."""
    return {path.name.removesuffix("-wal") for path in (home / "history" / "runs").glob("*-wal")}


@pytest.mark.slow
def test_event_files_stay_open_during_a_run_and_no_longer(tmp_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        with _held_open(instance, RUN):
            assert job().execute_in_process(instance=instance, run_id=RUN).success
            # SQLite deletes the log of a file with its last user.
            assert logs(tmp_path) == {"index.db", f"{RUN}.db"}
        assert logs(tmp_path) == set()
        record = instance.get_latest_materialization_event(dg.AssetKey("made"))
        assert record is not None
        assert record.run_id == RUN


def test_events_kept_elsewhere_need_no_file() -> None:
    with dg.DagsterInstance.ephemeral() as instance, _held_open(instance, RUN):
        assert job().execute_in_process(instance=instance, run_id=RUN).success


@pytest.mark.parametrize("has_dbt", [True, False])
@pytest.mark.parametrize("project", [None, "analysis"])
def test_dev_has_models_of_dbt_where_there_is_a_project(
    project: str | None, has_dbt: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    became: list[list[str]] = []
    monkeypatch.chdir(tmp_path)
    # Set and taken away again by pytest, whatever the command sets.
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    monkeypatch.setenv("CRIME_DBT", project or "")
    monkeypatch.setattr(runner.os, "execv", lambda _, command: became.append(command))
    monkeypatch.setattr(runner, "find_spec", lambda _: object() if has_dbt else None)
    profile = Profile(Settings.from_environment())

    if project and not has_dbt:
        with pytest.raises(UsageError, match=r"CRIME_DBT is set, but dbt is not installed here: docs/dbt.md says how"):
            runner.dev(profile, 3000)
        return
    runner.dev(profile, 3000)

    (command,) = became
    workspaces = [Path(after).name for before, after in pairwise(command) if before == "-w"]
    assert workspaces == ["workspace.yaml", *(["workspace-dbt.yaml"] if project else [])]
    assert os.environ["CRIME_DBT"] == (str(tmp_path / project) if project else "")
