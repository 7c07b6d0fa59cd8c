"""The language in which a policy says which rows a role sees: columns against constants, as Lake Formation has it.

    district IN (:districts)
    district = '011' AND NOT domestic = TRUE
    beat LIKE '11%' OR ward IN (3, 4)

A filter means the same in DuckDB, Trino and Lake Formation: no functions, no arithmetic, no column against a column.
A row for which it is NULL is not seen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from crime_assets.core.errors import UsageError

_DIGITS = 9
"""Most digits of a number, a sign included: any integer type holds it."""
_LONGEST = 2_047
"""Most characters of a filter of Lake Formation."""
_COMPARABLE = frozenset({"string", "int", "long", "double", "boolean"})
"""Iceberg's types that Lake Formation compares: it knows no days and no times."""
DISTRICTS = "districts"
"""The parameter that stands for a principal's districts."""

_JOINING = (exp.And, exp.Or, exp.Not, exp.Paren)
_PARTS: Mapping[type[exp.Expr], frozenset[str]] = {
    exp.In: frozenset({"this", "expressions"}),
    exp.Between: frozenset({"this", "low", "high"}),
}
"""The parts that a comparison may have; any other, such as IN without brackets, means something else."""
_COMPARING = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Like)


def check(rows: str, columns: Collection[str], place: str) -> None:
    """UsageError, with the place in the policy, unless the filter is empty or one of this language over the columns."""
    if not rows:
        return
    _check_node(_parsed(rows, place), frozenset(columns), place)


def asks_for_districts(rows: str) -> bool:
    """Whether a filter needs districts."""
    return bool(rows) and any(_parsed(rows, "rows").find_all(exp.Placeholder))


def is_within_districts(rows: str) -> bool:
    """Whether all rows of a filter are of the principal's districts, so that districts alone say what may be seen."""
    parts = [_parsed(rows, "rows")] if rows else []
    while parts:
        part = parts.pop()
        if isinstance(part, exp.And):
            parts += [part.this, part.expression]
        elif isinstance(part, exp.Paren):
            parts.append(part.this)
        elif isinstance(part, exp.In) and part.this.name == "district" and part.find(exp.Placeholder):
            return True
    return False


def duckdb_filter(rows: str, districts: Sequence[str]) -> str:
    """A checked filter for DuckDB, the districts put in; TRUE if it is empty."""
    return _filled(rows, districts).sql("duckdb") if rows else "TRUE"


def trino_filter(rows: str, districts: Sequence[str]) -> str:
    """A checked filter for Trino, the districts put in; TRUE if it is empty."""
    return _filled(rows, districts).sql("trino") if rows else "TRUE"


def lakeformation_filter(rows: str, districts: Sequence[str], types: Mapping[str, str], place: str) -> str:
    """A checked filter for Lake Formation, the districts put in; empty if it is. `types` are Iceberg's.

    UsageError, with the place in the policy, for what its grammar does not have:
    docs.aws.amazon.com/lake-formation/latest/dg/partiql-support.html.
    """
    if not rows:
        return ""
    condition = _filled(rows, districts)
    for column in condition.find_all(exp.Column):
        if types.get(column.name) not in _COMPARABLE:
            raise UsageError(
                f"{place}.rows compares {column.name}, a {types.get(column.name)}: Lake Formation compares texts, "
                "numbers and booleans only."
            )
    if any("\\" in pattern.expression.name for pattern in condition.find_all(exp.Like)):
        raise UsageError(f"{place}.rows has a \\ in a LIKE: Lake Formation may take it for an escape; leave it out.")
    text: str = condition.sql("trino")
    if len(text) > _LONGEST:
        raise UsageError(
            f"{place}.rows is {len(text):,} characters with the districts put in, and Lake Formation takes "
            f"{_LONGEST:,}: make it shorter, or split the principal."
        )
    return text


def _filled(rows: str, districts: Sequence[str]) -> exp.Expr:
    """A filter with the districts put in; names of columns are quoted, as some are keywords."""

    def fill(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.In) and any(isinstance(value, exp.Placeholder) for value in node.expressions):
            values = [exp.Literal.string(district) for district in districts]
            return exp.In(this=exp.column(node.this.name, quoted=True), expressions=values)
        if isinstance(node, exp.Column):
            return exp.column(node.name, quoted=True)
        return node

    return _parsed(rows, "rows").transform(fill)


def columns_of(rows: str) -> set[str]:
    """The columns that a filter compares."""
    return {column.name for column in _parsed(rows, "rows").find_all(exp.Column)} if rows else set()


