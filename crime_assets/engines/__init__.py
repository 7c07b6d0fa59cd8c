"""What runs SQL over the lake. Engines only read; only the lakehouse commits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    import pyarrow as pa

    from crime_assets.core.insights import Insight
    from crime_assets.engines.answers import Answer

T = TypeVar("T")


class Engine(Protocol):
    """Runs insights, measurements and ad-hoc queries over one city's tables."""

    name: str
    days_at_once: int
    """As-of days for which it can be asked at the same time, each by a thread of its own."""

    def insight(self, insight: Insight, as_of_day: date) -> pa.Table:
        """The rows of the insight's statement, in its order, computed from what was known on the as-of day.

        They are the insight's table, unless its `python` module has to finish them.
        """

    def measure(self, measurement: str, as_of_day: date, **parameters: date | float) -> list[dict[str, Any]]:
        """The rows of a statement of sql/checks, from what was known on the as-of day; `parameters` are its own."""

    def query(self, sql: str, as_of: str | None = None) -> Answer:
        """Answer a person's query; `as_of` is a snapshot id of `crimes`, a time (UTC) or a change day.

        UsageError if the query is at fault, LakeError if the lake is; both also while the answer is read.
        """

    def spent(self) -> Mapping[str, int | float]:
        """What the queries since the last call have cost, figure by name; empty if queries cost nothing."""

    def close(self) -> None:
        """Release what is held between queries; the next query opens it again."""


def for_days(engine: Engine, days: Sequence[date], make: Callable[[date], T]) -> dict[date, T]:
    """What `make` returns for each of the days, in their order; it may ask the engine, for that day only.

    It runs for as many days at once as the engine can answer. The first error ends it, once those begun have ended.
    """
    if engine.days_at_once == 1 or len(days) == 1:
        return {day: make(day) for day in days}
    with ThreadPoolExecutor(engine.days_at_once) as threads:
        return dict(zip(days, threads.map(make, days), strict=True))
