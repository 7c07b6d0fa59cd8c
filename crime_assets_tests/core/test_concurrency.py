"""Work on several threads: in order, in bounded memory, errors included."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from crime_assets.core.concurrency import few_at_once


def test_results_come_in_order_and_few_things_are_taken_before_their_turn() -> None:
    taken, given, lock, most = 0, 0, threading.Lock(), 0

    def things() -> Iterator[int]:
        nonlocal taken, most
        for number in range(50):
            with lock:
                taken += 1
                most = max(most, taken - given)
            yield number

    for number, result in enumerate(few_at_once(lambda n: n * n, things(), 3)):
        assert result == number * number
        with lock:
            given += 1
    assert given == 50
    assert most <= 5


def test_an_error_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        list(few_at_once(lambda n: 1 // n, [1, 0, 1], 2))
