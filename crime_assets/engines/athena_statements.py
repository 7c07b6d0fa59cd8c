"""Statements as Athena can run them: table names become Iceberg tables at a snapshot, or queries in a WITH.

Works on the text of statements only; the caller says which rows a name stands for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TypeAlias

from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError

from crime_assets.core.errors import UsageError
from crime_assets.core.sql import DIALECT
from crime_assets.engines.questions import one_select

Source: TypeAlias = exp.Table | exp.Query
"""The rows that a name stands for: a table of the catalog, or a query whose unqualified names have sources too."""

_ROWS = (exp.Table, exp.Subquery, exp.Unnest, exp.Values, exp.Lateral)


def persons_query(sql: str, names: Collection[str]) -> exp.Query:
    """A person's statement; UsageError unless it is one SELECT that reads nothing but tables of these names."""
    query = one_select(sql, DIALECT)
    _only_tables(query, names)
    return query


def _only_tables(query: exp.Query, names: Collection[str]) -> None:
    for clause in query.find_all(exp.From, exp.Join):
        if not isinstance(clause.this, _ROWS):
            raise UsageError(f"The query reads {_short(clause.this)}: it may read only tables.")
    for table in query.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier):
            raise UsageError(f"The query calls {_short(table)} for rows: it may read only tables.")
        if table.db:
            raise UsageError(
                f"The query reads {_short(table)}: name only tables of the city, with nothing before the name."
            )
        if table.args.get("version") or table.args.get("when"):
            raise UsageError("The query asks for an older state of a table: use --as-of instead.")
    for table in _read(query):
        if table.name.lower() not in names:
            raise UsageError(
                f"The query reads {_short(table)}, which does not exist: the tables are {', '.join(sorted(names))}."
            )


def written(query: exp.Query, source: Callable[[str], Source]) -> str:
    """The statement for Athena, with the sources of the names that it reads."""
    taken = {name.lower() for node in query.find_all(exp.CTE, exp.Table) for name in (node.alias, node.name)}
    query = query.copy()
    ahead: dict[str, exp.CTE] = {}

    def resolve(part: exp.Expr) -> None:
        for table in list(_read(part)):
            name = table.name.lower()
            found = source(name)
            if not table.alias:
                table.set("alias", exp.TableAlias(this=table.this.copy()))
            if isinstance(found, exp.Table):
                table.set("this", found.this.copy())
                table.set("db", found.args["db"].copy())
                table.set("version", found.args["version"].copy())
                continue
            known_as = f"{name}_rows"
            while known_as in taken:
                known_as += "_"
            if known_as not in ahead:
                rows = found.copy()
                resolve(rows)
                ahead[known_as] = exp.CTE(this=rows, alias=exp.TableAlias(this=exp.to_identifier(known_as)))
            table.set("this", exp.to_identifier(known_as))

    resolve(query)
    if ahead:
        own = query.args.get("with_")
        query.set(
            "with_",
            exp.With(
                expressions=[*ahead.values(), *(own.expressions if own else [])],
                recursive=own.args.get("recursive") if own else None,
            ),
        )
    try:
        return str(query.sql(DIALECT, pretty=True, comments=False, unsupported_level=ErrorLevel.RAISE))
    except SqlglotError as error:
        raise UsageError(f"The query cannot be written for Athena: {_first(error)}") from error


def _read(part: exp.Expr) -> Iterator[exp.Table]:
    """The tables that a query reads, without the names defined in its own WITH."""
    return (table for table in part.find_all(exp.Table) if not table.db and not _is_own(table))


def _is_own(table: exp.Table) -> bool:
    name, within = table.name.lower(), None
    node: exp.Expr | None = table
    while node is not None:
        if isinstance(node, exp.CTE):
            within = node
        own = node.args.get("with_")
        if own is not None:
            # Inside a WITH a query sees the ones before it, and itself if it is recursive.
            inside = within is not None and within.parent is own
            for cte in own.expressions:
                if inside and cte is within and not own.args.get("recursive"):
                    break
                if cte.alias.lower() == name:
                    return True
                if inside and cte is within:
                    break
        node = node.parent
    return False


def _short(node: exp.Expr) -> str:
    return str(node.sql(DIALECT)).partition("\n")[0][:80]


def _first(error: SqlglotError) -> str:
    return str(error).partition("\n")[0]
