"""Which unknowns a set of linear equations gives away, whatever stands on their other side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

Equation = Mapping[int, int]
"""Unknown → its factor."""

_SMALL = 1e-9


def solved(equations: Sequence[Equation]) -> set[int]:
    """The unknowns that have one value only."""
    return {name for together in apart(equations) for name in _solved(together)}


def _solved(equations: Sequence[Equation]) -> Iterator[int]:
    names = sorted(set().union(*equations))
    place = {name: number for number, name in enumerate(names)}
    rows = np.zeros((len(equations), len(names)))
    for number, equation in enumerate(equations):
        for name, factor in equation.items():
            rows[number, place[name]] = factor
    yield from (names[number] for number in _alone(rows))


def apart(equations: Sequence[Equation]) -> Iterator[list[Equation]]:
    """The equations in groups that have no unknown in common."""
    of: defaultdict[int, list[int]] = defaultdict(list)
    for number, equation in enumerate(equations):
        for name in equation:
            of[name].append(number)
    left = {number for number, equation in enumerate(equations) if equation}
    while left:
        group, waiting = [], [left.pop()]
        while waiting:
            group.append(number := waiting.pop())
            near = {other for name in equations[number] for other in of[name]} & left
            left -= near
            waiting.extend(near)
        yield [equations[number] for number in sorted(group)]


def _alone(rows: np.ndarray) -> Iterator[int]:
    """The columns that are alone in a row when the rows are reduced (Gauss and Jordan)."""
    done = 0
    for column in range(rows.shape[1]):
        if done == len(rows):
            break
        best = done + int(np.argmax(np.abs(rows[done:, column])))
        if abs(rows[best, column]) < _SMALL:
            continue
        rows[[done, best]] = rows[[best, done]]
        rows[done] /= rows[done, column]
        factors = rows[:, column].copy()
        factors[done] = 0
        rows -= np.outer(factors, rows[done])
        done += 1
    for row in rows[:done]:
        (there,) = np.nonzero(np.abs(row) > _SMALL)
        if len(there) == 1:
            yield int(there[0])
