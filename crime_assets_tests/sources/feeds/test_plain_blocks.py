"""Blocks of plain lines are taken whole: the same comes out as when each line is looked at by itself."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from crime_assets.sources.feeds import csv_lines
from crime_assets.sources.feeds.csv_dialect import SEPARATORS, CsvError, Dialect, dialect_of
from crime_assets.sources.feeds.csv_plain import is_plain

NAMES = ["id", "text", "other"]
TEXTS = ("", "1", "THEFT", "é", "漢🚓", " x ", "=1+1", "\u2028", "\x0b", "a" * 30)
QUOTED = ('"a{}b"', '""', '"he said ""no"""', '"two\nlines"', '"é"', '"{}"', '"\r\n"')
ODD = ('a"b', '"', '"open', 'a"', '""a', '"a"b', "\0", "\r", "\n", "\ufeff")
BYTES = (b"\xff", b"\xe9", b"\xc3", b"\xed\xa0\x80", b"\x1a")
LONGEST = 200


def value(rng: random.Random, separator: str, oddness: float) -> str:
    if rng.random() < oddness:
        return rng.choice(ODD)
    return rng.choice(QUOTED).format(separator) if rng.random() < 0.2 else rng.choice(TEXTS)


def line(rng: random.Random, separator: str, oddness: float) -> bytes:
    kind = rng.choice(["few", "many", "empty", "header", "long", "bytes"]) if rng.random() < oddness else "whole"
    width = {"few": 2, "many": rng.choice([4, 5])}.get(kind, len(NAMES))
    made = separator.join(value(rng, separator, oddness / 4) for _ in range(width))
    if kind in ("empty", "header", "long"):
        made = {"empty": "", "header": separator.join(NAMES), "long": made + "a" * LONGEST}[kind]
    at = rng.randrange(len(made) + 1)
    return made[:at].encode() + (rng.choice(BYTES) if kind == "bytes" else b"") + made[at:].encode()


def content(rng: random.Random, separator: str) -> bytes:
    """A file of plain and odd lines; the odd ones come in swarms, so that there are blocks without any."""
    lines = [separator.join(NAMES).encode()]
    for _ in range(rng.randrange(1, 12)):
        oddness = rng.choice([0, 0, 0.05, 0.3])
        lines += [line(rng, separator, oddness) for _ in range(rng.randrange(1, 40))]
    end = rng.choice([b"\n", b"\n", b"\r\n"])
    return end.join(lines) + rng.choice([end, end, b""])


@dataclass(frozen=True)
class Outcome:
    """What comes of a file: its rows in order, its damaged lines in order, and the error at which it ends."""

    rows: list[dict[str, str | None]]
    damaged: list[csv_lines.Damaged]
    error: str


def outcome(written: bytes) -> Outcome:
    dialect = dialect_of(io.BytesIO(written))
    rows: list[dict[str, str | None]] = []
    damaged: list[csv_lines.Damaged] = []
    try:
        for part in csv_lines.read(dialect.utf8(io.BytesIO(written)), dialect, NAMES):
            part.records.validate(full=True)
            rows += part.records.to_pylist()
            damaged += part.damaged
    except CsvError as error:
        return Outcome(rows, damaged, f"{type(error).__name__}: {error}")
    return Outcome(rows, damaged, "")


def agree(monkeypatch: pytest.MonkeyPatch, rng: random.Random) -> tuple[int, int, Outcome]:
    """Read one random file in both ways; how many blocks were plain and not, and what came of the file."""
    asked: list[bool] = []

    def noted(block: bytes, dialect: Dialect, longest: int) -> bool:
        asked.append(is_plain(block, dialect, longest))
        return asked[-1]

    def read_with(decide: Callable[[bytes, Dialect, int], bool]) -> Outcome:
        monkeypatch.setattr(csv_lines, "is_plain", decide)
        return outcome(written)

    monkeypatch.setattr(csv_lines, "LONGEST_LINE", LONGEST)
    monkeypatch.setattr(csv_lines, "BLOCK_BYTES", rng.choice([60, 150, 400, 1000]))
    written = content(rng, rng.choice(list(SEPARATORS)))
    by_line = read_with(lambda *_: False)
    by_block = read_with(noted)
    assert by_block == by_line, written
    return sum(asked), len(asked) - sum(asked), by_line


@pytest.mark.parametrize("seed", range(3))
def test_any_mixture_of_lines_reads_the_same(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    rng = random.Random(seed)
    found = [agree(monkeypatch, rng) for _ in range(25)]
    assert sum(plain for plain, _, _ in found) > 30
    assert sum(odd for _, odd, _ in found) > 30
    reasons = {damage.reason for _, _, one in found for damage in one.damaged}
    assert {"unbalanced quotes", "NUL bytes", "bytes that are not UTF-8", "a carriage return outside quotes"} < reasons
    assert any(one.error for _, _, one in found)


@pytest.mark.stress
@pytest.mark.parametrize("seed", range(3, 23))
def test_many_mixtures_of_lines_read_the_same(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(1_000):
        agree(monkeypatch, rng)


DIALECT = Dialect(b"id,text,other", NAMES)


@pytest.mark.parametrize(
    ("block", "plain"),
    [
        (b"1,2,3\n4,5,6\n", True),
        (b'1,"2\xc3\xa9",3\n4,"""5"""\n', True),
        (b'1,2",3\n4,"5,6\n', False),
        (b"1,2,3\n\n4,5,6\n", False),
        (b"\n1,2,3\n", False),
        (b"1,2,3\n4,5\r,6\n", False),
        (b"1,2\0,3\n", False),
        (b"1,2\xff,3\n", False),
        (b"1,2,3\nid,text,other\n", False),
        (b"1," + b"2" * 6 + b",3\n", True),
        (b"1," + b"2" * 7 + b",3\n", False),
    ],
)
def test_a_block_is_plain_if_no_line_of_it_is_odd(block: bytes, *, plain: bool) -> None:
    assert is_plain(block, DIALECT, 10) is plain
