"""Whatever a commander of district 011 asks a real Trino with our rule file, the answer is the same in both worlds.

`make test-trino` says how to start one that lets this test write its rules. What is not held against each other here:
how many rows and bytes were read, which Trino says of every query, and of which EXPLAIN has estimates.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
import sqlglot

from crime_assets.governance.policy import parse_policy
from crime_assets.governance.trino import CATALOG, rules
from crime_assets_tests.cloud.aws.servers import Seaweed
from crime_assets_tests.governance.attacks import ATTACKS
from crime_assets_tests.governance.policies import TYPES
from crime_assets_tests.governance.test_two_worlds import CASES
from crime_assets_tests.governance.trino_attacks import TRINO_ATTACKS
from crime_assets_tests.governance.worlds import laid, other_world, versions
from crime_assets_tests.sql.trino_server import ADMIN, TRINO_RULES, TRINO_URL, cursor, remote_lake, trino_knows

if not (TRINO_URL and TRINO_RULES):
    pytest.skip("TRINO_URL and TRINO_RULES name no Trino and its rules: see `make test-trino`", allow_module_level=True)

SHIPPED = Path(__file__).parents[2] / "deploy" / "governance" / "policy.toml"
CLERK = """
[roles.clerk]
tables = ["crimes"]
rows = "NOT district <> '011' AND domestic = FALSE"
clear = ["open", "identity"]
mask = { occurred_at = "hour" }

