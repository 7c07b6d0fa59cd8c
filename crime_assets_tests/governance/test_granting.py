"""Access is granted and revoked in the policy's own file: whole or not at all, with a line on the trail."""

from __future__ import annotations

import stat
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from crime_assets.core.errors import UsageError
from crime_assets.governance.granting import Granting
from crime_assets.governance.policy import Policy, Principal, read_policy
from crime_assets.governance.tokens import Tokens
from crime_assets.governance.trail import Trail
from crime_assets_tests.governance.policies import TEXT, TODAY

COMMENTED = f"# Kept by the chief's office.\n{TEXT}\n[principals.last]\nrole = 'steward'  # until the audit\n"
NEW = Principal("new.person@city", "commander", ("011", "025"), "newp", "", "crime-new", date(2027, 1, 31))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "policy.toml"
    found.write_text(COMMENTED)
    found.chmod(0o640)
    return found


@pytest.fixture
def granting(path: Path, tmp_path: Path) -> Granting:
    return _granting(path, tmp_path, lambda policy: None)


def _granting(path: Path, place: Path, check: Callable[[Policy], None]) -> Granting:
    return Granting(path, Trail(place / "trail"), Tokens(place / "governance"), "root", check)


def told(place: Path) -> list[tuple[object, ...]]:
    lines = Trail(place / "trail").entries() if (place / "trail").exists() else ()
    return [(line.event, line.fields["principal"], line.fields["by"]) for line in lines]


def test_a_grant_is_in_the_file_and_nothing_else_changes(granting: Granting, path: Path, tmp_path: Path) -> None:
    granting.grant(NEW)
    policy = read_policy(path)
    assert policy.principals["new.person@city"] == NEW
    assert path.read_text().startswith(COMMENTED.rstrip())
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    (line,) = Trail(tmp_path / "trail").entries()
    assert (line.event, line.fields["role"], line.fields["districts"]) == ("grant", "commander", ["011", "025"])
    assert line.fields["policy"] == policy.digest


def test_a_grant_replaces_an_earlier_one(granting: Granting, path: Path) -> None:
    granting.grant(Principal("p.diaz", "analyst", (), "pdiaz"))
    found = read_policy(path).principals
    assert (found["p.diaz"].role, found["p.diaz"].districts, found["p.diaz"].expires) == ("analyst", (), None)
    assert len(found) == 5


@pytest.mark.parametrize(
    ("principal", "said"),
    [
        (Principal("x", "chief"), "no role 'chief'"),
        (Principal("x", "commander"), "names no district"),
        (Principal("x", "analyst", (), "pdiaz"), "Two principals have the account"),
        (Principal("x\n[roles.evil]", "analyst"), "not a principal's name"),
        (Principal('x"', "analyst"), "not a principal's name"),
    ],
)
def test_what_does_not_fit_changes_nothing(
    granting: Granting, path: Path, tmp_path: Path, principal: Principal, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        granting.grant(principal)
    assert path.read_text() == COMMENTED
    assert told(tmp_path) == []
    assert sorted(found.name for found in tmp_path.iterdir()) == [".policy.toml.lock", "policy.toml"]


def test_what_the_lake_refuses_changes_nothing(path: Path, tmp_path: Path) -> None:
    def refuse(policy: Policy) -> None:
        raise UsageError("no such column")

    with pytest.raises(UsageError, match="no such column"):
        _granting(path, tmp_path, refuse).grant(NEW)
    assert path.read_text() == COMMENTED


def test_revoking_takes_the_tokens_too(granting: Granting, path: Path, tmp_path: Path) -> None:
    for name in ("p.diaz", "p.diaz", "ana"):
        granting.token(name, TODAY, 30)
    assert granting.revoke("p.diaz") == 2
    assert "p.diaz" not in read_policy(path).principals
    assert [token.principal for token in Tokens(tmp_path / "governance").all()] == ["ana"]
    assert "until the audit" in path.read_text()
    assert told(tmp_path)[-1] == ("revoke", "p.diaz", "root")
    with pytest.raises(UsageError, match="nothing to revoke"):
        granting.revoke("p.diaz")


@pytest.mark.parametrize(
    "moved",
    [
        lambda text: text.replace("[principals.desk]", "[roles.between]\ntables = []\n\n[principals.desk]"),
        lambda text: text.replace('[principals."p.diaz"]', '[principals]\n[principals."p.diaz"]'),
        lambda text: text.replace("\n", "\r\n"),
    ],
)
def test_revoking_works_however_the_file_is_written(
    granting: Granting, path: Path, moved: Callable[[str], str]
) -> None:
    path.write_bytes(moved(COMMENTED).encode())
    granting.revoke("p.diaz")
    assert sorted(read_policy(path).principals) == ["ana", "desk", "keeper", "last"]
    granting.grant(NEW)
    assert NEW.name in read_policy(path).principals


def test_what_cannot_be_changed_keeps_everything(granting: Granting, path: Path, tmp_path: Path) -> None:
    inline = COMMENTED.split("[principals", maxsplit=1)[0].replace(
        "version = 1", 'version = 1\nprincipals = { a = { role = "analyst" } }'
    )
    path.write_text(inline)
    granting.token("a", TODAY, 30)
    with pytest.raises(UsageError, match="edit it by hand"):
        granting.grant(Principal("b\udc80", "analyst", (), "\udc80"))
    assert path.read_text() == inline
    assert len(Tokens(tmp_path / "governance").all()) == 1


def test_who_gets_a_name_gets_no_tokens_of_an_earlier_one(granting: Granting, path: Path, tmp_path: Path) -> None:
    granting.token("ana", TODAY, 30)
    path.write_text(COMMENTED.replace("[principals.ana]", "[principals.anna]"))
    granting.grant(Principal("ana", "analyst", (), "another"))
    assert Tokens(tmp_path / "governance").all() == []


def test_a_token_that_lasts_too_long_has_no_line(granting: Granting, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="1 to 90 days"):
        granting.token("ana", TODAY, 91)
    assert told(tmp_path) == []


def test_tokens_of_who_is_not_in_the_policy(granting: Granting, path: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not in the policy"):
        granting.token("stranger", TODAY, 30)
    granting.token("ana", TODAY, 30)
    path.write_text(COMMENTED.replace("[principals.ana]", "[principals.anna]"))
    assert granting.revoke("ana") == 1
    assert told(tmp_path)[-1] == ("revoke", "ana", "root")


def test_a_link_to_the_policy_stays_one(granting: Granting, path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    _granting(link, tmp_path, lambda policy: None).grant(NEW)
    assert link.is_symlink()
    assert NEW.name in read_policy(path).principals
