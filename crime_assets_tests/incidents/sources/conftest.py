"""Fixtures of streams: servers of Kinesis, each started once, where `make test-kinesis` has installed them."""

from collections.abc import Callable, Iterator

import pytest

from crime_assets_tests.incidents.sources.kinesis_servers import HERE, WITHOUT, KinesisServer, start


@pytest.fixture(scope="session")
def kinesis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], KinesisServer]]:
    """Servers by name."""
    if not HERE:
        pytest.skip(WITHOUT)
    started: dict[str, KinesisServer] = {}

    def get(name: str) -> KinesisServer:
        if name not in started:
            started[name] = start(name, tmp_path_factory.mktemp(name))
        return started[name]

    yield get
    for server in started.values():
        server.stop()
