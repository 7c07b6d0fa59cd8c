"""Fixtures that every room uses. Tests see no variable of the person who runs them, and no network."""

import gc
import os
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

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
from crime_assets_tests.dagster_databases import share_work
from crime_assets_tests.graph import GRAPH_RUN

__all__ = ["athena", "athena_server", "aws", "firehose", "landing_bucket", "moto", "moto_server", "seaweed"]

_PROJECT = Path(__file__).parents[1]
_ONE_SPARK = "crime_assets_tests/lakehouse/spark/"
_SLOW_PARTS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", GRAPH_RUN}
_slow_parts: list[str] = []
"""What the present test has taken of them."""
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


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One more than there are processors: all but quick tests wait for servers and for processes that they start."""
    return (os.cpu_count() or 1) + (config.getoption("markexpr") != "quick")


class _ByFile(LoadScopeScheduling):
    """A file is one worker's, and so are all that one Spark serves: what is prepared once stays prepared."""

    def _split_scope(self, nodeid: str) -> str:
        return _ONE_SPARK if nodeid.startswith(_ONE_SPARK) else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Which worker runs what, in the order of the collection."""
    return _ByFile(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say what is slow and what is quick, and begin with what is slow: run last, it would leave workers idle."""
    seen: set[str] = set()
    for item in items:
        if _shares(item):
            item.add_marker(pytest.mark.slow)
        name = item.nodeid.partition("[")[0]
        if name not in seen and not _is_marked(item, "slow", "stress", "quick"):
            item.add_marker(pytest.mark.quick)
            seen.add(name)
    slow = {item.path for item in items if _is_marked(item, "slow")}
    items.sort(key=lambda item: (not item.nodeid.startswith(_ONE_SPARK), item.path not in slow))


def _is_marked(item: pytest.Item, *names: str) -> bool:
    return any(item.get_closest_marker(name) for name in names)


def _shares(item: pytest.Item) -> bool:
    """Whether it needs what is made once for a session because it takes long: a server, Spark, the real rows."""
    definitions = item._fixtureinfo.name2fixturedefs.values() if isinstance(item, pytest.Function) else ()
    ours = (one for found in definitions for one in found if one.func.__module__.startswith(__package__))
    return any(one.scope == "session" for one in ours)


@pytest.fixture(autouse=True)
def slow_is_marked(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whoever writes a test that starts a program or runs the graph is told to mark it: `make quick` stays quick."""
    _slow_parts.clear()
    yield
    by_hand = any(mark.args for mark in request.node.iter_markers("quick"))
    if _slow_parts and not by_hand and not _is_marked(request.node, "slow", "stress"):
        pytest.fail(f"It takes a slow part, {_slow_parts[0]}: mark it with pytest.mark.slow.")


def _remember_slow_parts(event: str, arguments: tuple[object, ...]) -> None:
    if event in _SLOW_PARTS:
        _slow_parts.append(f"{event} {arguments[:1]}")


sys.addaudithook(_remember_slow_parts)


def pytest_sessionstart() -> None:
    """Before anything opens one of Dagster's databases."""
    share_work()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported and collected is kept: looking through it meanwhile takes a fifth of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """What was imported stays to the end: looking through all of it again and again takes a twentieth of the time."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """At the end it is looked through after all: what is never given back would be told as a leak."""
    gc.unfreeze()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Where tests run in several processes, this is called in the one that leads them."""
    if report.when == "call" and report.passed:
        _thrown.update(value for name, value in report.user_properties if name == "thrown")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Keep what was thrown."""
    if _thrown and not hasattr(session.config, "workerinput"):
        write_thrown(_thrown)
