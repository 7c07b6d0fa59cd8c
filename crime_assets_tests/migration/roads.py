"""Roads out of a database in memory, and what must be at their end."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from crime_assets.migration import DocumentStore, LegacyDatabase, Road, Step
from crime_assets.migration.documents import DocumentMapping
from crime_assets.migration.mappings import ALL
from crime_assets.streams.directory import DirectoryStore
from crime_assets_tests.migration.tiny import BOTH, TinyDatabase, Work
from crime_assets_tests.migration.tiny_items import plain_items
from crime_assets_tests.migration.tiny_store import TinyStore

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def quiet(_: Step) -> None:
    """Nobody looks at how fast it is."""


def road_of(
    place: Path, database: LegacyDatabase, store: DocumentStore, mappings: Sequence[DocumentMapping] = BOTH
) -> Road:
    return Road(database, store, DirectoryStore(place / "landing"), mappings, "chicago", place / "home", lambda: NOW)


def filled(cases: int = 25, seed: int = 1) -> TinyDatabase:
    """Cases with 0 to 3 notes, and some labels."""
    database = TinyDatabase()
    draw = random.Random(seed)
    with database.commit() as work:
        for number in range(1, cases + 1):
            work.put("cases", number=str(number), title=draw.choice(["theft", 'é "said"', "", None]))
            for line in range(draw.randrange(4)):
                work.put("notes", case_number=str(number), line=str(line), text=f"note {line}")
        for code in ("a#b", "c", "50%"):
            work.put("labels", list="iucr", code=code, title=code.upper())
    return database


def change(database: TinyDatabase, draw: random.Random) -> None:
    """One random transaction."""
    with database.commit() as work:
        number = str(draw.randrange(1, 60))
        for _ in range(draw.randrange(1, 4)):
            match draw.randrange(6):
                case 0 if (number,) in work.tables["cases"]:
                    work.delete("cases", number)
                case 1 if (number,) in work.tables["cases"]:
                    work.move("cases", number, number=str(draw.randrange(60, 90)))
                case 2 if (number, "0") in work.tables["notes"]:
                    work.delete("notes", number, "0")
                case 3:
                    work.put("labels", list="iucr", code=number, title="changed")
                case 4:
                    work.put("notes", case_number=number, line="0", text=f"changed {draw.random()}")
                case _:
                    work.put("cases", number=number, title=f"changed {draw.random()}")


def should_be(database: TinyDatabase) -> dict[tuple[str, str], object]:
    """Documents of all rows, made without the code that is tested."""
    with database.snapshot() as snapshot:
        chunks = [(mapping, snapshot.after(mapping, None, 1_000_000)) for mapping in database.mappings]
    rows = [row for mapping, chunk in chunks if chunk for row in plain_items(mapping, chunk).table.to_pylist()]
    return {(row["id"], row["part"]): json.loads(row["item"]) for row in rows}


def there(store: TinyStore) -> dict[tuple[str, str], object]:
    return {name: json.loads(item) for name, item in store.items.items()}


def crimes(count: int, seed: int = 1) -> TinyDatabase:
    """Crimes of the sample department, each with two roles, one in ten with a note."""
    database = TinyDatabase(ALL)
    draw = random.Random(seed)
    with database.commit() as work:
        for number in range(1, count + 1):
            put_crime(work, number, draw)
        work.put("offense_codes", code_set="IUCR", code="0110", title="HOMICIDE".ljust(60))
    return database


def put_crime(work: Work, number: int, draw: random.Random) -> None:
    work.put(
        "crimes",
        id=str(number),
        case_number=f"JB{number:06}",
        date=f"2018-11-{draw.randrange(1, 31):02} 10:{draw.randrange(60):02}:00",
        block=f"{number:04}X W MADISON ST",
        iucr="0110 ",
        primary_type="THEFT",
        arrest=draw.choice("YN"),
        domestic="N",
        beat="0111",
        district="011",
        ward=str(draw.randrange(1, 51)),
        year="2018",
        updated_on="2018-12-01 15:40:54",
        latitude=f"41.{draw.randrange(10**9):09}",
        longitude=f"-87.{draw.randrange(10**9):09}",
    )
    for role in ("1", "2"):
        work.put("crime_roles", crime_id=str(number), role_no=role, role="victim", sex="F", age="41")
    if number % 10 == 0:
        note = {"written_at": "2018-12-01 15:40:54.123456+00", "comment": "seen"}
        work.put("crime_notes", crime_id=str(number), number=str(number), **note)
