"""Assembles the graph: `build_defs` for tests and other profiles, `defs` for Dagster. Nothing else belongs here.

Where CRIME_CITIES names several cities, each is a code location: the attribute of this module that has the city's name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import dagster as dg

from crime_assets.analysis.forecasts.made import is_made_for
from crime_assets.analysis.made import insights_of
from crime_assets.core.errors import UsageError
from crime_assets.defs import assets, checks
from crime_assets.defs.automation import jobs, notices, schedules, sensors
from crime_assets.defs.names import Names
from crime_assets.defs.partitions import change_days
from crime_assets.defs.progress import progress
from crime_assets.defs.resources import resources
from crime_assets.profiles import Profile, Settings, open_profile
from crime_assets.sources import cities


def build_defs(profile: Profile, overrides: Mapping[str, object] | None = None) -> dg.Definitions:
    """The graph of one city under a profile; `overrides` replace resources by name."""
    names, days, insights = Names.of(profile), change_days(profile), insights_of(profile.city)
    is_governed, is_on_aws = profile.settings.policy is not None, profile.settings.aws is not None
    has_forecasts, has_legacy = is_made_for(profile.city), bool(profile.settings.legacy)
    has_gates, is_granted = is_governed and not is_on_aws, is_governed and is_on_aws
    graph = dg.Definitions(
        assets=assets.build(names, days, profile.city, insights, is_governed=is_governed, is_on_aws=is_on_aws),
        asset_checks=checks.build(
            names, insights, has_gates=has_gates, is_granted=is_granted, has_forecasts=has_forecasts
        ),
        schedules=schedules.build(names, days, profile.city),
        sensors=[*sensors.build(names), *notices.build(names, profile.notices, has_legacy=has_legacy)],
        resources={**resources(profile), **(overrides or {})},
        loggers={"console": dg.colored_console_logger, "progress": progress},
        # Most steps take a second at most: a process for each would cost many times that.
        executor=dg.in_process_executor,
    )
    has_cities = not is_governed and not is_on_aws
    parts = [graph, jobs.build(names, has_cities=has_cities, has_forecasts=has_forecasts, has_legacy=has_legacy)]
    if has_gates:
        # Without a policy nothing of governance is imported. On AWS, CloudTrail has the trail.
        from crime_assets.defs.automation import audits

        parts.append(audits.build(names, profile.city.timezone))
    if profile.settings.stream:
        # Without a stream nothing of live reports is imported.
        from crime_assets.defs.automation import live

        parts.append(live.build(names, profile))
    if has_legacy:
        # Without a legacy database nothing of its migration is imported.
        from crime_assets.defs.automation import legacy

        parts.append(legacy.build(names, profile))
    return dg.Definitions.merge(*parts)


@dg.definitions
def defs() -> dg.Definitions:
    """The graph as the environment asks for it: of the one city, or of the first of several."""
    return build_defs(open_profile(Settings.from_environment()))


def __getattr__(name: str) -> Callable[[], dg.Definitions]:
    if name not in cities.names():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    @dg.definitions
    def of_city() -> dg.Definitions:
        """The graph of that city, among those that CRIME_CITIES names."""
        settings = Settings.from_environment(city=name)
        if not settings.cities:
            raise UsageError(f"CRIME_CITIES is not set: set it to the cities of this Dagster home, {name} among them.")
        return build_defs(open_profile(settings))

    return of_city
