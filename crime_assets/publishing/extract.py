"""The dashboard's extract: everything shown for one as-of day, in one DuckDB file in the landing store.

One file, so that a reader has either the whole old one or the whole new one. It holds plain tables: the day's insights,
and those of sql/extract, from which any choice of period, class, district and beat is summed. Small numbers are in it:
they are hidden when something is shown, not here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from functools import lru_cache
from hashlib import sha256

import pyarrow as pa
import pyarrow.compute as pc

from crime_assets.analysis.made import unpublished_of
from crime_assets.core import keys
from crime_assets.core.errors import CrimeAssetsError
from crime_assets.core.insights import Insight, load_insights
from crime_assets.core.sql import SQL_DIRECTORY
from crime_assets.engines import Engine, for_days
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.writing.insights import Held, present_snapshots
from crime_assets.publishing.cells import cells_of
from crime_assets.publishing.database_files import packed
from crime_assets.publishing.published import emptied
from crime_assets.sources.cities import City
from crime_assets.streams import LandingStore

KEPT_DAYS = 35
"""Number of as-of days, the newest ones, that can be chosen in the dashboard; older extracts are removed."""
ABOUT = "about"
"""Name of the table with one row, the fields of `About`."""
FORMAT = 4
"""Increased when columns in sql/extract or fields of `About` change: older extracts are then made again."""

BLOCKS, CELLS = "blocks", "cells"
"""The cube of blocks, which a city that publishes none has not, and the table that is made of it."""

WHOLE = {"28d": timedelta(days=28), "365d": timedelta(days=365)}
"""How long the periods are that end on the last complete day."""


@dataclass(frozen=True)
class About:
    """What an extract is about.

    `first_crime` is the day of the first record, `newest_crime` the newest day with one in the last two years, if any.
    `snapshots_seen` are the snapshots that it was made from, as marks of `lakehouse.writing.insights`; `insights_seen`
    identifies the rows of the day's insights, `release` the definitions of insights and cubes.
    """

    format: int
    city: str
    title: str
    as_of_day: date
    last_complete_day: date
    first_crime: date | None
    newest_crime: date | None
    crimes: int
    snapshots_seen: Mapping[str, str]
    insights_seen: str
    release: str

    def days_of(self, period: str) -> tuple[date | None, date]:
        """The first and the last day of a period; `all` begins with the first record, if there is any."""
        if period not in WHOLE:
            return self.first_crime, self.as_of_day
        return self.last_complete_day - WHOLE[period] + timedelta(days=1), self.last_complete_day


@lru_cache
def cubes() -> tuple[Insight, ...]:
    """The statements of sql/extract."""
    return load_insights(SQL_DIRECTORY / "extract", leading=("as_of_day", "period"))


def cubes_of(city: City) -> tuple[Insight, ...]:
    """Those that are made for a city, without the columns that it publishes too little for."""
    unpublished = unpublished_of(city)
    made = (cube for cube in cubes() if cube.name != BLOCKS or "block" not in unpublished)
    return tuple(cube.without(unpublished).counting_only(city.counted) for cube in made)


def cubes_made(city: City, engine: Engine, day: date) -> dict[str, pa.Table]:
    """The tables of a city's cubes; columns that it publishes too little for are there and NULL."""
    return {cube.name: emptied(engine.insight(cube, day), cube.left_out) for cube in cubes_of(city)}


def release_of(city: City, insights: tuple[Insight, ...]) -> str:
    """A digest of all that decides what an extract shows of a state of the lake."""
    definitions = [insight.definition for insight in (*cubes_of(city), *insights)]
    return sha256(f"{FORMAT} {city.lag_days} {city.serial_ids_from} {definitions}".encode()).hexdigest()


