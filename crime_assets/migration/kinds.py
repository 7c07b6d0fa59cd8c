"""Each value rule once: what a column's text becomes in a document, and how it comes back, as two SQL expressions.

DuckDB evaluates both, over columns of texts as databases write them; `rendering` makes statements of them. An *odd*
value does not fit what its column is declared to hold: it is no attribute but stands in the map `_odd`, as it is.
Nothing is guessed, and no number is ever a binary fraction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from crime_assets.migration.columns import Column, Kind

MOST_DIGITS = 38
"""Of a number in DynamoDB, and of a DECIMAL of DuckDB."""
_FEW_DIGITS = 18
"""Up to here DuckDB computes with 64 bits."""

_DAY = "(000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_CLOCK = r" ([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?"
_OFFSET = "[+-][0-9]{2}(:[0-9]{2}){0,2}"
# No exponent, no zero that says nothing, no -0: DynamoDB gives back no other text than this one.
_PLAIN = r"(0|-?[1-9][0-9]*|-?(0|[1-9][0-9]*)\.[0-9]*[1-9])"


@dataclass(frozen=True)
class Rule:
    """What a kind of column becomes: `type` is the attribute's type in DynamoDB (N, S, BOOL or B).

    `value` makes SQL of the attribute's text out of a column and SQL of its text: NULL where there is none, or an odd
    one. `source` goes back. `escaped`: the attribute's text can have signs that JSON escapes.
    """

    type: str
    value: Callable[[Column, str], str]
    source: Callable[[Column, str], str]
    escaped: bool = False


def to_value(column: Column) -> str:
    """SQL of the attribute's text, over the column by its quoted name; NULL for NULL and for odd values."""
    return KINDS[column.kind].value(column, quoted(column.name))


def to_attribute(column: Column, value: str) -> tuple[str, str, str]:
    """An attribute in DynamoDB's JSON, such as `{"N":"7"}`: a text, SQL of what follows it, and the text after that.

    `value`: SQL of what `to_value` gives.
    """
    rule = KINDS[column.kind]
    sign = "" if rule.type == "BOOL" else '"'
    return f'{{"{rule.type}":{sign}', in_quotes(value) if rule.escaped else value, f"{sign}}}"


def has_signs(values: Iterable[str]) -> str:
    """SQL of whether one of some texts has signs that JSON escapes."""
    found = ", ".join(["''", *values])
    return rf"""regexp_matches(concat({found}), '["\\[:cntrl:]]')"""


def in_quotes(value: str) -> str:
    """SQL of a text as JSON has it between quotes; `signs`, a column, says whether one of the row's texts has such.

    Few rows have one. To ask each text would take as long as to escape it.
    """
    return f"CASE WHEN signs THEN CAST(to_json({value}) AS VARCHAR)[2:-2] ELSE {value} END"


def to_source(column: Column, value: str) -> str:
    """SQL of the column's text as the database writes it; `value`: SQL of the attribute's text. NULL gives NULL.

    Somebody may have edited the value: it gives some text then, and no error.
    """
    return KINDS[column.kind].source(column, value)


def quoted(name: str) -> str:
    """A name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text of a mapping in SQL."""
    return "'" + text.replace("'", "''") + "'"


def _number(column: Column, text: str) -> str:
    if not column.precision:
        digits, signs = f"length(replace(ltrim({text}, '-0.'), '.', ''))", f"length(ltrim({text}, '-'))"
        plain = f"regexp_full_match({text}, '{_PLAIN}') AND {digits} <= {MOST_DIGITS} AND {signs} <= {MOST_DIGITS + 2}"
        return f"CASE WHEN {plain} THEN {text} END"
    # Also numbers of more digits than declared are numbers: only the fraction has to have its length.
    scale = max(column.scale, 0)
    precisions = [_FEW_DIGITS] * (scale <= _FEW_DIGITS and column.precision <= _FEW_DIGITS) + [MOST_DIGITS]
    short = (
        text if not scale else f"CASE WHEN ends_with({text}, '0') THEN rtrim(rtrim({text}, '0'), '.') ELSE {text} END"
    )
    tried = [
        f"WHEN CAST(TRY_CAST({text} AS DECIMAL({p}, {scale})) AS VARCHAR) = {text} THEN {short}" for p in precisions
    ]
    return f"CASE {' '.join(tried)} END"


def _padded_number(column: Column, value: str) -> str:
    scale = max(column.scale, 0)
    if not column.precision or not scale:
        return value
    zeros = "0" * scale
    return (
        f"CASE WHEN contains({value}, '.') "
        f"THEN {value} || substr('{zeros}', length({value}) - strpos({value}, '.') + 1) ELSE {value} || '.{zeros}' END"
    )


def _as_is(_: Column, text: str) -> str:
    return text


def _trimmed(column: Column, text: str) -> str:
    return f"CASE WHEN length({text}) = {column.width} THEN rtrim({text}, ' ') END"


def _padded(column: Column, value: str) -> str:
    return f"{value} || substr('{' ' * column.width}', length({value}) + 1)"


def _moment(pattern: str) -> Callable[[Column, str], str]:
    def value(_: Column, text: str) -> str:
        return f"CASE WHEN regexp_full_match({text}, '{pattern}') THEN replace({text}, ' ', 'T') END"

    return value


def _moment_back(_: Column, value: str) -> str:
    return f"replace({value}, 'T', ' ')"


def _flag(column: Column, text: str) -> str:
    return f"CASE {text} WHEN {literal(column.true)} THEN 'true' WHEN {literal(column.false)} THEN 'false' END"


def _flag_back(column: Column, value: str) -> str:
    texts = f"WHEN 'true' THEN {literal(column.true)} WHEN 'false' THEN {literal(column.false)}"
    return f"CASE {value} {texts} ELSE {value} END"


def _base64(_: Column, text: str) -> str:
    # A CASE, for DuckDB would refuse the chunk if it met other signs.
    return f"CASE WHEN regexp_full_match({text}, '([0-9a-f]{{2}})*') THEN to_base64(unhex({text})) END"


def _hex(_: Column, value: str) -> str:
    signs = "([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
    back = f"lower(hex(from_base64({value})))"
    # Base64 can be written in several ways: only ours is turned back.
    ours = f"CASE WHEN to_base64(from_base64({value})) = {value} THEN {back} ELSE '?' || {value} END"
    return f"CASE WHEN regexp_full_match({value}, '{signs}') THEN {ours} ELSE '?' || {value} END"


KINDS: Mapping[Kind, Rule] = {
    Kind.NUMBER: Rule("N", _number, _padded_number),
    Kind.TEXT: Rule("S", _as_is, _as_is, escaped=True),
    Kind.PADDED: Rule("S", _trimmed, _padded, escaped=True),
    Kind.DATE: Rule("S", _moment(f"{_DAY}({_CLOCK})?"), _moment_back),
    Kind.TIME: Rule("S", _moment(_DAY + _CLOCK), _moment_back),
    Kind.TIME_ZONE: Rule("S", _moment(_DAY + _CLOCK + _OFFSET), _moment_back),
    Kind.FLAG: Rule("BOOL", _flag, _flag_back),
    Kind.BYTES: Rule("B", _base64, _hex),
    Kind.LARGE: Rule("S", _as_is, _as_is, escaped=True),
}
"""The rule of each kind."""
