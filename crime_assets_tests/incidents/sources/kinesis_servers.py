"""Servers that speak Kinesis, on loopback: `make test-kinesis` installs them and says where with KINESIS_SERVERS.

None of them is Kinesis. Only kinesis-local splits and merges as it does, slowly; kinesalite never ends a shard that was
merged, ministack is the fastest, but its shards have no parents.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from crime_assets_tests.cloud.aws.servers import ACCESS_KEY, REGION, SECRET_KEY, free_ports
from crime_assets_tests.incidents.sources.streams import KinesisStream, kinesis_stream

HERE = os.environ.get("KINESIS_SERVERS", "")
WITHOUT = "KINESIS_SERVERS names no directory of servers of Kinesis: see `make test-kinesis`"
SERVERS = ("kinesalite", "kinesis-local", "ministack")

# Both listen on all addresses of the machine, and neither can be told not to.
_ON_LOOPBACK = """
const net = require("net"), listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (port, ...more) {
  if (port !== null && typeof port === "object") return listen.call(this, { ...port, host: "127.0.0.1" }, ...more);
  return listen.call(this, port, "127.0.0.1", ...more.filter((one) => typeof one === "function"));
};
"""


@dataclass(frozen=True)
class KinesisServer:
    """A running server."""

    name: str
    port: int
    process: subprocess.Popen[bytes]

    def stream(self, shards: int = 2) -> KinesisStream:
        """A new stream."""
        return kinesis_stream(shards, name=f"fir-{secrets.token_hex(4)}", **_where(self.port))

    def stop(self) -> None:
        """Stop the server, by its own process id."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(name: str, directory: Path) -> KinesisServer:
    """Start one of the servers; what it says is in `directory`."""
    port, other = free_ports(2)
    here = Path(HERE).resolve()
    loopback = directory / "loopback.cjs"
    loopback.write_text(_ON_LOOPBACK)
    modules = here / "node_modules"
    node = [shutil.which("node") or "node", "--require", str(loopback)]
    command, more = {
        "kinesalite": (
            [*node, str(modules / "kinesalite/cli.js"), f"--port={port}", "--shardLimit=1000", *_SOON],
            {},
        ),
        "kinesis-local": (
            [*node, str(modules / "kinesis-local/main.js")],
            {
                "KINESIS_MOCK_PLAIN_PORT": str(port),
                "KINESIS_MOCK_TLS_PORT": str(other),
                "KINESIS_MOCK_CERT_PATH": str(modules / "kinesis-local/server.json"),
                "SHARD_LIMIT": "1000",
                **{f"{what}_DURATION": "100ms" for what in ("CREATE_STREAM", "SPLIT_SHARD", "MERGE_SHARDS")},
            },
        ),
        "ministack": (
            [str(here / "bin/ministack")],
            {"GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "SERVICES": "kinesis"},
        ),
    }[name]
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env={"PATH": os.environ["PATH"], "HOME": str(directory), **more},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    server = KinesisServer(name, port, process)
    try:
        _wait_for(server, directory / "log")
    except BaseException:
        server.stop()
        raise
    return server


def client_of(port: int) -> Any:
    """A client of a server, which does not try again by itself."""
    return boto3.client("kinesis", config=Config(retries={"total_max_attempts": 1}), **_where(port))


def _where(port: int) -> dict[str, str]:
    return {
        "endpoint_url": f"http://127.0.0.1:{port}",
        "region_name": REGION,
        "aws_access_key_id": ACCESS_KEY,
        "aws_secret_access_key": SECRET_KEY,
    }


_SOON = [f"--{what}StreamMs=100" for what in ("create", "delete", "update")]


def _wait_for(server: KinesisServer, log: Path) -> None:
    until = time.monotonic() + 60
    client = client_of(server.port)
    while True:
        assert server.process.poll() is None, log.read_text()[-2000:]
        try:
            client.list_streams()
        except Exception:
            assert time.monotonic() < until, log.read_text()[-2000:]
            time.sleep(0.1)
        else:
            return


def is_reached_from_elsewhere(port: int) -> bool:
    """Whether it listens on more than 127.0.0.1: then it answers on the machine's other addresses, too."""
    with socket.socket() as one:
        one.settimeout(2)
        return one.connect_ex(("127.0.0.2", port)) == 0
