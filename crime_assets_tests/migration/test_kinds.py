"""Each value rule in both directions, through DuckDB: what is no attribute is kept as it is, and nothing is lost."""

from __future__ import annotations

import base64
import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crime_assets.migration import Chunk, Items
from crime_assets.migration.columns import Column, Kind
from crime_assets.migration.documents import DocumentMapping, Index
from crime_assets.migration.rendering import Renderer

PLACE = Column("v", Kind.NUMBER, precision=12, scale=9)
WHOLE = Column("v", Kind.NUMBER, precision=3)
LONG = Column("v", Kind.NUMBER, precision=38)
FRACTION = Column("v", Kind.NUMBER, precision=38, scale=37)
ANY = Column("v", Kind.NUMBER)
TEXT = Column("v", Kind.TEXT)
CODE = Column("v", Kind.PADDED, width=5)
DATE = Column("v", Kind.DATE)
TIME = Column("v", Kind.TIME)
ZONED = Column("v", Kind.TIME_ZONE)
FLAG = Column("v", Kind.FLAG, true="Y", false="it's no")
BYTES = Column("v", Kind.BYTES)
LARGE = Column("v", Kind.LARGE)
KEY = Column("k", Kind.NUMBER, precision=9)


def renderer_of(column: Column, *indexes: Index) -> Renderer:
    return Renderer(DocumentMapping("thing", "things", ("k",), (KEY, column), indexes=indexes))


def chunk_of(*values: str | None) -> Chunk:
    keys = [str(n) for n, _ in enumerate(values)]
    return Chunk(pa.table({"k": keys, "v": pa.array(values, pa.string())}), {}, (keys[-1],))


def documents(renderer: Renderer, *values: str | None) -> list[dict[str, Any]]:
    made = renderer.checked(chunk_of(*values))
    assert made.unmappable == []
    assert renderer.rows(made.items).roots["v"].to_pylist() == [*values]
    items = [json.loads(item) for item in made.items.table["item"].to_pylist()]
    assert [int(item["k"]["N"]) for item in items] == [n for n, _ in enumerate(values)]
    # Another way to the same text: that of an item as DynamoDB gives it.
    assert [renderer.canonical(dict(reversed(item.items()))) for item in items] == made.items.table["item"].to_pylist()
    return items


@pytest.mark.parametrize(
    ("column", "text", "attribute"),
    [
        (PLACE, "41.878781005", {"N": "41.878781005"}),
        (PLACE, "-87.600000000", {"N": "-87.6"}),
        (PLACE, "100.000000000", {"N": "100"}),
        (PLACE, "0.000000000", {"N": "0"}),
        (PLACE, "-0.000000001", {"N": "-0.000000001"}),
        (PLACE, "12345678901234567890.500000000", {"N": "12345678901234567890.5"}),
        (WHOLE, "0", {"N": "0"}),
        (WHOLE, "120", {"N": "120"}),
        (WHOLE, "-7", {"N": "-7"}),
        (WHOLE, "9" * 38, {"N": "9" * 38}),
        (LONG, "1" + "0" * 37, {"N": "1" + "0" * 37}),
        (FRACTION, "0." + "0" * 36 + "1", {"N": "0." + "0" * 36 + "1"}),
        (ANY, "1.5", {"N": "1.5"}),
        (ANY, "-0.5", {"N": "-0.5"}),
        (ANY, "0", {"N": "0"}),
        (ANY, "9" * 38, {"N": "9" * 38}),
        (ANY, "-0." + "9" * 38, {"N": "-0." + "9" * 38}),
        (TEXT, "", {"S": ""}),
        (TEXT, "THEFT", {"S": "THEFT"}),
        (TEXT, "  two  ", {"S": "  two  "}),
        (TEXT, 'a "quoted" \\ and \\u000b', {"S": 'a "quoted" \\ and \\u000b'}),
        (TEXT, "".join(map(chr, range(0x80))), {"S": "".join(map(chr, range(0x80)))}),
        (TEXT, "é \u2028 \ufeff \U0001f600", {"S": "é \u2028 \ufeff \U0001f600"}),
        (TEXT, "NULL", {"S": "NULL"}),
        (CODE, "0110 ", {"S": "0110"}),
        (CODE, "     ", {"S": ""}),
        (CODE, "é é  ", {"S": "é é"}),
        (CODE, " 110 ", {"S": " 110"}),
        (CODE, "a\n\t  ", {"S": "a\n\t"}),
        (DATE, "2018-02-28", {"S": "2018-02-28"}),
        (DATE, "2018-02-28 23:59:59", {"S": "2018-02-28T23:59:59"}),
        (DATE, "0001-01-01 00:00:00", {"S": "0001-01-01T00:00:00"}),
        (TIME, "9999-12-31 23:59:59.999999", {"S": "9999-12-31T23:59:59.999999"}),
        (TIME, "2018-02-28 01:02:03.500000", {"S": "2018-02-28T01:02:03.500000"}),
        (ZONED, "2018-02-28 01:02:03+00", {"S": "2018-02-28T01:02:03+00"}),
        (ZONED, "2018-02-28 01:02:03.25-05:30", {"S": "2018-02-28T01:02:03.25-05:30"}),
        (FLAG, "Y", {"BOOL": True}),
        (FLAG, "it's no", {"BOOL": False}),
        (BYTES, "00ff10", {"B": "AP8Q"}),
        (BYTES, "", {"B": ""}),
        (LARGE, "word\n" * 100_000, {"S": "word\n" * 100_000}),
    ],
)
def test_a_value_that_fits(column: Column, text: str, attribute: dict[str, Any]) -> None:
    (item,) = documents(renderer_of(column), text)
    assert item["v"] == attribute
    assert "_odd" not in item


