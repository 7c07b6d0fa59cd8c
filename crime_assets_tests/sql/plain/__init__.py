"""All insights again, as plain Python: what the SQL is held against. No SQL and nothing of the project in here.

A module for each family of insights has a function for each, which yields rows, in order, as Python values: int, float,
str, date, None for NULL. Add its mapping of names to functions to `FAMILIES`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import pandas as pd

from crime_assets_tests.sql.plain.kinds import KINDS_OF_CRIME
from crime_assets_tests.sql.plain.places import PLACES
from crime_assets_tests.sql.plain.question import Question, Row
from crime_assets_tests.sql.plain.ten import TEN
from crime_assets_tests.sql.plain.trends import TRENDS

__all__ = ["Question", "assert_same", "expected"]

FAMILIES: tuple[Mapping[str, Callable[[Question], Iterator[Row]]], ...] = (KINDS_OF_CRIME, PLACES, TRENDS)
"""Insight → the rows of its table, `as_of_day` left out, `period`, `first_day` and `last_day` first."""


def expected(name: str, question: Question) -> pd.DataFrame:
    """The rows of the insight `name`; without rows there are no columns either."""
    rows = [{"as_of_day": question.as_of_day, **row} for row in _rows(name, question)]
    return pd.DataFrame(rows, dtype=object)


def _rows(name: str, question: Question) -> Iterator[Row]:
    if name in TEN:
        for period in question.periods:
            yield from ({**period.leading, **row} for row in TEN[name](period))
        return
    (compute,) = (family[name] for family in FAMILIES if name in family)
    yield from compute(question)


def assert_same(actual: Sequence[tuple[object, ...]], expected_rows: pd.DataFrame) -> None:
    """The rows an engine gave are the expected ones, in their order; floats may differ by 1e-12 of their size."""
    wanted = list(expected_rows.itertuples(index=False, name=None))
    assert len(actual) == len(wanted)
    for number, (have, want) in enumerate(zip(actual, wanted, strict=True)):
        assert len(have) == len(want)
        for column, mine, plain in zip(expected_rows.columns, have, want, strict=True):
            both_floats = isinstance(mine, float) and isinstance(plain, float)
            same = math.isclose(mine, plain, rel_tol=1e-12) if both_floats else mine == plain
            assert same, f"row {number}, {column}: {mine!r} instead of {plain!r} in {have}"
