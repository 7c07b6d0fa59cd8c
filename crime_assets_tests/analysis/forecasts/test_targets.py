"""What is forecast: what police find, and what names anybody, is refused by name."""

import pytest

from crime_assets.analysis.forecasts.targets import FORBIDDEN_CODES, FORBIDDEN_COLUMNS, TARGETS, check, check_arrests
from crime_assets.core.errors import UsageError

STATEMENT = """
SELECT occurred_on, latitude, longitude,
       sum(CASE WHEN fbi_code IN ('01A', '05') AND NOT domestic THEN 1 ELSE 0 END) AS burglary
FROM crimes WHERE substr(record_md5, 1, 1) <> '0' AND 16 * 15 > 0 GROUP BY 1, 2, 3
"""


def test_a_statement_of_allowed_columns_passes():
    check(STATEMENT)


@pytest.mark.parametrize("column", sorted(FORBIDDEN_COLUMNS))
def test_a_forbidden_column_is_refused_by_name(column: str):
    with pytest.raises(UsageError, match=f"may know {column}:"):
        check(STATEMENT.replace("WHERE", f"WHERE crimes.{column.upper()} IS NULL AND"))


@pytest.mark.parametrize("code", sorted(FORBIDDEN_CODES))
def test_a_code_that_police_find_is_refused_by_name(code: str):
    with pytest.raises(UsageError, match=f"FBI code {code},"):
        check(STATEMENT.replace("'05'", f"'{code}'"))


def test_a_target_with_many_arrests_is_refused():
    check_arrests({"burglary": 0.05, "robbery": 0.40})
    with pytest.raises(UsageError, match="41% of the records of robbery"):
        check_arrests({"burglary": 0.05, "robbery": 0.41})


def test_the_targets_are_five():
    assert [target.name for target in TARGETS] == ["violent_street", "burglary", "vehicle_theft", "robbery", "index"]
