"""Status: how far a migration is, and what the database keeps for it; nothing is held or changed."""

from __future__ import annotations

from dataclasses import dataclass

from crime_assets.core.errors import LegacyError
from crime_assets.migration import Lag, Road
from crime_assets.migration.progress import Progress, State


@dataclass(frozen=True)
class Status:
    """What a person asks for."""

    progress: Progress
    """As the store has it; that of a new migration if it has none."""
    lag: Lag | None
    """None while the database keeps nothing for us, or cannot be asked."""
    told: tuple[str, ...]
    """Warnings of the database, or why it cannot be migrated or asked."""
    aside: int
    """Documents that are set aside."""


def status(road: Road) -> Status:
    """Whatever can be learned: a database that is not there does not hide how far it was. StoreError."""
    progress = road.store.progress() or Progress()
    aside = len(road.store.aside())
    if progress.state is State.FINISHED:
        return Status(progress, None, (), aside)
    try:
        told = tuple(road.database.check())
        lag = None if progress.state in (State.NEW, State.BEGINNING) else road.database.lag()
    except LegacyError as error:
        return Status(progress, None, (str(error),), aside)
    return Status(progress, lag, told, aside)
