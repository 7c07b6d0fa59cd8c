"""`crime-assets legacy`: tables of a legacy database become documents, which are proven equal to them and exported."""

from __future__ import annotations

import signal
import sys
from argparse import ArgumentParser, Namespace, _SubParsersAction
from collections.abc import Callable
from contextlib import closing
from threading import Event
from typing import TYPE_CHECKING, Any

from crime_assets.cli import arguments
from crime_assets.core.errors import UsageError
from crime_assets.profiles import Profile
from crime_assets.profiles.legacy import LegacyRoad

if TYPE_CHECKING:
    from crime_assets.migration import Road, Step, Verdict
    from crime_assets.migration.sample import Filled

_SHOWN = 20


def add_commands(commands: _SubParsersAction[ArgumentParser], common: ArgumentParser) -> None:
    """Add `legacy` and what it does."""
    legacy = commands.add_parser("legacy", help="out of a legacy database: documents, proven equal to its tables")
    which = legacy.add_subparsers(required=True, metavar="WHAT")

    def add(name: str, command: Callable[[Profile, Namespace], int], told: str) -> ArgumentParser:
        found = which.add_parser(name, parents=[common], help=told)
        found.set_defaults(command=command)
        return found

    demo = add("demo", _demo, "migrate a sample department on a PostgreSQL of its own, and prove it")
    sample = add("sample", _sample, "fill an empty PostgreSQL with the sample department's tables")
    for filling in (demo, sample):
        filling.add_argument("--rows", type=arguments.number, default=20_000, help="how many crimes")
    add("load", _load, "load documents, or go on where it stopped")
    follow = add("follow", _follow, "read documents again as their rows change, until interrupted")
    follow.add_argument("--until-caught-up", action="store_true", help="end when there is nothing more to follow")
    verify = add("verify", _verify, "compare every document with its rows, at one position")
    verify.add_argument("--repair", action="store_true", help="write the documents that differ again")
    add("export", _export, "export the documents that were verified, as DynamoDB does")
    add("status", _status, "how far it is")
    add("finish", _finish, "remove what was made in the database, after a last verification")


def progress_line(step: Step) -> str:
    """Such as: crimes 412,000 of ~767,000, 38,000 a second, 9 s left."""
    told = f"{step.what} {step.done:,}"
    # Statistics are of some time ago: what is more than they say is no longer compared with them.
    if step.of is None or step.of < step.done:
        return f"{told}, {step.a_second:,.0f} a second"
    left = f", {(step.of - step.done) / step.a_second:,.0f} s left" if step.a_second else ""
    return f"{told} of ~{step.of:,}, {step.a_second:,.0f} a second{left}"


def print_verdict(verdict: Verdict, road: Road) -> int:
    """What a verification came to, for a person; returns the exit code."""
    if verdict.differences:
        counts = ", ".join(f"{count:,} {kind}" for kind, count in sorted(verdict.by_kind.items()))
        print(f"Differences: {verdict.differences:,} ({counts}).")
        for one in verdict.named[:_SHOWN]:
            place = ".".join(filter(None, [one.table, one.column]))
            print(f"  {one.id} {place} {one.kind}: {one.source!r} in the database, {one.document!r} in its document")
        print(f"All of them are in {road.home / 'differences.ndjson'}.")
    if verdict.repaired:
        print(f"Documents that were written again: {verdict.repaired:,}.")
    found = verdict.verified
    if found is None:
        print("Documents and database are not equal: run `crime-assets legacy verify --repair`.", file=sys.stderr)
        return 1
    print(f"Equal: {found.roots:,} documents and {found.rows:,} rows, all of them, at position {found.position}.")
    return 0


def tell(step: Step) -> None:
    """Write the line of progress over the last one, where that can be done."""
    if sys.stderr.isatty():
        print(f"\r{progress_line(step):<79}", end="", file=sys.stderr, flush=True)