[principals.clerk]
role = "clerk"
"""
MAY_ALL: Mapping[str, Mapping[str, object]] = {
    "catalogs": {"allow": "owner"},
    "schemas": {"owner": True},
    "tables": {"privileges": ["SELECT", "INSERT", "DELETE", "UPDATE", "OWNERSHIP"]},
    "functions": {"catalog": ".*", "schema": ".*", "privileges": ["EXECUTE"]},
    "queries": {"allow": ["execute", "view", "kill"]},
}
"""What this test itself may do on the server."""
TOLD_BY_ALL = ("EXPLAIN", "SUMMARIZE", "PROFILE", "TABLESAMPLE", "USING SAMPLE")
"""What is left out: counts of rows that were read, and what chance decides."""
_OF_VALUES = re.compile("name=(INVALID_|NUMERIC_|GENERIC_|DIVISION_)")
"""Errors that tell of a value."""
_TRIES = 8


def attacks() -> dict[str, str]:
    """Those for Trino, and those for gates as far as they can be said in its SQL."""
    classes = {case["id"]: case["sql"] for case in _cases() if case["class"] in ("names", "errors", "masks")}
    found = dict(TRINO_ATTACKS)
    for name, sql in {**ATTACKS, **classes}.items():
        if not any(word in sql.upper() for word in TOLD_BY_ALL):
            found[f"of gates: {name}"] = _in_trino(sql)
    return found


def _cases() -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(CASES.read_text()) if CASES.is_file() else []
    return found


def _in_trino(sql: str) -> str:
    try:
        (said,) = sqlglot.transpile(sql.replace("error(", "fail("), read="duckdb", write="trino")
    except (sqlglot.errors.SqlglotError, ValueError):
        return sql
    return said


@pytest.fixture(scope="module")
def ruled() -> None:
    """The server has our rules."""
    found = rules(parse_policy((SHIPPED.read_text() + CLERK).encode()), TYPES)
    for part, told in MAY_ALL.items():
        found[part] = [{"user": ADMIN, **told}, *found[part]]
    Path(TRINO_RULES).write_text(json.dumps(found))
    # security.refresh-period is a second there.
    for _ in range(60):
        time.sleep(1)
        if said("p.diaz", "SHOW CATALOGS", "") is not None and "Access Denied" not in str(
            said(ADMIN, "SHOW CATALOGS", "")
        ):
            return
    pytest.fail("Trino does not read the rules that TRINO_RULES names: see `make test-trino`")


def said(user: str, sql: str, snapshot: str) -> object:
    """What a user gets to see; ids of queries and snapshots taken out."""
    asked = sql.replace("{snapshot}", snapshot or "1")
    server = cursor(user, catalog=CATALOG, schema="chicago")
    try:
        server.execute(asked)
        rows = server.fetchall()
    except Exception as error:
        text = re.sub(r"query_id=\w+", "", str(error))
        return text.replace(snapshot, "SNAPSHOT") if snapshot else text
    # Of a sum of fractions, the last digits depend on the order.
    listed = [[str(round(value, 6) if isinstance(value, float) else value) for value in row] for row in rows]
    return listed if "ORDER BY" in asked.upper() else sorted(listed)


World = dict[tuple[str, str], set[str]]
"""User and attack → what was said."""
USERS = ("p.diaz", "clerk")


@pytest.fixture(scope="module")
def worlds(ruled: None, seaweed: Seaweed, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[World], set[str]]:
    """What was said in each world, and texts that only hidden crimes have."""
    days = versions(seed=1, crimes=600)
    found: list[World] = []
    hidden: set[str] = {"ZHIDDEN"}
    for number, told in enumerate((days, other_world(days, seed=2))):
        lake = laid(remote_lake(seaweed, tmp_path_factory.mktemp(f"world{number}")), told)
        with trino_knows(lake, CATALOG, **{"iceberg.table-statistics-enabled": "false"}):
            hidden |= _hidden()
            found.append(_told())
    return found, hidden


def _hidden() -> set[str]:
    server = cursor(ADMIN, catalog=CATALOG, schema="chicago")
    server.execute("SELECT case_number, coalesce(district = '011', FALSE) FROM crimes")
    rows = server.fetchall()
    return {str(row[0]) for row in rows if not row[1]} - {str(row[0]) for row in rows if row[1]}


def _told() -> World:
    server = cursor(ADMIN, catalog=CATALOG, schema="chicago")
    server.execute('SELECT snapshot_id FROM "crimes$snapshots" ORDER BY committed_at LIMIT 1')
    snapshot = str(server.fetchall()[0][0])
    return {(user, name): _often(user, sql, snapshot) for user in USERS for name, sql in attacks().items()}


def _often(user: str, sql: str, snapshot: str) -> set[str]:
    """What is said; several times, if it is about a value: in which of the rows it is found first, threads decide."""
    told = {str(said(user, sql, snapshot))}
    if _OF_VALUES.search(str(told)):
        told |= {str(said(user, sql, snapshot)) for _ in range(_TRIES)}
    return told


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("name", attacks())
def test_an_attack_sees_no_difference(worlds: tuple[list[World], set[str]], user: str, name: str) -> None:
    (one, two), hidden = worlds
    assert one[user, name] & two[user, name]
    told = str(one[user, name] | two[user, name])
    assert not [text for text in hidden if text in told]


def test_what_may_be_seen_is_answered(worlds: tuple[list[World], set[str]]) -> None:
    """Rules through which nothing comes would hold, too."""
    (one, _), _ = worlds
    (diaz,) = one["p.diaz", "a CTE"]
    (clerk,) = one["clerk", "a CTE of the name"]
    assert re.fullmatch(r"\[\['1\d\d', '011'\]\]", diaz)
    assert "Access Denied" in clerk  # a star has columns that are hidden
    answered = [name for (user, name), told in one.items() if user == "p.diaz" and not str(told).count("Error")]
    assert len(answered) > len(attacks()) / 5


def test_a_mask_is_what_is_seen(ruled: None, seaweed: Seaweed, tmp_path_factory: pytest.TempPathFactory) -> None:
    lake = laid(remote_lake(seaweed, tmp_path_factory.mktemp("masks")), versions(seed=1, crimes=60))
    with trino_knows(lake, CATALOG):
        asked = (
            "SELECT count(*) > 0, max(minute(occurred_at)), count_if(occurred_at <> date_trunc('hour', occurred_at))"
        )
        assert said("clerk", f"{asked} FROM crimes", "") == [["True", "0", "0"]]
        assert said("p.diaz", f"{asked} FROM crimes", "") != [["True", "0", "0"]]
        assert "Access Denied" in str(said("nobody", "SELECT 1", ""))
