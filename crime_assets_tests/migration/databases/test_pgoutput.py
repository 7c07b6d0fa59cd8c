"""Messages of pgoutput, written here by hand as PostgreSQL's protocol describes them."""

from __future__ import annotations

import struct

import pytest

from crime_assets.core.errors import LegacyError
from crime_assets.migration.databases.pgoutput import NULL, Begin, Changed, Commit, Emptied, Relation, key_of, read


def values(*found: bytes | str | None) -> bytes:
    """A row; a text is one of the marks n and u."""
    parts = [struct.pack(">H", len(found))]
    for value in found:
        parts.append(value.encode() if isinstance(value, str) else b"t" + struct.pack(">I", len(value)) + value)
    return b"".join(parts)


RELATION = (
    b"R"
    + struct.pack(">I", 7)
    + b"public\0Crimes\0d"
    + struct.pack(">H", 2)
    + (b"\1ID\0" + struct.pack(">Ii", 1700, -1))
    + (b"\0note\0" + struct.pack(">Ii", 25, -1))
)
SEVEN = struct.pack(">I", 7)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b"B" + struct.pack(">QqI", 2**40, 5, 9), Begin(2**40)),
        (b"C\0" + struct.pack(">QQq", 2**40, 2**40 + 48, 5), Commit(2**40 + 48)),
        (RELATION, Relation(7, "public", "Crimes", ("ID", "note"))),
        (b"I" + SEVEN + b"N" + values(b"1", "n"), Changed(7, new=(b"1", NULL))),
        (b"U" + SEVEN + b"N" + values(b"1", "u"), Changed(7, new=(b"1", None))),
        (
            b"U" + SEVEN + b"K" + values(b"1", "n") + b"N" + values(b"2", b"x\0y"),
            Changed(7, new=(b"2", b"x\0y"), old=(b"1", None)),
        ),
        (b"D" + SEVEN + b"O" + values(b"1", b""), Changed(7, old=(b"1", b""))),
        (b"T" + struct.pack(">IbII", 2, 1, 7, 8), Emptied((7, 8))),
        (b"O" + struct.pack(">Q", 5) + b"origin\0", None),
        (b"Y" + SEVEN + b"public\0kind\0", None),
    ],
)
def test_messages_are_read(message: bytes, expected: object) -> None:
    assert read(message) == expected


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"Z",
        b"B\0",
        RELATION[:-9],
        b"I" + SEVEN + b"X" + values(b"1"),
        b"I" + SEVEN + b"N" + values(b"12")[:-1],
        b"I" + SEVEN + b"N" + struct.pack(">H", 1) + b"?",
        b"T" + struct.pack(">Ib", 2, 0),
    ],
)
def test_what_is_no_message_is_refused_in_a_sentence(message: bytes) -> None:
    with pytest.raises(LegacyError, match="cannot be read"):
        read(message)


def test_a_key_is_found_by_its_names_in_small_letters() -> None:
    relation = Relation(7, "public", "Crimes", ("note", "ID", "Code"))
    assert relation.places(("code", "id")) == (2, 1)
    assert relation.places(("code", "year")) is None
    assert key_of((2, 1), (b"x", "ä".encode(), b"2")) == ("2", "ä")
    assert key_of((2, 1), (b"x", None, b"2"), (None, b"1", b"3")) == ("2", "1"), "too long to be sent again"
    assert key_of((2, 1), (b"x", None, b"2"), (b"x",)) is None
    assert key_of((0,), None) is None


def test_a_key_that_is_null_is_of_no_root_and_one_that_is_not_told_is_unknown() -> None:
    null, unchanged = struct.pack(">H", 1) + b"n", struct.pack(">H", 1) + b"u"
    inserted = read(b"I" + SEVEN + b"N" + null)
    moved = read(b"U" + SEVEN + b"O" + values(b"1") + b"N" + null)
    deleted = read(b"D" + SEVEN + b"K" + null)
    kept = read(b"U" + SEVEN + b"O" + values(b"1") + b"N" + unchanged)
    assert [type(one) for one in (inserted, moved, deleted, kept)] == [Changed] * 4
    assert key_of((0,), inserted.new, inserted.old) == ()
    assert (key_of((0,), moved.new, moved.old), key_of((0,), moved.old)) == ((), ("1",))
    assert key_of((0,), deleted.old) is None, "an old key does not tell other columns"
    assert key_of((0,), kept.new, kept.old) == ("1",)