def check_types(rows: str, types: Mapping[str, str], place: str) -> None:
    """UsageError unless each column is compared with constants of its own kind; `types` are Iceberg's.

    Engines differ in what they make of others. Days and times cannot be compared at all: Lake Formation has none.
    """
    for column, constant in _compared(_parsed(rows, place)) if rows else ():
        kind = types.get(column.name, "")
        if isinstance(constant, exp.Boolean):
            fits = kind == "boolean"
        elif isinstance(constant, exp.Literal) and constant.is_string:
            fits = kind == "string"
        else:
            fits = kind in {"int", "long"} and constant.sql().lstrip("-").isdecimal() and len(constant.sql()) <= _DIGITS
        if not fits:
            raise UsageError(f"{place}.rows compares {column.name}, a {kind}, with {constant.sql()[:50]}.")


def _compared(condition: exp.Expr) -> Iterator[tuple[exp.Column, exp.Expr]]:
    """Each column with each constant that it is compared with."""
    for node in condition.find_all(exp.In, exp.Between, *_COMPARING):
        values = node.expressions or [node.args.get(name) for name in ("low", "high", "expression")]
        for value in values:
            if value is not None and not isinstance(value, exp.Placeholder):
                yield node.this, value


def _parsed(rows: str, place: str) -> exp.Expr:
    try:
        found = sqlglot.parse(f"SELECT * FROM crimes WHERE {rows}", read="trino")  # noqa: S608 - parsed, never run
    except SqlglotError as error:
        raise UsageError(f"{place}.rows is not a condition: {str(error).splitlines()[0]}") from error
    except RecursionError as error:
        raise UsageError(f"{place}.rows is nested too deeply.") from error
    query = found[0] if len(found) == 1 else None
    # What follows the condition, such as a LIMIT or a UNION, would be cut off unseen.
    if not isinstance(query, exp.Select) or {key for key, value in query.args.items() if value} != {
        "expressions",
        "from_",
        "where",
    }:
        raise UsageError(f"{place}.rows must be one condition, such as district IN (:districts).")
    condition: exp.Expr = query.args["where"].this
    if any(node.comments for node in query.walk()):
        raise UsageError(f"{place}.rows has a comment, which Lake Formation does not take: leave it out.")
    return condition.transform(_like)


def _like(node: exp.Expr) -> exp.Expr:
    """NOT LIKE as NOT around LIKE, which is how NOT IN and NOT BETWEEN are parsed."""
    if type(node) is exp.Like and node.args.get("negate"):
        return exp.Not(this=exp.Like(this=node.this, expression=node.expression))
    return node


def _check_node(node: exp.Expr, columns: frozenset[str], place: str) -> None:
    if isinstance(node, _JOINING):
        for part in node.iter_expressions():
            _check_node(part, columns, place)
    elif {key for key, value in node.args.items() if value} - _PARTS.get(type(node), {"this", "expression"}):
        raise _other(node, place)
    elif isinstance(node, exp.In) and node.expressions:
        _check_column(node.this, columns, place)
        _check_values(node, place)
    elif isinstance(node, exp.Between):
        _check_column(node.this, columns, place)
        for bound in (node.args["low"], node.args["high"]):
            _check_constant(bound, place)
    elif isinstance(node, exp.Is):
        _check_column(node.this, columns, place)
        if not isinstance(node.expression, exp.Null):
            raise _other(node, place)
    elif isinstance(node, _COMPARING):
        _check_column(node.this, columns, place)
        _check_constant(node.expression, place)
    else:
        raise _other(node, place)


def _check_values(node: exp.In, place: str) -> None:
    values = node.expressions
    if len(values) == 1 and isinstance(values[0], exp.Placeholder):
        if values[0].name != DISTRICTS or node.this.name != "district":
            raise UsageError(f"{place}.rows: the one parameter is district IN (:{DISTRICTS}).")
        return
    for value in values:
        _check_constant(value, place)


def _check_column(node: exp.Expr, columns: frozenset[str], place: str) -> None:
    if not isinstance(node, exp.Column) or node.table:
        raise _other(node, place)
    if node.name not in columns:
        raise UsageError(f"{place}.rows compares {node.name!r}, which is a column of no class.")


def _check_constant(node: exp.Expr, place: str) -> None:
    if isinstance(node, exp.Neg):
        node = node.this
    if not isinstance(node, (exp.Literal, exp.Boolean)):
        raise _other(node, place)


def _other(node: exp.Expr, place: str) -> UsageError:
    return UsageError(
        f"{place}.rows: {node.sql()[:100]!r} is not a comparison of a column with constants, which is all that Lake "
        "Formation can do as well."
    )
