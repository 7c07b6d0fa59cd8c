"""Mappings that could not be read in both directions are refused, and tables that are not as declared are told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from crime_assets.core.errors import UsageError
from crime_assets.migration.columns import Column, Kind
from crime_assets.migration.documents import Index, Shape
from crime_assets_tests.migration.tiny import BOTH, CASE, LABEL, TinyDatabase

(NOTES,) = CASE.children
AGREED = TinyDatabase().columns
TITLE = Column("title", Kind.TEXT)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"kind": "~case"}, "'~case' is no kind of document"),
        ({"kind": "a#b"}, "is no kind of document"),
        ({"table": "Cases"}, "write names in small letters"),
        ({"table": 'cases"; drop'}, "write names in small letters"),
        ({"columns": (*CASE.columns, replace(TITLE, attribute="more"))}, "has title twice"),
        ({"columns": (*CASE.columns, Column("name", Kind.TEXT, "title"))}, "has title twice"),
        ({"columns": (*CASE.columns, Column("id", Kind.NUMBER))}, "has id twice"),
        ({"columns": (*CASE.columns, Column("name", Kind.TEXT, "notes"))}, "has notes twice"),
        ({"derived": (("title", "upper(title)"),)}, "has title twice"),
        ({"key": ("no",)}, "no column for its key: name all of no"),
        ({"key": ()}, "no column for its key"),
        ({"key": ("number", "title")}, "has the parent case_number: name a column for each of number, title"),
        ({"children": (replace(NOTES, columns=(*NOTES.columns, Column("case_number", Kind.NUMBER))),)}, "none of them"),
        ({"children": (replace(NOTES, key=("case_number",)),)}, "mapping of notes has no column for its key"),
        ({"children": (NOTES, replace(NOTES, table="other"))}, "has notes twice"),
        ({"indexes": (Index("by_day", "day", "id"),)}, "The index by_day is over day: no document has that"),
    ],
)
def test_a_mapping_that_cannot_be_is_one_sentence(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError) as caught:
        replace(CASE, **changed)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_index_may_be_over_what_every_document_has_and_what_is_derived() -> None:
    made = replace(CASE, derived=(("initial", "left(title, 1)"),), indexes=(Index("by_initial", "initial", "id"),))
    assert made.indexes[0].sort == "id"


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"cases.opened": "date"}, ["No mapping names cases.opened: add it, or say in left_out that it stays behind."]),
        ({"cases.title": "character(5)"}, ["cases.title is character(5), which is not the text that its mapping"]),
        ({"cases.title": "character varying(900)"}, []),
        ({"cases.title": None}, ["There is no column cases.title: it was dropped or renamed"]),
        ({"notes.case_number": None}, ["There is no column notes.case_number"]),
        (
            {"cases.title": None, "cases.name": "text"},
            ["There is no column cases.title", "No mapping names cases.name"],
        ),
        ({"labels.list": None, "labels.code": None, "labels.title": None}, ["There is no table labels that can be"]),
        ({"others.number": "numeric"}, []),
    ],
)
def test_what_differs_is_a_sentence_each(changed: dict[str, str | None], told: list[str]) -> None:
    shape = Shape({name: text for name, text in {**AGREED, **changed}.items() if text is not None})
    found = shape.differs(BOTH)
    assert len(found) == len(told)
    assert all(sentence.startswith(expected) for sentence, expected in zip(found, told, strict=True)), found


def test_what_is_left_out_is_known() -> None:
    shape = Shape({**AGREED, "cases.opened": "date"})
    assert shape.differs([replace(CASE, left_out=frozenset(["cases.opened"])), LABEL]) == []
