"""The audit trail under kills, a full disk, tampering and many writers: no answer without its line, and one chain."""

from __future__ import annotations

import hashlib
import http.client
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from crime_assets.governance import confine
from crime_assets.governance.trail import Trail
from crime_assets_tests.governance.tampering import assert_all_found
from crime_assets_tests.governance.test_service import DAEMON, NOBODY, Service, as_account, laid, post
from crime_assets_tests.stress.test_full_disk import Disk, mounted

pytestmark = pytest.mark.slow

KILLS = 200
TAMPERINGS = 2_000
WRITERS, LINES = 8, 1_000


@pytest.fixture
def service() -> Iterator[Service]:
    if not confine.landlock_version():
        pytest.skip("this kernel has no Landlock: nobody is answered here")
    if os.geteuid() != 0:
        pytest.skip("only root can ask as several accounts")
    # Not in pytest's directory: another run of pytest closes that to all other accounts.
    with TemporaryDirectory(prefix="crime-assets-") as place:
        made = laid(Path(place))
        yield made
        made.stop(signal.SIGKILL)


@contextmanager
def asking(service: Service, log: Path, uid: int, number: int) -> Iterator[None]:
    """A client of an account that asks another question each time, and notes those that were answered."""
    noted = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            os.setgroups([])
            os.setgid(65534)
            os.setuid(uid)
            for turn in itertools.count():
                sql = f"SELECT {number} AS client, {turn} AS turn, count(*) AS n FROM crimes"
                with suppress(OSError, http.client.HTTPException):
                    status, _ = post(service.socket, {"sql": sql})
                    if status == 200:
                        os.write(noted, hashlib.sha256(sql.encode()).hexdigest().encode() + b"\n")
                        continue
                time.sleep(0.02)
        os._exit(1)
    os.close(noted)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@contextmanager
def three_asking(service: Service, log: Path) -> Iterator[None]:
    with asking(service, log, NOBODY, 0), asking(service, log, DAEMON, 1), asking(service, log, DAEMON, 2):
        yield


AT_ONCE = """
import os, sys
import crime_assets.governance.service, crime_assets.governance.access, crime_assets.lakehouse.writing.insights
from crime_assets.cli.main import main
for _ in sys.stdin:
    child = os.fork()
    if child == 0:
        os._exit(main(["serve", "--as-root"]))
    print(child, flush=True)
    os.waitpid(child, 0)
"""
"""A service that starts at once, as often as it is asked to: forked from a program that has imported everything."""


@contextmanager
def starting(service: Service) -> Iterator[Callable[[], int]]:
    """Starts the service each time it is called, and returns its process."""
    program = [sys.executable, "-c", AT_ONCE]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(program, env=service.environment, text=True, bufsize=1, **pipes) as launcher:
        assert launcher.stdin is not None
        assert launcher.stdout is not None

        def start() -> int:
            launcher.stdin.write("\n")
            said = [launcher.stdout.readline() for _ in range(2)]
            (child,) = (int(line) for line in said if line.strip().isdecimal())
            assert any("Answering on" in line for line in said)
            return child

        yield start
        launcher.stdin.close()


def killed_while_asked(service: Service, log: Path, kills: int) -> int:
    """Kill the service at random moments while clients ask; each answer that reached one has its line. How many."""
    chance = random.Random(kills)
    with three_asking(service, log), starting(service) as start:
        for turn in range(kills):
            child = start()
            if turn % 4 == 0:
                _wait_for_more(log)
                time.sleep(chance.uniform(0, 0.5))
            else:
                time.sleep(chance.uniform(0, 1))  # often before there is an answer
            os.kill(child, signal.SIGKILL)
    answered = Counter(log.read_text().split())
    lines = Counter(str(line["sql_sha256"]) for line in service.trail() if line["event"] == "answer")
    assert answered - lines == Counter()
    trail = Trail(service.home / "trail", log.parent)
    trail.append("ask")
    assert trail.verify().problems == ()
    return answered.total()


def _wait_for_more(log: Path) -> None:
    before, deadline = log.stat().st_size, time.monotonic() + 60
    while log.stat().st_size == before:
        assert time.monotonic() < deadline, "nobody is answered"
        time.sleep(0.005)


@pytest.mark.stress
def test_an_answer_that_reached_somebody_has_its_line(
    service: Service, tmp_path: Path, thrown: Callable[[str, object], None]
) -> None:
    answered = killed_while_asked(service, tmp_path / "answered", KILLS)
    assert answered >= KILLS // 4
    thrown("kills of the service while three clients ask, each answer with its line on the trail", KILLS)
    thrown("answers that reached them meanwhile", answered)


@pytest.mark.stress
def test_a_full_disk_refuses_and_afterwards_all_is_well(service: Service) -> None:
    place = service.home / "trail"
    place.mkdir(mode=0o700)
    with mounted(place) as disk:
        assert "Answering on" in service.start("--as-root")
        told = [_asked_with(service, disk, free) for free in (0, 4_096, 8_192, 12_288, 16_384) * 2]
        disk.leave(8 << 20)
        status, text = _asked(service, "afterwards")
        assert status == 200, text
        service.stop()
        refused = [text for status, text in told if status != 200]
        assert len(refused) >= 3
        assert all("so nothing is answered" in text for text in refused)
        lines = [line for line in service.trail() if line["event"] == "answer"]
        assert len(lines) == 1 + len(told) - len(refused)
        assert Trail(place).verify().problems == ()


def _asked_with(service: Service, disk: Disk, free: int) -> tuple[int, str]:
    disk.leave(free)
    return _asked(service, str(free))


def _asked(service: Service, what: str) -> tuple[int, str]:
    sql = f"SELECT '{what}' AS what, id FROM crimes /* {'x' * 9_000} */"
    return as_account(NOBODY, lambda: post(service.socket, {"sql": sql}))


@pytest.mark.stress
def test_every_one_of_many_tamperings_is_found(tmp_path: Path, thrown: Callable[[str, object], None]) -> None:
    (tmp_path / "anchors").mkdir()
    moments = (datetime(2026, 5, 1, tzinfo=UTC) + timedelta(minutes=17 * n) for n in itertools.count())
    trail = Trail(tmp_path / "trail", tmp_path / "anchors", moments.__next__)
    for n in range(300):
        trail.append("answer", seen=range(n, n + 50) if n % 7 == 0 else None, sql=f"SELECT {n}")
    trail.anchor()
    assert_all_found(trail, tmp_path / "trail", TAMPERINGS, seed=11)
    thrown("changes to a trail of 300 lines by one who cannot write its anchors, each found", TAMPERINGS)


@pytest.mark.stress
def test_many_writers_make_one_chain(tmp_path: Path, thrown: Callable[[str, object], None]) -> None:
    program = (
        "import sys; from pathlib import Path; from crime_assets.governance.trail import Trail\n"
        f"trail = Trail(Path({str(tmp_path / 'trail')!r}))\n"
        f"for n in range({LINES}): trail.append('ask', who=sys.argv[1], sql=f'SELECT {{n}}')"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, str(n)]) for n in range(WRITERS)]
    assert [writer.wait() for writer in writers] == [0] * WRITERS
    trail = Trail(tmp_path / "trail")
    verdict = trail.verify()
    assert (verdict.lines, verdict.problems) == (WRITERS * LINES, ())
    written = Counter(entry.fields["who"] for entry in trail.entries())
    assert set(written.values()) == {LINES}
    thrown("lines of eight writers at once, one chain", WRITERS * LINES)
