"""Out of a legacy database into documents, beside dlt and COPY that read the same tables of the same PostgreSQL.

    python -m benchmarks.legacy figures PLACE          all of it, alone
    python -m benchmarks.legacy serve PLACE            a PostgreSQL with the department's tables
    python -m benchmarks.legacy copy ADDRESS           COPY of crimes and their roles to nowhere
    python -m benchmarks.legacy load ADDRESS HOME      and verify, export, follow: the steps of a migration
    python -m benchmarks.legacy gzip HOME              the lines of its export, packed again
    python -m benchmarks.legacy throttle               a DynamoDB that is always busy
    python -m benchmarks.legacy write ADDRESS HOME     documents into it

Takes the real export of 2016 to 2018 where it is (CRIME_SHARED_DATA, or shared/data beside the project), else a sample
city of as many rows. `.venv-dlt`, which `make bench` makes, has dlt.
"""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg2

from benchmarks.measuring import Figure, Spent, module, spend
from crime_assets.migration import Road
from crime_assets.migration.addresses import open_database
from crime_assets.migration.mappings import ALL
from crime_assets.migration.stores.sqlite import SqliteStore
from crime_assets.streams.directory import DirectoryStore

_PROJECT = Path(__file__).parents[1]
_DLT = _PROJECT / ".venv-dlt" / "bin" / "python"
_ROWS = 767_264
_CHANGED = 50_000
_WRITTEN = 50_000
_TABLES = ("crimes", "crime_roles")
_MOST_MEMORY = 200 / 1024
"""GiB."""
_EXPORT_LEVEL = 3


def serve(place: Path) -> None:
    """Print what is in the tables and the address, and serve until standard input is closed."""
    # Not for all of this module: a load is measured without what only its tables need.
    from benchmarks.history import CITY
    from crime_assets.migration.sample import create, fill
    from crime_assets_tests.migration.servers import postgres_served

    what, found, before = _source(place)
    with postgres_served() as server, server.database() as name:
        with closing(psycopg2.connect(**server.where(name))) as connection:
            create(connection, "postgresql")
            filled = fill(connection, "postgresql", CITY, found, before)
            connection.autocommit = True
            connection.cursor().execute("VACUUM ANALYZE")
        print(f"{filled.crimes:,} rows ({what})")
        print(f"postgresql://{server.user}@localhost/{name}?host={server.socket}", flush=True)
        sys.stdin.read()


def _source(place: Path) -> tuple[str, Any, date]:
    """What it is, its feed, and the day before which its records were changed."""
    from benchmarks.history import CITY, FIRST_DAY, feed

    shared = Path(os.environ.get("CRIME_SHARED_DATA", _PROJECT.parent / "shared" / "data")) / "chicago"
    if not shared.is_dir():
        return "sample", feed(_ROWS), FIRST_DAY
    from crime_assets.sources.feeds.export import ExportFeed

    end = date(2018, 11, 22)
    pattern = str(shared / "Crimes_-_201[678].csv.gz")
    return "real export, 2016 to 2018", ExportFeed(CITY, pattern, cache=place / "feed", today=end), end


def copy(address: str) -> None:
    """All rows of both tables, kept nowhere."""
    with closing(psycopg2.connect(address)) as connection, connection.cursor() as cursor:
        for table in _TABLES:
            cursor.copy_expert(f"COPY {table} TO STDOUT", _Nowhere())


class _Nowhere:
    def write(self, piece: bytes) -> None:
        """As a file."""


def load(address: str, home: Path) -> None:
    """The tables become documents."""
    from crime_assets.migration.load import load as load_all

    print(load_all(_road(address, home), lambda _: None).documents)


def verify(address: str, home: Path) -> None:
    """All rows and documents compared; prints how many crimes were."""
    from crime_assets.migration.verify import verify as verify_all

    verdict = verify_all(_road(address, home), False, lambda _: None)
    assert verdict.verified is not None, verdict
    print(verdict.verified.roots)


def follow(address: str, home: Path) -> None:
    """Prints seconds that it takes to follow changes of so many roots."""
    from crime_assets.migration.follow import catch_up

    road = _road(address, home)
    with closing(psycopg2.connect(address)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "UPDATE crimes SET arrest = CASE arrest WHEN 'Y' THEN 'N' ELSE 'Y' END "
            "WHERE id IN (SELECT id FROM crimes ORDER BY id LIMIT %s)",
            [_CHANGED],
        )
        connection.commit()
    start = time.perf_counter()
    roots = catch_up(road)
    print(time.perf_counter() - start)
    assert roots == _CHANGED, roots


def export(address: str, home: Path) -> None:
    """Prints seconds that the export takes."""
    from crime_assets.migration.export import export as export_all

    road = _road(address, home)
    start = time.perf_counter()
    export_all(road)
    print(time.perf_counter() - start)


def gzip_again(home: Path) -> None:
    """Prints seconds that it takes to pack what the export has packed."""
    spent = 0.0
    for file in home.rglob("*.json.gz"):
        lines = gzip.decompress(file.read_bytes())
        start = time.perf_counter()
        gzip.compress(lines, _EXPORT_LEVEL, mtime=0)
        spent += time.perf_counter() - start
    print(spent)


def throttle() -> None:
    """Print the address and serve until standard input is closed. Nothing may be lost, and no request be wrong."""
    from crime_assets_tests.migration.throttling import Throttling

    busy = Throttling(seed=7)
    with busy.serving() as address:
        print(address, flush=True)
        sys.stdin.read()
    assert (len(busy.items), busy.violations) == (_WRITTEN, []), (len(busy.items), busy.violations)


