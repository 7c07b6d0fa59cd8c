"""Running as a command: what Dagster's own book-keeping costs."""

from pathlib import Path

import dagster as dg
import pytest

from crime_assets.cli.runner import _held_open

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
