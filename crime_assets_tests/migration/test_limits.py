"""Sizes by DynamoDB's own rules, to the byte. No stand-in proves them: moto takes what the service refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crime_assets.migration.limits import MOST_DEPTH, depth, item_bytes, key_fits, number_fits


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": ""}, 0),
        ({"S": "abc"}, 3),
        ({"S": "é"}, 2),
        ({"S": "€"}, 3),
        ({"S": "\U0001f600"}, 4),
        ({"B": "AP8Q"}, 3),
        ({"B": "AA=="}, 1),
        ({"BOOL": True}, 1),
        ({"NULL": True}, 1),
        ({"N": "0"}, 1),
        ({"N": "7"}, 2),
        ({"N": "-7"}, 3),
        ({"N": "1200"}, 2),
        ({"N": "41.878781005"}, 7),
        ({"N": "9" * 38}, 20),
        ({"L": []}, 3),
        ({"L": [{"S": "ab"}, {"BOOL": False}]}, 8),
        ({"M": {}}, 3),
        ({"M": {"name": {"S": "ab"}}}, 10),
    ],
)
def test_a_value_counts(value: dict[str, Any], size: int) -> None:
    assert item_bytes({"é": value}) == 2 + size


_VALUES = st.recursive(
    st.builds(lambda text: {"S": text}, st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
    | st.builds(lambda number: {"N": str(number)}, st.integers(-(10**37), 10**37))
    | st.booleans().map(lambda flag: {"BOOL": flag}),
    lambda inside: (
        st.lists(inside, max_size=4).map(lambda rows: {"L": rows})
        | st.dictionaries(st.text("abcé", min_size=1), inside, max_size=4).map(lambda found: {"M": found})
    ),
    max_leaves=20,
)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.dictionaries(st.text("abcé", min_size=1), _VALUES, min_size=1))
def test_no_text_of_an_item_is_shorter_than_the_item(item: dict[str, Any]) -> None:
    assert len(json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode()) >= item_bytes(item)


@pytest.mark.parametrize("text", ["0", "-0", "1.10", "9" * 38, "9" * 38 + "000", "1E-130", "9.9E+125", ".5", "5."])
def test_numbers_that_fit(text: str) -> None:
    assert number_fits(text) == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("9" * 39, "more than 38 digits"),
        ("0." + "1" * 39, "more than 38 digits"),
        ("1E126", "greater than"),
        ("1E-131", "smaller than"),
        ("1E-999999999", "smaller than"),
        ("NaN", "no decimal"),
        ("Infinity", "no decimal"),
        ("", "no decimal"),
        ("1_000", "no decimal"),
        (" 1", "no decimal"),
        ("\uff11", "no decimal"),
    ],
)
def test_numbers_that_do_not(text: str, why: str) -> None:
    assert why in number_fits(text)


@pytest.mark.parametrize(
    ("name", "part", "why"),
    [
        ("a" * 2_048, "b" * 1_024, ""),
        ("é" * 1_024, "-", ""),
        ("é" * 1_024 + "a", "-", "its id has more than 2048 bytes"),
        ("a", "é" * 512 + "b", "its part has more than 1024 bytes"),
        ("", "-", "its id is empty"),
        ("a", "", "its part is empty"),
    ],
)
def test_keys(name: str, part: str, why: str) -> None:
    assert key_fits(name, part) == why


def test_depth() -> None:
    item: dict[str, Any] = {"S": "x"}
    for n in range(MOST_DEPTH + 1):
        assert depth({"a": item, "b": {"N": "1"}}) == n
        item = {"L": [item]} if n % 2 else {"M": {"c": item}}
