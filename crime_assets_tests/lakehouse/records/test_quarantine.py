"""What cannot be typed goes to quarantine, with the reason and the raw text."""

from __future__ import annotations

import json

import pytest

from crime_assets.core.digests import text_digest
from crime_assets.sources.feeds import DAMAGE, RAW
from crime_assets.streams.deliveries import DamagedLine
from crime_assets_tests.build import CHICAGO, envelope
from crime_assets_tests.lakehouse.lakes import raw_of
from crime_assets_tests.lakehouse.records.texts import (
    FOUND_AT,
    HOSTILE,
    NO_IDS,
    NO_NUMBERS,
    NO_TIMES,
    SODA,
    column,
    reasons,
    typed,
    typed_each,
    typed_history,
    typed_one,
)


@pytest.mark.parametrize("name", ["occurred_at", "updated_on"])
def test_what_is_no_time_is_quarantined(name: str) -> None:
    assert reasons(name, NO_TIMES) == [f"{name} is no time"] * len(NO_TIMES)


def test_what_is_no_whole_number_is_no_id() -> None:
    found = typed_each("id", NO_IDS)

    assert [row["id_text"] for row in found] == list(NO_IDS)
    assert all(row["reason"].startswith("id is no whole number; ") for row in found)


@pytest.mark.parametrize(
    ("name", "values", "sentence"),
    [
        ("id", ("", " "), "id is missing"),
        ("occurred_at", ("", " "), "occurred_at is missing"),
        ("updated_on", ("", " "), "updated_on is missing"),
        ("arrest", ("maybe", "2", {"a": [1, "'"]}), "arrest is neither true nor false"),
        ("domestic", ("maybe", 2), "domestic is neither true nor false"),
        ("ward", ("-1", "1e5", "99999999999", "LOOP", "\u0663", [1], "1.5"), "ward is no whole number"),
        ("community_area", ("-1", "1e5", "99999999999", "LOOP"), "community_area is no whole number"),
        ("year", ("24", "20240", "MMXX", "2024.5"), "year is no year"),
        ("x_coordinate", NO_NUMBERS, "x_coordinate is no number"),
        ("y_coordinate", NO_NUMBERS, "y_coordinate is no number"),
        ("latitude", (*NO_NUMBERS, "4188.0"), "latitude is no number"),
        ("longitude", (*NO_NUMBERS, "-8762.8"), "longitude is no number"),
    ],
)
def test_each_reason_for_quarantine(name: str, values: tuple[object, ...], sentence: str) -> None:
    assert reasons(name, values) == [sentence] * len(values)


def test_a_missing_field_is_a_reason_only_where_it_is_needed() -> None:
    without = {gone: {k: v for k, v in SODA.items() if k != gone} for gone in CHICAGO.source_columns}
    rows = typed(*map(envelope, without.values()))
    absent = dict(zip(without, (row["reason"] for row in rows), strict=True))

    assert {name: text for name, text in absent.items() if text} == {
        "id": "id is missing; ",
        "date": "occurred_at is missing; ",
        "updated_on": "updated_on is missing; ",
    }


def test_all_reasons_are_told_at_once() -> None:
    bad = {"id": "x", "date": "y", "updated_on": "", "arrest": "?", "ward": "W", "year": "MMXX", "longitude": "west"}

    assert typed_one(**bad)["reason"] == (
        "id is no whole number; occurred_at is no time; updated_on is missing; arrest is neither true nor false; "
        "ward is no whole number; year is no year; longitude is no number; "
    )


def test_hostile_texts_stay_as_they_are_in_free_text() -> None:
    for name in ("block", "description", "case_number", "location_description", "primary_type"):
        assert column(name, HOSTILE) == list(HOSTILE)


def test_the_raw_record_is_kept_untouched() -> None:
    bad = {**SODA, "id": "A\x00'\"\\\n\u202e1", "date": " ", "unheard_of": {"b": [1, None, 2.5], "a": "é"}}

    (row,) = typed(envelope(bad))

    kept = {name: value for name, value in bad.items() if not name.startswith(":@computed_region_")}
    assert row["raw"] == raw_of(kept)
    assert json.loads(row["raw"]) == kept
    assert row["id_text"] == bad["id"]
    assert row["updated_on_text"] == bad["updated_on"]


def test_a_damaged_line_is_quarantined_as_it_stands() -> None:
    line = DamagedLine("not JSON", '{"id": "1", \x01 \'; DROP')

    (row,) = typed(line)

    assert (row["reason"], row["raw"], row["record_md5"]) == ("not JSON", line.raw, text_digest(line.raw))
    assert (row["ingested_at"], row["id"], row["id_text"]) == (FOUND_AT, None, None)


def test_lone_surrogates_do_not_stop_a_delivery() -> None:
    sound, broken = envelope({**SODA, "block": "\ud800 ST"}), envelope({**SODA, "id": "\udfff"})

    first, second = typed(
        sound._replace(record={**SODA, "block": "\ud800 ST"}),
        broken._replace(record={**SODA, "id": "\udfff"}),
    )

    assert (first["block"], first["reason"]) == ("? ST", None)
    assert (second["reason"], second["id_text"]) == ("id is no whole number; ", "?")


def test_damaged_lines_of_a_history_are_quarantined_as_they_stand() -> None:
    line = "a,\"b\n\x0b\\u001F'; --"

    (row,) = typed_history([{DAMAGE: "too few fields", RAW: line}])

    assert (row["reason"], row["raw"], row["record_md5"]) == ("too few fields", line, text_digest(line))
