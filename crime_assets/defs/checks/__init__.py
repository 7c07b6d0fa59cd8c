"""WHAT must hold: a module for each checked asset, and one for insights. Figures come from sql/checks, verdicts from
`verdicts`.
"""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from crime_assets.core.insights import Insight
from crime_assets.defs.checks import crime_deliveries, crimes
from crime_assets.defs.checks import insights as of_insights


def build(insights: Sequence[Insight], *, is_granted: bool = False) -> list[dg.AssetChecksDefinition]:
    """All checks; `is_granted` if people are granted access by AWS."""
    return [crime_deliveries.build(), crimes.build(is_granted=is_granted), of_insights.build(insights)]
