"""How many alarms chance may give before a test says that there are too many."""

from __future__ import annotations

import math
from collections.abc import Callable

UNLIKELY = 0.001


def most_of(runs: int, chance: float) -> int:
    """The number of runs that is not passed, except once in a thousand, if each has an alarm with that chance."""
    return _first(lambda n: math.comb(runs, n) * chance**n * (1 - chance) ** (runs - n))


def most_expecting(mean: float) -> int:
    """The number of alarms that is not passed, except once in a thousand, where so many are to be expected."""
    return _first(lambda n: math.exp(n * math.log(mean) - mean - math.lgamma(n + 1)))


def _first(probability: Callable[[int], float]) -> int:
    number, left = 0, 1.0
    while (left := left - probability(number)) > UNLIKELY:
        number += 1
    return number
