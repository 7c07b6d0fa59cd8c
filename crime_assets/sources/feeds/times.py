"""How a source's text becomes a time: one rule for the day it is pulled by and for the row it becomes."""

from __future__ import annotations

from collections.abc import Iterable


def parse_timestamp(formats: Iterable[str]) -> str:
    """The statement that makes `parse_timestamp(text)` known to DuckDB.

    It gives the time by the first of the strptime formats that fits, or NULL; `text` is without blanks around it.
    """
    listed = ", ".join("'" + form.replace("'", "''") + "'" for form in formats)
    # DuckDB takes words such as "epoch" and "infinity" for times in any format.
    parsed = f"CASE WHEN regexp_matches(text, '^[0-9]') THEN try_strptime(text, [{listed}]) END"
    return f"CREATE OR REPLACE TEMP MACRO parse_timestamp(text) AS {parsed}"
