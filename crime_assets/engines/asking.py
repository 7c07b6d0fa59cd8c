"""A person's query on a DuckDB connection: checked, started, and its errors told. Opens no connection itself.

Imports little: the confined process that answers people starts with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb

from crime_assets.core.errors import UsageError

_NODE = re.compile(r'"type":\s*"([A-Z_]+_NODE)"')
_READING_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "CTE_NODE", "RECURSIVE_CTE_NODE"})
_NESTED = frozenset({"list", "array", "struct", "map", "union"})
_MORE_THAN_PYTHON = frozenset({"interval", "timestamp_ns"})
"""Types whose values DuckDB's client cannot keep in full: a month would become 30 days, a nanosecond nothing."""


@contextmanager
def answering() -> Iterator[None]:
    """Turn DuckDB's errors about a person's query into UsageError; errors of the disk are not the query's fault."""
    try:
        yield
    except duckdb.IOException:
        raise
    except (duckdb.Error, UnicodeEncodeError) as error:
        raise UsageError(f"The query cannot be answered: {str(error).splitlines()[0]}") from error


def start(con: duckdb.DuckDBPyConnection, asked: duckdb.Statement) -> list[str]:
    """Start a statement; returns the names of its columns. Values that Python cannot hold come as DuckDB's text."""
    columns = con.execute(asked).description or []
    if shown := in_texts([kind for _, kind, *_ in columns]):
        con.abort()
        con.execute(con.sql(asked).project(shown).sql_query())
    return [str(name) for name, *_ in columns]


def in_texts(kinds: Sequence[Any], too_much: frozenset[str] = _MORE_THAN_PYTHON) -> str:
    """A projection of columns of these types, in which those that are too much are texts; empty if none is.

    Without `too_much`, the types that Python cannot hold.
    """
    odd = [_is_one_of(kind, too_much) for kind in kinds]
    shown = (f"CAST(#{place} AS VARCHAR)" if is_odd else f"#{place}" for place, is_odd in enumerate(odd, 1))
    return ", ".join(shown) if any(odd) else ""


def _is_one_of(kind: Any, too_much: frozenset[str]) -> bool:
    if kind.id in _NESTED:
        # The size of an array is a number next to its type.
        return any(_is_one_of(part, too_much) for _, part in kind.children if not isinstance(part, int))
    return kind.id in too_much


def only_reading(con: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Statement:
    """The one statement of `sql`; UsageError unless it is a SELECT that changes nothing.

    DuckDB would run several, and wherever it may read it may also write, even in a CTE (WITH x AS (COPY …)).
    """
    sql.encode()
    statements = con.extract_statements(sql)
    tree = str(con.execute("SELECT json_serialize_sql(?)", [sql]).fetchall())
    if (
        [statement.type for statement in statements] != [duckdb.StatementType.SELECT]
        or not _READING_NODES.issuperset(nodes := _NODE.findall(tree))
        or not nodes
    ):
        raise UsageError(
            "The query must be one SELECT statement that changes nothing: write no other statement around or in it."
        )
    return statements[0]
