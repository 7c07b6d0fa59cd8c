"""Digests: equal for equal records, whatever the order; different for any edit of the source's own fields."""

import hashlib
import json
from typing import Any

import pytest

from crime_assets.core.digests import canonical_json, record_digest, set_digest, text_digest

RECORD = {
    "id": "1",
    "block": "001XX W ÄGIR ST",
    "arrest": False,
    "location": {"latitude": "41.8", "longitude": "-87.6"},
}
CANONICAL = '{"arrest":false,"block":"001XX W ÄGIR ST","id":"1","location":{"latitude":"41.8","longitude":"-87.6"}}'


class TestCanonicalJson:
    def test_sorted_without_spaces_and_as_it_is_spelled(self) -> None:
        assert canonical_json(RECORD) == CANONICAL

    def test_nested_objects_are_sorted_too(self) -> None:
        assert canonical_json({"b": [{"z": 1, "a": 2}], "a": 0.5}) == '{"a":0.5,"b":[{"a":2,"z":1}]}'

    def test_only_the_sources_own_fields_count(self) -> None:
        extra = {"ward": None, ":@computed_region_awaf_s7ux": "7", "_city": "chicago", "_anything": 1}
        assert canonical_json({**RECORD, **extra}) == CANONICAL

    def test_falsy_values_are_values(self) -> None:
        assert canonical_json({"a": "", "b": 0, "c": False, "d": [], "e": None}) == '{"a":"","b":0,"c":false,"d":[]}'

    def test_numbers_as_the_standard_writer_has_them(self) -> None:
        assert canonical_json({"a": 1e-7}) == '{"a":1e-07}'
        assert canonical_json({"b": {"c": 1e-7}}) == '{"b":{"c":1e-07}}'

    def test_system_fields_that_were_asked_for_count(self) -> None:
        assert canonical_json({":id": "row-1", ":computed": 1}) == '{":computed":1,":id":"row-1"}'

    def test_a_lone_surrogate_becomes_a_question_mark(self) -> None:
        assert canonical_json({"a": "x\ud800y", "b": "\U0001f600"}) == '{"a":"x?y","b":"\U0001f600"}'

    def test_empty_record(self) -> None:
        assert canonical_json({"_city": "x"}) == "{}"


class TestRecordDigest:
    def test_md5_of_the_canonical_json_in_utf8(self) -> None:
        assert record_digest(RECORD) == hashlib.md5(CANONICAL.encode()).hexdigest()

    def test_the_order_of_fields_does_not_matter(self) -> None:
        turned = {**dict(reversed(RECORD.items())), "location": {"longitude": "-87.6", "latitude": "41.8"}}
        assert list(turned) != list(RECORD)
        assert record_digest(turned) == record_digest(RECORD)

    def test_it_survives_the_wire(self) -> None:
        assert record_digest(json.loads(json.dumps(RECORD))) == record_digest(RECORD)

    @pytest.mark.parametrize(
        "edit",
        [
            {"arrest": True},
            {"arrest": "false"},
            {"id": 1},
            {"block": "001XX W ÄGIR ST "},
            {"block": None},
            {"ward": ""},
            {"location": {"latitude": "41.8"}},
        ],
    )
    def test_an_edit_changes_it(self, edit: dict[str, Any]) -> None:
        assert record_digest({**RECORD, **edit}) != record_digest(RECORD)


def test_text_digest_takes_any_text() -> None:
    assert text_digest("") == "d41d8cd98f00b204e9800998ecf8427e"
    assert text_digest("\udcff") == text_digest("?")


def test_a_set_has_one_digest() -> None:
    assert set_digest({"a", "b", "c"}) == set_digest({"c", "b", "a"}) == text_digest("a\nb\nc")
    assert set_digest({"a", "b"}) != set_digest({"a", "b", "c"})
    assert set_digest(set()) == text_digest("")
