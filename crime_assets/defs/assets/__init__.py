"""WHAT is made: one module for each arrow of the graph. Steps call plain Python and report what it did."""

from collections.abc import Sequence

import dagster as dg

from crime_assets.core.insights import Insight
from crime_assets.defs.assets import (
    city_months,
    crime_deliveries,
    crime_history,
    crimes,
    governance,
    insights,
    publishing,
    raw_crime_batches,
    upkeep,
)
from crime_assets.defs.assets.boundaries import boundaries
from crime_assets.defs.assets.crime_reconciliation import crime_reconciliation
from crime_assets.sources.cities import City


def build(
    days: dg.DailyPartitionsDefinition,
    city: City,
    insight_files: Sequence[Insight],
    *,
    is_governed: bool,
    is_on_aws: bool,
) -> list[dg.AssetsDefinition]:
    """All assets of a city; `is_governed`: a policy says who may see what; it holds otherwise on AWS."""
    return [
        crime_history.build(city),
        raw_crime_batches.build(days),
        crime_deliveries.build(days, city),
        crimes.build(days, city),
        crime_reconciliation,
        *(insights.build(insight, days, city) for insight in insight_files),
        *publishing.build(days, insight_files),
        # A policy is about one city, and roles on AWS may write the tables of one.
        *(() if is_governed or is_on_aws else (city_months.build(days, city),)),
        *(governance.build(days, insight_files, is_on_aws=is_on_aws) if is_governed else ()),
        boundaries,
        *upkeep.build(insight_files),
    ]
