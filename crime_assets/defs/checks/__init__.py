"""WHAT must hold: a module for each checked asset. Figures come from sql/checks, verdicts from `verdicts`."""

from __future__ import annotations

import dagster as dg

from crime_assets.defs.checks import crime_deliveries, crimes


def build() -> list[dg.AssetChecksDefinition]:
    """All checks."""
    return [crime_deliveries.build(), crimes.build()]
