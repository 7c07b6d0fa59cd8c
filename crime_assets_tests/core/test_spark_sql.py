"""Statements for Spark mean there what they mean in Athena."""

import pytest

from crime_assets.core.sql import render


@pytest.mark.parametrize(
    ("athena", "spark"),
    [
        ("REGEXP_LIKE(a, '^[0-9]+$')", r"a RLIKE '^[0-9]+\\z'"),
        ("REGEXP_LIKE(a, '^x')", "a RLIKE '^x'"),
        ("TRIM(a)", r"REGEXP_REPLACE(a, '^\\p{Zs}+|\\p{Zs}+\\z', '')"),
        ("RTRIM(a, ';')", "TRIM(TRAILING ';' FROM a)"),
        ("FLOOR(a)", "CAST(FLOOR(a) AS DOUBLE)"),
        ("DATE_DIFF('day', a, b)", "CAST(DATEDIFF(DAY, a, b) AS BIGINT)"),
        ("ROW_NUMBER() OVER (ORDER BY a)", "CAST(ROW_NUMBER() OVER (ORDER BY a NULLS LAST) AS BIGINT)"),
        ("SUM(a) OVER (PARTITION BY b)", "SUM(a) OVER (PARTITION BY b)"),
    ],
)
def test_what_spark_takes_differently(athena: str, spark: str) -> None:
    sql = render(f"SELECT {athena} AS x FROM crimes", "spark", {})

    assert " ".join(sql.split()) == f"SELECT {spark} AS x FROM crimes"


def test_other_dialects_stay_as_they_are() -> None:
    text = "SELECT TRIM(a), FLOOR(b), ROW_NUMBER() OVER (ORDER BY a), REGEXP_LIKE(a, 'x$') FROM crimes"
    render(text, "spark", {})

    assert " ".join(render(text, "duckdb", {}).split()) == (
        "SELECT TRIM(a), FLOOR(b), ROW_NUMBER() OVER (ORDER BY a), REGEXP_MATCHES(a, 'x$') FROM crimes"
    )
