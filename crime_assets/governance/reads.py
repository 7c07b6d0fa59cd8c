"""What a person's query reads of a gate: tables and columns, and whether each row of its answer is one crime.

DuckDB's own binder and parser tell it, not the text. The plan is the one before it is optimised: DuckDB answers
`max(case_number)` from statistics, and its EXPLAIN then names no table at all. Imports little: the confined process
starts with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import duckdb

EVERYTHING = ["*"]
"""What is noted where the plan cannot say: all tables, all columns."""
OF_CRIMES = ("crimes", "crimes_superseded")
"""Tables whose rows are a crime each, by its `id`."""

_SCAN = ["seq_scan"]
_NO_VALUES = frozenset(
    "range generate_series repeat unnest duckdb_tables duckdb_columns duckdb_views duckdb_schemas duckdb_databases "
    "duckdb_functions duckdb_settings duckdb_types pragma_table_info".split()
)
"""Functions that tell no value of a table: of others it is not known, such as pragma_storage_info, which does."""
_NODE = frozenset(
    "type modifiers cte_map select_list from_table group_expressions group_sets aggregate_handling where_clause".split()
)
_TABLE = frozenset(
    "type alias query_location query_location_length schema_name table_name column_name_alias catalog_name "
    "qualified_name".split()
)
"""All that a plain SELECT and its table may have: whatever else DuckDB knows makes them something else."""
_STAR_CHANGES = ("exclude_list", "replace_list", "qualified_exclude_list", "rename_list", "columns", "expr")
_DEEPER = frozenset({dict, list})
_HARMLESS_MODIFIERS = frozenset({"ORDER_MODIFIER", "LIMIT_MODIFIER"})


def parsed(con: duckdb.DuckDBPyConnection, sql: str) -> Mapping[str, Any]:
    """A query as DuckDB's parser has it; empty if the parser cannot tell, as of a table without a name."""
    try:
        return _told(con, "SELECT json_serialize_sql(?, skip_null := true)", sql)
    except (duckdb.Error, ValueError, RecursionError):
        return {}


def what_is_read(con: duckdb.DuckDBPyConnection, sql: str, told: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The tables of the gate that a query names or reaches, and the columns (`crimes.district`) that it binds.

    `told` is what `parsed` has of it. EVERYTHING in place of both, if the plan cannot say.
    """
    try:
        if not told or _asks_by_text(told):
            return EVERYTHING, EVERYTHING
        plan = _told(con, "SELECT json_serialize_plan(?, optimize := false, skip_null := true)", sql)
        scans = [node for node in _nodes(plan) if node.get("type") == "LOGICAL_GET"]
        tables, columns = set(), set()
        for scan in scans:
            path = scan["qname"]["path"]
            if path == _SCAN:
                *_, table = scan["function_data"]["qualified_name"]["path"]
                names = scan["names"]
                tables.add(table)
                # An index beyond the columns is the row itself, as for count(*).
                columns |= {f"{table}.{names[n]}" for n in _indexes(scan) if n < len(names)}
            elif path[-1] not in _NO_VALUES:
                return EVERYTHING, EVERYTHING
        is_told = not plan["error"] and len(plan["plans"]) == 1
        return (sorted(tables), sorted(columns)) if is_told else (EVERYTHING, EVERYTHING)
    except (duckdb.Error, ValueError, KeyError, TypeError, IndexError, RecursionError):
        return EVERYTHING, EVERYTHING


def is_of_crimes(told: Mapping[str, Any]) -> bool:
    """Whether each row of the answer is one row of crimes, and what the answer calls `id` is that of the row.

    That is so for a plain SELECT of columns from one table, under their own names. In doubt it is not. `told` is what
    `parsed` has of the query.
    """
    try:
        (statement,) = told["statements"]
        return _is_plain(statement["node"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False


def _asks_by_text(told: Mapping[str, Any]) -> bool:
    """Whether a table function such as query() may read other tables each time that it is bound."""
    named = (node["function"]["function_name"] for node in _nodes(told) if node.get("type") == "TABLE_FUNCTION")
    return any(name not in _NO_VALUES for name in named)


def _is_plain(node: Mapping[str, Any]) -> bool:
    table = node["from_table"]
    return (
        node["type"] == "SELECT_NODE"
        and node.keys() <= _NODE
        and not (node["cte_map"]["map"] or node["group_expressions"] or node["group_sets"])
        and node["aggregate_handling"] == "STANDARD_HANDLING"
        and {modifier["type"] for modifier in node["modifiers"]} <= _HARMLESS_MODIFIERS
        and table["type"] == "BASE_TABLE"
        and table.keys() <= _TABLE
        and table["table_name"].lower() in OF_CRIMES
        and not table["column_name_alias"]
        and table["schema_name"].lower() in {"", "main", "gate"}
        and table["catalog_name"].lower() in {"", "gate"}
        and all(map(_is_column, node["select_list"]))
        and not any(map(_tells_of_other_rows, _nodes(node)))
    )


def _is_column(item: Mapping[str, Any]) -> bool:
    """Whether it is a column, or all of them, under their own names."""
    if item["alias"]:
        return False
    return item["class"] == "COLUMN_REF" or (
        item["class"] == "STAR" and not any(item.get(change) for change in _STAR_CHANGES)
    )


def _tells_of_other_rows(node: Mapping[str, Any]) -> bool:
    """Whether it may look beyond the row: a subquery, a window, or a function such as stats(); operators do not."""
    kind = node.get("class")
    return kind in {"SUBQUERY", "WINDOW"} or (kind == "FUNCTION" and not node["is_operator"])


def _indexes(scan: Mapping[str, Any]) -> Iterator[int]:
    return (int(column["index"]) for column in scan["column_indexes"])


def _told(con: duckdb.DuckDBPyConnection, question: str, sql: str) -> dict[str, Any]:
    ((text,),) = con.execute(question, [sql]).fetchall()
    told: dict[str, Any] = json.loads(text)
    return told


def _nodes(tree: object) -> Iterator[dict[str, Any]]:
    """All objects of a JSON document, however deep."""
    left: list[object] = [tree]
    while left:
        node = left.pop()
        # A query that names thousands of ids has thousands of objects.
        if type(node) is dict:
            yield node
            left += [value for value in node.values() if type(value) in _DEEPER]
        elif type(node) is list:
            left += node
