"""Trino's rule file: what it gives, and that all else is closed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from crime_assets.cli.main import main
from crime_assets.core.errors import UsageError
from crime_assets.governance.trino import rules
from crime_assets_tests.governance.policies import TEXT, TYPES, policy, scope

PROJECT = Path(__file__).parents[2]
CLEAR = TEXT.replace('mask = { place = "cell" }', "")
HOURS = TEXT.replace('mask = { place = "cell" }', 'mask = { occurred_at = "day" }')


def tables(text: str, user: str) -> list[dict[str, Any]]:
    """The rules of tables that are about a user."""
    return [rule for rule in rules(policy(text), TYPES)["tables"] if re.fullmatch(rule.get("user", ".*"), user)]


def test_it_is_the_one_that_the_command_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """If this is red: make it anew with `crime-assets policy trino`."""
    own = tmp_path / "policy.toml"
    own.write_text((PROJECT / "deploy" / "governance" / "policy.toml").read_text())
    own.chmod(0o600)
    monkeypatch.setenv("CRIME_POLICY", str(own))
    assert main(["policy", "trino"]) == 0
    printed = capfd.readouterr()
    assert printed.out == (PROJECT / "deploy" / "trino" / "rules.json").read_text()
    assert "warning: p.diaz sees earlier days without as_of: snapshots of crimes" in printed.err


def test_a_commander_sees_the_district_and_columns_by_name() -> None:
    crimes, closed = tables(CLEAR, "p.diaz")
    assert closed == {"privileges": []}
    assert (crimes["catalog"], crimes["schema"], crimes["table"]) == ("lake", "chicago", "crimes")
    assert crimes["privileges"] == ["SELECT"]
    assert crimes["filter"] == (
        "(coalesce(\"district\" IN ('011'), FALSE)) AND (current_timestamp < TIMESTAMP '2027-07-01 00:00:00 UTC')"
    )
    hidden = {column["name"] for column in crimes["columns"]}
    assert hidden == TYPES.keys() - scope("p.diaz", CLEAR).columns.keys() | {
        "$path",
        "$file_modified_time",
        "$partition",
    }
    assert all(column["allow"] is False for column in crimes["columns"])


def test_a_mask_of_time_is_made_by_trino_and_others_have_their_table() -> None:
    (crimes, _) = tables(HOURS, "p.diaz")
    (masked,) = [column for column in crimes["columns"] if "mask" in column]
    assert masked == {"name": "occurred_at", "mask": "date_trunc('day', \"occurred_at\")"}
    (desk, _) = tables(TEXT, "desk")
    assert (desk["schema"], desk["table"]) == ("chicago_governed", "crimes_desk")
    assert not [column for column in desk["columns"] if "mask" in column]


def test_rows_by_a_column_that_the_role_does_not_see_are_refused() -> None:
    """Measured: Trino 476 denies the whole table then."""
    with pytest.raises(UsageError, match="compares beat, which the role does not see"):
        tables(TEXT.replace("domestic = FALSE", "beat = '1111'"), "desk")


def test_a_name_is_no_pattern() -> None:
    assert tables(CLEAR, "pxdiaz") == [{"privileges": []}]
    assert tables(CLEAR, "nobody") == [{"privileges": []}]
    everybody = rules(policy(CLEAR), TYPES)["catalogs"][0]["user"]
    assert not re.fullmatch(everybody, "pxdiaz")
    assert re.fullmatch(everybody, "p.diaz")


def test_who_sees_the_lake_itself_sees_its_tables_and_not_their_files() -> None:
    keeper, _ = tables(CLEAR, "keeper")
    assert "filter" not in keeper
    assert re.fullmatch(keeper["table"], "crimes_removed")
    assert not re.fullmatch(keeper["table"], "crimes$files")


def test_all_else_is_closed() -> None:
    found = rules(policy(CLEAR), TYPES)
    assert found["catalogs"][-1] == {"allow": "none"}
    assert found["schemas"] == [{"owner": False}]
    assert found["queries"][-1] == {"allow": []}
    for part in ("tables", "functions", "procedures"):
        assert found[part][-1] == {"privileges": []}
    for part in ("impersonation", "system_session_properties", "catalog_session_properties"):
        assert [rule["allow"] for rule in found[part]] == [False]
    assert found["system_information"] == [{"allow": []}]
    assert json.loads(json.dumps(found)) == found
