"""A history is typed as the same records delivered: digests, raw texts, trimming."""

from __future__ import annotations

import random
from typing import Any

import pytest

from crime_assets.core.digests import canonical_json, record_digest
from crime_assets.lakehouse.records import typing
from crime_assets_tests.build import CHICAGO, envelope, record
from crime_assets_tests.lakehouse.records.texts import NOTHING_WRONG, SODA, TYPED, typed, typed_history


def test_a_history_is_typed_as_deliveries_are() -> None:
    (row,) = typed_history([{name: value for name, value in SODA.items() if name in CHICAGO.source_columns}])

    # The computed regions, which the feed leaves out, are no part of the digest either.
    assert row == {**TYPED, "record_md5": record_digest(SODA), **NOTHING_WRONG}


_PIECES = [
    *"\"\\/\b\f\n\r\t\x00\x01\x0b\x1b\x1f\x7f '",
    *("é", "ß", "漢", "🚓", "\u2028", "\u202e", "\ufeff", "\\u001F", "\\n", "{", "}", ",", ":", "null", "0"),
]


def _random_text(rng: random.Random) -> str:
    return "".join(rng.choice(_PIECES) for _ in range(rng.randrange(6)))


def _random_record(rng: random.Random, number: int) -> dict[str, object]:
    texts: dict[str, object] = {
        name: _random_text(rng)
        for name, kind in CHICAGO.source_columns.items()
        if kind == "text" and rng.random() < 0.7
    }
    texts["id"] = str(number)
    if rng.random() < 0.6:
        texts["location"] = {"longitude": _random_text(rng), "latitude": _random_text(rng), "human_address": "{}"}
    return {**texts, "arrest": rng.random() < 0.5, "domestic": rng.random() < 0.5}


def test_a_history_has_the_digests_of_the_same_records_delivered() -> None:
    rng = random.Random(5)
    records = [_random_record(rng, number) for number in range(1500)]

    found = typed_history(records)

    assert {int(row["id"] or row["id_text"]): row["record_md5"] for row in found} == {
        int(str(source["id"])): record_digest(source) for source in records
    }
    raws = {row["record_md5"]: row["raw"] for row in found if row["reason"]}
    assert len(raws) > 1000
    assert raws == {
        record_digest(source): canonical_json(source) for source in records if record_digest(source) in raws
    }


@pytest.mark.parametrize("blank", ["", " ", "\u00a0", "\t"])
def test_a_history_is_trimmed_if_any_text_of_it_needs_it(monkeypatch: pytest.MonkeyPatch, blank: str) -> None:
    rng = random.Random(9)
    records = [record(number, "2024-01-20") for number in range(30)]
    texts = [name for name, value in records[0].items() if isinstance(value, str) and name != "id"]
    for source in rng.sample(records, 12):
        name = rng.choice(texts)
        source[name] = rng.choice([blank, f"{source[name]}{blank}", f"{blank}{source[name]}"])

    def in_order(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return sorted(found, key=lambda row: str(row["record_md5"]))

    found = in_order(typed_history(records))
    monkeypatch.setattr(typing, "is_trimmed", lambda _: False)

    assert found == in_order(typed_history(records))
    assert found == in_order(typed(*(envelope(source) for source in records)))


def test_a_history_that_needs_no_trimming_is_not_trimmed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    whole = typing.statement

    def statement(folder: str, name: str) -> str:
        asked.append(name)
        return whole(folder, name)

    monkeypatch.setattr(typing, "statement", statement)
    clean = typed_history([record(1, "2024-01-20"), record(2, "2024-01-20", ward=None)])
    assert asked == ["typed"]
    typed_history([record(1, "2024-01-20", ward="")])

    assert asked == ["typed", "trimmed", "typed"]
    assert {row["id"]: row["ward"] for row in clean} == {1: 42, 2: None}
