"""The small tables that tests of legacy databases migrate, in the words of each database, and what documents they are.

Names are reserved words, or written large in the catalogue; one child has its root's key in its own, the other not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crime_assets.migration import LegacyDatabase, Snapshot
from crime_assets.migration.columns import Column, Kind
from crime_assets.migration.documents import Child, DocumentMapping
from crime_assets.migration.progress import Key

CASE = DocumentMapping(
    kind="case",
    table="cases",
    key=("number",),
    columns=(
        Column("number", Kind.NUMBER, precision=10),
        Column("date", Kind.DATE),
        Column("title", Kind.TEXT),
        Column("iucr", Kind.PADDED, width=5),
        Column("latitude", Kind.NUMBER, precision=12, scale=9),
    ),
    children=(
        Child(
            table="roles",
            attribute="roles",
            parent=("case_number",),
            key=("role_no",),
            columns=(Column("role_no", Kind.NUMBER, precision=3), Column("role", Kind.TEXT)),
        ),
        Child(
            table="notes",
            attribute="notes",
            parent=("case_number",),
            key=("id",),
            columns=(Column("id", Kind.NUMBER, precision=12), Column("comment", Kind.LARGE)),
        ),
    ),
)
LABEL = DocumentMapping(
    kind="label",
    table="labels",
    key=("list", "code"),
    columns=(Column("list", Kind.TEXT), Column("code", Kind.TEXT), Column("picture", Kind.BYTES)),
)
BOTH = (CASE, LABEL)

POSTGRESQL = (
    'CREATE TABLE "CASES" ("NUMBER" NUMERIC(10) PRIMARY KEY, "DATE" TIMESTAMP, title VARCHAR(60), "IUCR" CHAR(5), '
    "latitude NUMERIC(12,9))",
    'CREATE TABLE roles (case_number NUMERIC(10) REFERENCES "CASES" ON DELETE CASCADE DEFERRABLE, role_no NUMERIC(3), '
    '"ROLE" VARCHAR(20), PRIMARY KEY (case_number, role_no))',
    'CREATE TABLE notes (id NUMERIC(12) PRIMARY KEY, case_number NUMERIC(10), "COMMENT" TEXT)',
    "ALTER TABLE notes REPLICA IDENTITY FULL",
    'CREATE TABLE labels ("LIST" VARCHAR(10), code VARCHAR(10), picture BYTEA, PRIMARY KEY ("LIST", code))',
)
VERSIONED = (
    "rs BIGINT UNSIGNED GENERATED ALWAYS AS ROW START INVISIBLE, "
    "re BIGINT UNSIGNED GENERATED ALWAYS AS ROW END INVISIBLE, PERIOD FOR SYSTEM_TIME (rs, re)"
)
MARIADB = (
    'CREATE TABLE CASES ("NUMBER" NUMBER(10) PRIMARY KEY, "DATE" DATE, title VARCHAR2(60), "IUCR" CHAR(5), '
    f"latitude NUMBER(12,9), {VERSIONED}) WITH SYSTEM VERSIONING",
    'CREATE TABLE roles (case_number NUMBER(10) REFERENCES CASES ("NUMBER") ON DELETE CASCADE, role_no NUMBER(3), '
    f'"ROLE" VARCHAR2(20), {VERSIONED}, PRIMARY KEY (case_number, role_no)) WITH SYSTEM VERSIONING',
    f'CREATE TABLE notes (id NUMBER(12) PRIMARY KEY, case_number NUMBER(10), "COMMENT" CLOB, {VERSIONED}) '
    "WITH SYSTEM VERSIONING",
    f'CREATE TABLE labels ("LIST" VARCHAR2(10), code VARCHAR2(10), picture BLOB, {VERSIONED}, '
    'PRIMARY KEY ("LIST", code)) WITH SYSTEM VERSIONING',
)
FILLED = (
    *(
        f"""INSERT INTO "CASES" ("NUMBER", "DATE", title, "IUCR", latitude) VALUES
        ({number}, '2016-01-{number:02} 10:00:00', 'case {number}', '0{number}', 41.5)"""
        for number in range(1, 13)
    ),
    """INSERT INTO "CASES" ("NUMBER") VALUES (100)""",
    """INSERT INTO roles (case_number, role_no, "ROLE") VALUES (2, 10, 'victim')""",
    """INSERT INTO roles (case_number, role_no, "ROLE") VALUES (2, 9, 'witness')""",
    """INSERT INTO roles (case_number, role_no, "ROLE") VALUES (11, 1, NULL)""",
    """INSERT INTO notes (id, case_number, "COMMENT") VALUES (7, 2, 'seen')""",
    """INSERT INTO notes (id, case_number, "COMMENT") VALUES (8, 999, 'of no case')""",
    """INSERT INTO labels ("LIST", code) VALUES ('a', 'b')""",
    """INSERT INTO labels ("LIST", code) VALUES ('a', 'a#%')""",
    """INSERT INTO labels ("LIST", code) VALUES ('A', 'z')""",
)
Rows = dict[str, list[dict[str, Any]]]


def rows_of(snapshot: Snapshot, mapping: DocumentMapping, piece: int = 5) -> Rows:
    """All of a mapping's tables, a piece at a time; children without a root are left out."""
    found: Rows = {table: [] for table in mapping.tables}
    seen: set[Key] = set()
    key: Key | None = None
    while (chunk := snapshot.after(mapping, key, piece)) is not None:
        assert 0 < chunk.roots.num_rows <= piece
        roots = chunk.roots.to_pylist()
        found[mapping.table] += roots
        found_keys = {tuple(row[name] for name in mapping.key) for row in roots}
        assert found_keys.isdisjoint(seen), "no root comes twice, nor for ever"
        seen |= found_keys
        for child in mapping.children:
            rows = chunk.children[child.table].to_pylist()
            found[child.table] += [row for row in rows if tuple(row[name] for name in child.parent) in found_keys]
        assert chunk.last == tuple(roots[-1][name] for name in mapping.key)
        key = chunk.last
    return found


def these_of(snapshot: Snapshot, mapping: DocumentMapping, keys: Sequence[Key]) -> Rows:
    chunk = snapshot.these(mapping, keys)
    return {mapping.table: chunk.roots.to_pylist(), **{name: rows.to_pylist() for name, rows in chunk.children.items()}}


def everything(database: LegacyDatabase) -> dict[str, Rows]:
    with database.snapshot() as now:
        return {mapping.kind: rows_of(now, mapping) for mapping in BOTH}
