"""Logins begin, and end: asked for, idle, too long, or because too many have failed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crime_assets.core.errors import LakeError, UsageError
from crime_assets.governance.policy import Principal
from crime_assets.governance.principals import Who
from crime_assets.governance.sessions import FAILURES, IDLE, LONGEST, WINDOW, Sessions
from crime_assets.governance.trail import Trail

DIAZ = Principal("p.diaz", "commander", ("011",))
WHO = Who("token", "d" * 64, "10.0.0.7")


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 6, 1, 8, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def trail(tmp_path: Path, clock: Clock) -> Trail:
    return Trail(tmp_path / "trail", None, clock)


@pytest.fixture
def sessions(trail: Trail, clock: Clock) -> Sessions:
    return Sessions(trail, clock)


def told(trail: Trail) -> list[tuple[object, ...]]:
    return [(line.event, line.fields.get("principal"), line.fields.get("reason")) for line in trail.entries()]


def test_a_session_is_who_logged_in(sessions: Sessions, trail: Trail) -> None:
    text = sessions.begin(WHO, DIAZ, "digest")
    found = sessions.of(text)
    assert found is not None
    assert (found.principal, found.policy, found.who.name) == ("p.diaz", "digest", WHO.name)
    (line,) = trail.entries()
    assert (line.event, line.fields["how"], line.fields["source"]) == ("login", "token", "10.0.0.7")
    assert line.fields["session"] == found.who.session
    assert text not in str(line)
    assert sessions.of("another") is None


def test_used_it_stays_idle_it_ends(sessions: Sessions, trail: Trail, clock: Clock) -> None:
    text = sessions.begin(WHO, DIAZ, "digest")
    for _ in range(3):
        clock.now += IDLE
        assert sessions.of(text) is not None
    clock.now += IDLE + timedelta(seconds=1)
    assert sessions.of(text) is None
    assert told(trail)[-1] == ("session_ended", "p.diaz", "idle")


def test_an_idle_one_ends_without_anybody_coming(sessions: Sessions, trail: Trail, clock: Clock) -> None:
    sessions.begin(WHO, DIAZ, "digest")
    clock.now += 2 * IDLE
    sessions.sweep()
    assert [line[0] for line in told(trail)] == ["login", "session_ended"]


def test_none_lasts_for_ever(sessions: Sessions, trail: Trail, clock: Clock) -> None:
    text = sessions.begin(WHO, DIAZ, "digest")
    end = clock.now + LONGEST
    while clock.now < end:
        clock.now += timedelta(minutes=20)
        sessions.of(text)
    clock.now += timedelta(minutes=20)
    assert sessions.of(text) is None
    assert told(trail)[-1] == ("session_ended", "p.diaz", "too long")


def test_a_logout_ends_it_once(sessions: Sessions, trail: Trail) -> None:
    text = sessions.begin(WHO, DIAZ, "digest")
    for _ in range(2):
        sessions.end(text, "logout", "asked for")
    assert sessions.of(text) is None
    assert [line[0] for line in told(trail)] == ["login", "logout"]


def test_all_end_with_the_service(sessions: Sessions, trail: Trail) -> None:
    texts = [sessions.begin(WHO, DIAZ, "digest") for _ in range(2)]
    sessions.close()
    assert [sessions.of(text) for text in texts] == [None, None]
    assert told(trail)[2:] == [("session_ended", "p.diaz", "stopped")] * 2


def test_failures_lock_an_address_for_a_while_and_no_other(sessions: Sessions, trail: Trail, clock: Clock) -> None:
    for _ in range(FAILURES):
        sessions.check_not_locked(WHO)
        sessions.failed(WHO, "not known")
        clock.now += timedelta(minutes=1)
    with pytest.raises(UsageError, match="Too many logins"):
        sessions.check_not_locked(WHO)
    sessions.check_not_locked(Who("token", WHO.name, "10.0.0.8"))
    sessions.check_not_locked(Who("program", WHO.name, WHO.source))
    sessions.failed(WHO, "not known")
    assert [line.fields.get("locked", False) for line in trail.entries()] == [False] * (FAILURES - 1) + [True]
    clock.now += WINDOW
    sessions.check_not_locked(WHO)


def test_a_session_that_ends_without_its_line_is_of_no_use_and_gets_it_later(
    sessions: Sessions, trail: Trail, tmp_path: Path, clock: Clock
) -> None:
    text = sessions.begin(WHO, DIAZ, "digest")
    (tmp_path / "trail").rename(tmp_path / "aside")
    (tmp_path / "trail").write_text("not a directory")
    with pytest.raises(LakeError):
        sessions.end(text, "logout", "asked for")
    (tmp_path / "trail").unlink()
    (tmp_path / "aside").rename(tmp_path / "trail")
    assert not sessions.is_open(text)
    assert sessions.of(text) is None
    sessions.sweep()
    assert [line[0] for line in told(trail)] == ["login", "session_ended"]


def test_without_its_line_there_is_no_session(trail: Trail, sessions: Sessions, tmp_path: Path) -> None:
    (tmp_path / "trail").write_text("not a directory")
    with pytest.raises(LakeError, match="nothing is answered"):
        sessions.begin(WHO, DIAZ, "digest")
    assert not sessions._open
