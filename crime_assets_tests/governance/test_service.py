"""The service on a Unix socket: the kernel says who asks, and nobody else's word counts."""

from __future__ import annotations

import http.client
import json
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crime_assets.cli.asking import _Connection
from crime_assets.cli.main import main
from crime_assets.governance import confine
from crime_assets.governance.trail import Trail
from crime_assets_tests.build import record, write_export
from crime_assets_tests.governance.policies import TEXT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not confine.landlock_version(), reason="this kernel has no Landlock: nobody is answered here"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask as several accounts"),
]

PROGRAM = Path(sys.executable).with_name("crime-assets")
NOBODY, DAEMON = (pwd.getpwnam(name).pw_uid for name in ("nobody", "daemon"))
POLICY = TEXT.replace("pdiaz", "nobody").replace('os_user = "ana"', 'os_user = "daemon"')
Answer = tuple[int, str]


class Service:
    """The program, on a lake of 60 crimes in three districts."""

    def __init__(self, place: Path) -> None:
        self.home, self.socket, self.policy = place / "lake", place / "s", place / "policy.toml"
        self.policy.write_text(POLICY)
        self.policy.chmod(0o600)
        self.environment = {
            **os.environ,
            "CRIME_HOME": str(self.home),
            "CRIME_POLICY": str(self.policy),
            "CRIME_SOCKET": str(self.socket),
        }
        self.process: subprocess.Popen[str] | None = None

    def start(self, *arguments: str) -> str:
        """Its first line; its error if it does not start."""
        self.process = subprocess.Popen(
            [PROGRAM, "serve", *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        return self.process.stdout.readline() or self.process.stderr.read()

    def stop(self, how: int = signal.SIGINT) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(30)
            self.process = None

    def trail(self) -> list[dict[str, object]]:
        return [{"event": entry.event, **entry.fields} for entry in Trail(self.home / "trail").entries()]


def as_account(uid: int, work: Callable[[], Answer]) -> Answer:
    """What a function returns in a process of another account."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(uid)
            told: object = work()
        except BaseException as error:
            told = (-1, f"{type(error).__name__}: {error}")
        os.write(writing, json.dumps(told).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        content = file.read()
    os.waitpid(child, 0)
    status, text = json.loads(content)
    return status, text


def post(place: Path, asked: object, headers: dict[str, str] | None = None) -> Answer:
    connection = _Connection(place)
    body = asked if isinstance(asked, bytes) else json.dumps(asked).encode()
    connection.request("POST", "/query", body, headers or {})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def laid(place: Path) -> Service:
    """A service's lake, before the service is started."""
    for above in (place, *place.parents):
        if above.owner() == "root" and above != Path("/"):
            above.chmod(above.stat().st_mode | 0o011)  # others may pass through, to the socket
    found = Service(place)
    days = [f"2024-01-{20 + n % 3}" for n in range(60)]
    crimes = [record(n + 1, day, "2024-01-03", district=("011", "012", "025")[n % 3]) for n, day in enumerate(days)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRIME_HOME", str(found.home))
        patch.setenv("CRIME_FEED", "export")
        patch.setenv("CRIME_EXPORT", str(write_export(place / "crimes.csv", crimes)))
        assert main(["run", "--no-insights", "--from", "2024-01-21", "--to", "2024-01-22"]) == 0
    found.home.chmod(0o700)
    return found


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    found = laid(tmp_path_factory.mktemp("service"))
    assert "Answering on" in found.start("--as-root")
    yield found
    found.stop()


COUNT = {"sql": "SELECT min(district) AS d, count(*) AS n FROM crimes", "format": "csv"}


def test_each_account_sees_what_is_its_own(service: Service) -> None:
    assert as_account(NOBODY, lambda: post(service.socket, COUNT)) == (200, "d,n\n011,20\n")
    assert as_account(DAEMON, lambda: post(service.socket, COUNT)) == (200, "d,n\n011,60\n")
    answers = [line for line in service.trail() if line["event"] == "answer"][-2:]
    assert [line["principal"] for line in answers] == ["p.diaz", "ana"]
    asked = [line for line in service.trail() if line["event"] == "ask"][-2:]
    assert [line["account"] for line in asked] == ["nobody", "daemon"]


def test_nobody_is_who_he_says(service: Service) -> None:
    said = {
        "X-Forwarded-For": str(DAEMON),
        "Forwarded": f"for={DAEMON}",
        "X-Real-IP": "0",
        "Authorization": "Basic eDp5",
    }
    assert as_account(NOBODY, lambda: post(service.socket, {**COUNT, "os_user": "daemon"}, said))[1] == "d,n\n011,20\n"


def test_root_and_strangers_are_refused(service: Service) -> None:
    status, told = post(service.socket, COUNT)
    assert (status, "root is not a person" in told) == (403, True)
    for uid in (pwd.getpwnam("games").pw_uid, 54321):
        status, told = as_account(uid, lambda: post(service.socket, COUNT))
        assert (status, "not in the policy" in told) == (400, True)
    assert service.trail()[-1]["event"] == "refuse"


def test_the_lake_is_closed_to_those_who_ask(service: Service) -> None:
    def read() -> Answer:
        return 0, str(os.listdir(service.home))

    assert as_account(NOBODY, read)[1].startswith("PermissionError")


@pytest.mark.parametrize(
    "asked",
    [
        b"",
        b"{",
        b"[1]",
        b"[" * 100_000,
        b"\xff",
        {},
        {"sql": ""},
        {"sql": 3},
        {"sql": ["SELECT 1"]},
        {"sql": "SELECT 1", "format": "parquet"},
        {"sql": "SELECT 1", "purpose": 3},
        {"sql": "SELECT 1", "as_of": {}},
        {"sql": "x" * (2 << 20)},
    ],
    ids=str,
)
def test_what_is_no_question_is_one_sentence(service: Service, asked: object) -> None:
    status, told = as_account(NOBODY, lambda: post(service.socket, asked))
    assert (status, list(json.loads(told))) == (400, ["error", "exit_code"])


def test_a_revoked_account_is_refused_at_once(service: Service) -> None:
    service.policy.write_text(POLICY.replace("expires = 2027-06-30", "expires = 2020-01-01"))
    try:
        status, told = as_account(NOBODY, lambda: post(service.socket, COUNT))
        assert (status, "ended on 2020-01-01" in told) == (400, True)
        service.policy.write_text("version = 2")
        assert as_account(NOBODY, lambda: post(service.socket, COUNT))[0] == 400
    finally:
        service.policy.write_text(POLICY)
    assert as_account(NOBODY, lambda: post(service.socket, COUNT))[0] == 200


def test_a_worker_runs_with_nothing(service: Service) -> None:
    as_account(NOBODY, lambda: post(service.socket, COUNT))
    assert service.process is not None
    children = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children").read_text().split()
    tasks = Path(f"/proc/{service.process.pid}/task").iterdir()
    children += [child for task in tasks for child in (task / "children").read_text().split()]
    workers = {child for child in children if "worker" in Path(f"/proc/{child}/cmdline").read_text()}
    assert workers
    for worker in workers:
        assert Path(f"/proc/{worker}/environ").read_bytes() == b""
        opened = {os.readlink(file) for file in Path(f"/proc/{worker}/fd").iterdir()}
        files = {name for name in opened if name.startswith("/") and name != "/dev/null"}
        assert {Path(name).name for name in files} <= {"gate.duckdb", "online", "status"}
        assert not any(name.startswith("socket:") for name in opened)


def test_it_does_not_start_where_it_protects_nothing(service: Service, tmp_path: Path) -> None:
    other = Service(tmp_path)
    other.environment["CRIME_HOME"] = str(service.home)
    assert "account of its own" in other.start()
    service.home.chmod(0o750)
    assert "chmod 700" in other.start("--as-root")
    service.home.chmod(0o700)
    other.environment["CRIME_SOCKET"] = str(service.socket)
    assert "answers on" in other.start("--as-root")
    del other.environment["CRIME_POLICY"]
    assert "set CRIME_POLICY" in other.start("--as-root")


def test_the_command_asks_the_service(service: Service, capfd: pytest.CaptureFixture[str]) -> None:
    def ask() -> Answer:
        os.environ["CRIME_SOCKET"] = str(service.socket)
        os.environ["CRIME_HOME"] = "/nowhere"
        code = main(["query", "--format", "csv", "SELECT 'ä€' AS t, count(*) AS n FROM crimes"])
        refused = main(["query", "SELECT nothing"])
        return code * 10 + refused, ""

    assert as_account(NOBODY, ask)[0] == 2
    told = capfd.readouterr()
    assert told.out == "t,n\nä€,20\n"
    assert len(told.err.splitlines()) == 1


def test_a_service_that_is_killed_leaves_a_place_for_the_next(service: Service) -> None:
    """Also for the trail: what was told before has its line."""
    for _ in range(2):
        service.stop(signal.SIGKILL)
        with pytest.raises((OSError, http.client.HTTPException)):
            post(service.socket, COUNT)
        assert "Answering on" in service.start("--as-root")
        assert as_account(NOBODY, lambda: post(service.socket, COUNT))[0] == 200
    assert Trail(service.home / "trail").verify().problems == ()
