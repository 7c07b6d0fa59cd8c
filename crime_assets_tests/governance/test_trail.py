"""The trail: one chain whoever writes, nothing lost in a crash, and every tampering found."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crime_assets.core.errors import LakeError, UsageError
from crime_assets.governance import trail as module
from crime_assets.governance.trail import Trail, Verdict
from crime_assets_tests.governance.tampering import assert_all_found
from crime_assets_tests.stress.test_full_disk import mounted

BEGUN = datetime(2026, 5, 1, 23, 0, tzinfo=UTC)


def ticking(step: timedelta) -> Callable[[], datetime]:
    moments = (BEGUN + n * step for n in range(10**9))
    return lambda: next(moments)


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    (tmp_path / "anchors").mkdir()
    return Trail(tmp_path / "trail", tmp_path / "anchors", ticking(timedelta(minutes=20)))


def test_lines_are_chained_over_days(trail: Trail, tmp_path: Path) -> None:
    for n in range(10):
        entry = trail.append("ask", principal="ana", sql=f"SELECT {n}")
        assert entry.n == n + 1
    assert sorted(path.name for path in (tmp_path / "trail").glob("*.jsonl")) == [
        "2026-05-01.jsonl",
        "2026-05-02.jsonl",
    ]
    found = list(trail.entries())
    assert [entry.fields["sql"] for entry in found] == [f"SELECT {n}" for n in range(10)]
    assert [entry.prev for entry in found[1:]] == [entry.hash for entry in found[:-1]]
    verdict = trail.verify()
    assert (verdict.lines, verdict.anchored, verdict.problems) == (10, 0, ())
    trail.anchor()
    assert trail.verify().anchored == 10
    assert (tmp_path / "trail").stat().st_mode & 0o777 == 0o700


def test_a_clock_that_was_wrong_once_is_noted_and_right_again(tmp_path: Path) -> None:
    moments = [BEGUN, BEGUN + timedelta(days=9_000), BEGUN + timedelta(hours=3), BEGUN + timedelta(hours=2)]
    trail = Trail(tmp_path / "trail", clock=iter(moments).__next__)
    for _ in moments:
        trail.append("ask")
    found = list(trail.entries())
    assert [entry.at for entry in found] == [moment.isoformat(timespec="microseconds") for moment in moments]
    assert [entry.fields.get("clock_back", False) for entry in found] == [False, False, True, True]
    assert [entry.n for entry in found] == [1, 2, 3, 4]
    assert trail.verify().problems == ()
    for file in (tmp_path / "trail").glob("*.jsonl"):
        told = [json.loads(line) for line in file.read_bytes().splitlines()]
        changed = [{**line, "clock_back": not line.get("clock_back", False)} for line in told]
        file.write_bytes(
            b"".join(json.dumps({**line, "hash": module._hash(line)}).encode() + b"\n" for line in changed)
        )
    assert "clock that went back" in str(trail.verify().problems)


def test_lines_in_the_file_of_another_day_are_found(trail: Trail, tmp_path: Path) -> None:
    for _ in range(5):
        trail.append("ask")
    first, second = sorted((tmp_path / "trail").glob("*.jsonl"))
    moved = first.read_bytes().splitlines(keepends=True)[-1]
    first.write_bytes(first.read_bytes()[: -len(moved)])
    second.write_bytes(moved + second.read_bytes())
    assert trail.verify().problems == ("2026-05-02.jsonl:1 should be in 2026-05-01.jsonl",)


def test_what_was_seen_lies_beside_the_line(trail: Trail, tmp_path: Path) -> None:
    ids = [5, 7, 2**40, *range(100, 9_000)]
    trail.append("ask")
    seen, none, unknown = (
        trail.append("answer", seen=ids),
        trail.append("answer", seen=[]),
        trail.append("answer", ids_exact=False),
    )
    assert [entry.fields["ids_exact"] for entry in (seen, none, unknown)] == [True, True, False]
    assert sorted(trail.ids(seen) or []) == sorted(ids)
    assert list(trail.ids(none) or []) == []
    assert trail.ids(unknown) is None
    file = tmp_path / "trail" / "seen" / "2.roaring"
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert file.stat().st_size < 9_000
    assert trail.verify().problems == ()
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + b"x")
    assert "2.roaring, the ids of line 2, was changed" in str(trail.verify().problems)
    with pytest.raises(LakeError, match="was changed"):
        trail.ids(seen)
    file.unlink()
    assert "cannot be read" in str(trail.verify().problems)


def test_ids_that_cannot_be_written_refuse_the_line(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    trail.append("ask")

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(LakeError, match="nothing is answered"):
            trail.append("answer", seen=[1, 2])
    assert sorted(trail.ids(trail.append("answer", seen=[3])) or []) == [3]
    assert (trail.verify().lines, trail.verify().problems) == (2, ())


@pytest.mark.parametrize("name", ["2030-01-01.jsonl", ".lock", "seen"])
def test_a_link_in_the_trail_is_not_followed(trail: Trail, tmp_path: Path, name: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"somebody else's")
    (tmp_path / "trail").mkdir()
    (tmp_path / "trail" / name).symlink_to(elsewhere)
    for work in (lambda: trail.append("answer", seen=[1]), trail.verify, trail.anchor, lambda: list(trail.entries())):
        with pytest.raises(LakeError, match="is a link"):
            work()
    assert elsewhere.read_bytes() == b"somebody else's"


def test_a_link_in_place_of_ids_is_not_followed(trail: Trail, tmp_path: Path) -> None:
    entry = trail.append("answer", seen=[1])
    file = tmp_path / "trail" / "seen" / "1.roaring"
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    assert "cannot be read" in str(trail.verify().problems)
    with pytest.raises(LakeError, match="cannot be read"):
        trail.ids(entry)


def test_every_tampering_is_found(trail: Trail, tmp_path: Path) -> None:
    """By one who cannot write the anchors: changes, cuts, insertions, new orders, and chains written anew."""
    for n in range(40):
        trail.append("answer", seen=[n, 7 * n] if n % 5 == 0 else None, sql=f"SELECT {n}", rows=n)
        if n in {19, 39}:
            trail.anchor()
    assert_all_found(trail, tmp_path / "trail", 130, seed=5)


def test_anchors_are_noted_as_lines_come_and_what_is_none_is_said(trail: Trail, tmp_path: Path) -> None:
    heads = tmp_path / "anchors" / "heads.jsonl"
    for _ in range(module.ANCHORED_EVERY + 1):
        trail.append("ask")
    assert trail.verify().anchored == module.ANCHORED_EVERY
    whole = heads.read_bytes()
    for wrong in (b"null\n", b'{"n": "3"}\n', b"\xff\n", b"[" * 9999, b'{"n": 6}'):
        heads.write_bytes(whole + wrong)
        trail.anchor()
        verdict = trail.verify()
        assert (verdict.anchored, len(verdict.problems)) == (module.ANCHORED_EVERY + 1, 1), wrong
    for torn in (b"{", b'{"n": 6', b'{"n": 65, "at": "2026'):
        heads.write_bytes(whole + torn)
        trail.anchor()
        assert trail.verify() == Verdict(module.ANCHORED_EVERY + 1, module.ANCHORED_EVERY + 1, ()), torn
    heads.write_bytes(whole)
    (tmp_path / "trail" / "2030-01-01.jsonl").mkdir()
    assert trail.verify().problems == ()
    heads.unlink()
    heads.parent.rmdir()
    assert "are not there" in trail.verify().problems[0]


def test_a_crash_in_a_long_line_after_a_long_line_is_mended(trail: Trail, tmp_path: Path) -> None:
    trail.append("ask", sql="x" * 900_000)
    (path,) = (tmp_path / "trail").glob("*.jsonl")
    path.write_bytes(path.read_bytes() + b"y" * 900_000)
    assert trail.append("ask").n == 3
    assert trail.verify().problems == ()


def test_what_is_left_of_a_line_is_taken_out_and_noted(trail: Trail, tmp_path: Path) -> None:
    trail.append("ask", sql="SELECT 1")
    (path,) = (tmp_path / "trail").glob("*.jsonl")
    whole = path.read_bytes()
    for torn in (b"{", whole[:-1], b'{"n": 2, "at"'):
        path.write_bytes(whole + torn)
        trail.append("ask", sql="SELECT 2")
        assert [entry.event for entry in trail.entries()] == ["ask", "torn", "ask"]
        assert trail.verify().problems == ()
        for day in (tmp_path / "trail").glob("*.jsonl"):
            day.unlink()
        path.write_bytes(whole)


def test_who_verifies_after_a_crash_finds_the_trail_mended(trail: Trail, tmp_path: Path) -> None:
    trail.append("ask")
    (path,) = (tmp_path / "trail").glob("*.jsonl")
    path.write_bytes(path.read_bytes() + b'{"n": 2')
    assert trail.verify() == Verdict(2, 0, ())
    assert [entry.event for entry in trail.entries()] == ["ask", "torn"]


def test_a_file_that_has_only_a_torn_line_follows_the_day_before(trail: Trail, tmp_path: Path) -> None:
    for _ in range(3):
        trail.append("ask")
    (tmp_path / "trail" / "2026-05-02.jsonl").write_bytes(b'{"n":')
    trail.append("ask")
    assert [entry.event for entry in trail.entries()] == ["ask", "ask", "ask", "torn", "ask"]
    assert trail.verify().problems == ()


def test_a_last_line_that_is_none_stops_everything(trail: Trail, tmp_path: Path) -> None:
    trail.append("ask")
    (path,) = (tmp_path / "trail").glob("*.jsonl")
    path.write_bytes(path.read_bytes() + b"not a line\n")
    with pytest.raises(LakeError, match="audit verify"):
        trail.append("ask")


@pytest.mark.parametrize("when", ["write", "fsync", "part"])
def test_a_full_disk_refuses_and_leaves_nothing(
    trail: Trail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    trail.append("ask", sql="SELECT 1")
    (path,) = (tmp_path / "trail").glob("*.jsonl")
    before = path.read_bytes()
    write = os.write

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        if when == "part":
            patched.setattr(os, "write", lambda file, line: write(file, line[:20]))
        else:
            patched.setattr(os, when, full)
        with pytest.raises(LakeError, match="nothing is answered"):
            trail.append("answer", rows=3)
    assert path.read_bytes() == before
    assert trail.append("answer", rows=3).n == 2
    assert trail.verify().problems == ()


@pytest.mark.slow
def test_a_disk_that_really_is_full_refuses_and_leaves_a_whole_trail(tmp_path: Path) -> None:
    place = tmp_path / "trail"
    place.mkdir()
    trail = Trail(place)
    with mounted(place) as disk:
        lines = 0
        for free in (1 << 20, *range(0, 40_000, 4_000)):
            disk.leave(free)
            with suppress(LakeError):
                for _ in range(3):
                    trail.append("answer", seen=range(0, 9_000, 3), sql="x" * 5_000)
                    lines += 1
        assert lines < 33
        assert (trail.verify().lines, trail.verify().problems) == (lines, ())
        disk.leave(1 << 20)
        assert trail.append("ask").n == lines + 1


def test_an_endless_question_is_refused(trail: Trail) -> None:
    with pytest.raises(UsageError, match="shorter"):
        trail.append("ask", sql="x" * (2 << 20))
    assert trail.append("ask", sql="x" * 500_000).n == 1
    assert trail.append("ask").n == 2


@pytest.mark.slow
def test_many_writers_make_one_chain(tmp_path: Path) -> None:
    directory = tmp_path / "trail"
    program = (
        "import sys; from pathlib import Path; from crime_assets.governance.trail import Trail\n"
        f"trail = Trail(Path({str(directory)!r}))\n"
        "for n in range(60): trail.append('ask', who=sys.argv[1], sql=f'SELECT {n}')"
    )
    others = [subprocess.Popen([sys.executable, "-c", program, str(n)]) for n in range(3)]
    own = Trail(directory)
    threads = [threading.Thread(target=lambda: [own.append("ask", who="here") for _ in range(60)]) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [other.wait(60) for other in others] == [0, 0, 0]
    verdict = own.verify()
    assert (verdict.lines, verdict.problems) == (300, ())


@pytest.mark.slow
def test_a_kill_loses_no_line_that_was_told(tmp_path: Path) -> None:
    directory = tmp_path / "trail"
    program = (
        "from pathlib import Path; from crime_assets.governance.trail import Trail\n"
        f"trail = Trail(Path({str(directory)!r}))\n"
        "while True: print(trail.append('answer', sql='x' * 2000).n, flush=True)"
    )
    chance = random.Random(3)
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            told = [int(writer.stdout.readline()) for _ in range(chance.randint(1, 40))]
            writer.send_signal(signal.SIGKILL)
            told += [int(line) for line in writer.stdout.read().split("\n")[:-1]]
        held = {entry.n for entry in Trail(directory).entries()} if told else set()
        assert set(told) <= held
    Trail(directory).append("ask")
    assert Trail(directory).verify().problems == ()
