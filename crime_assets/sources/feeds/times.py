"""How a source's text becomes a time: one rule for the change day of a record and for its typed row."""

from __future__ import annotations

from collections.abc import Iterable


def parse_timestamp(formats: Iterable[str]) -> str:
    """The statement that makes `parse_timestamp(text)` known to DuckDB.

    It gives the time by the first of the strptime formats that fits, or NULL; `text` is without blanks around it. A
    format with the literal hour 24 gives the midnight at the end of the day.
    """
    forms = list(formats)
    parsed = _parsed(form for form in forms if not ends_the_day(form))
    if late := [form for form in forms if ends_the_day(form)]:
        parsed = f"coalesce({parsed}, {_parsed(late)} + INTERVAL 1 DAY)"
    # Only what begins with a digit: DuckDB accepts words such as "epoch" and "infinity" as times in any format.
    return (
        f"CREATE OR REPLACE TEMP MACRO parse_timestamp(text) AS CASE WHEN text >= '0' AND text < ':' THEN {parsed} END"
    )


def ends_the_day(form: str) -> bool:
    """Whether a format says the end of the day: hour 24."""
    return " 24" in form


def _parsed(formats: Iterable[str]) -> str:
    listed = ", ".join("'" + form.replace("'", "''") + "'" for form in formats)
    return f"try_strptime(text, [{listed}])"
