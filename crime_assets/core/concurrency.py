"""Work on several threads, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def few_at_once(work: Callable[[T], R], things: Iterable[T], workers: int) -> Iterator[R]:
    """The results in order. At most one thing more than there are workers is taken before its turn."""
    with ThreadPoolExecutor(workers) as pool:
        begun: deque[Future[R]] = deque()
        for thing in things:
            begun.append(pool.submit(work, thing))
            if len(begun) > workers:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
