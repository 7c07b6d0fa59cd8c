"""The sample department: its tables are as their mappings declare, and its work never stops at an error."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date
from typing import Any

import psycopg2
import pyarrow as pa
import pytest

from crime_assets.migration.documents import Shape
from crime_assets.migration.mappings import ALL
from crime_assets.migration.sample import Filled, create, fill
from crime_assets.migration.work import Work
from crime_assets.sources.cities.chicago import CITY
from crime_assets.sources.feeds import History
from crime_assets.sources.feeds.sample import SampleFeed
from crime_assets_tests.incidents.warehouse.servers import fresh, served

pytestmark = pytest.mark.slow
TODAY = date(2018, 11, 19)
FEED = SampleFeed(CITY, origin=date(2018, 11, 12), today=TODAY, rows=300)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served() as found:
        yield found


@pytest.fixture
def connection(address: str) -> Iterator[Any]:
    with closing(psycopg2.connect(fresh(address))) as found:
        create(found, "postgresql")
        yield found


def ask(connection: Any, query: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return [tuple(row) for row in cursor.fetchall()]


def test_the_tables_are_as_their_mappings_declare(connection: Any) -> None:
    found = ask(
        connection,
        "SELECT relname || '.' || attname, format_type(atttypid, atttypmod) FROM pg_attribute JOIN pg_class "
        "ON attrelid = pg_class.oid WHERE relkind = 'r' AND attnum > 0 AND relnamespace = 'public'::regnamespace",
    )
    assert Shape(dict(found)).differs(ALL) == []


def test_they_are_filled_from_the_feed(connection: Any) -> None:
    filled = fill(connection, "postgresql", CITY, FEED, TODAY, most=2_000)
    assert filled == Filled(2_000, 0)
    assert ask(connection, "SELECT count(*) FROM crimes") == [(2_000,)]
    (row,) = ask(
        connection,
        "SELECT count(\"date\"), count(arrest), count(location), count(DISTINCT district), min(length(iucr || '.')) "
        "FROM crimes",
    )
    assert row[0] == row[1] == 2_000
    assert row[2] > 1_900
    assert row[3] > 20
    roles = dict(
        ask(connection, "SELECT n, count(*) FROM (SELECT count(*) n FROM crime_roles GROUP BY crime_id) GROUP BY n")
    )
    assert roles.keys() == {1, 2, 3}
    assert ask(connection, "SELECT max(n) FROM (SELECT count(*) n FROM crime_notes GROUP BY crime_id)") == [(3_000,)]
    assert ask(connection, "SELECT code_set, code FROM offense_codes WHERE code LIKE '%\\%'") == [("OLD#SET", "100%")]


class Small:
    """A feed of some records, each as changes to a sound one."""

    def __init__(self, *records: dict[str, object]) -> None:
        sound = {"id": "7", "date": "11/19/2018 01:02:03 PM", "arrest": True, "latitude": "41.5"}
        self._rows = [sound | record for record in records]

    @contextmanager
    def history(self, before: date) -> Iterator[History]:
        yield History("small", ["one", "two"], lambda _: pa.Table.from_pylist(self._rows))


def test_what_the_tables_have_no_room_for_is_counted(connection: Any) -> None:
    unfit: list[dict[str, object]] = [
        {"id": "12345678901"},
        {"id": None},
        {"date": "soon"},
        {"latitude": "1e9"},
        {"block": "x" * 61},
    ]
    unfit = [{"id": str(n), "block": ""} | record for n, record in enumerate(unfit, 100)]
    feed: Any = Small({"block": "a\tb\\N\n"}, {"id": "8", "block": None}, *unfit)
    assert fill(connection, "postgresql", CITY, feed, TODAY) == Filled(2, 10)
    assert ask(connection, 'SELECT id, "date"::text, block, arrest, latitude::text, ward FROM crimes ORDER BY id') == [
        (7, "2018-11-19 13:02:03", "a\tb\\N\n", "Y", "41.500000000", None),
        (8, "2018-11-19 13:02:03", None, "Y", "41.500000000", None),
    ]


def test_work_makes_every_kind_of_change(connection: Any) -> None:
    fill(connection, "postgresql", CITY, FEED, TODAY, most=200)
    work = Work(connection, "postgresql", seed=7)
    kinds = Counter(work.change() for _ in range(400))
    assert len(kinds) == 13
    (row,) = ask(
        connection,
        "SELECT count(*) FILTER (WHERE id >= 5000000000), count(*) FILTER (WHERE id < 0), "
        "(SELECT count(*) FROM crime_roles WHERE crime_id NOT IN (SELECT id FROM crimes)) FROM crimes",
    )
    assert row[0] > 20
    assert row[1] == 0
    assert row[2] > 0, "some children have no root"
