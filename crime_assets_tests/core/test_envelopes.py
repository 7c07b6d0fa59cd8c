"""Envelopes: the record travels untouched, and what is no envelope is told apart, whatever bytes it is."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from crime_assets.core.digests import record_digest, text_digest
from crime_assets.core.envelopes import FIELDS, BadLine, seal, unseal
from crime_assets.core.errors import FeedError

DAY = date(2024, 1, 20)
AT = datetime(2024, 1, 21, 8, 0, 0, 123456, tzinfo=UTC)

EVERY_KIND: dict[str, object] = {
    "text": "O'Hare “T3”\n\t\\ \u0000 \u2028 \U0001f600",
    "empty": "",
    "number": 12,
    "huge": 10**400,
    "negative": -0.0,
    "fraction": 41.883500187,
    "tiny": 5e-324,
    "yes": True,
    "no": False,
    "null": None,
    "list": [1, [2, {"three": None}], "four"],
    "object": {"b": {"a": "1"}, "": []},
    "": "a field without a name",
    'with space, "quotes" and \n': "1",
    ":@computed_region_x": "7",
    "_own": "an underscore of the source's",
}


def line(**changes: object) -> bytes:
    """A sealed record with fields of the line changed; None leaves a field out."""
    fields: dict[str, Any] = json.loads(seal({"id": "1"}, "chicago", DAY, "b", AT)) | changes
    return json.dumps({name: value for name, value in fields.items() if value is not None}).encode()


def forged(record: str, digest: str) -> bytes:
    """A line around the text of a record's fields, with a digest of one's own."""
    around = f'"_city":"chicago","_change_day":"2024-01-20","_batch":"b","_pulled_at":"{AT.isoformat()}"'
    return f'{{{record},{around},"_md5":"{digest}"}}'.encode("utf-8", "surrogatepass")


class TestTheRecordTravels:
    def test_untouched(self) -> None:
        opened = unseal(seal(EVERY_KIND, "chicago", DAY, "batch-1", AT), "chicago")
        assert opened.record == EVERY_KIND
        assert list(opened.record) == list(EVERY_KIND)
        assert [type(value) for value in opened.record.values()] == [type(value) for value in EVERY_KIND.values()]

    def test_with_where_it_came_from(self) -> None:
        opened = unseal(seal(EVERY_KIND, "chicago", DAY, "batch-1", AT), "chicago")
        assert (opened.city, opened.change_day, opened.batch, opened.pulled_at) == ("chicago", DAY, "batch-1", AT)
        assert opened.md5 == record_digest(EVERY_KIND)

    def test_as_one_line_with_the_envelopes_fields_last(self) -> None:
        sealed = seal(EVERY_KIND, "chicago", DAY, "b", AT)
        assert sealed.endswith(b"\n")
        assert sealed.count(b"\n") == 1
        assert tuple(json.loads(sealed))[-5:] == FIELDS
        assert json.loads(sealed)["_pulled_at"] == "2024-01-21T08:00:00.123456+00:00"

    def test_the_time_is_told_in_utc(self) -> None:
        chicago = AT.astimezone(timezone(timedelta(hours=-6)))
        assert seal({"id": "1"}, "chicago", DAY, "b", chicago) == seal({"id": "1"}, "chicago", DAY, "b", AT)

    def test_half_a_surrogate_pair_becomes_a_question_mark(self) -> None:
        assert unseal(seal({"a": "x\ud800"}, "chicago", DAY, "b", AT), "chicago").record == {"a": "x?"}

    @pytest.mark.parametrize("name", FIELDS)
    def test_reserved_names_are_refused(self, name: str) -> None:
        with pytest.raises(FeedError, match=f"a column named {name}, which is reserved"):
            seal({"id": "1", name: "x"}, "chicago", DAY, "b", AT)


class TestBadLines:
    @pytest.mark.parametrize(
        "bad",
        [
            b"",
            b"{",
            b"not json at all",
            b"\x1f\x8b\x08\x00",
            b'{"id": "\xff"}',
            b'{"id": "\xed\xa0\x80"}',
            b'\xef\xbb\xbf{"id": "1"}',
            line() + line(),
            b"[" * 100_000,
            b'{"a":' * 100_000,
            forged('"a":' + "9" * 5_000, ""),
            forged('"a":{"b":' * 50_000 + "1" + "}" * 50_000, ""),
        ],
        ids=lambda bad: repr(bad[:20]),
    )
    def test_not_json(self, bad: bytes) -> None:
        with pytest.raises(BadLine, match=r"^not JSON$"):
            unseal(bad, "chicago")

    def test_what_is_nested_just_not_too_deep_to_be_read(self) -> None:
        told = set()
        for depth in range(800, 1_000):
            record = f'"a":{"[" * depth}{"]" * depth}'
            try:
                told.add(unseal(forged(record, text_digest(f"{{{record}}}")), "chicago").batch)
            except BadLine as error:
                told.add(str(error))
        assert told == {"b", "not JSON"}

    @pytest.mark.parametrize("bad", [b"[]", b'"text"', b"1", b"null", b"true", b"NaN", b"-1e999"])
    def test_not_an_object(self, bad: bytes) -> None:
        with pytest.raises(BadLine, match=r"^not a JSON object$"):
            unseal(bad, "chicago")

    @pytest.mark.parametrize("name", FIELDS)
    @pytest.mark.parametrize("value", [None, 1, True, ["x"], {"x": "y"}])
    def test_a_field_of_the_envelope_is_missing_or_no_text(self, name: str, value: object) -> None:
        with pytest.raises(BadLine, match=f"^no {name} in the envelope$"):
            unseal(line(**{name: value}), "chicago")

    @pytest.mark.parametrize(
        "times",
        [
            {"_change_day": "yesterday"},
            {"_change_day": "2024-02-30"},
            {"_change_day": "2024-01-20T00:00:00"},
            {"_change_day": ""},
            {"_pulled_at": "now"},
            {"_pulled_at": "2024-01-21T25:00:00+00:00"},
            {"_pulled_at": "0001-01-01T00:00:00+14:00"},
            {"_pulled_at": "2024-01-21T08:00:00"},
        ],
    )
    def test_a_time_that_cannot_be_read(self, times: dict[str, object]) -> None:
        with pytest.raises(BadLine, match=r"^a time in the envelope cannot be read$"):
            unseal(line(**times), "chicago")

    def test_another_citys_record(self) -> None:
        with pytest.raises(BadLine, match=r"^a record of 'gotham', not of 'chicago'$"):
            unseal(line(_city="gotham"), "chicago")

    @pytest.mark.parametrize(
        "changes",
        [{"id": "2"}, {"ward": "1"}, {"_md5": "0" * 32}, {"_md5": ""}, {"_md5": record_digest({"id": "1"}).upper()}],
    )
    def test_a_digest_that_does_not_fit(self, changes: dict[str, object]) -> None:
        with pytest.raises(BadLine, match=r"^the digest does not fit the record$"):
            unseal(line(**changes), "chicago")

    def test_an_envelope_of_another_record(self) -> None:
        other = json.loads(seal({"id": "2"}, "chicago", DAY, "b", AT))["_md5"]
        with pytest.raises(BadLine, match="digest does not fit"):
            unseal(line(_md5=other), "chicago")


class TestOddLinesThatAreEnvelopes:
    def test_of_a_repeated_name_the_last_counts(self) -> None:
        opened = unseal(forged('"id":"1","id":"2"', record_digest({"id": "2"})), "chicago")
        assert opened.record == {"id": "2"}
        with pytest.raises(BadLine, match="digest"):
            unseal(forged('"id":"1","id":"2"', record_digest({"id": "1"})), "chicago")

    @pytest.mark.parametrize(("spelled", "read"), [("1e999", float("inf")), ("-1e999", float("-inf"))])
    def test_numbers_beyond_all_bounds(self, spelled: str, read: float) -> None:
        assert unseal(forged(f'"a":{spelled}', record_digest({"a": read})), "chicago").record == {"a": read}

    def test_a_lone_surrogate_that_another_writer_escaped(self) -> None:
        opened = unseal(forged('"a":"\\ud800"', record_digest({"a": "?"})), "chicago")
        assert opened.md5 == record_digest(opened.record)

    def test_spaces_and_a_carriage_return_around_it(self) -> None:
        assert unseal(b"  " + line() + b" \r", "chicago").record == {"id": "1"}

    def test_another_offset_is_the_same_moment(self) -> None:
        opened = unseal(line(_pulled_at="2024-01-21T02:00:00-06:00"), "chicago")
        assert (opened.pulled_at, opened.pulled_at.utcoffset()) == (AT.replace(microsecond=0), timedelta(0))
