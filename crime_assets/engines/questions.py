"""Checks a person's query as text, before anything else: it must be one SELECT that changes nothing."""

from __future__ import annotations

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from crime_assets.core.errors import UsageError

# The parser takes SELECT … INTO for a query, and would write it as CREATE TABLE.
_NOT_READING = (exp.Into, exp.DDL, exp.DML, exp.Drop, exp.Command, exp.Lock, exp.QueryTransform)


def one_select(sql: str, dialect: str) -> exp.Query:
    """A person's statement in a dialect of sqlglot's; UsageError unless it is one SELECT that changes nothing."""
    try:
        sql.encode()
        statements = sqlglot.parse(sql, read=dialect)
    except SqlglotError as error:
        said = str(error).partition("\n")[0]
        raise UsageError(f"The query cannot be answered: {said}") from error
    except RecursionError as error:
        raise UsageError("The query is nested too deeply: write it with fewer nested brackets.") from error
    except UnicodeEncodeError as error:
        raise UsageError("The query has characters that are not valid text: remove them.") from error
    query = statements[0] if len(statements) == 1 else None
    if not isinstance(query, exp.Query) or query.find(*_NOT_READING):
        raise UsageError(
            "The query must be one SELECT statement that changes nothing: write no other statement around or in it."
        )
    if query.find(exp.Placeholder, exp.Parameter):
        raise UsageError("The query has a placeholder without a value: write the value in its place.")
    return query
