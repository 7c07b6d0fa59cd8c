"""What of SoQL the portal on the loopback understands: rows, and the conditions they are asked for by.

What belongs here: the text of a question. How it is put and answered is `soda_server`.
"""

from __future__ import annotations

import operator
import re
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any

STAMPS = frozenset({"date", "updated_on", "incident_datetime"})
"""Columns of the type floating_timestamp; all others are compared as text."""
_SOQL_TOKEN = re.compile(r"\s*(?:('(?:[^']|'')*')|(:?[A-Za-z_]\w*)|(<=|>=|!=|=|<|>|\(|\)|,))")
_COMPARISONS = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
Row = dict[str, Any]


class RefusedError(Exception):
    """A question that the portal answers with an error."""

    def __init__(self, status: int, key: str, code: str, message: str, data: object = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = {key: code, "error": True, "message": message, "data": data or {}}


class Where:
    """`$where` of comparisons of a column with a literal, IN, IS [NOT] NULL, AND, OR, brackets; all else is refused."""

    def __init__(self, text: str, number: Callable[[str], int], known: Callable[[str], str]) -> None:
        self._number, self._known = number, known
        self._text, self._tokens = text, self._split(text)
        self.holds = self._either()
        if self._tokens:
            raise syntax_error(text)

    def _split(self, text: str) -> deque[str]:
        tokens: deque[str] = deque()
        rest = text.strip()
        while rest:
            match = _SOQL_TOKEN.match(rest)
            if match is None:
                raise syntax_error(text)
            tokens.append(match[0].strip())
            rest = rest[match.end() :].strip()
        return tokens

    def _next(self) -> str:
        if not self._tokens:
            raise syntax_error(self._text)
        return self._tokens.popleft()

    def _take(self, word: str) -> bool:
        found = bool(self._tokens) and self._tokens[0].upper() == word
        if found:
            self._tokens.popleft()
        return found

    def _either(self) -> Callable[[Row], bool]:
        parts = [self._both()]
        while self._take("OR"):
            parts.append(self._both())
        return lambda row: any(part(row) for part in parts)

    def _both(self) -> Callable[[Row], bool]:
        parts = [self._one()]
        while self._take("AND"):
            parts.append(self._one())
        return lambda row: all(part(row) for part in parts)

    def _one(self) -> Callable[[Row], bool]:
        if self._take("("):
            inner = self._either()
            if not self._take(")"):
                raise syntax_error(self._text)
            return inner
        name = self._known(self._next())
        if self._take("IS"):
            wanted = not self._take("NOT")
            if not self._take("NULL"):
                raise syntax_error(self._text)
            return lambda row: (row.get(name) is None) == wanted
        if self._take("IN"):
            values = self._list(name)
            return lambda row: row.get(name) is not None and self._value(name, row[name]) in values
        compare = _COMPARISONS.get(self._next())
        if compare is None:
            raise syntax_error(self._text)
        wanted_value = self._literal(name)
        return lambda row: row.get(name) is not None and bool(compare(self._value(name, row[name]), wanted_value))

    def _list(self, name: str) -> list[Any]:
        if not self._take("("):
            raise syntax_error(self._text)
        values = [self._literal(name)]
        while self._take(","):
            values.append(self._literal(name))
        if not self._take(")"):
            raise syntax_error(self._text)
        return values

    def _literal(self, name: str) -> Any:
        text = self._next()
        if not text.startswith("'"):
            raise syntax_error(self._text)
        return self._value(name, text[1:-1].replace("''", "'"))

    def _value(self, name: str, text: str) -> Any:
        if name == ":id":
            return self._number(text)
        if name not in STAMPS:
            return text
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            message = f"Type mismatch for op$<, is text: {text}"
            raise RefusedError(400, "errorCode", "query.soql.type-mismatch", message) from None


def syntax_error(text: str) -> RefusedError:
    return RefusedError(400, "errorCode", "query.soql.bad-parse", f"Cannot parse {text}")
