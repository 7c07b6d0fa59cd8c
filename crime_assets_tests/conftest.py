"""Fixtures that every room uses. Tests see no variable of the person who runs them, and no network."""

import gc
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.results import write_thrown
from crime_assets_tests.cloud.aws.fixtures import (
    athena,
    athena_server,
    aws,
    firehose,
    landing_bucket,
    moto,
    moto_server,
    seaweed,
)

__all__ = ["athena", "athena_server", "aws", "firehose", "landing_bucket", "moto", "moto_server", "seaweed"]

_PROJECT = Path(__file__).parents[1]
_LONGEST_FIRST = (
    "test_real_export",
    "test_spark",
    "test_catalogs",
    "test_contract",
    "test_readme",
    "test_end_to_end_aws",
    "test_merge",
    "test_cli",
    "test_end_to_end",
    "test_remote",
    "test_crashes",
)
"""Files that take half a minute or more: begun last, one of them would leave all workers but its own idle."""
_thrown: dict[str, str] = {}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of ours, Dagster's or a proxy's reaches a test; the lake is in its own directory."""
    for name in os.environ:
        if name.startswith(("CRIME_", "SOCRATA_", "DAGSTER_", "AWS_")) and name != "CRIME_SHARED_DATA":
            monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("CRIME_HOME", str(tmp_path / "lake"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real rows for tests: CRIME_SHARED_DATA, or shared/data beside the project."""
    directory = Path(os.environ.get("CRIME_SHARED_DATA", _PROJECT.parent / "shared" / "data"))
    if not (directory / "chicago").is_dir():
        pytest.skip(f"no real rows in {directory}: set CRIME_SHARED_DATA to a directory that has them")
    return directory


@pytest.fixture
def thrown(request: pytest.FixtureRequest) -> Callable[[str, object], None]:
    """Say what a stress test has thrown, and how often: benchmarks/RESULTS.md keeps it if the test passes."""

    def say(what: str, often: object) -> None:
        request.node.user_properties.append(("thrown", (what, str(often))))

    return say


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: tests wait for servers and for processes that they start."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Workers take files in this order."""
    places = {name: place for place, name in enumerate(_LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


def pytest_collection_finish() -> None:
    """What was imported stays to the end: looking through all of it again and again takes a twentieth of the time."""
    gc.collect()
    gc.freeze()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Where tests run in several processes, this is called in the one that leads them."""
    if report.when == "call" and report.passed:
        _thrown.update(value for name, value in report.user_properties if name == "thrown")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Keep what was thrown."""
    if _thrown and not hasattr(session.config, "workerinput"):
        write_thrown(_thrown)
