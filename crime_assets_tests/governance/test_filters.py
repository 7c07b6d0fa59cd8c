"""Which rows a role sees: the conditions that there are, and that no other is taken."""

from __future__ import annotations

import duckdb
import pytest

from crime_assets.core.errors import UsageError
from crime_assets.governance.filters import (
    asks_for_districts,
    check,
    check_types,
    columns_of,
    duckdb_filter,
    lakeformation_filter,
    trino_filter,
)

COLUMNS = {"district", "beat", "ward", "domestic", "occurred_on", "primary_type"}


@pytest.mark.parametrize(
    ("rows", "ids"),
    [
        ("", [1, 2, 3, 4]),
        ("district IN (:districts)", [1, 2]),
        ("district = '012'", [3]),
        ("district <> '011'", [3]),
        ("NOT district IN (:districts)", [3]),
        ("district IN (:districts) AND NOT domestic = TRUE", [1]),
        ("(ward = 3 OR ward = 5) AND district IN ('011', '012')", [2, 3]),
        ("beat LIKE '11%'", [1, 2]),
        ("beat NOT LIKE '11%'", [3]),
        ("NOT beat NOT LIKE '11%' AND beat NOT LIKE '%2'", [1]),
        ("ward BETWEEN 2 AND 3", [2]),
        ("district IS NULL", [4]),
        ("district IS NOT NULL AND ward >= -1", [1, 2, 3]),
        ("domestic = TRUE", [2]),
        ("primary_type = 'IT''S'", [4]),
    ],
)
def test_a_condition_selects_rows(rows: str, ids: list[int]) -> None:
    check(rows, COLUMNS, "roles.x")
    crimes = (
        "VALUES (1, '011', '1111', 1, FALSE, 'A'), (2, '011', '1112', 3, TRUE, 'B'), "
        "(3, '012', '1201', 5, FALSE, 'C'), (4, NULL, NULL, NULL, NULL, 'IT''S')"
    )
    found = duckdb.sql(
        f"SELECT id FROM ({crimes}) AS c (id, district, beat, ward, domestic, primary_type) "
        f"WHERE {duckdb_filter(rows, ['011', '025'])} ORDER BY id"
    )
    assert [row[0] for row in found.fetchall()] == ids


@pytest.mark.parametrize(
    "rows",
    [
        "1 = 1",
        "TRUE",
        "district = beat",
        "upper(district) = '011'",
        "ward + 1 = 2",
        "district || '' = '011'",
        "district IN (SELECT district FROM crimes)",
        "EXISTS (SELECT 1 FROM crimes)",
        "district = (SELECT '011')",
        "crimes.district = '011'",
        "CASE WHEN domestic THEN TRUE END",
        "CAST(ward AS VARCHAR) = '1'",
        "district = '011' LIMIT 1",
        "district = '011' UNION SELECT * FROM crimes",
        "district = '011'; DROP TABLE crimes",
        "district = '011' -- x\nGROUP BY id",
        "district IN (:other)",
        "beat IN (:districts)",
        "district IN (:districts, '012')",
        "district = :districts",
        "district IN (?)",
        "case_number = 'X'",
        "record_md5 LIKE 'a%'",
        "random() < 0.5",
        "district IN (",
        "district IN ()",
        "district IN beat",
        "district IN '011,012'",
        "district IN :districts",
        "district IN coalesce((SELECT max(district) FROM crimes), 'x')",
        "district IN split('011,012', ',')",
        "district IN read_text('/etc/passwd')",
        "ward BETWEEN SYMMETRIC 3 AND 1",
        "beat LIKE '1!%' ESCAPE '!'",
        "beat NOT LIKE '1!%' ESCAPE '!'",
        "beat NOT ILIKE '1%'",
        "beat NOT LIKE upper('a')",
        "district IN ('011', beat)",
        "ward BETWEEN 1 AND ward",
        "district",
        "domestic",
        "NOT domestic",
        "domestic IS TRUE AND error('x') IS NULL",
        "occurred_on = CURRENT_DATE",
        "district = ANY (ARRAY['011'])",
    ],
)
def test_nothing_else_is_a_condition(rows: str) -> None:
    with pytest.raises(UsageError, match=r"^roles\.x\.rows"):
        check(rows, COLUMNS, "roles.x")


@pytest.mark.parametrize(
    "rows",
    [
        "district = 11",
        "domestic = 'yes'",
        "domestic = 1",
        "beat LIKE 3",
        "beat NOT LIKE 3",
        "ward = -'3'",
        "ward = '3'",
        "ward = 1.5",
        "occurred_on >= '2024-01-02'",
        "district IN ('011', 12)",
        "ward BETWEEN 1 AND TRUE",
        "ward = 12345678901234567890",
    ],
)
def test_constants_are_of_the_columns_kind(rows: str) -> None:
    types = {"district": "string", "beat": "string", "ward": "int", "domestic": "boolean", "occurred_on": "date"}
    check(rows, COLUMNS, "roles.x")
    with pytest.raises(UsageError, match=r"^roles\.x\.rows compares"):
        check_types(rows, types, "roles.x")
    for fine in ("", "district IN (:districts)", "ward = -3 AND NOT domestic = TRUE", "beat LIKE '1%'", "ward IS NULL"):
        check_types(fine, types, "roles.x")


def test_what_it_compares_and_needs_is_known() -> None:
    assert columns_of("district IN (:districts) AND (ward = 3 OR NOT domestic = TRUE)") == {
        "district",
        "ward",
        "domestic",
    }
    assert asks_for_districts("NOT district IN (:districts)")
    assert not asks_for_districts("district = '011'")
    assert not asks_for_districts("")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("", ""),
        ("district IN (:districts)", "\"district\" IN ('011', '025')"),
        ("NOT (ward = 3 OR month IS NULL)", None),
        ("occurred_on IS NOT NULL", None),
        ("beat LIKE '1\\_%'", None),
        (" OR ".join(f"beat = '{n:040d}'" for n in range(38)), None),
    ],
)
def test_what_lake_formation_takes(rows: str, said: str | None) -> None:
    types = {"district": "string", "beat": "string", "ward": "int", "month": "date", "occurred_on": "date"}
    check(rows, types, "roles.x")
    if said is not None:
        assert lakeformation_filter(rows, ["011", "025"], types, "roles.x") == said
        assert trino_filter(rows, ["011", "025"]) == (said or "TRUE")
        return
    with pytest.raises(UsageError, match=r"^roles\.x\.rows .*Lake Formation"):
        lakeformation_filter(rows, [], types, "roles.x")


def test_a_filter_may_grow_to_the_limit_and_not_beyond() -> None:
    types = {"district": "string"}
    many = [f"{n:03}" for n in range(1, 290)]
    text = lakeformation_filter("district IN (:districts)", many, types, "roles.x")
    assert 2_000 < len(text) < 2_048
    with pytest.raises(UsageError, match="split the principal"):
        lakeformation_filter("district IN (:districts)", [*many, *many[:6]], types, "roles.x")
