"""The sample city as a department's tables, in PostgreSQL and in MariaDB as Oracle: for trying a migration out.

What a feed does not have, persons' roles and notes, is made of each crime's number, so that it is the same every time.
The department's own changes of these tables are in `work`.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import duckdb
import pyarrow as pa

from crime_assets.core.sql import statement
from crime_assets.migration.columns import Column, Kind
from crime_assets.migration.kinds import quoted
from crime_assets.migration.mappings import CRIME
from crime_assets.sources.cities import City
from crime_assets.sources.feeds import Feed
from crime_assets.sources.feeds.times import parse_timestamp

Dialect = Literal["postgresql", "mariadb"]
Row = tuple[str | None, ...]

NOTE = {
    "postgresql": "INSERT INTO crime_notes VALUES (%s, %s, CAST(%s || %s AS TIMESTAMP WITH TIME ZONE), %s)",
    "mariadb": "INSERT INTO crime_notes VALUES (%s, %s, %s, %s, %s)",
}
"""Of a note's number, crime, time, offset and text."""
_LONG_NOTE = 500_000
_MANY_NOTES = 3_000
_ROLES = ("victim", "offender", "witness", "caller")
_WIDTHS = {
    "case_number": 12,
    "block": 60,
    "iucr": 5,
    "primary_type": 60,
    "description": 80,
    "location_description": 80,
    "beat": 4,
    "district": 3,
    "fbi_code": 3,
    "location": 60,
}
"""Signs that the tables have room for."""


@dataclass(frozen=True)
class Filled:
    """Crimes that are in the tables, and records of the feed that do not fit into them."""

    crimes: int
    skipped: int


def create(connection: Any, dialect: Dialect) -> None:
    """Make the tables, which must not be there, by a DB-API connection, and commit."""
    with connection.cursor() as cursor:
        text = "\n".join(line for line in statement("legacy", dialect).splitlines() if not line.startswith("--"))
        for one in filter(str.strip, text.split(";")):
            cursor.execute(one)
    connection.commit()


def fill(connection: Any, dialect: Dialect, city: City, feed: Feed, before: date, most: int | None = None) -> Filled:
    """Put at most so many of a feed's records that were changed before a day into empty tables, and commit."""
    crimes = skipped = 0
    seen: set[str | None] = set()
    codes: dict[str | None, str | None] = {}
    for found, unfit in _records(city, feed, before):
        skipped += unfit
        # A feed may give a record twice, and no table takes it twice.
        new = [*{row[0]: row for row in found if row[0] not in seen}.values()][
            : None if most is None else most - crimes
        ]
        seen |= {row[0] for row in new}
        _insert(connection, dialect, "crimes", [column.name for column in CRIME.columns], new)
        roles = [role for row in new for role in _roles(str(row[0]))]
        _insert(connection, dialect, "crime_roles", ["crime_id", "role_no", "role", "sex", "age"], roles)
        notes = [note for n, row in enumerate(new, crimes) for note in _notes(str(row[0]), many=n == 0)]
        _insert_notes(connection, dialect, notes)
        codes |= {row[4]: row[5] for row in new if row[4]}
        crimes += len(new)
        if crimes == most:
            break
    listed: list[Row] = [("IUCR", code, title, None) for code, title in sorted(codes.items(), key=str)]
    odd: list[Row] = [("OLD#SET", "100%", "No longer used", "Its key has signs that ids are written with.")]
    _insert(connection, dialect, "offense_codes", ["code_set", "code", "title", "comment"], listed + odd)
    connection.commit()
    return Filled(crimes, skipped)


