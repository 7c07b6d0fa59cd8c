"""The canonical JSON of records in an Arrow table: an SQL expression built for exactly that table.

Digests of 8 million records are computed from these texts, and writing them is half the work of typing a history. So
escapes and NULL handling are left out for a column none of whose values needs them.
"""

from __future__ import annotations

import json

import pyarrow as pa

from crime_assets.core.digests import COMPUTED_REGION
from crime_assets.lakehouse.iceberg.duck import identifier, literal
from crime_assets.lakehouse.records.arrow_texts import has_control_characters, is_plain


def record_json(records: pa.Table) -> str:
    """An expression over the table's columns that equals `core.digests.canonical_json` of each row.

    DuckDB needs a function `canonical_json` of its own for the rare texts with control characters.
    """
    names = sorted(name for name in records.column_names if not name.startswith((COMPUTED_REGION, "_")))
    members = [_member(name, records.column(name), records.schema.field(name)) for name in names]
    nullable = [records.column(name).null_count > 0 for name in names]
    if names and not nullable[0]:
        # After a member that is always present, each one can carry its own comma; concat leaves out NULL.
        text = _concatenated(members, nullable)
    else:
        text = f"'{{' || concat_ws(',', {', '.join(_joined(*member) for member in members)}) || '}}'"
    if any(map(has_control_characters, records.select(names).columns)):
        # DuckDB escapes them differently.
        text = f"CASE WHEN contains({text}, '\\u00') THEN canonical_json({text}) ELSE {text} END"
    return text


def _member(name: str, column: pa.ChunkedArray, field: pa.Field) -> tuple[str, str, str]:
    """`"name":value` as the text before the value, the value in SQL, and the text after it."""
    key, value = json.dumps(name, ensure_ascii=False) + ":", identifier(name)
    if (field.metadata or {}).get(b"json") == b"true":
        return key, value, ""
    if is_plain(column):
        return key + '"', value, '"'
    return key, f"CAST(to_json({value}) AS VARCHAR)", ""


def _joined(before: str, value: str, after: str) -> str:
    """A member that is NULL where its value is."""
    return " || ".join([literal(before), value, *([literal(after)] if after else [])])


def _concatenated(members: list[tuple[str, str, str]], nullable: list[bool]) -> str:
    """The members between braces, the first of them never NULL. What stands between two values is one text."""
    pieces, text = [], "{"
    for number, ((before, value, after), may_be_null) in enumerate(zip(members, nullable, strict=True)):
        comma = "," if number else ""
        if may_be_null:
            pieces += [literal(text), _joined(comma + before, value, after)]
            text = ""
        else:
            pieces += [literal(text + comma + before), value]
            text = after
    return f"concat({', '.join([*pieces, literal(text + '}')])})"