def told() -> None:
    """Wipe it out: what came of the step stands in its place."""
    if sys.stderr.isatty():
        print(f"\r{'':<79}", end="\r", file=sys.stderr, flush=True)


def _demo(profile: Profile, options: Namespace) -> int:
    from crime_assets.cli.legacy_demo import demo

    return demo(profile, options.rows)


def _sample(profile: Profile, options: Namespace) -> int:
    import psycopg2
    from psycopg2 import errors

    legacy, settings = LegacyRoad(profile), profile.settings
    if legacy.scheme != "postgresql":
        raise UsageError("The sample department is put into PostgreSQL only: set CRIME_LEGACY to an empty database.")
    try:
        with closing(psycopg2.connect(settings.legacy, password=settings.legacy_password or None)) as connection:
            filled = fill_sample(profile, connection, options.rows)
    except psycopg2.Error as error:
        # Its own sentence can have the address.
        match error:
            case errors.DuplicateTable():
                told = "has such tables already: set CRIME_LEGACY to an empty one"
            case errors.InsufficientPrivilege():
                told = "lets this user make no tables: GRANT CREATE ON SCHEMA public to the user of CRIME_LEGACY"
            case _:
                told = "cannot be reached: look at CRIME_LEGACY and CRIME_LEGACY_PASSWORD, and whether it runs"
        raise UsageError(f"The legacy database {told}.") from error
    print(f"{filled.crimes:,} crimes are in the tables; {filled.skipped:,} records did not fit.")
    return 0


def fill_sample(profile: Profile, connection: Any, rows: int) -> Filled:
    """The sample department's tables, with so many crimes of the sample city up to today."""
    from crime_assets.migration.sample import create, fill
    from crime_assets.sources.feeds.sample import SampleFeed

    create(connection, "postgresql")
    feed = SampleFeed(profile.city, origin=profile.today, today=profile.today, rows=rows)
    filled = fill(connection, "postgresql", profile.city, feed, profile.today, most=rows)
    with connection.cursor() as cursor:
        # The server would do it within a minute; a load asks before that how many rows to expect.
        cursor.execute("ANALYZE")
    connection.commit()
    return filled


def _load(profile: Profile, options: Namespace) -> int:
    road = _road(profile)
    from crime_assets.migration.load import load

    progress = load(road, tell)
    told()
    print(f"{progress.documents:,} documents of {progress.rows:,} rows are loaded.")
    return 0


def _follow(profile: Profile, options: Namespace) -> int:
    road = _road(profile)
    from crime_assets.migration.follow import catch_up, follow

    if options.until_caught_up:
        print(f"{catch_up(road):,} documents were read again.")
        return 0
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    changed = follow(road, stop, tell)
    told()
    print(f"{changed:,} documents were read again.")
    return 0


def _verify(profile: Profile, options: Namespace) -> int:
    road = _road(profile)
    from crime_assets.migration.verify import verify

    verdict = verify(road, options.repair, tell)
    told()
    return print_verdict(verdict, road)


def _export(profile: Profile, options: Namespace) -> int:
    road = _road(profile)
    from crime_assets.migration.export import export

    exported = export(road)
    print(f"{exported.items:,} items (documents, and parts of long ones) are in the export {exported.export}:")
    print(f"  {exported.location}")
    print("`CRIME_FEED=legacy crime-assets run` makes a lake of it, where there is none yet.")
    return 0


def _status(profile: Profile, options: Namespace) -> int:
    road = LegacyRoad(profile).road
    from crime_assets.migration.status import status

    print("\n".join(status(road)))
    return 0


def _finish(profile: Profile, options: Namespace) -> int:
    road = LegacyRoad(profile).road
    from crime_assets.migration.finish import finish

    for sentence in finish(road) or ["Nothing was left in the database."]:
        print(sentence)
    return 0


def _road(profile: Profile) -> Road:
    """The road, if the database allows it."""
    road = LegacyRoad(profile).road
    for warning in road.database.check():
        print(warning, file=sys.stderr)
    return road
