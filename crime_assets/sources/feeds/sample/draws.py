"""Stateless random draws: a draw depends on the seed, the record and what is drawn, never on earlier draws.

So a record is the same however much of the city is simulated around it. What a draw means does not belong here.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_WORD = 2**64 - 1
_GOLDEN = 0x9E3779B97F4A7C15
_BITS = 40


def cumulative(weights: Iterable[float]) -> Floats:
    """Upper bounds of the weights' shares of 1."""
    sums = np.cumsum(np.fromiter(weights, dtype=np.float64))
    return np.asarray(sums / sums[-1])


class Draws:
    """Draws for records named by whole numbers (`keys`); every answer has one entry a key."""

    def __init__(self, seed: int, keys: Ints) -> None:
        start = np.uint64((seed * _GOLDEN) & _WORD)
        self._state = _mixed(keys.astype(np.uint64) * np.uint64(_GOLDEN) ^ _mixed(np.array([start])))

    def uniform(self, purpose: str) -> Floats:
        """At least 0, less than 1, in steps of 2^-40 (so that adding a number below 4,096 loses nothing)."""
        offset = np.uint64((zlib.crc32(purpose.encode()) + 1) * _GOLDEN & _WORD)
        return np.asarray((_mixed(self._state + offset) >> np.uint64(64 - _BITS)) * 2.0**-_BITS)

    def below(self, purpose: str, share: float | Floats) -> Flags:
        """True with probability `share`."""
        return np.asarray(self.uniform(purpose) < share)

    def pick(self, purpose: str, bounds: Floats) -> Ints:
        """An index into what `cumulative` was given, each as often as its weight says."""
        return np.searchsorted(bounds, self.uniform(purpose), side="right")

    def days(self, purpose: str, mean: float) -> Ints:
        """Whole days, at least 1, falling off exponentially."""
        return 1 + np.floor(-mean * np.log1p(-self.uniform(purpose))).astype(np.int64)


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finalizer of SplitMix64 (Steele, Lea, Flood 2014)."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
