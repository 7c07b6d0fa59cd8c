"""For all deliveries: merging depends on neither their order, nor their grouping, nor how often they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from crime_assets.core import keys
from crime_assets.core.envelopes import Envelope, seal
from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.duck import connection
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.records import typing
from crime_assets.lakehouse.writing.delivered import Delivered, type_deliveries
from crime_assets.streams.deliveries import read_delivery
from crime_assets.streams.directory import DirectoryStore
from crime_assets.streams.inventory import PlainObject, contents_of, take_inventory
from crime_assets_tests.build import CHICAGO, envelope, record
from crime_assets_tests.lakehouse.lakes import merge, orphans, rows, snapshots
from crime_assets_tests.lakehouse.writing.versions import model

pytestmark = pytest.mark.slow

DAYS = [date(2024, 1, 10) + timedelta(days=n) for n in range(3)]
PULLED = [f"2024-01-{day}T08:00:00" for day in (20, 21, 22)]
MERGED, READ = 8, 25
"""Examples of each property."""
STRESS_MERGED, STRESS_READ = 2_000, 5_000


def examples(number: int) -> settings:
    """So many examples, the same in every run, however long they take."""
    return settings(
        max_examples=number,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )


# --- merging -------------------------------------------------------------------------------------------------------


@st.composite
def published(draw: st.DrawFn) -> list[Envelope]:
    """Versions of a few crimes over a few days, each as often as it was pulled: edits, ties, moves, bare re-stamps."""
    stamp = st.builds("{}T{}.000".format, st.sampled_from(DAYS), st.sampled_from(["00:00:00", "12:00:00"]))
    month = st.sampled_from(["2023-12-05", "2024-01-05", "2024-02-05"])
    version = st.tuples(st.integers(1, 2), stamp, month, st.sampled_from(["seen", "edited"]))
    lines = []
    drawn = draw(st.lists(version, min_size=1, max_size=12, unique=True))
    stamps = [(id, updated) for id, updated, _, _ in drawn]
    for id, updated, occurred, description in drawn:
        source = record(id, updated, occurred, description=description)
        # Which pull of a version counts shows only against another of the same stamp: no rule tells (test_merge).
        pulls = 1 if stamps.count((id, updated)) > 1 else 2
        for pulled in draw(st.lists(st.sampled_from(PULLED), min_size=1, max_size=pulls, unique=True)):
            lines.append(envelope(source, updated[:10], pulled))
    return lines


@st.composite
def deliveries(draw: st.DrawFn) -> list[list[Envelope]]:
    """All that was published, some of it more than once, in any order and grouping."""
    lines = draw(published())
    order = draw(st.permutations([*lines, *draw(st.lists(st.sampled_from(lines), max_size=4))]))
    portions = draw(st.lists(st.integers(1, 3), min_size=len(order), max_size=len(order)))
    found = [[line for line, at in zip(order, portions, strict=True) if at == portion] for portion in (1, 2, 3)]
    return [lines for lines in found if lines]


def merging_knows_no_order(portions: list[list[Envelope]], day: date) -> None:
    """Whatever came how: the winners, one row each; what any past day knew; and nothing more from merging again."""
    lines = [line for portion in portions for line in portion]
    with TemporaryDirectory() as home:
        lake = Lake(Path(home))
        for portion in portions:
            merge(lake, *portion)
        found, before = rows(lake), all_snapshots(lake)
        assert [(row["id"], row["record_md5"]) for row in found] == sorted(model(lines).items())
        assert known_on(lake, day) == sorted(model([line for line in lines if line.change_day <= day]).items())
        assert orphans(lake) == []
        merge(lake, *portions[0])
        assert (rows(lake), all_snapshots(lake)) == (found, before)
    event(f"deliveries: {len(portions)}")
    event(f"versions that lost: {min(3, len({line.md5 for line in lines}) - len(found))} or more")


def known_on(lake: Lake, day: date) -> list[tuple[int, str]]:
    """What `crimes` was known to be on a change day."""
    engine = DuckDBEngine(lake, CHICAGO)
    return engine.query("SELECT id, record_md5 FROM crimes ORDER BY id", str(day)).rows


def all_snapshots(lake: Lake) -> dict[str, list[int]]:
    return {name: snapshots(lake, name) for name in tables.names(lake, "chicago")}


# --- reading -------------------------------------------------------------------------------------------------------

ODD_TEXTS = st.one_of(
    st.sampled_from(
        ["", " ", "\t", " padded ", "0", "16", "42.0", "031a", "true", "FALSE", "1e3", "-1", "NaN", "null"]
    ),
    st.sampled_from(
        ["2024-01-10", "01/10/2024 08:00:00 PM", "2024-02-30T00:00:00.000", "epoch", "9999-12-31T00:00:00"]
    ),
    st.sampled_from(["é", "\u2028", "\x00", "\x7f", "\ud800", "😀", '"', "\\", "\\u0000", "a\nb", "\r\n", "'", ";"]),
    st.text(max_size=6),
)
ODD_VALUES = st.one_of(
    ODD_TEXTS,
    st.booleans(),
    st.none(),
    st.sampled_from([0, -1, 2**63, 2**70, 1.0, 1e300, 0.1, -0.0]),
    st.lists(st.one_of(ODD_TEXTS, st.integers()), max_size=2),
    st.dictionaries(st.sampled_from(["a", "latitude", "_md5"]), st.one_of(ODD_TEXTS, st.integers()), max_size=2),
)
FIELDS = sorted(set(record(1, "2024-01-10")) | {"location", "weapon", ":@computed_region_x"})


@st.composite
def contents(draw: st.DrawFn) -> list[bytes]:
    """Objects of sealed records, most of them sound, some fields of some of them odd; lines and objects may be bare."""
    # One value that is neither text nor flag makes lines of all objects of the day.
    values = draw(st.sampled_from([ODD_TEXTS, ODD_TEXTS, ODD_VALUES]))
    objects, id = [], 0
    for _ in range(draw(st.integers(1, 4))):
        lines = []
        for _ in range(draw(st.integers(0, 4))):
            id += 1
            odd = draw(st.dictionaries(st.sampled_from(FIELDS), values, max_size=draw(st.sampled_from([0, 1, 3]))))
            source = {**record(id, "2024-01-10"), **odd}
            pulled = datetime.fromisoformat(draw(st.sampled_from(PULLED))).replace(tzinfo=UTC)
            lines.append(seal(source, "chicago", DAYS[0], f"batch {draw(st.integers(1, 2))}", pulled))
        end = draw(st.sampled_from([b"", b"", b"\n", b"no record\n", b"{}"]))
        objects.append(b"".join(lines) + end)
    return objects


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """One connection for all examples: opening it takes longer than to type one."""
    with connection(tmp_path_factory.mktemp("spill")) as con:
        typing.prepare(con, CHICAGO)
        yield con


def columns_and_lines_read_alike(con: duckdb.DuckDBPyConnection, objects: list[bytes]) -> None:
    """An object is typed to the same rows, whether it is read by columns, where that may be done, or by lines."""
    with TemporaryDirectory() as directory:
        store = DirectoryStore(Path(directory))
        names = [f"{keys.deliveries_prefix('chicago', DAYS[0])}{number}" for number in range(len(objects))]
        for name, content in zip(names, objects, strict=True):
            store.write(name, content)
        inventory = take_inventory(store, "chicago", DAYS[0])
        found = list(contents_of(store, "chicago", {DAYS[0]: inventory}))
        lines = [line for name in names for line in read_delivery(store, name, "chicago")]
    assert typed(con, found) == typed(con, lines)
    assert inventory.records + sum(item.damaged_lines for item in inventory.items) == len(lines)
    event(f"objects read by columns: {sum(isinstance(one, PlainObject) for one in found)}")


def typed(con: duckdb.DuckDBPyConnection, delivered: list[Delivered]) -> list[dict[str, Any]]:
    """All rows, with reasons and raw texts, in some order."""
    type_deliveries(con, delivered, CHICAGO, datetime(2024, 1, 22, tzinfo=UTC))
    return sorted(con.sql("FROM typed").to_arrow_table().to_pylist(), key=repr)


# --- few by default, many under stress -----------------------------------------------------------------------------

test_merging_knows_no_order = examples(MERGED)(given(deliveries(), st.sampled_from(DAYS))(merging_knows_no_order))
test_columns_and_lines_read_alike = examples(READ)(given(objects=contents())(columns_and_lines_read_alike))


@pytest.mark.stress
def test_merging_knows_no_order_in_thousands(thrown: Callable[[str, object], None]) -> None:
    examples(STRESS_MERGED)(given(deliveries(), st.sampled_from(DAYS))(merging_knows_no_order))()
    thrown("deliveries in any order, grouping and number, merged and merged again", STRESS_MERGED)


@pytest.mark.stress
def test_columns_and_lines_read_alike_in_thousands(
    con: duckdb.DuckDBPyConnection, thrown: Callable[[str, object], None]
) -> None:
    @examples(STRESS_READ)
    @given(objects=contents())
    def read_alike(objects: list[bytes]) -> None:
        columns_and_lines_read_alike(con, objects)

    read_alike()
    thrown("objects of hostile lines, read by columns and by lines", STRESS_READ)
