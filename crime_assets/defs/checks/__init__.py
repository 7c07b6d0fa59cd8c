"""WHAT must hold: a module for each checked asset, and one for insights. Figures come from sql/checks, verdicts from
`verdicts`.
"""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from crime_assets.core.insights import Insight
from crime_assets.defs.checks import crime_deliveries, crimes, governance
from crime_assets.defs.checks import insights as of_insights


def build(insights: Sequence[Insight], *, has_gates: bool, is_granted: bool) -> list[dg.AssetChecksDefinition]:
    """All checks; `has_gates` if there are gates by a policy, `is_granted` if AWS grants access by it."""
    governed = [governance.build()] if has_gates else []
    return [crime_deliveries.build(), crimes.build(is_granted=is_granted), of_insights.build(insights), *governed]
