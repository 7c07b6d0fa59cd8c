"""Tables against documents by a reader of its own: an independent witness, without a line of what is tested.

Documents are read from SQLite through `json` and turned into rows with Python's types; the database gives its own.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from crime_assets.migration.sample import Dialect

Row = tuple[Any, ...]
Value = Callable[[str], Any]


def text(found: str) -> str:
    return found


def padded(width: int) -> Value:
    return lambda found: found.ljust(width)


def moment(found: str) -> datetime:
    # PostgreSQL gives a zone as hours alone.
    return datetime.fromisoformat(found)


CRIMES: dict[str, Value] = {
    **{"crime_id": Decimal, "case_number": text, "date": moment, "block": text, "iucr": padded(5)},
    **{"primary_type": text, "description": text, "location_description": text, "arrest": text, "domestic": text},
    **{"beat": padded(4), "district": padded(3), "ward": Decimal, "community_area": Decimal, "fbi_code": text},
    **{"x_coordinate": Decimal, "y_coordinate": Decimal, "year": Decimal, "updated_on": moment},
    **{"latitude": Decimal, "longitude": Decimal, "location": text},
}
ROLES: dict[str, Value] = {"role_no": Decimal, "role": text, "sex": padded(1), "age": Decimal}
NOTES: dict[str, Value] = {"number": Decimal, "written_at": moment, "comment": text}
CODES: dict[str, Value] = {"code_set": text, "code": text, "title": padded(60), "comment": text}
SQL = {
    "crimes": "SELECT * FROM crimes",
    "roles": "SELECT * FROM crime_roles WHERE crime_id IN (SELECT id FROM crimes)",
    "notes": 'SELECT crime_id, "number", {written_at}, "comment" FROM crime_notes '
    "WHERE crime_id IN (SELECT id FROM crimes)",
    "codes": "SELECT * FROM offense_codes",
}
WRITTEN_AT = {"postgresql": "written_at", "mariadb": "CONCAT(written_at, written_at_offset)"}
# PostgreSQL forgets the offset of a time, MariaDB has it in a column beside.
ZONED: dict[str, Callable[[datetime], object]] = {
    "postgresql": lambda at: at.astimezone(UTC),
    "mariadb": lambda at: at.isoformat(" ", "microseconds"),
}


def unequal(connection: Any, dialect: Dialect, documents: Path, landing: Path) -> dict[str, tuple[int, int]]:
    """Rows that only the database has, and only documents have, by table; nothing if they are equal."""
    held, found = from_documents(documents, landing), {}
    with connection.cursor() as cursor:
        if dialect == "mariadb":
            cursor.execute("SET sql_mode = CONCAT(@@sql_mode, ',PAD_CHAR_TO_FULL_LENGTH')")
        for table, query in SQL.items():
            cursor.execute(query.format(written_at=WRITTEN_AT[dialect]))
            here = Counter(_comparable(row, dialect) for row in cursor.fetchall())
            there = Counter(_comparable(row, dialect) for row in held[table].elements())
            if here != there:
                found[table] = ((here - there).total(), (there - here).total())
    return found


def from_documents(documents: Path, landing: Path) -> dict[str, Counter[Row]]:
    """The rows that a store's documents stand for."""
    parts: dict[str, dict[str, Any]] = defaultdict(dict)
    with closing(sqlite3.connect(documents)) as connection:
        for name, part, item in connection.execute("SELECT id, part, item FROM documents"):
            parts[name][part] = json.loads(item)
    found: dict[str, Counter[Row]] = {table: Counter() for table in SQL}
    for items in parts.values():
        root = items["-"]
        assert len(items) == 1 + int(root.get("parts", {"N": "0"})["N"]), "all of its parts are there"
        if root["kind"]["S"] == "code":
            found["codes"][_row(root, CODES, landing)] += 1
            continue
        found["crimes"][_row(root, CRIMES, landing)] += 1
        for item in items.values():
            for table, values in (("roles", ROLES), ("notes", NOTES)):
                for one in item.get(table, {"L": []})["L"]:
                    key = Decimal(root["crime_id"]["N"])
                    found[table][key, *_row(one["M"], values, landing)] += 1
    return found


def _row(item: Mapping[str, Any], values: Mapping[str, Value], landing: Path) -> Row:
    odd = item.get("_odd", {"M": {}})["M"]
    return tuple(_value(item.get(name), odd.get(name), value, landing) for name, value in values.items())


def _value(found: Any, odd: Any, value: Value, landing: Path) -> Any:
    if found is None:
        return None if odd is None else odd["S"]
    ((kind, held),) = found.items()
    match kind:
        case "BOOL":
            return "Y" if held else "N"
        case "M":
            return (landing / held["key"]["S"]).read_text()
    return value(held)


def _comparable(row: Row, dialect: Dialect) -> Row:
    return tuple(ZONED[dialect](one) if isinstance(one, datetime) and one.tzinfo else one for one in row)
