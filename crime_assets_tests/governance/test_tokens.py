"""Tokens: told once, kept as digests, and gone at once when they are revoked."""

from __future__ import annotations

import stat
import threading
from datetime import date, timedelta
from pathlib import Path

import pytest

from crime_assets.core.errors import LakeError, UsageError
from crime_assets.governance.tokens import LONGEST, Tokens, digest_of

TODAY = date(2026, 6, 1)


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    return Tokens(tmp_path / "governance")


def test_a_token_is_known_until_it_ends(tokens: Tokens) -> None:
    text = tokens.make("p.diaz", TODAY, 30)
    found = tokens.of_digest(digest_of(text), TODAY + timedelta(days=30))
    assert (found.principal, found.made, found.expires) == ("p.diaz", TODAY, date(2026, 7, 1))
    with pytest.raises(UsageError, match="ended on 2026-07-01"):
        tokens.of_digest(digest_of(text), TODAY + timedelta(days=31))


def test_what_is_no_token_is_not_known(tokens: Tokens) -> None:
    text = tokens.make("p.diaz", TODAY, 1)
    for other in ("", text[:-1], text + "x", digest_of(text)):
        with pytest.raises(UsageError, match="not known"):
            tokens.of_digest(digest_of(other), TODAY)


def test_a_revoked_one_is_gone_and_no_other(tokens: Tokens) -> None:
    gone = [tokens.make("p.diaz", TODAY, 30) for _ in range(2)]
    kept = tokens.make("ana", TODAY, 30)
    assert (tokens.revoke("p.diaz"), tokens.revoke("p.diaz")) == (2, 0)
    for text in gone:
        with pytest.raises(UsageError, match="not known"):
            tokens.of_digest(digest_of(text), TODAY)
    assert tokens.of_digest(digest_of(kept), TODAY).principal == "ana"


@pytest.mark.parametrize("days", [0, -1, LONGEST.days + 1])
def test_it_lasts_no_longer_than_it_may(tokens: Tokens, days: int) -> None:
    with pytest.raises(UsageError, match="1 to 90 days"):
        tokens.make("ana", TODAY, days)
    assert tokens.all() == []


def test_nothing_in_the_file_is_a_token(tokens: Tokens, tmp_path: Path) -> None:
    text = tokens.make("ana", TODAY, 30)
    path = tmp_path / "governance" / "tokens.json"
    assert text not in path.read_text()
    assert text.removeprefix("crime_") not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_file_that_others_read_or_nobody_can_is_refused(tokens: Tokens, tmp_path: Path) -> None:
    tokens.make("ana", TODAY, 30)
    path = tmp_path / "governance" / "tokens.json"
    path.chmod(0o644)
    with pytest.raises(LakeError, match="chmod 600"):
        tokens.all()
    path.chmod(0o600)
    path.write_text('[{"digest": 1}]')
    with pytest.raises(LakeError, match="damaged"):
        tokens.all()


def test_many_at_once_lose_none(tokens: Tokens) -> None:
    made = [threading.Thread(target=tokens.make, args=(f"p{n}", TODAY, 30)) for n in range(8)]
    for thread in made:
        thread.start()
    for thread in made:
        thread.join()
    assert {token.principal for token in tokens.all()} == {f"p{n}" for n in range(8)}
