"""Rows become documents and come back: whatever they hold, however many children they have."""

from __future__ import annotations

import json
import random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crime_assets.migration import Chunk, Items
from crime_assets.migration import kinds as rules
from crime_assets.migration.columns import Column, Kind
from crime_assets.migration.documents import Child, DocumentMapping
from crime_assets.migration.kinds import Rule
from crime_assets.migration.mappings import document_id
from crime_assets.migration.rendering import Renderer
from crime_assets_tests.migration.tiny import CASE, LABEL, TinyDatabase
from crime_assets_tests.migration.tiny_items import plain_items

COLUMNS = (
    Column("set", Kind.TEXT, "list"),
    Column("number", Kind.PADDED, width=3),
    Column("amount", Kind.NUMBER, precision=9, scale=2),
    Column("comment", Kind.LARGE),
    Column("date", Kind.TIME),
    Column("closed", Kind.FLAG, true="1", false="0"),
    Column("picture", Kind.BYTES),
)
FILE = DocumentMapping(
    kind="file",
    table="files",
    key=("set", "number"),
    columns=COLUMNS,
    children=(
        Child("notes", "notes", ("set_of", "number_of"), ("n",), (Column("n", Kind.NUMBER, precision=3), *COLUMNS[2:])),
        Child("tags", "tags", ("owner", "no"), ("tag",), (Column("tag", Kind.TEXT, "name"),)),
    ),
)
RENDERER = Renderer(FILE)


def table(rows: list[dict[str, str | None]], names: list[str]) -> pa.Table:
    return pa.table({name: pa.array([row.get(name) for row in rows], pa.string()) for name in names})


def random_chunk(seed: int, roots: int) -> Chunk:
    """Values that fit, odd ones and NULL; from 0 to 30 children."""
    draw = random.Random(seed)

    def values() -> dict[str, str | None]:
        return {
            "amount": draw.choice([None, f"{draw.randrange(10**9)}.{draw.randrange(100):02}", "NaN", "7.5"]),
            "comment": draw.choice([None, "", 'say "no"\n\\u0000', "é\x00\x1f" * 9]),
            "date": draw.choice([None, "2018-02-28 01:02:03.5", "infinity"]),
            "closed": draw.choice([None, "1", "0", "2"]),
            "picture": draw.choice([None, "", "00ff", "no hex"]),
        }

    found = [{"set": f"a%#{n % 7}", "number": f"{n:03}"} | values() for n in range(roots)]
    notes, tags = [], []
    for root in found:
        parent = {"set_of": root["set"], "number_of": root["number"]}
        notes += [parent | {"n": str(n)} | values() for n in range(draw.choice([0, 0, 1, 2, 30]))]
        tags += [{"owner": root["set"], "no": root["number"], "tag": f"t{n}"} for n in range(draw.choice([0, 3]))]
    last = (found[-1]["set"] or "", found[-1]["number"] or "")
    names = ["set_of", "number_of", "n", *(column.name for column in COLUMNS[2:])]
    children = {"notes": table(notes, names), "tags": table(tags, ["owner", "no", "tag"])}
    return Chunk(table(found, [column.name for column in COLUMNS]), children, last)


def plain(chunk: Chunk) -> tuple[Any, ...]:
    return (
        sorted(map(str, chunk.roots.to_pylist())),
        {name: sorted(map(str, rows.to_pylist())) for name, rows in chunk.children.items()},
    )


@pytest.mark.parametrize(("seed", "roots"), [(1, 1), (2, 40), (3, 3000)])
def test_rows_of_documents_are_the_rows_that_they_were_made_of(seed: int, roots: int) -> None:
    chunk = random_chunk(seed, roots)
    made = RENDERER.checked(chunk)
    assert made.unmappable == []
    back = RENDERER.rows(made.items)
    assert plain(back) == plain(chunk)
    for name in made.items.table["id"].to_pylist():
        assert name.startswith("file#a%25%23")


def test_children_stay_in_their_order() -> None:
    chunk = random_chunk(4, 200)
    made = {json.loads(item)["id"]["S"]: json.loads(item) for item in items_of(RENDERER.documents(chunk))}
    expected: dict[str, list[str]] = {}
    for note in chunk.children["notes"].to_pylist():
        expected.setdefault(document_id(FILE, (note["set_of"], note["number_of"])), []).append(note["n"])
    found = {name: [row["M"]["n"]["N"] for row in item["notes"]["L"]] for name, item in made.items() if "notes" in item}
    assert found == expected


def items_of(items: Items) -> list[str]:
    found: list[str] = items.table["item"].to_pylist()
    return found


def test_a_statement_reads_the_next_chunk_and_not_the_last_one_again() -> None:
    first, second = random_chunk(5, 30), random_chunk(6, 20)
    alone = Renderer(FILE)
    assert items_of(alone.documents(second)) == [items_of(RENDERER.documents(one)) for one in (first, second)][1]
    assert RENDERER.documents(first).table.num_rows == 30


def test_no_root_is_no_document_and_children_without_a_root_are_dropped() -> None:
    chunk = random_chunk(7, 9)
    some = Chunk(chunk.roots.slice(2, 1), chunk.children, None)
    (item,) = items_of(RENDERER.documents(some))
    assert json.loads(item)["number"] == {"S": "002"}
    none = Chunk(chunk.roots.slice(0, 0), chunk.children, None)
    assert RENDERER.checked(none).items.table.num_rows == 0
    back = RENDERER.rows(RENDERER.documents(none))
    assert (back.roots.num_rows, back.last, back.children["notes"].num_rows) == (0, None, 0)