def write_extracts(
    lake: Lake, landing: LandingStore, engine: Engine, city: City, insights: tuple[Insight, ...], asked: Sequence[date]
) -> dict[date, dict[str, int]]:
    """Make the extracts of as-of days from the lake, replacing earlier ones; returns row counts by day and table.

    CrimeAssetsError, before anything is made, if the tables of insights lack one of the days.
    """
    # All from one state of the lake: nobody merges meanwhile. If machines share no lock, the state recorded as seen is
    # too old rather than too new.
    with lake.writing():
        held = held_of(lake, city, insights)
        for day in asked:
            _check_held(city, held, day)
        snapshots, release = present_snapshots(lake, city), release_of(city, insights)

        def make(day: date) -> dict[str, int]:
            tables = cubes_made(city, engine, day)
            tables |= {table: rows for table, found in held.items() if (rows := found.rows(day)) is not None}
            if BLOCKS in tables:
                tables[CELLS] = cells_of(tables[BLOCKS])
            about = about_of(city, day, tables, snapshots, rows_seen(held, day), release)
            landing.write(keys.extract(city.name, day), packed(lake.staging, {**tables, **about_table(about)}))
            for kind in ("html", "pdf"):
                # It tells of the extract that was here before, and is made from this one next.
                landing.delete(keys.briefing(city.name, day, kind))
            return {name: rows.num_rows for name, rows in tables.items()}

        made = for_days(engine, asked, make)
    for old in days(landing, city)[KEPT_DAYS:]:
        landing.delete(keys.extract(city.name, old))
    return made


def _check_held(city: City, held: Mapping[str, Held], day: date) -> None:
    """CrimeAssetsError if an insight's table has not the rows of a day that this release would compute."""
    if outdated := [table for table, found in held.items() if found.is_outdated]:
        raise CrimeAssetsError(
            f"{', '.join(outdated)} of {city.title} were computed by another release: materialize the insights of "
            f"{day} first, or run `crime-assets run --from {day} --to {day}`."
        )
    if lacking := lacking_day(held, day):
        raise CrimeAssetsError(
            f"{', '.join(lacking)} of {city.title} were not computed for {day}: materialize the insights of {day} "
            f"first, or run `crime-assets run --from {day} --to {day}`."
        )


def held_of(lake: Lake, city: City, insights: tuple[Insight, ...]) -> dict[str, Held]:
    """Table of an insight → what it has."""
    return {insight.table: Held(lake, city, insight) for insight in insights}


def lacking_day(held: Mapping[str, Held], day: date) -> list[str]:
    """The tables of insights that were not computed for an as-of day, or lost it."""
    return [table for table, found in held.items() if day not in found.days]


def rows_seen(held: Mapping[str, Held], day: date) -> str:
    """A digest of the files with the insights' rows of an as-of day: different rows have a different digest."""
    return sha256("\n".join(name for found in held.values() for name in found.names(day)).encode()).hexdigest()


def days(landing: LandingStore, city: City) -> list[date]:
    """The as-of days with extracts, newest first."""
    found = (keys.extract_day(item.key) for item in landing.list(keys.extracts_prefix(city.name)))
    return sorted((day for day in found if day is not None), reverse=True)


def about_table(about: About) -> dict[str, pa.Table]:
    """Its table of one row, by name."""
    return {ABOUT: pa.Table.from_pylist([asdict(about)])}


def about_of(
    city: City,
    day: date,
    tables: Mapping[str, pa.Table],
    snapshots_seen: Mapping[str, str],
    insights_seen: str,
    release: str,
) -> About:
    """What an extract of these tables is about."""
    places, occurred = tables["places"], tables["days"].column("occurred_on")
    newest = pc.max(occurred).as_py()
    everything = places.filter(pc.equal(places.column("period"), "all")).column("crimes")
    return About(
        format=FORMAT,
        city=city.name,
        title=city.title,
        as_of_day=day,
        last_complete_day=city.last_complete_day(day, newest),
        first_crime=pc.min(tables["months"].column("first_crime_on")).as_py(),
        newest_crime=newest,
        crimes=pc.sum(everything).as_py() or 0,
        snapshots_seen=snapshots_seen,
        insights_seen=insights_seen,
        release=release,
    )
