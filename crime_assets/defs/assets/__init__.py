"""WHAT is made: one module for each arrow of the graph. Steps call plain Python and report what it did."""

from collections.abc import Sequence

import dagster as dg

from crime_assets.analysis.forecasts.made import is_made_for
from crime_assets.core.insights import Insight
from crime_assets.defs.assets import (
    boundaries,
    city_months,
    crime_deliveries,
    crime_history,
    crime_reconciliation,
    crimes,
    forecasts,
    governance,
    insights,
    publishing,
    raw_crime_batches,
    upkeep,
)
from crime_assets.defs.names import Names
from crime_assets.sources.cities import City


def build(
    names: Names,
    days: dg.DailyPartitionsDefinition,
    city: City,
    insight_files: Sequence[Insight],
    *,
    is_governed: bool,
    is_on_aws: bool,
) -> list[dg.AssetsDefinition]:
    """All assets of a city; `is_governed`: a policy says who may see what; it holds otherwise on AWS."""
    return [
        crime_history.build(names, city),
        raw_crime_batches.build(names, days, city),
        crime_deliveries.build(names, days, city),
        crimes.build(names, days, city),
        crime_reconciliation.build(names),
        *(insights.build(names, insight, days, city) for insight in insight_files),
        *(forecasts.build(names, days, city) if is_made_for(city) else ()),
        *publishing.build(names, days, insight_files),
        # A policy is about one city, and roles on AWS may write the tables of one.
        *(() if is_governed or is_on_aws else (city_months.build(names, days, city),)),
        *(governance.build(names, days, insight_files, is_on_aws=is_on_aws) if is_governed else ()),
        boundaries.build(names, city),
        *upkeep.build(names, insight_files),
    ]
