"""Answers as programs read them: valid JSON and CSV with every column, the same in both, a batch at a time."""

import csv
import io
import json
import tracemalloc
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crime_assets.cli.output import TABLE_WIDTH_ROWS, unique, write_answer
from crime_assets.engines.answers import BATCH_ROWS, Answer, Batches, Row, whole


def printed(form: str, columns: list[str], *rows: Row) -> str:
    out = io.StringIO()
    write_answer(whole(columns, rows), form, out)
    return out.getvalue()


def no_constant(text: str) -> None:
    raise AssertionError(f"{text} is not JSON")


def as_json(columns: list[str], *rows: Row) -> list[dict[str, object]]:
    found = json.loads(printed("json", columns, *rows), parse_float=Decimal, parse_constant=no_constant)
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (["n", "n"], ["n", "n_2"]),
        (["n", "n", "n_2"], ["n", "n_3", "n_2"]),
        (["n_2", "n", "n", "n"], ["n_2", "n", "n_3", "n_4"]),
        (["n", "N"], ["n", "N"]),
        (["", "", " "], ["", "_2", " "]),
        (["a_2", "a_2", "a", "a"], ["a_2", "a_2_2", "a", "a_3"]),
    ],
)
def test_no_column_is_lost(columns: list[str], names: list[str]) -> None:
    assert unique(columns) == names
    row = tuple(range(len(columns)))
    assert as_json(columns, row) == [dict(zip(names, row, strict=True))]
    header, line = csv.reader(io.StringIO(printed("csv", columns, row)))
    assert (header, line) == (names, [str(number) for number in row])


@given(st.lists(st.sampled_from(["n", "n_2", "n_3", "n_2_2", "m", ""]), min_size=1, max_size=12))
def test_names_are_as_many_as_columns_and_those_that_do_not_repeat_stay(columns: list[str]) -> None:
    found = unique(columns)
    assert len(set(found)) == len(columns)
    assert all(name == own for name, own in zip(columns, found, strict=True) if columns.count(name) == 1)
    assert set(columns) <= set(found)


