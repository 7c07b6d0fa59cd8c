"""Random SELECTs over the tables of a gate: joins, groups, windows, casts, samples, sets. Equal for one seed."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

Schema = Mapping[str, Sequence[tuple[str, str]]]
"""Table → its columns and their DuckDB types."""

_NUMBERS = frozenset({"BIGINT", "INTEGER", "DOUBLE", "HUGEINT"})


class Selects:
    """Makes one SELECT after the other. Most are valid; those that are not must fail alike, too."""

    def __init__(self, schema: Schema, seed: int) -> None:
        self._schema = schema
        self._chance = random.Random(seed)

    def one(self) -> str:
        """A SELECT, with an order unless it has one row."""
        kinds = (self._groups, self._rows, self._joined, self._window, self._sets, self._odd)
        return self._chance.choice(kinds)()

    def _table(self) -> str:
        # crimes more often: it has the most.
        return self._chance.choice([*self._schema, "crimes", "crimes", "crimes"])

    def _column(self, table: str) -> tuple[str, str]:
        return self._chance.choice(list(self._schema[table]))

    def _value(self, kind: str) -> str:
        values = {
            "BIGINT": ("0", "7", "500", "-1"),
            "INTEGER": ("0", "3", "12", "99"),
            "DOUBLE": ("0.5", "41.9", "-87.7", "1e300"),
            "BOOLEAN": ("TRUE", "FALSE"),
            "DATE": ("DATE '2024-01-01'", "DATE '2023-12-24'", "DATE '9999-12-31'"),
            "TIMESTAMP": ("TIMESTAMP '2024-01-05 12:00:00'", "TIMESTAMP '2023-12-01 00:30:00'"),
        }
        return self._chance.choice(values.get(kind, ("'011'", "'012'", "'THEFT'", "'ZHIDDEN'", "'%1%'", "''", "NULL")))

    def _scalar(self, table: str, prefix: str = "") -> str:
        name, kind = self._column(table)
        column = f"{prefix}{name}"
        shapes = [column, f"CAST({column} AS VARCHAR)", f"coalesce({column}, NULL)", f"hash({column})"]
        if kind in _NUMBERS:
            shapes += [f"{column} * 2", f"{column} // 7", f"CAST({column} AS TINYINT)", f"log({column})"]
        elif kind == "VARCHAR":
            shapes += [f"length({column})", f"{column}[1:3]", f"CAST({column} AS INTEGER)", f"upper({column})"]
        elif kind in {"DATE", "TIMESTAMP"}:
            shapes += [f"date_trunc('month', {column})", f"extract('dow' FROM {column})"]
        return self._chance.choice(shapes)

    def _condition(self, table: str, prefix: str = "") -> str:
        name, kind = self._column(table)
        column, value = f"{prefix}{name}", self._value(kind)
        shapes = [
            f"{column} {self._chance.choice(['=', '<>', '<', '>=', 'IS DISTINCT FROM'])} {value}",
            f"{column} IS {self._chance.choice(['', 'NOT '])}NULL",
            f"{column} IN ({value}, {self._value(kind)})",
            f"CAST({column} AS VARCHAR) LIKE '%{self._chance.randrange(10)}%'",
            f"CASE WHEN {column} = {value} THEN error('found ' || CAST({column} AS VARCHAR)) ELSE TRUE END",
        ]
        found = self._chance.choice(shapes)
        if self._chance.random() < 0.4:
            found = f"({found} {self._chance.choice(['AND', 'OR'])} {self._condition(table, prefix)})"
        return found

    def _groups(self) -> str:
        table = self._table()
        of = self._chance.choice(
            [
                "count(*)",
                "count(DISTINCT {})",
                "min({})",
                "max({})",
                "sum(length(CAST({} AS VARCHAR)))",
                "list({} ORDER BY {})",
            ]
        )
        by = self._scalar(table)
        told = of.replace("{}", self._column(table)[0])
        having = f" HAVING count(*) > {self._chance.randrange(4)}" if self._chance.random() < 0.3 else ""
        where = self._condition(table)
        return f"SELECT {by} AS g, {told} AS t FROM {table} WHERE {where} GROUP BY g{having} ORDER BY ALL"

    def _rows(self) -> str:
        table = self._table()
        shown = ", ".join(self._scalar(table) for _ in range(self._chance.randint(1, 4)))
        sample = self._chance.choice(
            ["", "", " TABLESAMPLE 20% (bernoulli, 3)", " TABLESAMPLE reservoir(40 ROWS) REPEATABLE (1)"]
        )
        return f"SELECT {shown} FROM {table}{sample} WHERE {self._condition(table)} ORDER BY ALL LIMIT 200"

    def _joined(self) -> str:
        one, other = self._table(), self._table()
        on = f"CAST(a.{self._column(one)[0]} AS VARCHAR) = CAST(b.{self._column(other)[0]} AS VARCHAR)"
        kind = self._chance.choice(["JOIN", "LEFT JOIN", "SEMI JOIN", "ANTI JOIN"])
        return (
            f"SELECT count(*), min({self._scalar(one, 'a.')}) FROM (FROM {one} ORDER BY ALL LIMIT 300) AS a "
            f"{kind} (FROM {other} ORDER BY ALL LIMIT 300) AS b ON {on} WHERE {self._condition(one, 'a.')}"
        )

    def _window(self) -> str:
        table = self._table()
        over = f"(PARTITION BY {self._column(table)[0]} ORDER BY {', '.join(name for name, _ in self._schema[table])})"
        function = self._chance.choice(["row_number()", "rank()", "lag({})", "first_value({})", "ntile(4)"])
        told = function.replace("{}", self._column(table)[0])
        return f"SELECT {self._scalar(table)} AS s, {told} OVER {over} AS w FROM {table} ORDER BY ALL LIMIT 100"

    def _sets(self) -> str:
        one, other = self._table(), self._table()
        kind = self._chance.choice(["UNION", "UNION ALL", "EXCEPT", "INTERSECT"])
        parts = (f"SELECT CAST({self._column(table)[0]} AS VARCHAR) AS v FROM {table}" for table in (one, other))
        return f"SELECT v, count(*) FROM ({f' {kind} '.join(parts)}) GROUP BY v ORDER BY ALL LIMIT 300"

    def _odd(self) -> str:
        table = self._table()
        name = self._column(table)[0]
        return self._chance.choice(
            [
                f"SUMMARIZE SELECT {name} FROM {table}",
                f"SELECT approx_count_distinct({name}), entropy({name}) FROM {table}",
                f"SELECT stats({name}) FROM {table} LIMIT 1",
                f"SELECT max(rowid) FROM {table} WHERE {self._condition(table)}",
                f"SELECT (SELECT count(*) FROM {table} AS i WHERE i.{name} = o.{name}) FROM {table} o ORDER BY 1",
                f"PIVOT (SELECT {name} AS p FROM {table} LIMIT 50) ON p USING count(*)",
                f"SELECT histogram({name}) FROM {table}",
            ]
        )
