"""Manifests: the same promise is the same bytes, and what was not delivered whole is named."""

import json
from datetime import date

import pytest

from crime_assets.core.batches import (
    BATCH_SIZE,
    BatchEntry,
    Manifest,
    dump_manifest,
    entry,
    landed_entry,
    load_manifest,
    missing_batches,
)
from crime_assets.core.digests import set_digest
from crime_assets.core.errors import LandingError

DAY = date(2024, 1, 20)
ONE, TWO = {"a", "b"}, {"c"}
MANIFEST = Manifest({"one": entry(ONE), "two": entry(TWO)}, frozenset({"id", "date"}))


def test_an_entry_counts_and_digests() -> None:
    assert entry(ONE) == BatchEntry(2, set_digest({"b", "a"}))
    assert entry(set()).records == 0


class TestManifest:
    def test_comes_back_as_it_was(self) -> None:
        assert load_manifest(dump_manifest("chicago", DAY, MANIFEST)) == MANIFEST

    def test_says_what_it_is_of(self) -> None:
        document = json.loads(dump_manifest("chicago", DAY, MANIFEST))
        assert document["city"] == "chicago"
        assert document["change_day"] == "2024-01-20"
        assert document["columns"] == ["date", "id"]
        assert document["batches"]["one"] == {"records": 2, "digest": set_digest(ONE)}

    def test_equal_manifests_are_equal_bytes(self) -> None:
        turned = Manifest({"two": entry(TWO), "one": entry(ONE)}, frozenset({"date", "id"}))
        assert dump_manifest("chicago", DAY, turned) == dump_manifest("chicago", DAY, MANIFEST)

    def test_an_empty_day_has_one_too(self) -> None:
        empty = Manifest({}, frozenset())
        assert load_manifest(dump_manifest("chicago", DAY, empty)) == empty

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"{}",
            b"[]",
            b"\xff\xfe",
            b'{"batches": {}}',
            b'{"batches": [], "columns": []}',
            b'{"batches": {"a": {"records": 1}}, "columns": []}',
            b'{"batches": {"a": {"records": "many", "digest": ""}}, "columns": []}',
            b'{"batches": {"a": {"records": 1e999, "digest": ""}}, "columns": []}',
            b'{"batches": {"a": 1}, "columns": []}',
            b'{"batches": {}, "columns": 1}',
            b"[" * 100_000,
            dump_manifest("chicago", DAY, MANIFEST)[:-9],
        ],
    )
    def test_what_is_none_is_refused_with_advice(self, content: bytes) -> None:
        with pytest.raises(LandingError, match="pull its change day again"):
            load_manifest(content)


class TestMissingBatches:
    def test_nothing_is_missing(self) -> None:
        assert missing_batches(MANIFEST, {"two": TWO, "one": ONE}) == []

    def test_batches_that_nobody_promised_do_not_matter(self) -> None:
        assert missing_batches(MANIFEST, {"one": ONE, "two": TWO, "three": {"d"}}) == []

    def test_a_record_delivered_twice_does_not_matter(self) -> None:
        assert missing_batches(MANIFEST, {"one": ["a", "b", "a"], "two": ["c"]}) == []

    @pytest.mark.parametrize("delivered", [{}, {"one": {"a"}}, {"one": {"a", "x"}}, {"one": {"a", "b", "x"}}])
    def test_what_differs_from_its_promise_is_named_in_order(self, delivered: dict[str, set[str]]) -> None:
        assert missing_batches(MANIFEST, delivered) == ["one", "two"]
        assert missing_batches(MANIFEST, {**delivered, "two": TWO}) == ["one"]

    def test_of_a_batch_that_had_landed_in_part_more_may_come(self) -> None:
        for promised in (None, entry({"a", "b", "c"}), landed_entry({"a"}, None)):
            part = Manifest({"one": landed_entry(ONE, promised)}, frozenset())
            assert load_manifest(dump_manifest("chicago", DAY, part)) == part
            for delivered, missing in ((ONE, []), (ONE | {"x"}, []), ({"a"}, ["one"]), ({"a", "x"}, ["one"])):
                assert missing_batches(part, {"one": delivered}) == missing

    def test_a_batch_that_had_landed_whole_is_promised_as_it_is(self) -> None:
        assert landed_entry(ONE, entry(ONE)) == entry(ONE)
        full = {str(n) for n in range(BATCH_SIZE)}
        assert landed_entry(full, None) == entry(full)

    def test_an_empty_manifest_promises_nothing(self) -> None:
        assert missing_batches(Manifest({}, frozenset()), {}) == []
