"""The policy file: what it says, and that everything else is refused with a sentence that names the place."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from crime_assets.core.errors import UsageError
from crime_assets.governance.masks import Mask
from crime_assets.governance.policy import parse_policy, read_policy, unclassified
from crime_assets.governance.scopes import check_columns
from crime_assets_tests.governance.policies import TEXT, TODAY, TYPES, policy, scope


def test_it_is_read_whole() -> None:
    found = policy()
    assert found.city == "chicago"
    assert found.class_of("block") == "detail"
    assert found.masks["cell"] == Mask("h3_center", 8)
    assert found.principals["desk"].districts == ("011", "025")
    assert found.principals["p.diaz"].expires == date(2027, 6, 30)
    assert found.roles["steward"].is_unrestricted
    assert unclassified(found, TYPES) == ["primary_type_published", "year"]
    check_columns(found, TYPES)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("version = 1", "version = 2", "version = 1"),
        ("version = 1", "", "version = 1"),
        ("version = 1", "version = 1\nname = 3", "'name' means nothing here"),
        ('city = "chicago"', "city = 3", "city must be a text"),
        ("[classes]", "[classes", "not TOML"),
        ('identity = ["case_number"]', 'identity = ["case_number", "block"]', "block is in two classes"),
        ('identity = ["case_number"]', 'identity = "case_number"', "classes.identity must be a list"),
        ('identity = ["case_number"]', 'identity = ["id", "id"]', "'id' twice"),
        ("length = 16", "length = 4", "masks.token.length must be one of 12"),
        ("length = 16", 'length = "16"', "masks.token.length must be one of 12"),
        ("length = 16", "length = true", "masks.token.length must be one of 12"),
        ("length = 16", "length = 16, salt = 3", "must have kind and length"),
        ('kind = "truncate"', 'kind = "rot13"', "masks.day must be a table with a kind"),
        ('kind = "truncate"', 'kind = ["truncate"]', "masks.day must be a table with a kind"),
        ('{ kind = "truncate"', "{ kind = { a = 1 }", "masks.day must be a table with a kind"),
        ('clear = ["open", "origin"]', 'clear = ["open", "all"]', "no class 'all'"),
        ('clear = ["open", "origin"]', 'clear = ["*"]', "name the classes"),
        ('tables = ["crimes", "insights"]', 'tables = ["crimes", "crimes_removed"]', "no table 'crimes_removed'"),
        ('tables = ["*"]', 'tables = ["*", "crimes"]', "sees all of them"),
        ('place = "cell"', 'place = "fog"', "no mask 'fog'"),
        ('place = "cell"', 'plaice = "cell"', "masks 'plaice'"),
        ('identity = "token", ', 'identity = "token", open = "token", ', "open is both clear and masked"),
        ("[roles.desk]", '[roles."The Desk"]', "'The Desk' is not a name"),
        ('role = "analyst"', 'role = "boss"', "no role 'boss'"),
        ('role = "analyst"', "", "principals.ana.role must be a text"),
        ('districts = ["011"]', "", "names no district"),
        ('districts = ["011"]', "districts = [9]", "districts must be a list of texts"),
        ('districts = ["011"]', 'districts = ["11"]', "'11' is not a district"),
        ('districts = ["011"]', 'districts = ["011\' OR 1=1 --"]', "is not a district"),
        ('role = "analyst"', 'role = "analyst"\ndistricts = ["011"]', "names districts in vain"),
        ('os_user = "ana"', 'os_user = "pdiaz"', "Two principals have the account pdiaz"),
        ('os_user = "ana"', 'uid = "ana"', "'uid' means nothing here"),
        ("2027-06-30", "2027-06-30T12:00:00", "expires must be a day"),
        ("2027-06-30", '"2027-06-30"', "expires must be a day"),
        ("[principals.ana]", '[principals."a b"]', "'a b' is not a principal's name"),
    ],
)
def test_what_is_wrong_is_said(before: str, after: str, said: str) -> None:
    assert before in TEXT
    with pytest.raises(UsageError) as refused:
        policy(TEXT.replace(before, after, 1))
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('"case_number"', '"case_no"', "no column of crimes"),
        ('occurred_at = "day"', 'occurred_at = "token"', "does not fit the column occurred_at"),
        ('identity = "token"', 'identity = "cell"', "does not fit the column case_number"),
        ('identity = "token", place = "cell"', 'identity = "token", latitude = "cell"', "mask both by the same"),
        ("domestic = FALSE", "domestic = 'no'", "roles.desk.rows compares domestic"),
    ],
)
def test_what_the_lake_does_not_have_is_said(before: str, after: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_columns(policy(TEXT.replace(before, after, 1)), TYPES)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[" * 100_000, b'a = "\xc3"'])
def test_bytes_that_are_no_policy_are_refused(content: bytes) -> None:
    with pytest.raises(UsageError):
        parse_policy(content)


def test_a_file_that_others_may_write_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(TEXT)
    path.chmod(0o644)
    assert read_policy(path).digest == policy().digest
    for mode in (0o664, 0o646):
        path.chmod(mode)
        with pytest.raises(UsageError, match="chmod go-w"):
            read_policy(path)
    path.chmod(0o644)
    path.write_bytes(b"")
    with pytest.raises(UsageError, match="empty"):
        read_policy(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_policy(tmp_path / "none.toml")


def test_who_is_not_in_it_or_no_longer_sees_nothing() -> None:
    found = policy()
    assert found.of_os_user("pdiaz", TODAY).name == "p.diaz"
    for user in ("root", "", "nobody"):
        with pytest.raises(UsageError, match="not in the policy"):
            found.of_os_user(user, TODAY)
    with pytest.raises(UsageError, match="not in the policy"):
        found.principal("boss", TODAY)
    assert found.principal("p.diaz", date(2027, 6, 30)).role == "commander"
    with pytest.raises(UsageError, match="ended on 2027-06-30"):
        found.principal("p.diaz", date(2027, 7, 1))


def test_a_scope_has_what_is_named_and_nothing_else() -> None:
    commander, analyst = scope("p.diaz"), scope("ana")
    assert commander.rows == "\"district\" IN ('011')"
    assert analyst.rows == "TRUE"
    assert commander.columns["latitude"] == Mask("h3_center", 8)
    assert commander.columns["case_number"] is None
    assert analyst.columns["case_number"] == Mask("keyed_hash", 16)
    assert analyst.columns["occurred_at"] == Mask("truncate", "day")
    hidden = {"record_md5", "year", "primary_type_published", "x_coordinate", "y_coordinate"}
    assert set(TYPES) - set(commander.columns) == hidden
    assert set(TYPES) - set(analyst.columns) == {
        *hidden, "id", "beat", "block", "description", "location_description", "updated_on",
    }  # fmt: skip
    with pytest.raises(UsageError, match="sees the lake itself"):
        scope("keeper")
    both = 'clear = ["open", "place"]\nmask = { latitude = "cell", longitude = "cell" }'
    before = (
        'clear = ["open", "origin"]\nmask = { identity = "token", place = "cell", occurred_at = "day" }\n\n[roles.st'
    )
    assert before in TEXT
    analyst = scope("ana", TEXT.replace(before, f"{both}\n\n[roles.st"))
    assert not {"x_coordinate", "y_coordinate"} & analyst.columns.keys()


def test_equal_scopes_are_one_and_others_are_not() -> None:
    other = TEXT + '\n[principals.lee]\nrole = "commander"\ndistricts = ["011"]\n'
    assert scope("lee", other).digest == scope("p.diaz").digest
    moved = other.replace('role = "commander"\ndistricts = ["011"]\n', 'role = "commander"\ndistricts = ["012"]\n')
    digests = {scope("lee", moved).digest, scope("p.diaz").digest, scope("desk").digest, scope("ana").digest}
    assert len(digests) == 4
