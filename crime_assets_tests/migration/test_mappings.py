"""Ids say which root a document is of, and nothing else has the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crime_assets.core.errors import StoreError
from crime_assets.migration.mappings import ALL, CODE, CRIME, document_id, fingerprint, key_of
from crime_assets.migration.progress import Key
from crime_assets.sources.cities.chicago import CITY


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (("IUCR", "0110"), "code#IUCR#0110"),
        (("a#b", "c"), "code#a%23b#c"),
        (("a", "b#c"), "code#a#b%23c"),
        (("a%23b", "c"), "code#a%2523b#c"),
        (("\x00\n", "\x7f "), "code#%00%0A#%7F "),
        (("", "é"), "code##é"),
    ],
)
def test_an_id_gives_its_key_back(key: Key, expected: str) -> None:
    assert document_id(CODE, key) == expected
    assert key_of(CODE, expected) == key


@pytest.mark.parametrize(
    "text", ["", "code", "code#a", "code#a#b#c", "crime#a#b", "code#%61#b", "code#a%#b", "c\n#a#b"]
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(StoreError, match="no id of a code"):
        key_of(CODE, text)


def test_another_declaration_has_another_fingerprint() -> None:
    changed = [
        (replace(CRIME, left_out=frozenset(["crimes.note"])), CODE),
        (replace(CRIME, derived=()[:0], indexes=CRIME.indexes[:1]), CODE),
        (CODE, CRIME),
        (CRIME,),
    ]
    assert len({fingerprint(one) for one in [ALL, *changed]}) == 5
    many = frozenset(f"crimes.c{n}" for n in range(50))
    turned = frozenset(sorted(many, reverse=True))
    assert fingerprint([replace(CRIME, left_out=many)]) == fingerprint([replace(CRIME, left_out=turned)])
    assert fingerprint(ALL) == fingerprint(ALL)
    assert len(fingerprint(ALL)) == 64


def test_a_crimes_attributes_are_the_citys_fields() -> None:
    attributes = {column.attribute for column in CRIME.columns} - {"crime_id"} | {"id"}
    assert attributes == {*CITY.source_columns}