def write(address: str, home: Path) -> None:
    """Prints seconds of the processor that documents take on their way to it."""
    from crime_assets.cloud.aws.clients import Clients
    from crime_assets.migration.stores import rows_of
    from crime_assets.migration.stores.batches import put_all
    from crime_assets.migration.stores.calls import Calls, client_of

    credentials = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    os.environ.update({**credentials, "AWS_ENDPOINT_URL_DYNAMODB": address})
    calls = Calls(client_of(Clients("us-east-1")), "documents", pause=lambda _: None)
    rows = (row for items in SqliteStore(home / "documents.db").scan() for row in rows_of(items))
    documents = {(name, part): item for name, part, item in islice(rows, _WRITTEN)}
    start = time.process_time()
    assert put_all(calls, documents) == []
    print(time.process_time() - start)


def figures(place: Path) -> list[Figure]:
    """The steps beside their peers."""
    if not _DLT.exists():
        sys.exit("There is no .venv-dlt: run `make .venv-dlt/.dlt`, then this again.")
    place.mkdir(parents=True, exist_ok=True)
    with _running("serve", place) as served:
        what, address = (served.readline().strip() for _ in range(2))
        copied, peer, ours = _loads(address, place)
        home = place / "documents-2"

        def step(name: str) -> Spent:
            return spend(module("legacy", name, address, home))

        verified = step("verify")
        exported, packed = float(step("export").printed), float(spend(module("legacy", "gzip", home)).printed)
        with _running("throttle") as throttled:
            processor = float(spend(module("legacy", "write", throttled.readline().strip(), home)).printed)
        followed = float(step("follow").printed)
        flat = spend(_dlt(address, place / "dlt-flat", "crimes"))
    both = f"dlt, crimes and roles to Parquet: {_told(peer)}; crimes alone {flat.seconds:.1f} s"
    # The sample's offense codes are roots too.
    unverified = int(ours.printed) - int(verified.printed)
    return [
        Figure(f"load a legacy database, {what}, as documents", _told(ours), both, ours.seconds / peer.seconds, 1),
        Figure(
            "the same", _told(ours), f"COPY of both tables: {copied.seconds:.1f} s", ours.seconds / copied.seconds, 9
        ),
        Figure("its memory, MiB", f"{ours.peak * 1024:.0f}", "bound: 200", ours.peak / _MOST_MEMORY, 1),
        Figure(
            "verify it, seconds of the processor",
            f"{verified.cpu:.1f}",
            f"load: {ours.cpu:.1f}",
            verified.cpu / ours.cpu,
            1.3,
        ),
        Figure("roots that it did not verify", f"{unverified}", "bound: 0", unverified, 0),
        Figure(
            f"follow changes of {_CHANGED:,} roots",
            f"{_CHANGED / followed:,.0f} roots/s",
            "bound: 5,000",
            5_000 * followed / _CHANGED,
            1,
        ),
        Figure(
            f"write {_WRITTEN:,} documents to a busy DynamoDB, by second of the processor",
            f"{_WRITTEN / processor:,.0f}",
            "bound: 6,000",
            6_000 * processor / _WRITTEN,
            1,
        ),
        Figure(
            "export the documents", f"{exported:.1f} s", f"gzip of the same bytes: {packed:.1f} s", exported / packed, 2
        ),
    ]


def _loads(address: str, place: Path) -> tuple[Spent, Spent, Spent]:
    """COPY, dlt and ours: the better of two each, one after the other, so that all have the same minutes."""
    copied, peers, ours = [], [], []
    for n in (1, 2):
        copied.append(spend(module("legacy", "copy", address)))
        peers.append(spend(_dlt(address, place / f"dlt-{n}", *_TABLES)))
        ours.append(spend(module("legacy", "load", address, place / f"documents-{n}")))
    return _better(copied), _better(peers), _better(ours)


def _better(found: Sequence[Spent]) -> Spent:
    return min(found, key=lambda spent: spent.seconds)


def _dlt(address: str, directory: Path, *tables: str) -> list[str]:
    reached = address.replace("postgresql://", "postgresql+psycopg2://").replace("@localhost/", "@/")
    return [str(_DLT), str(Path(__file__).with_name("legacy_dlt.py")), reached, str(directory), *tables]


def _told(spent: Spent) -> str:
    return f"{spent.seconds:.1f} s, {spent.peak * 1024:.0f} MiB"


def _road(address: str, home: Path) -> Road:
    home.mkdir(parents=True, exist_ok=True)
    slot = f"benchmark_{home.name.replace('-', '_')}"
    store, landing = SqliteStore(home / "documents.db"), DirectoryStore(home / "landing")
    return Road(open_database(address, "", slot, ALL), store, landing, ALL, "chicago", home, lambda: datetime.now(UTC))


@contextmanager
def _running(*arguments: object) -> Iterator[Any]:
    """What a server of this module prints, which is stopped afterwards."""
    command = module("legacy", *arguments)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        yield server.stdout
        server.stdin.close()
    assert server.returncode == 0


def _main(work: str, *arguments: str) -> None:
    match work:
        case "figures":
            print(*figures(Path(arguments[0])), sep="\n")
        case "serve":
            serve(Path(arguments[0]))
        case "copy":
            copy(arguments[0])
        case "gzip":
            gzip_again(Path(arguments[0]))
        case "throttle":
            throttle()
        case _:
            steps = {"load": load, "verify": verify, "export": export, "follow": follow, "write": write}
            steps[work](arguments[0], Path(arguments[1]))


if __name__ == "__main__":
    _main(*sys.argv[1:])
