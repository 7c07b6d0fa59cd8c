"""COPY's text format as tables: what is quick and what is careful say the same."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crime_assets.core.errors import LegacyError
from crime_assets.migration.databases.copied import Copied, table_of

_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r", "\b": r"\b", "\f": r"\f", "\v": r"\v"})
# PostgreSQL has no NUL and no half surrogates in texts.
TEXTS = st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)
PLAIN = st.none() | st.text("ab\"', ä\ufeff", max_size=4)


def written(rows: list[tuple[str | None, ...]]) -> bytes:
    lines = ["\t".join(r"\N" if value is None else value.translate(_ESCAPES) for value in row) + "\n" for row in rows]
    return "".join(lines).encode()


@pytest.mark.parametrize("values", [TEXTS, PLAIN])
@pytest.mark.parametrize("width", [1, 3])
def test_rows_come_as_they_are(values: st.SearchStrategy[str | None], width: int) -> None:
    names = ["a", "b", "c"][:width]

    @settings(deadline=None, derandomize=True)
    @given(st.lists(st.tuples(*[values] * width), max_size=5))
    def check(rows: list[tuple[str | None, ...]]) -> None:
        found = table_of(written(rows), names)
        assert found.column_names == names
        assert [tuple(row.values()) for row in found.to_pylist()] == rows

    check()


@pytest.mark.parametrize("copied", [b"a\xff\n", b"a\xff\\\\\n"])
def test_what_is_not_utf8_is_refused_without_being_repeated(copied: bytes) -> None:
    with pytest.raises(LegacyError, match="not UTF-8") as caught:
        table_of(copied, ["a"])
    assert "xff" not in str(caught.value)


def test_more_than_its_bound_is_not_kept() -> None:
    copied = Copied(7)
    copied.write(b"1\t\\N\n")
    assert not copied.is_too_much
    assert copied.table(["a", "b"]).to_pylist() == [{"a": "1", "b": None}]
    copied.write(b"2\tx\n")
    assert copied.is_too_much
    assert copied.table(["a", "b"]).num_rows == 0
    assert not Copied(None).is_too_much
