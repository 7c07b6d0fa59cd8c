"""Thin Dagster resources: they give each step only the parts of a profile that it asks for."""

from __future__ import annotations

from collections.abc import Callable

import dagster as dg

from crime_assets.defs.work.choice import work_for
from crime_assets.profiles import Profile
from crime_assets.profiles.clock import check_clock
from crime_assets.sources.feeds import Feed


def resources(profile: Profile) -> dict[str, dg.ResourceDefinition]:
    """One resource for the profile, and one for each part, built when a step first needs it."""
    parts: dict[str, tuple[Callable[[], object], str]] = {
        "profile": (lambda: profile, "The settings in force and the city's calendar."),
        "city": (lambda: profile.city, "What is particular about the city, as data."),
        "feed": (lambda: _feed(profile), "Where records come from."),
        "landing": (lambda: profile.landing, "Where deliveries are stored."),
        "stream": (profile.stream, "How batches become deliveries."),
        "lake": (lambda: profile.lake, "The Iceberg tables and their single writer."),
        "engine": (lambda: profile.engine, "What runs SQL over the lake."),
        "work": (lambda: work_for(profile), "Where the steps that write tables run."),
    }
    return {
        name: dg.ResourceDefinition(lambda _, build=build: build(), description=description)
        for name, (build, description) in parts.items()
    }


def _feed(profile: Profile) -> Feed:
    """The feed. For a lake that has not begun it depends on the clock alone, so a clock that was reset is an error."""
    if profile.state is None:
        check_clock(profile)
    return profile.feed
