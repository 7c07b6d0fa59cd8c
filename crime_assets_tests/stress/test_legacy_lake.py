"""A year of real rows by the commands: out of PostgreSQL, verified, exported, and the same lake as the portal's export.

Also after a crime was deleted in the database: the next export and reconciliation take it out of the lake.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import psycopg2
import pytest

from crime_assets.lakehouse.place.lake import Lake
from crime_assets.migration.sample import create, fill
from crime_assets.sources.feeds.export import ExportFeed
from crime_assets_tests.build import CHICAGO
from crime_assets_tests.migration.servers import PostgresServer, postgres_served
from crime_assets_tests.migration.test_lake import typed_rows

pytestmark = pytest.mark.stress

PROGRAM = Path(sys.executable).with_name("crime-assets")
AFTER = date(2020, 1, 1)
RUN = ("run", "--no-insights", "--from", "2018-11-18", "--to", "2018-11-19")
"""What changed before is history, the two days are pulled and merged."""
GONE = 7


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_served() as found:
        yield found


def command(home: Path, *arguments: str, **variables: str) -> str:
    environment = {**os.environ, "CRIME_HOME": str(home), **variables}
    done = subprocess.run([PROGRAM, *arguments], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_2016_is_the_same_lake(
    server: PostgresServer, shared_data: Path, tmp_path: Path, thrown: Callable[[str, object], None]
) -> None:
    source = str(shared_data / "chicago" / "Crimes_-_2016.csv.gz")
    command(tmp_path / "export", *RUN, CRIME_FEED="export", CRIME_EXPORT=source)
    wanted = typed_rows(Lake(tmp_path / "export"))
    assert len(wanted) > 260_000

    home = tmp_path / "legacy"
    with server.database() as name, closing(psycopg2.connect(**server.where(name))) as connection:
        create(connection, "postgresql")
        feed = ExportFeed(CHICAGO, source, cache=tmp_path / "cache", today=AFTER)
        assert fill(connection, "postgresql", CHICAGO, feed, AFTER).skipped == 0
        database = f"postgresql://{server.user}@localhost/{name}?host={server.socket}"

        def legacy(*arguments: str) -> str:
            return command(home, "legacy", *arguments, CRIME_LEGACY=database)

        legacy("load")
        assert "all of them, at position" in legacy("verify")
        legacy("export")
        command(home, *RUN, CRIME_FEED="legacy")
        assert typed_rows(Lake(home)) == wanted

        gone = {row[0] for row in wanted[:: len(wanted) // GONE + 1]}
        assert len(gone) == GONE
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM crimes WHERE id = ANY(%s)", [[*gone]])
        connection.commit()
        legacy("follow", "--until-caught-up")
        legacy("verify")
        legacy("export")
        assert f"Removed: {GONE} rows" in command(home, "reconcile", CRIME_FEED="legacy")
        assert typed_rows(Lake(home)) == [row for row in wanted if row[0] not in gone]
        legacy("finish")
    thrown("crimes of 2016 whose lake out of documents is that of the portal's export", len(wanted))
