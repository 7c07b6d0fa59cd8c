"""Spark writes and answers what DuckDB does, row for row. Skipped where Spark cannot run."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from crime_assets.core.errors import CrimeAssetsError, LakeBusy, LakeError, UsageError
from crime_assets.core.insights import Insight, all_insights
from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.engines.spark import SparkEngine
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.tables import StalePlan
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.reconciliation.removal import Gone
from crime_assets.lakehouse.spark import merge
from crime_assets.lakehouse.spark.attached import AttachedLake
from crime_assets.lakehouse.spark.staging import namespace
from crime_assets.lakehouse.spark.writer import SparkWriter
from crime_assets.lakehouse.writers import EmbeddedWriter
from crime_assets.sources.feeds import DAMAGE, RAW
from crime_assets_tests.build import CHICAGO, record, some_crime, write_export
from crime_assets_tests.engines.changing import MEASURES
from crime_assets_tests.lakehouse.lakes import ListFeed, files, rows, snapshots, versions
from crime_assets_tests.lakehouse.spark.pairs import One, Pair, line

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyspark.sql import SparkSession
from crime_assets_tests.lakehouse.spark.exported import differing_insights, of_export, spark_engine

DAYS = [date(2024, 1, day) for day in (10, 11, 12, 13)]


@pytest.fixture(scope="module")
def pair(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A history and three days, with all that can befall a record; the one in the middle comes last."""
    both = Pair(tmp_path_factory.mktemp("pair"), spark)
    both.load(ListFeed(HISTORY), date(2024, 1, 8))
    for day, lines in DELIVERED.items():
        both.deliver(day, "one", lines)
    both.merge(DAYS[0], DAYS[2])
    both.merge(DAYS[1])
    held = {row["id"]: row["updated_on"] for row in rows(both.duckdb.lake)}
    both.remove([Gone(id, held[id]) for id in (5, 6)], DAYS[3])
    # The crime 5 was pulled before it was removed, 6 comes again afterwards.
    both.deliver(DAYS[3], "one", [line(record(6, "2024-01-13"), DAYS[3], "2024-02-02T08:00:00")])
    both.merge(DAYS[0], DAYS[3])
    yield both
    both.close()


HISTORY = [
    *(record(n, "2024-01-05", occurred=f"2023-{10 + n % 3}-1{n % 10}", domestic=n % 2 == 0) for n in range(30)),
    record(3, "2024-01-06", arrest=True),
    record(3, "2024-01-06", arrest=True),
    record(4, "2024-01-04", ward=None, latitude=None),
    {**record(70, "2024-01-06"), "id": "x"},
    record(71, "never"),
    record(72, "2024-01-07", shape="round", block="é 🚓 'x'"),
    {DAMAGE: "too few fields", RAW: "a,b"},
]
DELIVERED = {
    DAYS[0]: [
        line(record(3, "2024-01-10", primary_type="BATTERY", fbi_code="08B"), DAYS[0]),
        line(record(5, "2024-01-10"), DAYS[0]),
        line(record(6, "2024-01-10"), DAYS[0]),
        # To another month, and twice in one day.
        line(record(7, "2024-01-10T08:00:00", occurred="2024-01-02"), DAYS[0]),
        line(record(7, "2024-01-10T09:00:00", occurred="2024-01-03"), DAYS[0]),
        line(record(40, "2024-01-10", colour="blue", **{"source_x": " deep "}), DAYS[0]),
        line(record(41, "2024-01-10", ward="W"), DAYS[0]),
        b'{"no": "envelope"}\n',
    ],
    DAYS[1]: [
        line(record(3, "2024-01-11"), DAYS[1]),
        line(record(3, "2024-01-11", arrest=True), DAYS[1], "2024-01-22T08:00:00"),
        line(record(8, "2024-01-11", district=None), DAYS[1]),
        line(record(42, "2024-01-11", colour=""), DAYS[1]),
        line(record(41, "2024-01-10", ward="W"), DAYS[1]),
        line({**record(43, "2024-01-11"), "ward": 7, "note": ["a", 1]}, DAYS[1]),
    ],
    DAYS[2]: [
        line(record(3, "2024-01-12", beat="111"), DAYS[2]),
        line(record(8, "2024-01-12", community_area="0"), DAYS[2]),
        line(record(9, "2024-01-02"), DAYS[2]),
        # All lines are plain, so this one comes without its text at first.
        line(record(44, "2024-01-12", ward="W"), DAYS[2]),
    ],
}


