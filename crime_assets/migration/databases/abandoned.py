"""Slots and publications of other migrations: one that was abandoned fills the department's disk without an end.

Nobody can tell from here whether another is abandoned or only waits for its next step. So they are told, with the
statements that remove them, and never touched.
"""

from __future__ import annotations

from typing import Any

PREFIX = "crime_assets_"
"""What the names of all migrations' slots and publications begin with."""

# Those of a verification are temporary, and go with it. WAL that is lost takes no space.
_OTHERS = r"""
SELECT coalesce(s.slot_name, p.pubname)::text, s.slot_name IS NOT NULL, p.pubname IS NOT NULL, s.active_pid,
       CASE WHEN coalesce(s.wal_status, '') <> 'lost'
            THEN greatest(pg_current_wal_lsn() - s.restart_lsn, 0) ELSE 0 END::bigint
FROM (SELECT * FROM pg_replication_slots WHERE database = current_database() AND NOT temporary) s
FULL JOIN pg_publication p ON p.pubname = s.slot_name
WHERE starts_with(coalesce(s.slot_name, p.pubname)::text, %s) AND coalesce(s.slot_name, p.pubname) <> %s
ORDER BY 1
"""


def told_of(cursor: Any, own: str) -> list[str]:
    """Of each migration but that of the slot `own` what the database has for it, in a sentence with the statements."""
    cursor.execute(_OTHERS, (PREFIX, own))
    return [_sentence(*row) for row in cursor.fetchall()]


def _sentence(name: str, has_slot: bool, has_publication: bool, pid: int | None, kept: int | None) -> str:
    drop = [f"SELECT pg_drop_replication_slot({_literal(name)});"] if has_slot else []
    drop += [f"DROP PUBLICATION {_identifier(name)};"] if has_publication else []
    if has_slot:
        size = f"{kept or 0:,} bytes of changes on the server's disk"
        reads = f"and process {pid} reads it now" if pid else "and nobody reads it now"
        there = f"The replication slot {name} is of another migration, keeps {size}, {reads}"
    else:
        there = f"The publication {name} is left of another migration"
    return f"{there}: if that one is abandoned, run {' '.join(drop)}"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
