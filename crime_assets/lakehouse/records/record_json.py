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
    columns = [(name, records.column(name), records.schema.field(name)) for name in names]
    if names and records.column(names[0]).null_count == 0:
        # After a member that is always present, each one can carry its own comma; concat leaves out NULL.
        members = [_pieces("," if number else "", *column) for number, column in enumerate(columns)]
        pieces = [
            piece if column.null_count == 0 else " || ".join(pieces)
            for pieces, (_, column, _) in zip(members, columns, strict=True)
            for piece in (pieces if column.null_count == 0 else pieces[:1])
        ]
        text = "concat('{', " + ", ".join(pieces) + ", '}')"
    else:
        text = f"'{{' || concat_ws(',', {', '.join(' || '.join(_pieces('', *column)) for column in columns)}) || '}}'"
    if any(map(has_control_characters, records.select(names).columns)):
        # DuckDB escapes them differently.
        text = f"CASE WHEN contains({text}, '\\u00') THEN canonical_json({text}) ELSE {text} END"
    return text


def _pieces(comma: str, name: str, column: pa.ChunkedArray, field: pa.Field) -> list[str]:
    """`"name":value` in pieces, one of them the column, so that their concatenation is NULL where the column is."""
    key, value = comma + json.dumps(name, ensure_ascii=False) + ":", identifier(name)
    if (field.metadata or {}).get(b"json") == b"true":
        return [literal(key), value]
    if is_plain(column):
        return [literal(key + '"'), value, "'\"'"]
    return [literal(key), f"CAST(to_json({value}) AS VARCHAR)"]