def test_all_that_can_befall_a_record_ends_alike(pair: Pair) -> None:
    assert not (told := pair.differing()), told
    lake = pair.spark.lake
    kept = [id for id, _ in versions(lake, "crimes_superseded")]
    assert (len(rows(lake)), kept.count(3), len(rows(lake, "crimes_removed"))) == (33, 3, 2)
    assert len(rows(lake, "crimes_quarantine")) == 6
    assert {row["colour"] for row in rows(lake)} == {None, "blue"}
    assert not tables.names(lake, namespace(CHICAGO))
    assert kept_by_spark(pair.spark)[0] == []
    table = tables.load(lake, "chicago", "crimes")
    assert table is not None
    assert table.properties["crime-assets.history-before"] == "2024-01-08"
    assert table.properties["crime-assets.history-undated"] == "2"


def test_what_was_merged_before_makes_no_snapshot(pair: Pair) -> None:
    before = {name: snapshots(pair.spark.lake, name) for name in tables.names(pair.spark.lake, "chicago")}

    result = pair.merge(*DAYS)

    assert result.snapshot_id is None
    assert {name: snapshots(pair.spark.lake, name) for name in before} == before
    assert pair.load(ListFeed(HISTORY), date(2024, 1, 8)).loaded is False


def test_measurements_and_what_was_known_are_the_same(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    engines = [DuckDBEngine(pair.duckdb.lake, CHICAGO), spark_engine(pair)]
    past = all_insights()[0]
    monkeypatch.setattr("crime_assets.engines.spark.KEPT_DAYS", 1)
    for day in (DAYS[0], DAYS[3], DAYS[0]):
        assert engines[1].insight(past, day) == engines[0].insight(past, day)
    box = {"south": 41.0, "north": 42.0, "west": -88.0, "east": -87.0}
    for name, more in (
        ("one_row_per_id", {}), ("codes", {}), ("coordinates", box), ("freshness", {}), ("newest_rows", {}),
        ("arrest_share_of_targets", {}), ("arrest_shares", {}), ("daily_counts", {"newest_day": DAYS[0]}),
        ("quarantine", {}), ("recorded", MEASURES["recorded"]),
    ):  # fmt: skip
        expected, found = (engine.measure(name, DAYS[3], **more) for engine in engines)
        assert found == expected, name
    for engine in engines:
        engine.close()


def test_questions_of_a_person_are_answered_alike(pair: Pair) -> None:
    duckdb, engine = DuckDBEngine(pair.duckdb.lake, CHICAGO), spark_engine(pair)
    counts = "SELECT count(*) AS n, max(change_day) AS d, max(occurred_at) AS t FROM crimes"
    for as_of in (None, "2024-01-11"):
        assert engine.query(counts, as_of).rows == duckdb.query(counts, as_of).rows
    first, *_, last = snapshots(pair.spark.lake)
    assert engine.query("SELECT count(*), count(colour) FROM crimes", str(first)).rows == [(31, 0)]
    assert engine.query("SELECT count(*) FROM crimes", str(last)).rows == [(33,)]
    joined = "WITH a AS (SELECT id FROM crimes_removed) SELECT a.id, b.id FROM a LEFT JOIN crimes b ON false ORDER BY 1"
    assert engine.query(joined).rows == duckdb.query(joined).rows
    moment = "SELECT ingested_at FROM crimes WHERE id = 6"
    assert engine.query(moment).rows == [(datetime(2024, 2, 2, 8, tzinfo=UTC),)]
    with pytest.raises(CrimeAssetsError, match="cannot tell what was known on 2023-12-01"):
        engine.query(counts, "2023-12-01")
    with pytest.raises(UsageError, match="The query cannot be answered"):
        engine.query("SELECT nonsense FROM crimes")
    # Spark has values that Python or Arrow do not have.
    odd = ("map(1, 2)", "struct(1 AS a, 'x' AS a)", "date_add(DATE '9999-12-31', 1)", "timestamp_seconds(253402300800)")
    for value in odd:
        with pytest.raises(UsageError, match=r"answer cannot be read \(.+\): CAST unusual columns to STRING\.$"):
            engine.query(f"SELECT {value}")
    engine.close()


def test_an_engine_sees_every_change_of_its_tables_and_keeps_the_order(spark: SparkSession, tmp_path: Path) -> None:
    one = One(tmp_path / "lake", None)
    engine = SparkEngine(one.lake, CHICAGO, lambda: spark)
    insight = Insight("known", 99, "All that is known.", (), "SELECT id, change_day FROM crimes ORDER BY id DESC")

    def known(day: date) -> list[tuple[int, date]]:
        return [(row["id"], row["change_day"]) for row in engine.insight(insight, day).to_pylist()]

    for day, ids in ((DAYS[0], (1, 2)), (DAYS[1], (2,))):
        one.deliver(day, "one", [line(record(id, str(day)), day) for id in ids])
        one.writer.merge(one.inventories(day), {})
        assert known(DAYS[0]) == [(2, DAYS[0]), (1, DAYS[0])]
    assert known(DAYS[3]) == [(2, DAYS[1]), (1, DAYS[0])]
    engine.close()


def test_a_data_file_that_is_gone_ends_in_one_sentence(spark: SparkSession, tmp_path: Path) -> None:
    one = One(tmp_path / "lake", spark)
    one.deliver(DAYS[0], "one", [line(record(1, "2024-01-10"), DAYS[0])])
    before = kept_by_spark(one)
    one.writer.merge(one.inventories(DAYS[0]), {})
    assert kept_by_spark(one) == before == ([], before[1])
    (path,) = files(one.lake)
    Path(path).unlink()
    one.deliver(DAYS[1], "one", [line(record(1, "2024-01-11"), DAYS[1])])

    for writer in (one.writer, EmbeddedWriter(one.lake, CHICAGO, one.landing)):
        with pytest.raises(LakeError, match=Path(path).name) as raised:
            writer.merge(one.inventories(DAYS[1]), {})
        assert str(raised.value).count("\n") == 0
        assert "stage" not in str(raised.value)
    assert kept_by_spark(one)[0] == []
    one.close()


def kept_by_spark(one: One) -> tuple[list[str], int]:
    """The views of a writer's session, and how many computed rows Spark holds."""
    assert isinstance(one.writer, SparkWriter)
    session = one.writer._spark.session
    views = [view.viewName for view in session.sql("SHOW VIEWS").collect()]
    return views, session.sparkContext._jsc.sc().getPersistentRDDs().size()


def test_a_merge_is_planned_again_where_another_writer_was_faster(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = One(tmp_path / "lake", spark)
    other = EmbeddedWriter(one.lake, CHICAGO, one.landing)
    one.deliver(DAYS[0], "one", [line(record(1, "2024-01-10"), DAYS[0])])
    one.deliver(DAYS[1], "one", [line(record(1, "2024-01-11"), DAYS[1])])
    meanwhile = [lambda: other.merge(one.inventories(DAYS[1]), {})]
    plain = AttachedLake.commit

    def commit(attached: AttachedLake, table: Table, *more: Any) -> int:
        if table.name()[1] == "crimes" and meanwhile:
            meanwhile.pop()()
        return plain(attached, table, *more)

    monkeypatch.setattr(AttachedLake, "commit", commit)
    monkeypatch.setattr(Lake, "writing", lambda _: nullcontext())

    result = one.writer.merge(one.inventories(DAYS[0]), {})

    # The other's version is newer: this one is only what was known on its day.
    assert (result.rows, result.snapshot_id, result.superseded) == (1, None, 1)
    assert [row["change_day"] for row in rows(one.lake)] == [DAYS[1]]
    assert [row["change_day"] for row in rows(one.lake, "crimes_superseded")] == [DAYS[0]]

    def always(attached: AttachedLake, table: Table, *more: Any) -> int:
        tables.settle_properties(table)
        raise StalePlan

    monkeypatch.setattr(AttachedLake, "commit", always)
    monkeypatch.setattr(merge, "PLANS", 2)
    one.deliver(DAYS[2], "one", [line(record(1, "2024-01-12"), DAYS[2])])
    with pytest.raises(LakeBusy, match="2 times"):
        one.writer.merge(one.inventories(DAYS[2]), {})
    one.close()


def test_a_city_and_all_its_insights_end_alike(spark: SparkSession, tmp_path: Path) -> None:
    """Crimes of two years, some of them edited on the second of two days; real ones: `make stress`."""
    first, second = "2018-11-18", "2018-11-19"
    crimes = [some_crime(random.Random(number), number, "2018-11-01" if number % 4 else first) for number in range(600)]
    edits = [some_crime(random.Random(-number), number, second) for number in range(0, 600, 9)]
    new = [some_crime(random.Random(number), number, second) for number in range(600, 640)]
    export = write_export(tmp_path / "crimes.csv", [*crimes, *edits, *new])

    pair = of_export(spark, tmp_path, export, [date.fromisoformat(first), date.fromisoformat(second)])

    assert not (told := pair.differing()), told
    assert len(rows(pair.spark.lake)) == 640
    assert not (told := "\n".join(differing_insights(pair, date.fromisoformat(second)))), told
    pair.close()
