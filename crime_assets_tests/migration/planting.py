"""Differences of ten kinds, planted in documents of the sample department: by hand, as nobody should.

What must be said of each is made of the document as it was, without a line of what is tested. A number's plain text
and its padding are written as PostgreSQL does.
"""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

Item = dict[str, Any]
Told = tuple[str, str, str, str | None, str | None]
"""Table, column, kind, and its values in the database and in the document."""

_STRANGE = 9_500_000_000
"""Greater than any number of a crime."""


@dataclass(frozen=True)
class Planted:
    """What must be found: a line for each document, as `differences.ndjson` has it."""

    what: str
    id: str
    told: Told


def _flag(item: Item) -> Told:
    was = item["arrest"]["BOOL"]
    item["arrest"] = {"BOOL": not was}
    return "crimes", "arrest", "differs", "NY"[was], "YN"[was]


def _blank(item: Item) -> Told:
    was = item["primary_type"]["S"]
    item["primary_type"] = {"S": f"{was} "}
    return "crimes", "primary_type", "differs", was, f"{was} "


def _decimal(item: Item) -> Told:
    whole, _, fraction = item["latitude"]["N"].partition(".")
    was = f"{whole}.{fraction:0<9}"
    now = was[:-1] + ("2" if was[-1] == "1" else "1")
    item["latitude"] = {"N": now}
    return "crimes", "latitude", "differs", was, now


def _null(item: Item) -> Told:
    return "crimes", "block", "differs", item.pop("block")["S"], None


def _padding(item: Item) -> Told:
    was = item["iucr"]["S"].ljust(5)
    item["iucr"] = {"S": was}
    # Turned back, both are the same text: so it is shown as it is.
    return "crimes", "iucr", "differs", was, json.dumps({"S": was}, separators=(",", ":"))


def _stamp(item: Item) -> Told:
    was = datetime.fromisoformat(item["updated_on"]["S"])
    now = was + timedelta(seconds=1)
    item["updated_on"] = {"S": now.isoformat()}
    return "crimes", "updated_on", "differs", str(was), str(now)


def _child(item: Item) -> Told:
    role = next(row["M"] for row in item["roles"]["L"] if "age" in row["M"])
    was = role["age"]["N"]
    now = str(int(was) + 1)
    role["age"] = {"N": now}
    return "crime_roles", "age", "differs", was, now


EDITED: dict[str, tuple[Callable[[Item], bool], Callable[[Item], Told]]] = {
    "flag": (lambda item: "arrest" in item, _flag),
    "trailing blank": (lambda item: "primary_type" in item, _blank),
    "ninth decimal": (lambda item: "latitude" in item, _decimal),
    "null": (lambda item: "block" in item, _null),
    "padding": (lambda item: len(item.get("iucr", {"S": "12345"})["S"]) < 5, _padding),
    "stamp": (lambda item: "updated_on" in item, _stamp),
    "child row": (lambda item: any("age" in row["M"] for row in item.get("roles", {"L": []})["L"]), _child),
}
"""Which documents it can be done to, and what it does."""


def plant(path: Path, of_each: int, seed: int) -> list[Planted]:
    """In an SQLite store: so many documents of each of ten kinds are not what they were. All are of different roots."""
    with closing(sqlite3.connect(path)) as store, store:
        sql = "SELECT id FROM documents WHERE part = '-' AND id >= 'crime#' AND id < 'crime$' ORDER BY id"
        names = [name for (name,) in store.execute(sql)]
        random.Random(seed).shuffle(names)
        drawn = iter(names)
        planted = [_edited(store, drawn, what) for what in EDITED for _ in range(of_each)]
        for _ in range(of_each // 2):
            planted += _swapped(store, drawn)
        for n in range(of_each):
            planted.append(_lost(store, next(drawn)))
            planted.append(_extra(store, next(drawn), _STRANGE + n))
    return planted


def _edited(store: sqlite3.Connection, drawn: Iterator[str], what: str) -> Planted:
    fits, edit = EDITED[what]
    name, item = next((name, item) for name, item in _items(store, drawn) if fits(item))
    told = edit(item)
    _write(store, name, item)
    return Planted(what, name, told)


def _swapped(store: sqlite3.Connection, drawn: Iterator[str]) -> Iterator[Planted]:
    """Two documents have each other's case number."""
    found = (pair for pair in _items(store, drawn) if "case_number" in pair[1])
    one, other = next(found), next(found)
    one[1]["case_number"], other[1]["case_number"] = other[1]["case_number"], one[1]["case_number"]
    for (name, item), (_, its) in ((one, other), (other, one)):
        _write(store, name, item)
        told = "crimes", "case_number", "differs", its["case_number"]["S"], item["case_number"]["S"]
        yield Planted("swapped", name, told)


def _lost(store: sqlite3.Connection, name: str) -> Planted:
    store.execute("DELETE FROM documents WHERE id = ?", [name])
    return Planted("lost", name, ("crimes", "", "missing", None, None))


def _extra(store: sqlite3.Connection, like: str, number: int) -> Planted:
    name = f"crime#{number}"
    (text,) = store.execute("SELECT item FROM documents WHERE id = ? AND part = '-'", [like]).fetchone()
    item = {**json.loads(text), "id": {"S": name}, "crime_id": {"N": str(number)}}
    store.execute("INSERT INTO documents VALUES (?, '-', ?)", [name, _text(item)])
    return Planted("extra", name, ("crimes", "", "extra", None, None))


def _items(store: sqlite3.Connection, drawn: Iterator[str]) -> Iterator[tuple[str, Item]]:
    for name in drawn:
        (text,) = store.execute("SELECT item FROM documents WHERE id = ? AND part = '-'", [name]).fetchone()
        yield name, json.loads(text)


def _write(store: sqlite3.Connection, name: str, item: Item) -> None:
    store.execute("UPDATE documents SET item = ? WHERE id = ? AND part = '-'", [_text(item), name])


def _text(item: Item) -> str:
    return json.dumps(item, ensure_ascii=False, separators=(",", ":"))
