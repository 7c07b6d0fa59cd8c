"""What runs SQL over the lake. Engines only read; only the lakehouse commits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Protocol

import pyarrow as pa

from crime_assets.core.insights import Insight
from crime_assets.engines.answers import Answer

__all__ = ["Answer", "Engine"]


class Engine(Protocol):
    """Runs insights, measurements and ad-hoc queries over one city's tables."""

    name: str

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
