"""WHERE the steps that write tables run: in the process of the run, or in a job elsewhere.

Assets call their resource `work` and report the result. What a step does is in `steps`, which both places share;
`remote`, `launchers` and `messages` take it to a job and bring the result back, and `spark_job` is the job.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import dagster as dg

    from crime_assets.core.insights import Insight
    from crime_assets.defs.work.steps import InsightResult
    from crime_assets.engines import Engine
    from crime_assets.lakehouse.writing.history import HistoryResult
    from crime_assets.lakehouse.writing.merge import MergeResult
    from crime_assets.sources.feeds import Feed


class Work(Protocol):
    """Does the steps that write tables; doing a step twice changes nothing.

    Every error is a CrimeAssetsError with one sentence, wherever it happened. `feed` and `engine` are those of the
    run; work done elsewhere opens its own.
    """

    def history(self, context: dg.AssetExecutionContext, feed: Feed, before: date) -> HistoryResult:
        """Load all that the source holds with a change stamp before `before`, once."""

    def merge(self, context: dg.AssetExecutionContext, days: Sequence[date]) -> MergeResult:
        """Merge what has landed for these change days as one set, and record that it is merged."""

    def insight(
        self, context: dg.AssetExecutionContext, engine: Engine, insight: Insight, days: Sequence[date]
    ) -> InsightResult:
        """Compute an insight for these as-of days, and for those that late changes have made stale."""
