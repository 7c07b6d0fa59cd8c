"""What every engine knows about the tables before it runs SQL: their names and columns, and the meaning of --as-of.

Nothing here runs SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from crime_assets.core.errors import CrimeAssetsError, UsageError
from crime_assets.core.insights import TABLES, with_parts
from crime_assets.core.sql import only_where, statement
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.evolution import column_names
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.schema import CRIMES, QUARANTINE, REMOVED, Column, published
from crime_assets.lakehouse.writing.history import history_before
from crime_assets.sources.cities import City

if TYPE_CHECKING:
    from pyiceberg.table import Table

Merged: TypeAlias = Callable[[], Sequence[date]]
"""Returns the change days that the lake has merged, in order; none if that is not known."""

Load: TypeAlias = Callable[[str], "Table | None"]
"""Returns a table of the city by name, as it is now; None if it was never written."""

READ: Mapping[str, tuple[str, tuple[Column, ...]]] = {
    "crimes": ("crimes_now", CRIMES),
    "crimes_superseded": ("crimes_superseded", CRIMES),
    "crimes_quarantine": ("crimes_quarantine", QUARANTINE),
    "crimes_removed": ("crimes_removed", REMOVED),
}
"""Table → the name that our statements use for it, and its columns."""

SHARED = frozenset("completeness gaps greatest_ids periods publications pulls seen_days shares_then".split())
"""Parts of statements (sql/parts) that have few rows and take a scan or more: an engine that keeps rows between
questions makes them once for all statements of a day."""

UNASKED = frozenset("reported_at report_type offense_code neighborhood nibrs_code nibrs_offense".split())
"""Columns of crimes that none of our own statements asks for."""

KEPT_DAYS = 31
"""As-of days for which an engine keeps what was known: those of a month that is computed as one range."""

_LIKE_INSIGHTS = frozenset({"recorded"})
"""Statements of sql/checks that insights are held against."""

VERSIONS = {"crimes_superseded": (), "crimes_removed": ("removed_on", "noticed_at")}
"""Tables with versions of rows of crimes → the columns that they have besides."""


def columns_of(name: str, load: Load, city: City, *, is_own: bool = False) -> list[str]:
    """The columns of a table that an engine shows: tables that keep versions of crimes have those of crimes.

    `is_own` for our own statements, which know all columns of crimes.
    """
    like = "crimes" if name in VERSIONS else name
    table = load(like)
    held = column_names(table) if table is not None else [column.name for column in columns_without(like, city)]
    more = [column.name for column in unpublished(name, city)] if is_own else []
    return [*held, *more, *VERSIONS.get(name, ())]


def columns_without(name: str, city: City) -> tuple[Column, ...]:
    """The columns of a table that is not there yet."""
    return published(READ[name][1], city)


def unpublished(name: str, city: City) -> tuple[Column, ...]:
    """Columns that a city does not publish: NULL in the tables of our own statements, and in no table of people's."""
    is_of_crimes = name == "crimes" or name in VERSIONS
    asked = city.not_published - UNASKED
    return tuple(column for column in CRIMES if is_of_crimes and column.name in asked)


def check_statement(measurement: str, city: City) -> str:
    """A statement of sql/checks, with its parts; what insights are held against counts the same rows as they do."""
    text = with_parts(statement("checks", measurement))
    return only_where(text, TABLES, city.counted) if measurement in _LIKE_INSIGHTS and city.counted else text


def crimes_of(load: Load) -> Table:
    """The table of crimes; CrimeAssetsError if there are none yet."""
    table = load("crimes")
    if table is None or table.current_snapshot() is None:
        raise CrimeAssetsError("There are no crimes in the lake yet: run `crime-assets run` first.")
    return table


def check_known(lake: Lake, city: City, day: date) -> None:
    """CrimeAssetsError if the lake cannot tell what was known on a change day."""
    crimes_of(partial(tables.load, lake, city.name))
    before = history_before(lake, city)
    if before is not None and day < (first := before - timedelta(days=1)):
        raise CrimeAssetsError(
            f"The lake cannot tell what was known on {day}: its history goes up to {first}, so ask for that day or a "
            "later one."
        )


Measure: TypeAlias = Callable[[str, date], list[dict[str, Any]]]
"""The rows of a statement of sql/checks on an as-of day."""


def newest_of(city: City, measure: Measure, as_of_day: date) -> date | None:
    """The newest day with a crime by then, if the city's last complete day depends on it."""
    if city.change_field is not None:
        return None
    (found,) = measure("freshness", as_of_day)
    newest: date | None = found["newest_occurred_on"]
    return newest


def parameters(
    lake: Lake, city: City, as_of_day: date, merged: Sequence[date], newest: date | None = None
) -> dict[str, date]:
    """The parameters of an insight on an as-of day, those of `core.insights.PARAMETERS`.

    `merged` are the change days that the lake has merged; none, if that is not known. `newest` is what `newest_of`
    gives.
    """
    first = history_before(lake, city) or as_of_day
    return {
        "as_of_day": as_of_day,
        "last_complete_day": city.last_complete_day(as_of_day, newest),
        "first_change_day": first,
        "pulled_since": _pulled_since(first, min(as_of_day, max(merged, default=first)), {*merged}),
        "serial_ids_from": city.serial_ids_from or date.max,
    }


def _pulled_since(first: date, last: date, merged: Collection[date]) -> date:
    """The day after the last one that is missing; the first change day if none is, or nothing is known."""
    if not merged:
        return first
    day = last
    while day >= first and day in merged:
        day -= timedelta(days=1)
    return max(first, day + timedelta(days=1))


def change_day(as_of: str | None) -> date | None:
    """The change day that --as-of names; None if it names something else."""
    try:
        return date.fromisoformat(as_of or "")
    except ValueError:
        return None


def snapshot_id(as_of: str | None, load: Load) -> int | None:
    """The snapshot of crimes that --as-of names by its id or a time (UTC); None without --as-of."""
    if as_of is None:
        return None
    table = crimes_of(load)
    if as_of.isdecimal() and table.snapshot_by_id(int(as_of)) is not None:
        return int(as_of)
    snapshot = table.snapshot_as_of_timestamp(int(_moment(as_of).timestamp() * 1000))
    if snapshot is None:
        raise CrimeAssetsError(f"The lake has no snapshot of crimes as old as {as_of}: ask for a later time.")
    return snapshot.snapshot_id


def _moment(text: str) -> datetime:
    """A time as a person writes it; without an offset, UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"--as-of {text!r} is neither a snapshot id of crimes nor a time: write it like 2026-01-31T02:00:00."
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
