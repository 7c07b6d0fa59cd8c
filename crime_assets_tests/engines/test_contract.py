"""One contract for every engine: what was known on a day, all statements of ours, people's queries, --as-of.

Athena is a stand-in that runs what it is sent on DuckDB; `make test-trino` runs it on Trino.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest
from pyiceberg.table import snapshots as iceberg_snapshots

from crime_assets.cloud.aws.clients import Clients
from crime_assets.core.envelopes import Envelope
from crime_assets.core.errors import CrimeAssetsError, UsageError
from crime_assets.core.insights import Insight, all_insights
from crime_assets.core.sql import SQL_DIRECTORY
from crime_assets.engines import Engine
from crime_assets.engines.athena import AthenaEngine
from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.schema import CRIMES, QUARANTINE, published
from crime_assets.lakehouse.writing.history import load_history
from crime_assets_tests.build import CHICAGO, record
from crime_assets_tests.cloud.aws.athena_server import AthenaServer, on_duckdb
from crime_assets_tests.engines.changing import DAYS, FORECASTS, MEASURES, edited_lake, fill, sorted_rows
from crime_assets_tests.lakehouse.lakes import ListFeed, merge, snapshots
from crime_assets_tests.lakehouse.writing.versions import deliveries, model, random_versions, version

OpenEngine = Callable[[Lake], Engine]

KNOWN = Insight("known", 99, "All that is known.", (), "SELECT id, record_md5 FROM crimes ORDER BY id, record_md5")


@pytest.fixture(scope="module")
def clients() -> Clients:
    """Made once: boto3 takes a while to read what a service can do."""
    return Clients()


def opens(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> OpenEngine:
    if name == "duckdb":
        return lambda lake: DuckDBEngine(lake, CHICAGO)
    athena: AthenaServer = request.getfixturevalue("athena")
    clients: Clients = request.getfixturevalue("clients")

    def open_athena(lake: Lake) -> Engine:
        athena.runs = on_duckdb(lake, tmp_path / "spill")
        return AthenaEngine(lake, CHICAGO, clients, "crimes", sleep=lambda seconds: None)

    return open_athena


@pytest.fixture(params=["duckdb", pytest.param("athena", marks=pytest.mark.slow)])
def open_engine(request: pytest.FixtureRequest, tmp_path: Path) -> OpenEngine:
    """Opens the engine on a lake."""
    return opens(request.param, request, tmp_path)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture
def engine(open_engine: OpenEngine, lake: Lake) -> Engine:
    return open_engine(lake)


def known(engine: Engine, day: date) -> list[tuple[int, str]]:
    return [(row["id"], row["record_md5"]) for row in engine.insight(KNOWN, day).to_pylist()]


def known_by(lines: list[Envelope], day: date) -> list[tuple[int, str]]:
    """What the contract says was known at the end of a change day."""
    return sorted(model([line for line in lines if line.change_day <= day]).items())


def the_versions(seed: int, ids: int) -> list[Envelope]:
    """Random versions of records, each once: its change day is then the one it is delivered for."""
    lines = {line.md5: line for line in random_versions(random.Random(seed), ids)}
    return list(lines.values())


@pytest.mark.slow
def test_every_day_is_told_as_it_was_whatever_the_order_of_merging(lake: Lake, engine: Engine) -> None:
    lines = the_versions(1, 120)
    for part in deliveries(random.Random(1), lines, 5):
        merge(lake, *part)

    for day in (date(2024, 1, 9) + timedelta(days=n) for n in range(9)):
        assert known(engine, day) == known_by(lines, day)


@pytest.mark.slow
def test_every_day_is_told_as_it_was_on_top_of_a_history(lake: Lake, engine: Engine) -> None:
    one_pull = {(line.record["id"], line.record["updated_on"]): line for line in the_versions(3, 150)}
    lines, middle = list(one_pull.values()), date(2024, 1, 13)
    old = [line for line in lines if line.change_day < middle]
    load_history(lake, CHICAGO, ListFeed([line.record for line in old]), middle, "run")
    merge(lake, *(line for line in lines if line.change_day >= middle))

    # Of the history only the newest version of a record is kept: days before it are not told.
    for day in (middle - timedelta(days=1) + timedelta(days=n) for n in range(5)):
        assert known(engine, day) == known_by(lines, day)


def test_days_are_told_as_they_were_while_a_merge_is_broken_off(
    lake: Lake, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = the_versions(4, 100)
    half = [line for line in lines if line.change_day <= date(2024, 1, 13)]
    merge(lake, *half)
    commit = tables.commit

    def crash(table: tables.Table, change: tables.Change) -> int:
        if table.name()[-1] == "crimes":
            raise RuntimeError("gone")
        return commit(table, change)

    with monkeypatch.context() as patch:
        patch.setattr(tables, "commit", crash)
        with pytest.raises(RuntimeError, match="gone"):
            merge(lake, *lines)

    # A version is in both tables now; nobody sees it twice.
    for day in (date(2024, 1, 10) + timedelta(days=n) for n in range(8)):
        assert known(engine, day) == known_by(half, day)


def test_a_session_sees_every_change_of_its_tables(lake: Lake, engine: Engine) -> None:
    first, second = version(1, "2024-01-20"), version(1, "2024-01-22")
    assert known(engine, date(2024, 1, 31)) == []
    merge(lake, first)
    assert known(engine, date(2024, 1, 31)) == [(1, first.md5)]
    merge(lake, second)
    assert known(engine, date(2024, 1, 31)) == [(1, second.md5)]
    # Only the table of superseded versions changes.
    third = version(1, "2024-01-21")
    merge(lake, third)
    assert known(engine, date(2024, 1, 21)) == [(1, third.md5)]
    assert known(engine, date(2024, 1, 20)) == [(1, first.md5)]


def test_an_engine_that_was_closed_opens_again(lake: Lake, engine: Engine) -> None:
    line = version(1, "2024-01-20")
    merge(lake, line)
    assert known(engine, date(2024, 1, 31)) == [(1, line.md5)]
    engine.close()
    engine.close()
    assert known(engine, date(2024, 1, 31)) == [(1, line.md5)]


def test_an_insight_comes_in_its_order_with_its_types(lake: Lake, engine: Engine) -> None:
    merge(lake, *(version(n, "2024-01-20", "2024-01-05") for n in range(3)))

    found = engine.insight(all_insights()[0], date(2024, 1, 20))

    assert found.column("period").to_pylist() == ["28d", "365d", "all"]
    assert found.column("crimes").to_pylist() == [3, 3, 3]
    assert found.schema.field("as_of_day").type == pa.date32()
    assert found.column("as_of_day").to_pylist() == [date(2024, 1, 20)] * 3


# --- all that happens to a city ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def changing_lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(tmp_path_factory.mktemp("changing") / "lake")
    fill(lake)
    return lake


@pytest.fixture(scope="module")
def embedded(changing_lake: Lake) -> DuckDBEngine:
    return DuckDBEngine(changing_lake, CHICAGO)


@pytest.fixture(params=[pytest.param("athena", marks=pytest.mark.slow)])
def changing(request: pytest.FixtureRequest, changing_lake: Lake, tmp_path: Path) -> Engine:
    """Every engine that is held against the embedded one."""
    return opens(request.param, request, tmp_path)(changing_lake)


@pytest.mark.parametrize("insight", [*all_insights(), *FORECASTS], ids=lambda insight: insight.name)
def test_an_insight_has_the_rows_and_types_of_the_embedded_engine(
    changing: Engine, embedded: DuckDBEngine, insight: Insight
) -> None:
    for day in DAYS[1::3]:
        found, expected = changing.insight(insight, day), embedded.insight(insight, day)
        assert found.schema == expected.schema
        assert sorted_rows(insight, found) == sorted_rows(insight, expected)


@pytest.mark.parametrize("measurement", MEASURES)
def test_a_measurement_has_the_rows_of_the_embedded_engine(
    changing: Engine, embedded: DuckDBEngine, measurement: str
) -> None:
    for day in DAYS[::3]:
        parameters = MEASURES[measurement]
        assert changing.measure(measurement, day, **parameters) == embedded.measure(measurement, day, **parameters)


def test_every_statement_of_checks_is_measured_here() -> None:
    assert {path.stem for path in (SQL_DIRECTORY / "checks").glob("*.sql")} == set(MEASURES)


@pytest.mark.parametrize("name", ["crimes", "crimes_superseded", "crimes_removed", "crimes_quarantine"])
def test_tables_and_their_states_are_the_same(
    changing: Engine, embedded: DuckDBEngine, changing_lake: Lake, name: str
) -> None:
    before_the_new_column, *_, now = snapshots(changing_lake)
    for as_of in (None, str(DAYS[2]), str(DAYS[4]), str(before_the_new_column), str(now)):
        asked = f"SELECT * FROM {name} ORDER BY id, record_md5"
        found, expected = changing.query(asked, as_of), embedded.query(asked, as_of)
        assert found.columns == expected.columns
        assert found.rows == expected.rows
        assert len(found.rows) > 0


# --- people's queries --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def filled_lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return edited_lake(tmp_path_factory.mktemp("filled") / "lake")


@pytest.fixture
def filled(open_engine: OpenEngine, filled_lake: Lake) -> Engine:
    return open_engine(filled_lake)


def test_every_table_can_be_asked(filled: Engine) -> None:
    answer = filled.query("SELECT id, updated_on, ingested_at FROM crimes ORDER BY id")

    assert answer.columns == ["id", "updated_on", "ingested_at"]
    assert [row[:2] for row in answer.rows] == [
        (1, datetime(2024, 1, 22, 15, 40)),
        (2, datetime(2024, 1, 20, 15, 40)),
        (3, datetime(2024, 1, 22, 15, 40)),
    ]
    assert answer.rows[0][2] == datetime(2024, 1, 23, 8, tzinfo=UTC)
    assert filled.query("SELECT id, updated_on FROM crimes_superseded").rows == [(1, datetime(2024, 1, 20, 15, 40))]
    assert filled.query("SELECT id, reason FROM crimes_quarantine").rows == [("9", "ward is no whole number")]
    assert filled.query("SELECT period, crimes FROM insight_crime_summary ORDER BY period").rows == [
        ("28d", 1),
        ("365d", 1),
        ("all", 1),
    ]
    assert filled.query("SELECT DISTINCT primary_type FROM insight_top_crime_types").rows == [("THEFT",)]


def test_an_empty_lake_has_empty_tables(engine: Engine) -> None:
    of_crimes = published(CRIMES, CHICAGO)
    for name, columns in (("crimes", of_crimes), ("crimes_superseded", of_crimes), ("crimes_quarantine", QUARANTINE)):
        answer = engine.query(f"SELECT * FROM {name}")
        assert answer.columns == [column.name for column in columns]
        assert answer.rows == []
    with pytest.raises(UsageError, match=r"insight_crime_summary.* does not exist"):
        engine.query("SELECT * FROM insight_crime_summary")
    with pytest.raises(CrimeAssetsError, match="There are no crimes in the lake yet: run `crime-assets run` first"):
        engine.query("SELECT 1", as_of="2024-01-01")


# --- as of -------------------------------------------------------------------------------------------------------


def count(engine: Engine, as_of: str) -> object:
    return engine.query("SELECT count(*) FROM crimes", as_of).rows[0][0]


@pytest.fixture(scope="module")
def aged_lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Snapshots of crimes made in the last millisecond of 2024-03-01 and at noon of the two days after it."""
    lake = Lake(tmp_path_factory.mktemp("aged"))
    for moment, lines in (
        (datetime(2024, 3, 1, 23, 59, 59, 999000, tzinfo=UTC), [version(1, "2024-01-20")]),
        (datetime(2024, 3, 2, 12, tzinfo=UTC), [version(2, "2024-01-20", "2024-02-05")]),
        (datetime(2024, 3, 3, 12, tzinfo=UTC), [version(1, "2024-01-22"), version(3, "2024-01-20", ward="W")]),
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(iceberg_snapshots, "time", SimpleNamespace(time=moment.timestamp))
            merge(lake, *lines)
    return lake


@pytest.fixture
def aged(open_engine: OpenEngine, aged_lake: Lake) -> Engine:
    return open_engine(aged_lake)


@pytest.mark.parametrize(
    ("as_of", "rows"),
    [
        ("2024-03-02T11:59:59", 1),
        ("2024-03-02 11:59:59.999", 1),
        ("2024-03-02T12:00:00", 2),
        ("2024-03-02T12:00:00Z", 2),
        ("2024-03-02T13:59:59+02:00", 1),
        ("2024-03-02T14:00:00+02:00", 2),
        ("2024-03-01T23:59:59.999", 1),
        ("9999-12-31T00:00:00", 2),
    ],
)
def test_as_of_a_time(aged: Engine, as_of: str, rows: int) -> None:
    assert count(aged, as_of) == rows


def test_as_of_a_snapshot(aged: Engine, aged_lake: Lake) -> None:
    assert [count(aged, str(snapshot)) for snapshot in snapshots(aged_lake)] == [1, 2, 2]


def test_as_of_applies_to_crimes_alone(aged: Engine) -> None:
    asked = (
        "SELECT (SELECT max(updated_on) FROM crimes WHERE id = 1), (SELECT count(*) FROM crimes_superseded), "
        "(SELECT count(*) FROM crimes_quarantine)"
    )

    for as_of, updated in (("2024-03-02T00:00:00", 20), ("2024-03-04T00:00:00", 22), ("2024-01-21", 20)):
        assert aged.query(asked, as_of).rows == [(datetime(2024, 1, updated, 15, 40), 1, 1)]


@pytest.mark.parametrize(
    ("as_of", "known"),
    [
        ("2024-01-19", []),
        ("2024-01-20", [(1, 20), (2, 20)]),
        ("20240121", [(1, 20), (2, 20)]),
        ("2024-01-22", [(1, 22), (2, 20)]),
        ("9999-12-31", [(1, 22), (2, 20)]),
    ],
)
def test_as_of_a_change_day_is_what_had_been_published_by_then(
    aged: Engine, as_of: str, known: list[tuple[int, int]]
) -> None:
    found = aged.query("SELECT id, day(updated_on) FROM crimes ORDER BY id", as_of)

    assert found.rows == known


def test_days_before_the_history_cannot_be_told(lake: Lake, engine: Engine) -> None:
    load_history(lake, CHICAGO, ListFeed([record(1, "2024-01-10"), record(2, "2018-02-10")]), date(2024, 2, 1), "run")

    assert engine.query("SELECT count(*) FROM crimes", "2024-01-31").rows == [(2,)]
    with pytest.raises(CrimeAssetsError, match="its history goes up to 2024-01-31, so ask for that day or a later one"):
        engine.query("SELECT count(*) FROM crimes", "2024-01-30")


@pytest.mark.parametrize("as_of", ["2024-03-01T23:59:59.998", "0001-01-01T00:00:00", "1969-12-31 10:00"])
def test_as_of_before_there_was_anything(aged: Engine, as_of: str) -> None:
    with pytest.raises(
        CrimeAssetsError, match=f"no snapshot of crimes as old as {as_of}: ask for a later time"
    ) as raised:
        count(aged, as_of)
    assert raised.value.exit_code == 1


@pytest.mark.parametrize(
    "as_of",
    [
        "",
        " ",
        "12",
        "yesterday",
        "2024-02-30",
        "2024-13-01",
        "03/01/2024",
        "9" * 30,
        "-1",
        "²",
        "\u0663",
        "1e3",
        "\0",
        "';",
    ],
)
def test_as_of_something_else(aged: Engine, as_of: str) -> None:
    with pytest.raises(UsageError, match=r"neither a snapshot id of crimes nor a time: write it like 2026-01-31T02:00"):
        count(aged, as_of)
