"""WHAT must hold: a module for each checked asset, and one for insights. Figures come from sql/checks, verdicts from
`verdicts`.
"""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from crime_assets.core.insights import Insight
from crime_assets.defs.checks import crime_deliveries, crimes, forecasts, governance
from crime_assets.defs.checks import insights as of_insights
from crime_assets.defs.names import Names


def build(
    names: Names, insights: Sequence[Insight], *, has_gates: bool, is_granted: bool, has_forecasts: bool
) -> list[dg.AssetChecksDefinition]:
    """All checks; `has_gates` if there are gates by a policy, `is_granted` if AWS grants access by it, `has_forecasts`
    if forecasts are made for the city.
    """
    return [
        crime_deliveries.build(names),
        crimes.build(names, is_granted=is_granted),
        of_insights.build(names, insights),
        *([forecasts.build(names)] if has_forecasts else []),
        *([governance.build(names)] if has_gates else []),
    ]
