"""What a statement needs beyond sqlglot's translation to mean the same in Spark as in Athena and DuckDB.

These differences show only in a type or with a rare text; none of them is an error in Spark.
"""

from __future__ import annotations

from sqlglot import exp

BLANKS = r"^\p{Zs}+|\p{Zs}+\z"
"""What TRIM removes in the other engines: any kind of space; Spark removes only one kind."""


def for_spark(query: exp.Expr) -> exp.Expr:
    """The statement with Athena's meaning for Spark; the statement given is not changed."""
    return query.transform(_spark)


def _spark(node: exp.Expr) -> exp.Expr:
    match node:
        case exp.RegexpLike(expression=exp.Literal() as pattern) if pattern.name.endswith("$"):
            # Java's $ also matches before a line break at the end.
            node.set("expression", exp.Literal.string(pattern.name.removesuffix("$") + r"\z"))
        case exp.Trim() if node.args.get("position") is None and node.args.get("expression") is None:
            return exp.func("regexp_replace", node.this, exp.Literal.string(BLANKS), exp.Literal.string(""))
        # These are BIGINT and DOUBLE in Athena, and a table keeps the types it was made with.
        case exp.Window(this=exp.RowNumber()) | exp.DateDiff():
            return exp.cast(node.copy(), "BIGINT")
        case exp.Floor():
            return exp.cast(node.copy(), "DOUBLE")
    return node