VALUES = [
    (None, None, ""),
    (True, True, "true"),
    (0, 0, "0"),
    (2**127 - 1, 2**127 - 1, "170141183460469231731687303715884105727"),
    (Decimal("123456789012345678901234567.123"), Decimal("123456789012345678901234567.123"), None),
    (Decimal("0E-10"), Decimal(0), "0.0000000000"),
    (Decimal("1E+5"), Decimal(100000), "100000"),
    (0.1, Decimal("0.1"), "0.1"),
    (1e22, Decimal("1e22"), "1e+22"),
    (float("nan"), "NaN", "NaN"),
    (float("inf"), "Infinity", "Infinity"),
    (float("-inf"), "-Infinity", "-Infinity"),
    (date(2026, 1, 2), "2026-01-02", "2026-01-02"),
    (datetime(2026, 1, 2, 3, 4, 5, 6), "2026-01-02T03:04:05.000006", "2026-01-02T03:04:05.000006"),
    (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00", "2026-01-02T00:00:00+00:00"),
    (time(3, 4), "03:04:00", "03:04:00"),
    (timedelta(days=1, seconds=1), "1 day, 0:00:01", "1 day, 0:00:01"),
    (b"\x00\xff", "00ff", "00ff"),
    (bytearray(b"\x01"), "01", "01"),
    (UUID(int=7), "00000000-0000-0000-0000-000000000007", "00000000-0000-0000-0000-000000000007"),
    ('a,"b"\r\n\x00\x1f\u2028\U0001f600', 'a,"b"\r\n\x00\x1f\u2028\U0001f600', None),
    ("=1+1", "=1+1", "=1+1"),
    ("\r", "\r", "\r"),
    ("", "", ""),
    ([1, None, [Decimal("1.50")]], [1, None, [Decimal("1.50")]], "[1, null, [1.50]]"),
    ((1, 2), [1, 2], "[1, 2]"),
    ({"a": {"b": float("nan")}}, {"a": {"b": "NaN"}}, '{"a": {"b": "NaN"}}'),
    ({1: "x", 2: None}, {"1": "x", "2": None}, '{"1": "x", "2": null}'),
    ({date(2026, 1, 2): b"\x01"}, {"2026-01-02": "01"}, '{"2026-01-02": "01"}'),
]


@pytest.mark.parametrize(("value", "in_json", "in_csv"), VALUES)
def test_values(value: object, in_json: object, in_csv: str | None) -> None:
    (row,) = as_json(["x", "y"], (value, 1))
    assert row == {"x": in_json, "y": 1}
    assert type(row["x"]) is type(in_json) or isinstance(in_json, int | Decimal)
    # As whoever reads line ends as they are sees it; a cell with one is quoted, whichever it is.
    _, (cell, _) = csv.reader(io.StringIO(printed("csv", ["x", "y"], (value, 1)), newline=""))
    assert cell == (str(value) if in_csv is None else in_csv)


def test_a_line_end_of_any_kind_is_inside_quotes() -> None:
    assert printed("csv", ["x"], ("a\rb",), ("a\nb",), ("a\r\nb",)) == 'x\n"a\rb"\n"a\nb"\n"a\r\nb"\n'


def test_a_row_of_one_null_is_a_row() -> None:
    text = printed("csv", ["x"], (None,), (None,))
    assert len(list(csv.DictReader(io.StringIO(text)))) == 2


def test_no_rows() -> None:
    assert as_json(["x"]) == []
    assert printed("csv", ["x"]) == "x\n"
    assert printed("table", ["x"]) == "x\n-\n"


class InAscii(io.StringIO):
    encoding = "ascii"  # type: ignore[assignment]


def test_json_for_an_output_that_is_not_unicode_has_everything_in_escapes() -> None:
    out = InAscii()
    write_answer(whole(["ñ"], [("é\U0001f600", {"ü": 1})[:1], ("x",)]), "json", out)
    assert out.getvalue().isascii()
    assert json.loads(out.getvalue()) == [{"ñ": "é\U0001f600"}, {"ñ": "x"}]


def failing(after: int) -> Batches:
    for number in range(after):
        yield [(number,)]
    raise RuntimeError("no more")


@pytest.mark.parametrize("form", ["json", "csv"])
def test_what_fails_on_the_way_leaves_an_answer_that_is_visibly_not_whole(form: str) -> None:
    out = io.StringIO()
    with pytest.raises(RuntimeError):
        write_answer(Answer(["n"], failing(3)), form, out)
    assert out.getvalue() == ('[\n{"n": 0},\n{"n": 1},\n{"n": 2}' if form == "json" else "n\n0\n1\n2\n")


def test_what_fails_at_once_fails_before_anything_is_written() -> None:
    with pytest.raises(RuntimeError):
        Answer(["n"], failing(0))


class Nowhere(io.StringIO):
    written = 0

    def write(self, text: str) -> int:
        self.written += len(text)
        return len(text)


@pytest.mark.parametrize("form", ["json", "csv", "table"])
def test_an_answer_is_not_held(form: str) -> None:
    rows = 15 * BATCH_ROWS

    def batches() -> Batches:
        for first in range(0, rows, BATCH_ROWS):
            yield [(number, "some text of a row, number " + str(number)) for number in range(first, first + BATCH_ROWS)]

    out = Nowhere()
    tracemalloc.start()
    try:
        write_answer(Answer(["number", "text"], batches()), form, out)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert out.written > rows * 30
    # A table looks at its first rows; all of them held would be 10 MB.
    assert peak < (6_000_000 if form == "table" else 1_500_000)


def test_a_table_goes_on_after_the_rows_that_made_its_widths() -> None:
    rows = [(number,) for number in range(TABLE_WIDTH_ROWS)]
    lines = printed("table", ["n"], *rows, (10**9,), ("wide",)).splitlines()
    assert lines[2] == "   0"
    assert lines[-2:] == ["1000000000", "wide"]
    assert len(lines) == TABLE_WIDTH_ROWS + 4
