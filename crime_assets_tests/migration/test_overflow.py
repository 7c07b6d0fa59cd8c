"""Documents that are too long for one item: several items, and the same document again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from crime_assets.migration import Items
from crime_assets.migration.limits import MOST_ITEM, item_bytes
from crime_assets.migration.overflow import divided, joined
from crime_assets.streams.directory import DirectoryStore


@pytest.fixture
def landing(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path)


def items_of(*items: dict[str, Any]) -> Items:
    rows = [
        {"id": item["id"]["S"], "part": "-", "item": json.dumps(item, ensure_ascii=False, separators=(",", ":"))}
        for item in items
    ]
    return Items(pa.Table.from_pylist(rows))


def document(name: str = "crime#1", **more: Any) -> dict[str, Any]:
    return {"id": {"S": name}, "part": {"S": "-"}, "kind": {"S": "crime"}, **more}


def notes(count: int, size: int) -> dict[str, Any]:
    return {"L": [{"M": {"number": {"N": str(n)}, "comment": {"S": "x" * size}}} for n in range(count)]}


def parts_of(items: Items) -> dict[str, str]:
    return {row["part"]: row["item"] for row in items.table.to_pylist()}


@pytest.mark.parametrize("letter", ["a", "é", "\U0001f600"])
@pytest.mark.parametrize("more", [0, 1])
def test_the_limit_is_met_to_the_byte(landing: DirectoryStore, letter: str, more: int) -> None:
    # Many short texts, so that none of them goes to landing.
    size = len(letter.encode())
    item = document(b={"S": "b" * 1000}, **{f"a{n:03}": {"S": letter * (4_000 // size)} for n in range(101)})
    room = MOST_ITEM - item_bytes(item)
    item["rest"] = {"S": "r" * (room - len("rest") + more)}
    assert item_bytes(item) == MOST_ITEM + more
    found, aside = divided(items_of(item), landing, "chicago")
    assert (found.table.num_rows, len(aside)) == (1 - more, more)
    if more:
        assert aside[0].id == "crime#1"
        assert "without its children it still has more than 409600 bytes" in aside[0].reason
        assert json.loads(aside[0].row) == item


def test_what_fits_is_not_touched(landing: DirectoryStore) -> None:
    items = items_of(document("crime#1"), document("crime#2", comment={"S": "x" * 300_000}))
    found, aside = divided(items, landing, "chicago")
    assert found is items
    assert aside == []
    assert [*landing.list("")] == []


def test_long_texts_and_bytes_go_to_landing_and_come_back(landing: DirectoryStore) -> None:
    comment = {"S": "é\x1f" * 130_000}
    item = document(
        picture={"B": "AP8Q" * 30_000}, notes={"L": [{"M": {"comment": comment}}, {"M": {"comment": {"S": "short"}}}]}
    )
    found, aside = divided(items_of(item), landing, "chicago")
    assert aside == []
    (text,) = found.table["item"].to_pylist()
    held = json.loads(text)
    assert held["picture"]["M"]["bytes"] == {"N": "90000"}
    keys = [stored.key for stored in landing.list("")]
    assert sorted(key.rpartition(".")[2] for key in keys) == ["bin", "txt"]
    assert all(key.startswith("legacy/city=chicago/large/") for key in keys)
    assert json.loads(joined(parts_of(found), landing)) == item
    again, _ = divided(items_of(item), landing, "chicago")
    assert parts_of(again) == parts_of(found)


def test_an_object_that_was_changed_is_written_again(landing: DirectoryStore) -> None:
    items = items_of(document(comment={"S": "x" * 500_000}))
    found, _ = divided(items, landing, "chicago")
    (stored,) = landing.list("")
    landing.write(stored.key, b"edited")
    held = json.loads(joined(parts_of(found), landing))
    assert held["comment"].keys() == {"M"}, "its text stays away"
    divided(items, landing, "chicago")
    assert landing.read(stored.key) == b"x" * 500_000


@pytest.mark.parametrize("count", [450, 3_000])
def test_children_become_parts(landing: DirectoryStore, count: int) -> None:
    item = document(case_number={"S": "HZ1"}, roles={"L": [{"M": {"role_no": {"N": "1"}}}]}, notes=notes(count, 1_000))
    found, aside = divided(items_of(item, document("crime#2")), landing, "chicago")
    assert aside == []
    rows = [row for row in found.table.to_pylist() if row["id"] == "crime#1"]
    items = [json.loads(row["item"]) for row in rows]
    assert found.table.num_rows == len(rows) + 1
    assert all(item_bytes(held) <= MOST_ITEM for held in items)
    assert [held["part"]["S"] for held in items] == [row["part"] for row in rows]
    first = next(held for held in items if held["part"] == {"S": "-"})
    assert first == document(case_number={"S": "HZ1"}, parts={"N": str(len(rows) - 1)})
    assert {row["part"] for row in rows} >= {"-", "roles#000001", "notes#000001", "notes#000002"}
    parts = {row["part"]: row["item"] for row in rows}
    assert json.loads(joined(dict(reversed(parts.items())), landing)) == item
    del parts["notes#000001"]
    assert len(json.loads(joined(parts, landing))["notes"]["L"]) < count
    assert [*landing.list("")] == []


def test_what_no_item_holds_is_set_aside_and_nothing_else(landing: DirectoryStore) -> None:
    wide = {"M": {f"c{n:03}": {"S": "x" * 4_000} for n in range(100)}}
    items = items_of(
        document("crime#1", notes={"L": [wide, wide]}),
        document("crime#" + "9" * 2_048),
        document("crime#3"),
    )
    found, aside = divided(items, landing, "chicago")
    assert found.table["id"].to_pylist() == ["crime#3"]
    assert [(one.id[:8], one.reason) for one in aside] == [
        ("crime#1", "one of its children has more than 358400 bytes in short columns"),
        ("crime#99", "its id has more than 2048 bytes"),
    ]


@pytest.mark.parametrize(
    "edited",
    [
        "no json",
        "[]",
        '{"notes":7,"sha256":1}',
        '{"c":{"M":{"bytes":{"N":"1"},"key":{"S":"../secret"},"sha256":{"S":"a"}}}}',
    ],
)
def test_edited_items_are_joined_without_an_error(landing: DirectoryStore, edited: str) -> None:
    part = '{"notes":{"L":[{"M":{}}]}}'
    for parts in ({"-": edited}, {"-": edited, "notes#000001": part, "x": "[", "y#1": '{"y":{"L":3}}'}, {"n#1": part}):
        joined(parts, landing)
