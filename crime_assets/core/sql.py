"""The SQL files: finding them, and translating a statement into an engine's dialect.

Statements are in the Athena dialect and take days as named parameters. `engines` runs them; the files themselves say
what they compute; `insights` reads the headers of insights.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import date
from functools import lru_cache
from pathlib import Path

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError

from crime_assets.core.errors import UsageError
from crime_assets.core.spark_sql import for_spark

# In a wheel the files are inside the package (see setup.py); in a checkout they are beside it.
SQL_DIRECTORY = next(place / "sql" for place in Path(__file__).parents[1:3] if (place / "sql").is_dir())
DIALECT = "athena"
_MARK = re.compile("\ue000([a-z0-9_]+)\ue001")
"""A placeholder for a value in a translated statement: characters that none of our texts contains."""
_LOCATION = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_.=-]+)*/?")


@lru_cache
def statement(folder: str, name: str) -> str:
    """The text of sql/`folder`/`name`.sql."""
    return (SQL_DIRECTORY / folder / f"{name}.sql").read_text(encoding="utf-8")


def render(statement: str, dialect: str, parameters: Mapping[str, date | float]) -> str:
    """The statement in another dialect ("athena", "duckdb", "spark"), its parameters replaced by typed literals.

    Raises UsageError if it is not one query, asks for a parameter that is not given, or cannot be translated.
    """
    return render_apart(statement, dialect, parameters, ())[""]


def render_apart(
    statement: str, dialect: str, parameters: Mapping[str, date | float], names: Collection[str]
) -> dict[str, str]:
    """The same, with the queries of its WITH that have one of the `names` taken out: name → query, in their order.

    The last entry, without a name, is the statement that reads them. Raises what `render` raises.
    """
    days = frozenset(name for name, value in parameters.items() if isinstance(value, date))
    texts = _translated(statement, dialect, days, frozenset(parameters) - days, frozenset(names))
    return {name: _MARK.sub(lambda found: str(parameters[found[1]]), text) for name, text in texts}


def render_table(statement: str, locations: Mapping[str, str]) -> str:
    """A CREATE statement in the Athena dialect, its parameters replaced by locations such as s3://crimes/landing.

    Raises UsageError if it is not that, asks for a location that is not given, or a value is not a location.
    """
    try:
        (create,) = sqlglot.parse(statement, read=DIALECT)
    except (SqlglotError, ValueError) as error:
        raise UsageError("The SQL is not one statement in the Athena dialect: write one CREATE statement.") from error
    if not isinstance(create, exp.Create):
        raise UsageError("The SQL creates nothing: write one CREATE statement.")
    if missing := {found.name for found in create.find_all(exp.Placeholder)} - locations.keys():
        raise UsageError(f"The SQL asks for {listed(missing)}: give a location for each parameter.")
    for location in locations.values():
        if not _LOCATION.fullmatch(location):
            raise UsageError(f"{location[:200]!r} is not a location in S3: write it like s3://bucket/prefix.")

    def fill(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Placeholder):
            return exp.Literal.string(f"{locations[node.name].rstrip('/')}/")
        return node

    return create.transform(fill).sql(DIALECT, pretty=True, comments=False)


@lru_cache(maxsize=512)
def _translated(
    statement: str, dialect: str, days: frozenset[str], numbers: frozenset[str], apart: frozenset[str]
) -> tuple[tuple[str, str], ...]:
    """The statement in another dialect, with marks for values. Cached: translating takes longer than many queries."""
    query = parse(statement)
    if missing := placeholders(query) - days - numbers:
        raise UsageError(f"The SQL asks for {listed(missing)}: give a value for each parameter.")

    def fill(node: exp.Expr) -> exp.Expr:
        if not isinstance(node, exp.Placeholder):
            return node
        mark = f"\ue000{node.name}\ue001"
        return exp.cast(exp.Literal.string(mark), "DATE") if node.name in days else exp.Literal.number(mark)

    try:
        filled = query.transform(fill)
        translated = for_spark(filled) if dialect == "spark" else filled
        return tuple(
            (name, one.sql(dialect, pretty=True, unsupported_level=ErrorLevel.RAISE))
            for name, one in _taken_apart(translated, apart)
        )
    except SqlglotError as error:
        raise UsageError(f"The SQL cannot be written in the dialect of {dialect}: {_first(error)}") from error


def _taken_apart(query: exp.Expr, names: Collection[str]) -> list[tuple[str, exp.Expr]]:
    """The queries of its WITH that have one of the names, and what is left of the query, without a name."""
    taken = [cte for cte in query.find_all(exp.CTE) if cte.alias in names]
    for cte in taken:
        ahead = cte.parent
        cte.pop()
        if ahead is not None and not ahead.expressions:
            ahead.pop()
    return [*((cte.alias, cte.this) for cte in taken), ("", query)]


@lru_cache
def only_where(statement: str, tables: frozenset[str], condition: str) -> str:
    """The statement over those rows of these tables only that have the condition, in the Athena dialect as well."""
    query = parse(statement).copy()
    where = exp.condition(condition, dialect=DIALECT)
    for table in list(query.find_all(exp.Table)):
        if table.name in tables and not table.db:
            rows = exp.select("*").from_(exp.to_table(table.name)).where(where.copy())
            table.replace(rows.subquery(table.alias or table.name))
    return query.sql(DIALECT, pretty=True)


def only_values(statement: str, column: str, values: Collection[str]) -> str:
    """The statement without those rows of its lists VALUES of this one column that are none of the values."""
    query = parse(statement).copy()
    for listed in query.find_all(exp.Values):
        if listed.alias_column_names == [column]:
            listed.set("expressions", [row for row in listed.expressions if row.expressions[0].name in values])
    return query.sql(DIALECT, pretty=True)


@lru_cache
def parse(statement: str) -> exp.Query:
    """The one SELECT of a text; UsageError if it is anything else."""
    try:
        statements = sqlglot.parse(statement, read=DIALECT)
    except SqlglotError as error:
        raise UsageError(
            f"The statement is not valid SQL in the Athena dialect (lines counted below the header): {_first(error)}"
        ) from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise UsageError("There must be one SELECT statement, and nothing else, below the header.")
    return statements[0]


def _first(error: SqlglotError) -> str:
    """The message without the lines that highlight the place in color."""
    return str(error).partition("\n")[0]


def placeholders(query: exp.Query) -> set[str]:
    """Names of the parameters that a query asks for."""
    return {placeholder.name for placeholder in query.find_all(exp.Placeholder)}


def listed(parameters: set[str] | frozenset[str]) -> str:
    """Parameters as text for a person."""
    return ", ".join(f":{name}" for name in sorted(parameters))
