"""The steps done by the process of the run itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import dagster as dg

from crime_assets.core.insights import Insight
from crime_assets.defs.work import steps
from crime_assets.defs.work.steps import InsightResult
from crime_assets.engines import Engine
from crime_assets.lakehouse.writing.history import HistoryResult
from crime_assets.lakehouse.writing.merge import MergeResult
from crime_assets.profiles import Profile
from crime_assets.sources.feeds import Feed


class InProcess:
    """Work done here, with the parts of a profile."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile

    def history(self, context: dg.AssetExecutionContext, feed: Feed, before: date) -> HistoryResult:
        """Load all that the source holds with a change stamp before `before`, once."""
        return steps.load_history(self._profile, feed, before, context.run.run_id)

    def merge(self, context: dg.AssetExecutionContext, days: Sequence[date]) -> MergeResult:
        """Merge what has landed for these change days as one set, and record that it is merged."""
        return steps.merge(self._profile, days, context.run.run_id)

    def insight(
        self, context: dg.AssetExecutionContext, engine: Engine, insight: Insight, days: Sequence[date]
    ) -> InsightResult:
        """Compute an insight for these as-of days, and for those that late changes have made stale."""
        return steps.compute(self._profile, engine, insight, days)
