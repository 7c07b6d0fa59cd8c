"""Status: how far a migration is, and what the database keeps for it, in sentences; nothing is held or changed."""

from __future__ import annotations

from collections.abc import Iterator

from crime_assets.core.errors import LegacyError
from crime_assets.migration import Road
from crime_assets.migration.progress import Progress, State

_STATES = {
    State.NEW: "Nothing is loaded yet.",
    State.BEGINNING: "A load has begun, and kept nothing yet.",
    State.LOADING: "The load has not ended.",
    State.FOLLOWING: "All is loaded, and its changes are followed.",
    State.FORGOTTEN: "The database has forgotten changes: run `crime-assets legacy verify --repair`.",
    State.FINISHED: "The migration is finished: nothing is kept in the database, and nothing is followed.",
}


def status(road: Road) -> list[str]:
    """Whatever can be learned: a database that is not there does not hide how far it was. StoreError."""
    progress = road.store.progress() or Progress()
    found = [_STATES[progress.state], *_documents(progress)]
    if aside := len(road.store.aside()):
        found.append(f"Set aside, for no item can hold them: {aside:,}. No export is made while there are such.")
    if progress.state is not State.FINISHED:
        found += _database(road, progress)
    return found


def _documents(progress: Progress) -> Iterator[str]:
    if progress.state in (State.NEW, State.BEGINNING):
        return
    yield (
        f"{progress.documents:,} documents of {progress.rows:,} rows were loaded, and {progress.changes:,} were read "
        f"again since; they are those of position {progress.position}."
    )
    if progress.verified is None:
        yield "They are not verified as they are now."
    else:
        yield f"All {progress.verified.roots:,} were verified at {progress.verified.at:%Y-%m-%d %H:%M:%S %Z}."
    if progress.exported:
        yield f"The last export is {progress.exported}."


def _database(road: Road, progress: Progress) -> list[str]:
    try:
        found = road.database.check()
        if progress.state in (State.NEW, State.BEGINNING):
            return found
        lag = road.database.lag()
    except LegacyError as error:
        return [str(error)]
    size = "" if lag.bytes is None else f"{lag.bytes:,} bytes of "
    return [*found, f"{road.database.name} keeps {size}changes for it, and says: {lag.state}."]
