"""How a source's text becomes a time: one rule for the change day of a record and for its typed row."""

from __future__ import annotations

from collections.abc import Iterable


def parse_timestamp(formats: Iterable[str]) -> str:
    """The statement that makes `parse_timestamp(text)` known to DuckDB.

    It gives the time by the first of the strptime formats that fits, or NULL; `text` is without blanks around it.
    """
    listed = ", ".join("'" + form.replace("'", "''") + "'" for form in formats)
    # Only what begins with a digit: DuckDB accepts words such as "epoch" and "infinity" as times in any format.
    parsed = f"CASE WHEN text >= '0' AND text < ':' THEN try_strptime(text, [{listed}]) END"
    return f"CREATE OR REPLACE TEMP MACRO parse_timestamp(text) AS {parsed}"