def test_a_plain_witness_makes_the_same_items() -> None:
    database = TinyDatabase()
    with database.commit() as work:
        work.put("cases", number="7", title='a "b"')
        work.put("cases", number="8", title=None)
        work.put("notes", case_number="7", line="2", text="é\\")
        work.put("notes", case_number="7", line="10", text=None)
        work.put("labels", list="a#b", code="c%", title="t")
        work.put("labels", list="a", code="b#c%", title="t")
    for mapping in (CASE, LABEL):
        with database.snapshot() as now:
            chunk = now.after(mapping, None, 9)
        assert chunk is not None
        made = Renderer(mapping).documents(chunk)
        assert sorted(made.table.to_pylist(), key=str) == sorted(plain_items(mapping, chunk).table.to_pylist(), key=str)


def test_other_orders_of_columns_and_other_arrow_texts_are_the_same_chunk() -> None:
    chunk = random_chunk(8, 20)
    turned = chunk.roots.select(list(reversed(chunk.roots.column_names)))
    large = turned.cast(pa.schema([(name, pa.large_string()) for name in turned.column_names]))
    made = RENDERER.documents(Chunk(large, chunk.children, chunk.last))
    assert items_of(made) == items_of(RENDERER.documents(chunk))


def test_a_rule_that_loses_something_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    lossy = Rule("S", lambda _, text: f"lower({text})", lambda _, value: value, escaped=True)
    monkeypatch.setattr(rules, "KINDS", {**rules.KINDS, Kind.TEXT: lossy})
    tags = [("a", "001", "same"), ("b", "002", "Same")]
    columns = ["owner", "no", "tag"]
    chunk = Chunk(
        table([{"set": "a", "number": "001"}, {"set": "b", "number": "002"}], [column.name for column in COLUMNS]),
        {
            "notes": random_chunk(1, 1).children["notes"].slice(0, 0),
            "tags": pa.table([pa.array(column) for column in zip(*tags, strict=True)], columns),
        },
        ("b", "002"),
    )
    assert Renderer(FILE).unmappable(chunk) == [("b", "002")]


def test_an_edited_document_comes_back_as_far_as_it_can() -> None:
    texts = ["", "no json", "[]", "null", '{"list": 3, "notes": {"L": [{"M": {}}, 7]}, "tags": {"L": "x"}}', "{" * 9]
    ids = [str(n) for n, _ in enumerate(texts)]
    back = RENDERER.rows(Items(pa.table({"id": ids, "part": ids, "item": texts})))
    assert [set(row.values()) for row in back.roots.to_pylist()] == [{None}] * len(texts)
    assert back.children["notes"].num_rows == 2


def test_attributes_may_be_called_like_no_name_of_a_column() -> None:
    column = Column("n", Kind.TEXT, 'o\'clock "n" {x}')
    child = Child("times", "it's", ("k",), ("n",), (column,))
    renderer = Renderer(
        DocumentMapping("place", "places", ("n",), (column,), (child,), derived=(("first'", "left(n, 1)"),))
    )
    chunk = Chunk(table([{"n": "a'b"}], ["n"]), {"times": table([{"k": "a'b", "n": "'"}], ["k", "n"])}, ("a'b",))
    documents = renderer.documents(chunk)
    (text,) = items_of(documents)
    assert json.loads(text)["it's"] == {"L": [{"M": {column.attribute: {"S": "'"}}}]}
    assert json.loads(text)["first'"] == {"S": "a"}
    back = renderer.rows(documents)
    assert (back.roots.to_pylist(), back.children["times"].to_pylist()) == ([{"n": "a'b"}], [{"k": "a'b", "n": "'"}])


def test_unknown_attributes_come_last_by_name() -> None:
    item = {"~z": {"S": "1"}, "number": {"S": "1"}, "Z": {"M": {"b": {"N": "1"}, "a": {"L": []}}}, "id": {"S": "\x1f"}}
    ordered = '{"id":{"S":"\\u001F"},"number":{"S":"1"},"Z":{"M":{"a":{"L":[]},"b":{"N":"1"}}},"~z":{"S":"1"}}'
    assert RENDERER.canonical(item) == ordered
    assert RENDERER.canonical({"id": {"S": "\\u000b\n"}}) == '{"id":{"S":"\\\\u000b\\n"}}'


def test_the_seal_is_that_of_any_order_and_sees_every_change() -> None:
    items = RENDERER.documents(random_chunk(9, 50)).table
    whole = RENDERER.seal(Items(items))
    assert RENDERER.seal(Items(items.slice(20))) ^ RENDERER.seal(Items(items.slice(0, 20))) == whole
    assert RENDERER.seal(Items(items.slice(0, 0))) == 0
    changed = items.set_column(2, "item", pa.array([items_of(Items(items))[0] + " ", *items_of(Items(items))[1:]]))
    assert RENDERER.seal(Items(changed)) != whole


def test_a_chunk_of_long_texts_gets_more_memory() -> None:
    chunk = random_chunk(10, 60)
    texts = pa.array(["long text " * 200_000] * chunk.roots.num_rows)
    long = Chunk(chunk.roots.set_column(3, "comment", texts), chunk.children, chunk.last)
    assert {len(json.loads(item)["comment"]["S"]) for item in items_of(RENDERER.documents(long))} == {2_000_000}
    assert RENDERER.documents(chunk).table.num_rows == 60


_KEYS = st.tuples(*[st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)] * 2)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.sets(_KEYS, min_size=1, max_size=30))
def test_ids_are_the_same_in_both_languages(keys: set[tuple[str, str]]) -> None:
    rows: list[dict[str, str | None]] = [{"list": key[0], "code": key[1]} for key in keys]
    made = _LABELS.documents(Chunk(table(rows, ["list", "code", "title"]), {}, None))
    assert sorted(made.table["id"].to_pylist()) == sorted(document_id(LABEL, key) for key in keys)


_LABELS = Renderer(LABEL)
