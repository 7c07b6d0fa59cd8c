"""Lake Formation's grammar of row filters, as its page tells it, and which rows a filter selects: written independently
of the parser that makes them.

docs.aws.amazon.com/lake-formation/latest/dg/partiql-support.html
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping

Row = Mapping[str, object]
Truth = bool | None
Condition = Callable[[Row], Truth]

_TOKEN = re.compile(
    r"""\s*(?:'(?P<text>(?:[^']|'')*)'|"(?P<column>[^"]+)"|(?P<number>-?\d+(?:\.\d+)?)|(?P<word>[A-Za-z]+)"""
    r"""|(?P<sign><=|>=|<>|!=|[=<>(),]))"""
)
_SIGNS = {
    "=": operator.eq,
    "<>": operator.ne,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}


class Filter:
    """A filter; ValueError if it is none."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        place = 0
        while place < len(text.rstrip()):
            found = _TOKEN.match(text, place)
            if found is None:
                raise ValueError(f"no token at {text[place:]!r}")
            kind = found.lastgroup or ""
            self._tokens.append((kind, found[kind]))
            place = found.end()
        self._condition = self._either()
        if self._tokens:
            raise ValueError(f"left over: {self._tokens}")

    def selects(self, row: Row) -> bool:
        return self._condition(row) is True

    def _either(self) -> Condition:
        parts = [self._both()]
        while self._takes("OR"):
            parts.append(self._both())
        return lambda row: _any([part(row) for part in parts])

    def _both(self) -> Condition:
        parts = [self._one()]
        while self._takes("AND"):
            parts.append(self._one())
        return lambda row: _not(_any([_not(part(row)) for part in parts]))

    def _one(self) -> Condition:
        if self._takes("NOT"):
            inner = self._one()
            return lambda row: _not(inner(row))
        if self._takes("("):
            inner = self._either()
            self._needs(")")
            return inner
        return self._comparison(self._take("column"))

    def _comparison(self, column: str) -> Condition:
        if self._takes("IS"):
            is_not = self._takes("NOT")
            self._needs("NULL")
            return lambda row: (row[column] is None) != is_not
        if self._takes("NOT"):
            compared = self._compared(column)
            return lambda row: _not(compared(row))
        return self._compared(column)

    def _compared(self, column: str) -> Condition:
        if self._takes("IN"):
            self._needs("(")
            values = [self._constant()]
            while self._takes(","):
                values.append(self._constant())
            self._needs(")")
            return _known(column, lambda value: value in values)
        if self._takes("BETWEEN"):
            low = self._constant()
            self._needs("AND")
            high = self._constant()
            return _known(column, lambda value: low <= value <= high)  # type: ignore[operator]
        if self._takes("LIKE"):
            pattern = self._take("text").replace("''", "'")
            form = re.compile("".join({"%": ".*", "_": "."}.get(one, re.escape(one)) for one in pattern), re.DOTALL)
            return _known(column, lambda value: form.fullmatch(str(value)) is not None)
        compare, constant = _SIGNS[self._take("sign")], self._constant()
        return _known(column, lambda value: bool(compare(value, constant)))

    def _constant(self) -> object:
        kind, token = self._tokens.pop(0)
        match kind:
            case "text":
                return token.replace("''", "'")
            case "number":
                return float(token)
            case "word" if token in ("TRUE", "FALSE"):
                return token == "TRUE"
        raise ValueError(f"{token!r} is no constant")

    def _takes(self, token: str) -> bool:
        if self._tokens and self._tokens[0] in (("word", token), ("sign", token)):
            self._tokens.pop(0)
            return True
        return False

    def _needs(self, token: str) -> None:
        if not self._takes(token):
            raise ValueError(f"{token} is missing before {self._tokens}")

    def _take(self, kind: str) -> str:
        if not self._tokens or self._tokens[0][0] != kind:
            raise ValueError(f"a {kind} is missing before {self._tokens}")
        return self._tokens.pop(0)[1]


def _known(column: str, test: Callable[[object], bool]) -> Condition:
    return lambda row: None if row[column] is None else test(row[column])


def _any(values: list[Truth]) -> Truth:
    return True if True in values else None if None in values else False


def _not(value: Truth) -> Truth:
    return None if value is None else not value
