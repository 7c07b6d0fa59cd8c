"""External tables over deliveries, portal exports and legacy documents, for what the lake does not answer.

The statements are in sql/athena, valid for Hive and EMR too, with example queries. No code here reads these tables:
anyone who wants them creates them, in Athena's console or with `aws athena start-query-execution`.
"""

from __future__ import annotations

from crime_assets.core.sql import render_table, statement


def external_tables(landing: str, exports: str) -> list[str]:
    """The statements that create them, in order. `landing` is CRIME_LANDING, `exports` the location of the CSV files.

    Raises UsageError if one of these is not a location in S3.
    """
    locations = {"landing": f"{landing.rstrip('/')}/raw", "exports": exports}
    return [render_table(statement("athena", name), locations) for name in ("1_database", "2_deliveries", "3_exports")]


def documents_table(documents: str) -> str:
    """The statement that creates the one over documents, after those. `documents` is `data/` of one export of them.

    Raises UsageError if that is not a location in S3.
    """
    return render_table(statement("athena", "4_documents"), {"documents": documents})
