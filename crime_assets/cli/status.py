"""What the lake holds, in one small table."""

from __future__ import annotations

from crime_assets.core.errors import CrimeAssetsError
from crime_assets.engines.answers import Answer, whole
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import CityState
from crime_assets.profiles import Profile
from crime_assets.streams.holes import missing_days
from crime_assets.streams.inventory import is_refilling, merged_days, unmerged_days


def begun(profile: Profile) -> CityState:
    """What was recorded when the lake began; an error that says what to do if it has not begun."""
    state = profile.state
    if state is None:
        raise CrimeAssetsError(
            f"There is no lake of {profile.city.name} in {profile.lake.name}: run `crime-assets run` first."
        )
    return state


def check_whole(profile: Profile) -> None:
    """CrimeAssetsError if the lake has not begun, lost its tables, or is still being filled again after that."""
    begun(profile)
    tables.load(profile.lake, profile.city.name, "crimes")
    if is_refilling(profile.landing, profile.city.name):
        missing = len(unmerged_days(profile.landing, profile.city.name))
        raise CrimeAssetsError(
            f"The lake {profile.lake.name} lost its tables of {profile.city.title}, and {missing:,} change days are "
            "not merged again: complete that with `crime-assets reload`, or wait for the one that is running."
        )


def lake_status(profile: Profile) -> Answer:
    """Key figures of the lake, one per row; an error as from `check_whole`."""
    check_whole(profile)
    state = begun(profile)
    days = merged_days(profile.landing, profile.city.name)
    first = profile.first_change_day
    missing = missing_days(profile.landing, profile.city.name, first, days[-1]) if days else []
    rows: list[tuple[str, object]] = [
        ("lake", profile.lake.name),
        ("city", profile.city.title),
        ("feed", state.feed),
        ("first change day", state.first_change_day),
        ("change days merged", len(days)),
        ("last change day merged", str(days[-1]) if days else "none"),
        ("change days missing before it", len(missing)),
        (
            "who may see what",
            f"the policy {policy}"
            if (policy := profile.settings.policy)
            else "no policy: open to all who read the files",
        ),
    ]
    for name in tables.names(profile.lake, profile.city.name):
        rows.append((f"rows in {name}", _rows(profile, name)))
    return whole(["what", "value"], rows)


def _rows(profile: Profile, name: str) -> int:
    table = tables.load(profile.lake, profile.city.name, name)
    if table is None:
        return 0
    files = tables.data_files(table)
    tables.check_files(table, files)
    return sum(file.record_count for file in files)
