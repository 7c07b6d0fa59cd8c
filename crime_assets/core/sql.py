"""The SQL files: finding them, reading their headers, and writing a statement in an engine's dialect.

Statements are in the Athena dialect and take days as named parameters. What runs them is in `engines`; what they
compute stands in the files themselves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError

from crime_assets.core.errors import UsageError
from crime_assets.core.spark_sql import for_spark

# A wheel has the files inside the package, see setup.py; a checkout has them beside it.
SQL_DIRECTORY = next(place / "sql" for place in Path(__file__).parents[1:3] if (place / "sql").is_dir())
DIALECT = "athena"
PARAMETERS = frozenset({"as_of_day"})
"""Parameters an insight may use."""

_LOCATION = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_.=-]+)*/?")
_FILE_NAME = re.compile(r"(?P<number>\d\d)_(?P<name>[a-z][a-z0-9_]*)\.sql")
_COLUMN = re.compile(r"(?P<name>[a-z][a-z0-9_]*): (?P<doc>.+?)(?: \[(?P<sources>[a-z0-9_]+(?:, [a-z0-9_]+)*)\])?")


@dataclass(frozen=True)
class InsightColumn:
    """An output column: what it means, and the columns of `crimes` it is computed from, sorted."""

    name: str
    doc: str
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Insight:
    """One file of sql/insights: a statement over `crimes` that takes the parameter `:as_of_day`."""

    name: str
    number: int
    description: str
    columns: tuple[InsightColumn, ...]
    statement: str

    @property
    def table(self) -> str:
        """Name of the table that holds its results."""
        return f"insight_{self.name}"


def load_insights(directory: Path = SQL_DIRECTORY / "insights") -> tuple[Insight, ...]:
    """All insights of a directory, in the order of their file names.

    Raises UsageError, which names the file, if there is none, or one whose name, header or statement is not right.
    """
    insights = tuple(_load(path) for path in sorted(directory.glob("*.sql")))
    if not insights:
        raise UsageError(f"There are no insights in {directory}: add files such as 01_crime_summary.sql.")
    names = [insight.name for insight in insights]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"Two files in {directory} are called {name}: give one of them another name.")
    return insights


@lru_cache
def statement(folder: str, name: str) -> str:
    """The text of sql/`folder`/`name`.sql."""
    return (SQL_DIRECTORY / folder / f"{name}.sql").read_text(encoding="utf-8")


def render(statement: str, dialect: str, parameters: Mapping[str, date | float]) -> str:
    """The statement in another dialect ("athena", "duckdb", "spark"), its parameters replaced by typed literals.

    Raises UsageError if it is not one query, asks for a parameter that is not given, or cannot be translated.
    """
    return _rendered(statement, dialect, tuple(sorted(parameters.items())))


def render_table(statement: str, locations: Mapping[str, str]) -> str:
    """A CREATE statement in the Athena dialect, its parameters replaced by locations in S3, such as s3://crimes/landing.

    Raises UsageError if it is something else, asks for a location that is not given, or one is no location.
    """
    try:
        (create,) = sqlglot.parse(statement, read=DIALECT)
    except (SqlglotError, ValueError) as error:
        raise UsageError("The SQL is not one statement in the Athena dialect: write one CREATE statement.") from error
    if not isinstance(create, exp.Create):
        raise UsageError("The SQL creates nothing: write one CREATE statement.")
    if missing := {found.name for found in create.find_all(exp.Placeholder)} - locations.keys():
        raise UsageError(f"The SQL asks for {_listed(missing)}: give a location for each parameter.")
    for location in locations.values():
        if not _LOCATION.fullmatch(location):
            raise UsageError(f"{location[:200]!r} is no place in S3: write it like s3://bucket/prefix.")

    def fill(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Placeholder):
            return exp.Literal.string(f"{locations[node.name].rstrip('/')}/")
        return node

    return create.transform(fill).sql(DIALECT, pretty=True, comments=False)


@lru_cache(maxsize=512)
def _rendered(statement: str, dialect: str, values: tuple[tuple[str, date | float], ...]) -> str:
    parameters = dict(values)
    query = _parse(statement)
    if missing := _placeholders(query) - parameters.keys():
        raise UsageError(f"The SQL asks for {_listed(missing)}: give a value for each parameter.")

    def fill(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Placeholder):
            value = parameters[node.name]
            if isinstance(value, date):
                return exp.cast(exp.Literal.string(value.isoformat()), "DATE")
            return exp.convert(value)
        return node

    try:
        filled = query.transform(fill)
        translated = for_spark(filled) if dialect == "spark" else filled
        return translated.sql(dialect, pretty=True, unsupported_level=ErrorLevel.RAISE)
    except SqlglotError as error:
        raise UsageError(f"The SQL cannot be written in the dialect of {dialect}: {_first(error)}") from error


def _load(path: Path) -> Insight:
    match = _FILE_NAME.fullmatch(path.name)
    if match is None:
        raise UsageError(f"{path} is not named like an insight: use two digits and a name, as in 01_crime_summary.sql.")
    try:
        header, statement = _split(path.read_text(encoding="utf-8"))
        description, *columns = header
        insight = Insight(
            name=match["name"],
            number=int(match["number"]),
            description=description,
            columns=tuple(_column(text) for text in columns),
            statement=statement,
        )
        _check(insight)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text: save it as UTF-8.") from error
    return insight


def _split(text: str) -> tuple[list[str], str]:
    """The description and the text of each @column, each on one line; and the rest of the file."""
    lines = text.splitlines()
    length = next((n for n, line in enumerate(lines) if not line.startswith("--")), len(lines))
    header = " ".join(line.removeprefix("--").strip() for line in lines[:length])
    parts = [" ".join(part.split()) for part in re.split(r"(?:^|\s)@column\s", header)]
    if not parts[0]:
        raise UsageError("The file must begin with comment lines that say what it answers.")
    return parts, "\n".join(lines[length:]).strip()


def _column(text: str) -> InsightColumn:
    match = _COLUMN.fullmatch(text)
    if match is None:
        raise UsageError(f"The header line '@column {text}' must read '@column name: meaning. [source, source]'.")
    sources = match["sources"].split(", ") if match["sources"] else []
    return InsightColumn(match["name"], match["doc"], tuple(sorted(sources)))


def _check(insight: Insight) -> None:
    query = _parse(insight.statement)
    documented = [column.name for column in insight.columns]
    if query.named_selects != documented:
        raise UsageError(
            f"The statement gives the columns {', '.join(query.named_selects)}, "
            f"the header describes {', '.join(documented) or 'none'}: write one @column line for each, in their order."
        )
    if documented[:2] != ["as_of_day", "period"]:
        raise UsageError("The first two columns must be as_of_day and period.")
    if unknown := _placeholders(query) - PARAMETERS:
        raise UsageError(f"The statement asks for {_listed(unknown)}: only {_listed(PARAMETERS)} is given.")
    tables = {table.name for table in query.find_all(exp.Table)} - {cte.alias for cte in query.find_all(exp.CTE)}
    if tables != {"crimes"}:
        raise UsageError(f"The statement reads {', '.join(sorted(tables)) or 'no table'}: it must read crimes alone.")


@lru_cache
def _parse(statement: str) -> exp.Query:
    try:
        statements = sqlglot.parse(statement, read=DIALECT)
    except SqlglotError as error:
        raise UsageError(
            f"The statement is not valid SQL in the Athena dialect; counted from the end of the header: {_first(error)}"
        ) from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise UsageError("There must be one SELECT statement, and nothing else, below the header.")
    return statements[0]


def _first(error: SqlglotError) -> str:
    """The message without the lines that show the place in colour."""
    return str(error).partition("\n")[0]


def _placeholders(query: exp.Query) -> set[str]:
    return {placeholder.name for placeholder in query.find_all(exp.Placeholder)}


def _listed(parameters: set[str] | frozenset[str]) -> str:
    return ", ".join(f":{name}" for name in sorted(parameters))
