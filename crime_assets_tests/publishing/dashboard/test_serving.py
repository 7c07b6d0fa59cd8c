"""The command `dashboard`: on loopback alone, on a port that is free, until it is interrupted."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from crime_assets.cli.main import main

pytestmark = pytest.mark.slow

PROGRAM = Path(sys.executable).with_name("crime-assets")


def test_it_answers_on_loopback_until_it_is_interrupted(tmp_path: Path) -> None:
    with subprocess.Popen(
        [PROGRAM, "dashboard", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split()[4]
            assert address.startswith("http://127.0.0.1:")
            assert b"No figures yet" in urllib.request.urlopen(address, timeout=20).read()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.2", int(address.rpartition(":")[2])), 5)
            server.send_signal(signal.SIGINT)
            said = server.communicate(timeout=20)[1]
        finally:
            server.kill()
        assert (server.returncode, said) == (0, "")


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [PROGRAM, "dashboard", "--port", f"{port}"],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == f"crime-assets: Port {port} is taken: give another by --port.\n"


@pytest.mark.parametrize("port", ["99999", "-1", "80a", ""])
def test_what_is_no_port_is_wrong_usage(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["dashboard", f"--port={port}"])
    assert ended.value.code == 2
    assert f"'{port}' is not a port: give a number from 0 to 65535" in capsys.readouterr().err