@pytest.mark.parametrize(
    ("column", "odd"),
    [
        (PLACE, ["NaN", "Infinity", "1E+5", "41.87", "41.8787810051", "-0.000000000", "1" * 30 + ".000000000", ""]),
        (WHOLE, ["007", "-0", "+1", " 1", "1 ", "1.0", "0x1", "1_000", "9" * 39, "½"]),
        (ANY, ["1.10", "0.0", "-0", "1e5", ".5", "5.", "NaN", "-Infinity", "9" * 39, "0." + "0" * 38 + "1", "\uff11"]),
        (CODE, ["0110", "", "0110  ", "é"]),
        (DATE, ["infinity", "4713-01-01 BC", "10000-01-01", "0000-00-00", "2018-13-01", "2018-02-28T01:02:03", ""]),
        (TIME, ["2018-02-28", "2018-02-28 24:00:00", "2018-02-28 01:02", "2018-02-28 01:02:03+00", "-infinity"]),
        (ZONED, ["2018-02-28 01:02:03", "2018-02-28 01:02:03Z", "2018-02-28 01:02:03 +00:00", "infinity"]),
        (FLAG, ["y", "N", "", "true", "Y "]),
        (BYTES, ["0", "zz", "FF", "\\x00"]),
    ],
)
def test_a_value_that_does_not_is_kept_as_it_is(column: Column, odd: list[str]) -> None:
    items = documents(renderer_of(column), *odd)
    assert [item.get("v") for item in items] == [None] * len(odd)
    assert [item["_odd"] for item in items] == [{"M": {"v": {"S": text}}} for text in odd]


@pytest.mark.parametrize("column", [PLACE, WHOLE, ANY, TEXT, CODE, DATE, TIME, ZONED, FLAG, BYTES, LARGE])
def test_null_is_no_attribute(column: Column) -> None:
    (item,) = documents(renderer_of(column), None)
    assert item.keys() == {"id", "part", "kind", "k"}


@pytest.mark.parametrize(("column", "empty"), [(TEXT, ""), (CODE, "     ")])
def test_an_empty_text_cannot_be_in_an_index(column: Column, empty: str) -> None:
    first, second = documents(renderer_of(column, Index("by_v", "v", "id")), empty, empty.replace(" ", "x") or "x")
    assert (first.get("v"), first["_odd"]) == (None, {"M": {"v": {"S": empty}}})
    assert second["v"]["S"][0] == "x"


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(st.none() | _TEXTS | st.from_regex(r"-?[0-9]{1,20}(\.[0-9]{1,12})?", fullmatch=True), min_size=1))
def test_whatever_a_column_holds_comes_back(values: list[str | None]) -> None:
    for renderer in _RENDERERS:
        documents(renderer, *values)


_RENDERERS = [renderer_of(column) for column in (PLACE, WHOLE, ANY, TEXT, CODE, TIME, FLAG, BYTES)]


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=20))
def test_bytes_are_base64(values: list[bytes]) -> None:
    items = documents(_RENDERERS[-1], *(value.hex() for value in values))
    assert [base64.b64decode(item["v"]["B"], validate=True) for item in items] == values


@pytest.mark.parametrize(
    ("column", "edited", "text"),
    [
        (PLACE, {"N": "41.8787810051"}, "41.8787810051"),
        (PLACE, {"S": "41.5"}, None),
        (WHOLE, {"N": "1e400"}, "1e400"),
        (WHOLE, {"NULL": True}, None),
        (CODE, {"S": "0110   "}, "0110   "),
        (FLAG, {"S": "Y"}, None),
        (FLAG, {"BOOL": "maybe"}, "maybe"),
        (BYTES, {"B": "YR=="}, "?YR=="),
        (BYTES, {"B": "no base64"}, "?no base64"),
        (TEXT, {"S": {"M": {}}}, '{"M":{}}'),
        (TEXT, ["S"], None),
    ],
)
def test_an_edited_value_gives_a_text_and_no_error(column: Column, edited: Any, text: str | None) -> None:
    item = json.dumps({"id": {"S": "thing#1"}, "k": {"N": "1"}, "v": edited})
    rows = renderer_of(column).rows(Items(pa.table({"id": ["thing#1"], "part": ["-"], "item": [item]})))
    assert rows.roots.to_pylist() == [{"k": "1", "v": text}]
