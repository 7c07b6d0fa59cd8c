"""The commands `reload` and `rebuild-catalog`, for a lake that lost something or began with a bad source."""

from __future__ import annotations

from contextlib import closing

import dagster as dg

from crime_assets.cli.runner import execute, prepare_home, run
from crime_assets.cli.status import begun
from crime_assets.core.errors import TablesLost, UsageError
from crime_assets.definitions import build_defs
from crime_assets.defs.automation.jobs import LOAD_HISTORY
from crime_assets.defs.names import Names
from crime_assets.defs.progress import say
from crime_assets.lakehouse.iceberg.tables import forget_lost, load
from crime_assets.lakehouse.place.rebuilding import rebuild
from crime_assets.lakehouse.writing.history import history_before
from crime_assets.profiles import Profile
from crime_assets.streams.inventory import forget_merged, is_refilling

_ASSET = "crime_history"


def reload(profile: Profile) -> int:
    """Load the source's history into the lake again; if the tables are gone, merge its change days again too."""
    begun(profile)
    with closing(profile.engine), profile.lake.writing(wait_seconds=0):
        is_lost = is_refilling(profile.landing, profile.city.name)
        try:
            loaded = history_before(profile.lake, profile.city) is not None
        except TablesLost:
            is_lost, loaded = True, False
        if is_lost:
            return _refill(profile, loaded=loaded)
        if not loaded:
            return run(profile, None, None)
        prepare_home(profile)
        say(f"Loading the history of {profile.city.title} again ({profile.feed.name} feed)")
        with dg.DagsterInstance.get() as instance:
            step = Names.of(profile).step(_ASSET)
            ops = {step: {"config": {"anew": True}}}
            result = execute(profile, build_defs(profile), LOAD_HISTORY, instance, ops=ops)
    (made,) = result.asset_materializations_for_node(step)
    counts = {name: int(value.value) for name, value in made.metadata.items() if isinstance(value.value, int)}
    print(
        f"\nRead: {counts['records']:,} records. In crimes {counts['inserted']:,} rows are new and "
        f"{counts['replaced']:,} replaced; {counts['quarantined']:,} records more are in quarantine.\n"
        "What the source no longer has is found by `crime-assets reconcile`; insights follow with the next "
        "`crime-assets run`."
    )
    return 0


def _refill(profile: Profile, *, loaded: bool) -> int:
    """Load everything again into tables that were lost; if it is interrupted, the next call or run completes it."""
    lost = "were lost, and only their history is back: " if loaded else "are gone: loading the history, then "
    say(f"The tables {lost}merging all change days in the landing store.")
    forget_merged(profile.landing, profile.city.name)
    forget_lost(profile.lake, profile.city.name)
    profile.lake.is_refilled = True
    return run(profile, None, None)


def rebuild_catalog(profile: Profile) -> int:
    """Rebuild a lost catalog from the tables' own metadata."""
    if profile.lake.is_remote:
        raise UsageError(
            "The catalog of a lake on AWS is not a file in the lake: register the tables in it again, or restore it."
        )
    with profile.lake.writing(wait_seconds=0):
        done = rebuild(profile.lake)
    for path in done.ignored:
        say(f"Ignored: {path} is incomplete, as an interrupted commit leaves it.")
    for table in done.set_aside:
        say(f"Set aside: {table} lacks files; the next `crime-assets run` computes it again.")
    if not done.tables:
        say(f"The catalog of {profile.lake.name} exists and has all tables: there is nothing to do.")
    else:
        say(f"The catalog of {profile.lake.name} was rebuilt, with {len(done.tables)} tables.")
    for city in sorted(profile.lake.cities):
        # It says so if all tables of a city are gone.
        load(profile.lake, city, "crimes")
    return 0
