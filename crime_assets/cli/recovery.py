"""The commands `reload` and `rebuild-catalog`, for a lake that lost something or began with a bad source."""

from __future__ import annotations

from contextlib import closing

import dagster as dg

from crime_assets.cli.runner import execute, prepare_home, run
from crime_assets.cli.status import begun
from crime_assets.core.errors import TablesLost, UsageError
from crime_assets.definitions import build_defs
from crime_assets.defs.automation.jobs import LOAD_HISTORY
from crime_assets.defs.progress import say
from crime_assets.lakehouse.place.rebuilding import rebuild
from crime_assets.lakehouse.writing.history import history_before
from crime_assets.profiles import Profile
from crime_assets.streams.inventory import forget_merged, remember_refilled

_ASSET = "crime_history"


def reload(profile: Profile) -> int:
    """Read the source's history anew into the lake; where its tables are gone, merge its change days again as well."""
    begun(profile)
    with closing(profile.engine), profile.lake.writing(wait_seconds=0):
        try:
            loaded = history_before(profile.lake, profile.city) is not None
        except TablesLost:
            say("The tables are gone: loading the history, then merging all change days that have landed.")
            forget_merged(profile.landing, profile.city.name)
            profile.lake.is_refilled = True
            code = run(profile, None, None)
            remember_refilled(profile.landing, profile.city.name)
            return code
        if not loaded:
            return run(profile, None, None)
        prepare_home(profile)
        say(f"Loading the history of {profile.city.title} anew ({profile.feed.name} feed)")
        with dg.DagsterInstance.get() as instance:
            ops = {_ASSET: {"config": {"anew": True}}}
            result = execute(profile, build_defs(profile), LOAD_HISTORY, instance, ops=ops)
    (made,) = result.asset_materializations_for_node(_ASSET)
    counts = {name: int(value.value) for name, value in made.metadata.items() if isinstance(value.value, int)}
    print(
        f"\nRead: {counts['records']:,} records. In crimes {counts['inserted']:,} rows are new and "
        f"{counts['replaced']:,} replaced; {counts['quarantined']:,} records more are in quarantine.\n"
        "What the source no longer has is found by `crime-assets reconcile`; insights follow with the next "
        "`crime-assets run`."
    )
    return 0


def rebuild_catalog(profile: Profile) -> int:
    """Make a lost catalog anew from what the tables' own metadata says."""
    if profile.lake.is_remote:
        raise UsageError(
            "The catalog of a lake on AWS is no file of the lake's: register its tables there again, or restore it."
        )
    with profile.lake.writing(wait_seconds=0):
        done = rebuild(profile.lake)
    for path in done.ignored:
        say(f"Not taken: {path}, which ends too early, as a commit leaves it that was broken off.")
    if not done.tables:
        say(f"The catalog of {profile.lake.name} is there and has all tables: there is nothing to do.")
    else:
        say(f"The catalog of {profile.lake.name} is there again, with {len(done.tables)} tables.")
    return 0
