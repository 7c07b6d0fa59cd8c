"""What is said of all texts of a column is never said wrongly, and is said wherever the bytes show it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pyarrow as pa
import pytest

from crime_assets.lakehouse.records.arrow_texts import has_control_characters, is_plain, is_trimmed

PIECES = ("a", "THEFT", "0", ".", "~", "'", "{")
ODD = (" ", '"', "\\", "\n", "\t", "\x00", "\x1f", "\x7f", "é", "\u00a0", "\u3000", "漢")

Texts = Sequence[str | None]


def plain(texts: Texts) -> bool:
    return not any(ord(sign) < 32 or sign in '"\\' for text in texts for sign in text or "")


def controlled(texts: Texts) -> bool:
    return any(ord(sign) < 32 for text in texts for sign in text or "")


def trimmed(texts: Texts) -> bool:
    """In ASCII; signs beyond it may be blanks, and are taken for such at an edge."""
    edges = [text[:1] + text[-1:] for text in texts if text is not None]
    return all(edge and all(" " < sign < "\x7f" for sign in edge) for edge in edges)


def random_texts(rng: random.Random) -> list[str | None]:
    # As a rule all is well but for one text: where several are odd, one that is overlooked does not show.
    texts: list[str | None] = ["".join(rng.choices(PIECES, k=rng.randint(1, 4))) for _ in range(rng.randint(1, 12))]
    for _ in range(rng.choice([0, 0, 1, 3])):
        texts[rng.randrange(len(texts))] = None
    if rng.random() < 0.7:
        middle = "".join(rng.choices(PIECES, k=rng.randrange(3)))
        odd = rng.choice([*ODD, ""])
        texts[rng.randrange(len(texts))] = rng.choice([odd, odd + middle, middle + odd, f"a{odd}b"])
    return texts


def chunked(rng: random.Random, texts: Texts) -> pa.ChunkedArray:
    """Every chunk has its own bytes, and no others."""
    cuts = sorted(rng.choices(range(len(texts) + 1), k=rng.randrange(3)))
    bounds = zip([0, *cuts], [*cuts, len(texts)], strict=True)
    return pa.chunked_array([pa.array(texts[start:end], pa.string()) for start, end in bounds])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("ask", "model"), [(is_plain, plain), (has_control_characters, controlled), (is_trimmed, trimmed)]
)
def test_of_whole_columns_it_says_what_the_texts_show(
    ask: Callable[[pa.ChunkedArray], bool], model: Callable[[Texts], bool], seed: int
) -> None:
    rng = random.Random(seed)
    answers = set()
    for _ in range(300):
        texts = random_texts(rng)
        answers.add(model(texts))
        assert ask(chunked(rng, texts)) is model(texts), texts
    assert answers == {True, False}


@pytest.mark.parametrize("seed", range(4))
def test_of_slices_it_may_be_careful_and_is_never_wrong(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(300):
        around = random_texts(rng)
        start = rng.randrange(len(around))
        texts = around[start : start + rng.randint(1, len(around))]
        column = pa.chunked_array([pa.array(around, pa.string()).slice(start, len(texts))])
        if plain(around) or not plain(texts):
            assert is_plain(column) is plain(texts), texts
        if controlled(texts) or not controlled(around):
            assert has_control_characters(column) is controlled(texts), texts
        # Only the ends of its own texts are looked at.
        assert is_trimmed(column) is trimmed(texts), texts


@pytest.mark.parametrize("texts", [[], [None], [None, None]])
def test_where_there_is_no_text_nothing_is_amiss(texts: Texts) -> None:
    column = pa.chunked_array([pa.array(texts, pa.string())])

    assert (is_plain(column), has_control_characters(column), is_trimmed(column)) == (True, False, True)


def test_what_lies_under_a_null_is_no_text() -> None:
    whole = pa.array([" a", "b"])
    masked = pa.StringArray.from_buffers(2, whole.buffers()[1], whole.buffers()[2], pa.py_buffer(b"\x02"), 1)

    assert masked.to_pylist() == [None, "b"]
    assert is_trimmed(pa.chunked_array([masked]))


def test_other_types_hold_no_texts() -> None:
    flags = pa.chunked_array([pa.array([True, None])])

    assert (is_plain(flags), has_control_characters(flags), is_trimmed(flags)) == (False, False, True)
