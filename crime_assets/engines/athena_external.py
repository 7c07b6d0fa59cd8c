"""External tables over what landed and over exports of the portal, for questions beside the lake.

The statements are in sql/athena, valid for Hive and EMR too, with examples of what to ask. Nothing of ours reads these
tables: they are made by whoever wants them, in Athena's console or with `aws athena start-query-execution`.
"""

from __future__ import annotations

from crime_assets.core.sql import render_table, statement


def external_tables(landing: str, exports: str) -> list[str]:
    """The statements that make them, in order. `landing` is what CRIME_LANDING says, `exports` where CSV files lie.

    Raises UsageError where one of these is no location in S3.
    """
    locations = {"landing": f"{landing.rstrip('/')}/raw", "exports": exports}
    return [render_table(statement("athena", name), locations) for name in ("1_database", "2_deliveries", "3_exports")]
