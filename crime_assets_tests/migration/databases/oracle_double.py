"""What stands in for python-oracledb: it keeps the statements it was given, answers what it was told, or fails.

It proves no more than which texts we send: none of it is Oracle.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import oracledb


class DoubleError(oracledb.DatabaseError):
    """An error with a number, as the driver raises it."""

    def __init__(self, code: int, text: str = "it failed") -> None:
        message = f"ORA-{code:05}: {text}\nHelp: https://docs.oracle.com/error-help/db/ora-{code:05}/"
        super().__init__(SimpleNamespace(code=code, full_code=f"ORA-{code:05}", message=message))
        self.message = message

    def __str__(self) -> str:
        return self.message


class DoubleConnection:
    """One connection and its only cursor. `answers`: rows, or an error, by a part of the statement."""

    def __init__(self, answers: Mapping[str, list[tuple[Any, ...]] | Exception]) -> None:
        self.answers = dict(answers)
        self.statements: list[str] = []
        self.values: list[dict[str, object]] = []
        self.is_closed = False
        self._rows: Iterator[tuple[Any, ...]] = iter(())

    def __enter__(self) -> DoubleConnection:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing is left."""

    def cursor(self) -> DoubleConnection:
        return self

    def ping(self) -> None:
        assert not self.is_closed

    def close(self) -> None:
        """Of a cursor, mostly."""

    def execute(self, statement: str, values: Mapping[str, object] | None = None) -> None:
        self.statements.append(" ".join(statement.split()))
        self.values.append(dict(values or {}))
        answer = next((answer for part, answer in self.answers.items() if part in statement), [])
        if isinstance(answer, Exception):
            raise answer
        self._rows = iter(answer)

    def fetchall(self) -> list[tuple[Any, ...]]:
        return [*self._rows]

    def fetchmany(self, most: int) -> list[tuple[Any, ...]]:
        return [row for _, row in zip(range(most), self._rows, strict=False)]
