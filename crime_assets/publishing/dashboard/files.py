"""Tables as files to download: CSV for spreadsheets, Parquet for everything else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv


def as_csv(table: pa.Table) -> bytes:
    """CSV with a header; NULL is empty.

    A text that a spreadsheet would take for a formula gets a leading apostrophe: texts come from the city's feed.
    """
    for index, field in enumerate(table.schema):
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            texts = table.column(index).combine_chunks()
            is_formula = pc.fill_null(pc.match_substring_regex(texts, r"^[=+\-@\t\r]"), False)
            escaped = pc.binary_join_element_wise(pa.scalar("'", field.type), texts, pa.scalar("", field.type))
            table = table.set_column(index, field, pc.if_else(is_formula, escaped, texts))
    written = BytesIO()
    csv.write_csv(table, written)
    return written.getvalue()


def as_parquet(table: pa.Table) -> bytes:
    """Parquet with the table's types."""
    written = BytesIO()
    pq.write_table(table, written, compression="zstd")
    return written.getvalue()


WRITERS: Mapping[str, tuple[str, Callable[[pa.Table], bytes]]] = {
    "csv": ("text/csv; charset=utf-8", as_csv),
    "parquet": ("application/vnd.apache.parquet", as_parquet),
}
"""File extension → its media type and its writer."""
