"""The statements are Redshift's: those rules of it that PostgreSQL does not have are kept as well."""

from __future__ import annotations

import re

import pytest
import sqlglot
from sqlglot import exp

from crime_assets.core.sql import SQL_DIRECTORY, statement
from crime_assets.incidents.contract import FIELDS
from crime_assets.incidents.warehouse.loading import COLUMNS, statements

FILES = sorted(path.stem for path in (SQL_DIRECTORY / "warehouse").glob("*.sql"))
TYPES = {"string": "VARCHAR", "int": "INT", "double": "DOUBLE", "boolean": "BOOLEAN", "timestamptz": "TIMESTAMPTZ"}
MERGE = sqlglot.parse_one(statements("6_merge")[0], read="redshift")


def tables() -> dict[str, dict[str, exp.ColumnDef]]:
    found = {}
    for create in sqlglot.parse(statement("warehouse", "1_schema"), read="redshift"):
        columns = {column.name: column for column in create.find_all(exp.ColumnDef)}
        found[create.find(exp.Table).name] = columns
    return found


@pytest.mark.parametrize("name", FILES)
def test_each_file_is_statements_of_redshift(name: str, caplog: pytest.LogCaptureFixture) -> None:
    parsed = sqlglot.parse(statement("warehouse", name), read="redshift")

    assert len(statements(name)) == len([one for one in parsed if one is not None])
    assert not any(mark in one for one in statements(name) for mark in ("%", "--", "/*"))
    # sqlglot does not know LOCK: it is written like this for both.
    unknown = [one.sql() for one in parsed if isinstance(one, exp.Command)]
    assert [re.sub(r"/\*.*?\*/\s*", "", one) for one in unknown] == (
        ["LOCK TABLE fir_ledger"] if name == "2_stage" else []
    )


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_used_that_only_one_of_them_has(name: str) -> None:
    text = re.sub(r"--.*", "", statement("warehouse", name)).upper()

    for only in ("ON CONFLICT", "QUALIFY", "ON COMMIT", "DISTKEY", "SORTKEY", "IDENTITY", "GETDATE", "NOW()", "CTID"):
        assert only not in text
    for enforced_by_one in ("PRIMARY KEY", "UNIQUE", "REFERENCES"):
        assert enforced_by_one not in text


def test_the_merge_is_one_that_redshift_takes() -> None:
    assert isinstance(MERGE, exp.Merge)
    target, source = MERGE.this, MERGE.args["using"]
    assert (target.name, target.alias, source.name) == ("fir_history", "", "fir_newest")
    assert isinstance(source, exp.Table)
    assert isinstance(MERGE.args["on"], exp.EQ)
    matched, new = MERGE.args["whens"].expressions
    assert (bool(matched.args["matched"]), bool(new.args["matched"])) == (True, False)
    for when in (matched, new):
        assert when.args.get("condition") is None
        assert not when.args.get("source")
    assert isinstance(matched.args["then"], exp.Update)
    assert isinstance(new.args["then"], exp.Insert)


def test_the_merge_has_every_column_once_and_from_the_same_column() -> None:
    matched, new = (when.args["then"] for when in MERGE.args["whens"].expressions)
    changed = {one.this.sql(): one.expression.sql() for one in matched.expressions}
    assert changed == {name: f"fir_newest.{name}" for name in COLUMNS if name != "fir_id"}
    assert [column.sql() for column in new.this.expressions] == list(COLUMNS)
    assert [column.sql() for column in new.expression.expressions] == [f"fir_newest.{name}" for name in COLUMNS]


def test_tables_have_the_columns_of_the_contract() -> None:
    found = tables()["fir_history"]

    assert list(found) == list(COLUMNS)
    for field in FIELDS:
        assert found[field.name].args["kind"].this.name == TYPES[field.type], field.name


@pytest.mark.parametrize("name", ["copy_postgres", "copy_redshift"])
def test_both_copies_name_all_columns_in_order(name: str) -> None:
    copied = re.search(r"COPY fir_stage \(([^)]*)\)", statement("warehouse", name))

    assert copied is not None
    assert copied[1].replace(",", " ").split() == list(COLUMNS)


def test_the_newest_have_the_columns_of_the_history() -> None:
    (create,) = (sqlglot.parse_one(one, read="redshift") for one in statements("4_newest"))

    assert create.expression.named_selects == list(COLUMNS)
