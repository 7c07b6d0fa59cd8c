"""From raw records to typed rows in Spark: sql/crimes/typed.sql, and what it needs from an engine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp

from crime_assets.core.spark_sql import BLANKS
from crime_assets.core.sql import render, statement
from crime_assets.lakehouse.records.typing import facts, tidied_query, typed_query
from crime_assets.sources.cities import City

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession
    from pyspark.sql.types import StructField

_BLANKS = r"[ \t\n\x0B\f\r]"
# strptime's directive → the texts that DuckDB accepts for it, and Java's pattern for it.
_DIRECTIVES = {
    "%Y": ("[0-9]{1,4}", "y"),
    "%m": ("[0-9]{1,2}", "M"),
    "%d": ("[0-9]{1,2}", "d"),
    "%H": ("[0-9]{1,2}", "H"),
    "%I": ("[0-9]{1,2}", "h"),
    "%M": ("[0-9]{1,2}", "m"),
    "%S": ("[0-9]{1,2}", "s"),
    "%f": ("[0-9]{1,6}", "SSSSSS"),
    "%p": ("[aApP][mM]", "a"),
}
_PIECES = re.compile("%[A-Za-z]|[ ]|[^% ]+")


def prepare(session: SparkSession, city: City) -> None:
    """Create the city's facts in the session: its codes, names and unknown markers."""
    from pyspark.sql import functions

    for name, (columns, rows) in facts(city).items():
        # Spark cannot tell that they are small.
        schema = ", ".join(f"{column} string" for column in columns)
        functions.broadcast(session.createDataFrame(rows, schema)).createOrReplaceTempView(name)


def typed(session: SparkSession, city: City, raw_records: DataFrame) -> DataFrame:
    """Raw records, typed; also yields reason, raw, id_text, updated_on_text and extra. Requires `prepare`."""
    raw_records.createOrReplaceTempView("raw_records")
    session.sql(render(statement("crimes", "trimmed"), "spark", {})).createOrReplaceTempView("trimmed_texts")
    session.sql(tidied_query(city, "spark")).createOrReplaceTempView("trimmed_records")
    query = sqlglot.parse_one(typed_query(city, "spark"), read="spark")
    return session.sql(query.transform(_parses, city.timestamp_formats).sql("spark"))


def crimes_column(field: StructField, known: frozenset[str]) -> Column:
    """What to select from typed rows for a column of `crimes`: one that is new at the source is a text of `extra`.

    NULL if another writer fills it. `known` are the columns that typed rows have.
    """
    from pyspark.sql import functions

    if field.name in known:
        return functions.col(field.name)
    if field.dataType.typeName() == "string":
        text = functions.regexp_replace(functions.get_json_object("extra", f"$.{field.name}"), BLANKS, "")
        return functions.when(text != "", text).alias(field.name)
    return functions.lit(None).cast(field.dataType).alias(field.name)


def _parses(node: exp.Expr, formats: tuple[str, ...]) -> exp.Expr:
    """`parse_timestamp(text)`: by the first format that the text has, treating blanks as DuckDB does."""
    if not (isinstance(node, exp.Anonymous) and node.name.lower() == "parse_timestamp"):
        return node
    text = node.expressions[0]
    found = exp.Case()
    for form in formats:
        looks, java = _format(form)
        parsed = exp.func("try_to_timestamp", _replaced(text, f"{_BLANKS}+", " "), exp.Literal.string(java))
        found = found.when(exp.RegexpLike(this=text.copy(), expression=exp.Literal.string(looks)), parsed)
    return exp.cast(found, "TIMESTAMP_NTZ")


def _replaced(text: exp.Expr, pattern: str, by: str) -> exp.Expr:
    without_end = exp.func("regexp_replace", text.copy(), exp.Literal.string(f"{_BLANKS}+\\z"), exp.Literal.string(""))
    return exp.func("regexp_replace", without_end, exp.Literal.string(pattern), exp.Literal.string(by))


def _format(form: str) -> tuple[str, str]:
    """What texts of a strptime format look like, and the format for Java."""
    looks, java = "", ""
    for piece in _PIECES.findall(form):
        if piece in _DIRECTIVES:
            look, letter = _DIRECTIVES[piece]
        elif piece == " ":
            look, letter = f"{_BLANKS}+", " "
        else:
            look, letter = re.escape(piece), f"'{piece}'"
        looks, java = looks + look, java + letter
    return f"^{looks}{_BLANKS}*\\z", java