def _records(city: City, feed: Feed, before: date) -> Iterator[tuple[list[Row], int]]:
    """Rows of crimes as texts, a part of the feed's history at a time, and how many records are none."""
    columns = [(column, _text(column, city)) for column in CRIME.columns]
    fits = " AND ".join(
        f"({sql} IS NOT NULL OR nullif({quoted(column.name)}, '') IS NULL)"
        for column, sql in columns
        if column.name != "location"
    )
    selected = ", ".join(f"{sql} AS {quoted(column.name)}" for column, sql in columns)
    with (
        duckdb.connect(config={"threads": 1, "enable_external_access": False}) as duck,
        feed.history(before) as history,
    ):
        duck.execute(parse_timestamp(city.timestamp_formats))
        for part in history.parts:
            read = history.read(part)
            duck.register("part", _texts(read))
            rows = duck.execute(f"SELECT {selected} FROM part WHERE id IS NOT NULL AND {fits} ORDER BY id").fetchall()
            duck.unregister("part")
            yield rows, read.num_rows - len(rows)


def _texts(read: pa.Table) -> pa.Table:
    """The columns of crimes; those that the feed does not have are NULL, as are all of damaged records."""
    names = [column.name for column in CRIME.columns]
    nothing = pa.nulls(read.num_rows, pa.string())
    return pa.table({name: read[name].cast(pa.string()) if name in read.column_names else nothing for name in names})


def _text(column: Column, city: City) -> str:
    """SQL of the column's text, NULL if it has no room for it."""
    name = quoted(column.name)
    match column.kind:
        case Kind.NUMBER:
            return f"CAST(TRY_CAST({name} AS DECIMAL({column.precision}, {column.scale})) AS VARCHAR)"
        case Kind.DATE | Kind.TIME:
            return f"strftime(parse_timestamp(trim({name})), '%Y-%m-%d %H:%M:%S')"
        case Kind.FLAG:
            return f"CASE lower({name}) WHEN 'true' THEN 'Y' WHEN 'false' THEN 'N' END"
    if column.name == "location":
        return "'(' || latitude || ', ' || longitude || ')'"
    return f"CASE WHEN length({name}) <= {_WIDTHS[column.name]} THEN nullif({name}, '') END"


def _roles(crime: str) -> Iterator[Row]:
    draw = zlib.crc32(crime.encode())
    for n in range(draw % 4):
        drawn = draw >> 4 * n
        yield crime, str(n + 1), _ROLES[drawn % 4], "FM"[drawn // 4 % 2], str(15 + drawn % 70) if drawn % 9 else None


def _notes(crime: str, many: bool) -> Iterator[Row]:
    """Number, crime, time, offset, text. One in 50 has a note; of one the text is too long for an item, of `many` the
    number is."""
    draw = zlib.crc32(crime.encode())
    if not many and draw % 50:
        return
    for n in range(_MANY_NOTES if many else 1):
        long = not many and draw % 20_000 == 0
        text = "Statement of a witness.\n" * (_LONG_NOTE // 24 if long else 1 + draw % 7)
        moment = f"2018-11-{1 + draw % 19:02} {n % 24:02}:{draw % 60:02}:{n % 60:02}.{draw % 1_000_000:06}"
        yield str(int(crime) * 10_000 + n), crime, moment, ("-06:00", "+00:00")[n % 2], text


def _insert(connection: Any, dialect: Dialect, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
    names = ", ".join(map(quoted, columns))
    with connection.cursor() as cursor:
        if dialect == "postgresql":
            cursor.copy_expert(f"COPY {table} ({names}) FROM STDIN", _copied(rows))
        else:
            marks = ", ".join(["%s"] * len(columns))
            cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", [*rows])


def _insert_notes(connection: Any, dialect: Dialect, notes: Sequence[Row]) -> None:
    if dialect == "postgresql":
        joined: list[Row] = [(*note[:2], f"{note[2]}{note[3]}", note[4]) for note in notes]
        _insert(connection, dialect, "crime_notes", ["number", "crime_id", "written_at", "comment"], joined)
    else:
        with connection.cursor() as cursor:
            cursor.executemany(NOTE[dialect], [*notes])


def _copied(rows: Iterable[Row]) -> io.StringIO:
    """As COPY reads it."""
    found = io.StringIO()
    for row in rows:
        found.write("\t".join(r"\N" if text is None else _escaped(text) for text in row) + "\n")
    found.seek(0)
    return found


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
