"""Spark writes and answers what DuckDB does, row for row. Skipped where Spark cannot run."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from crime_assets.core.errors import CrimeAssetsError, DiskFull, LakeBusy, LakeError, UsageError
from crime_assets.core.insights import Insight, load_insights
from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.engines.spark import SparkEngine, collected
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.duck import connection
from crime_assets.lakehouse.iceberg.tables import StalePlan
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.reconciliation.removal import Gone
from crime_assets.lakehouse.records import typing as duck_typing
from crime_assets.lakehouse.records.typing import RAW_RECORDS
from crime_assets.lakehouse.spark import merge, typing
from crime_assets.lakehouse.spark.attached import AttachedLake
from crime_assets.lakehouse.spark.staging import fill, namespace, staged
from crime_assets.lakehouse.spark.writer import SparkWriter
from crime_assets.lakehouse.writers import EmbeddedWriter
from crime_assets.lakehouse.writing.delivered import groups
from crime_assets.sources.cities import City
from crime_assets.sources.feeds import DAMAGE, RAW
from crime_assets.sources.feeds.export import ExportFeed
from crime_assets.streams.deliveries import DamagedLine
from crime_assets.streams.directory import DirectoryStore
from crime_assets_tests.build import CHICAGO, envelope, record, some_crime, write_export
from crime_assets_tests.lakehouse.lakes import ListFeed, files, rows, snapshots, versions
from crime_assets_tests.lakehouse.records.test_typing import HOSTILE, NO_IDS, NO_NUMBERS, NO_TIMES, SODA
from crime_assets_tests.lakehouse.spark.pairs import One, Pair, difference, line

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyspark.sql import SparkSession

DAYS = [date(2024, 1, day) for day in (10, 11, 12, 13)]
FOUND_AT = datetime(2024, 1, 22, tzinfo=UTC)

TIMES = (
    *NO_TIMES,
    "2024-02-29T10:00:00.000",
    "2000-02-29 10:00:00",
    "02/29/2016 10:00",
    "2024-12-31T23:59:59.999999",
    "1900-01-01T00:00:00",
    "1/5/2024 1:02:03 PM",
    "1/5/2024  1:02:03  pm ",
    "01/05/2024 12:00:00 AM",
    "01/05/2024 00:00:00 AM",
    "2024-03-10T02:30:00.000",
    "2024-11-03T01:30:00.000",
    "2024-1-5T3:4:5",
    "2024-01-05T13:00:00.1",
    "2024-01-05T13:00:00.",
    "2024-01-05T13:00:00.1234567",
    "2024-01-05T13:00:00\n",
    "2024-01-05T13:00:60",
    "02024-01-05T13:00:00",
    "2100-12-31T23:59:59",
)
TEXTS = (*HOSTILE, "", " ", " x ", "\u00a0x\u3000", "\tx\n", "x\n", "\u2028", "ß", "ŉ", "ﬁ", "ǰ", "straße", "é1")
NUMBERS = (
    *NO_NUMBERS,
    *NO_IDS,
    "0",
    "-0",
    "0.0",
    "00",
    "1",
    "42.0",
    "42.",
    " 7 ",
    "7\n",
    "999999999",
    "1" * 18,
    "9" * 12,
    *("1,234", "1,198,544", "-87,716", "198544,", "41,8902", "41,8,9", "1,234.0"),
)
CODES = (
    "0820",
    "820",
    "820.0",
    "820.",
    "31a",
    " 0820 ",
    "12345",
    "16",
    "16.0",
    "1.00",
    "061",
    "04a",
    "6",
    "01A",
    "\n",
    "2,522",
    "1,011.0",
)
POINTS = ("36.619446395", "36.6194464", "36.62", "-91.686565684", "-91.6865657", "41.7", "4188.0", "-8762.8")
FLAGS = (True, False, "True", "FALSE", "t", "Y", "yes", "1", " true ", "F", "n", "NO", "0", "maybe", "2", "1.0")
VALUES: dict[str, tuple[object, ...]] = {
    "id": (*NUMBERS, "007"),
    "date": TIMES,
    "updated_on": TIMES,
    **dict.fromkeys(("block", "description", "case_number", "primary_type", "location_description"), TEXTS),
    "primary_type": (*TEXTS, "CRIM SEXUAL ASSAULT", "NON - CRIMINAL"),
    **dict.fromkeys(("arrest", "domestic"), FLAGS),
    **dict.fromkeys(("iucr", "beat", "district", "fbi_code"), (*CODES, *TEXTS)),
    **dict.fromkeys(("ward", "community_area", "year"), (*NUMBERS, "2024", "2024.0", "24")),
    **dict.fromkeys(("x_coordinate", "y_coordinate", "latitude", "longitude"), (*NUMBERS, *POINTS)),
}


def test_every_text_is_typed_as_by_duckdb(spark: SparkSession, tmp_path: Path) -> None:
    """Each awkward text in each column, in records by themselves, together, and with nothing in a field."""
    chance = random.Random(5)
    records = [{**record(n, "2024-01-20"), field: v} for field, vs in VALUES.items() for n, v in enumerate(vs)]
    records += [{field: chance.choice(vs) for field, vs in VALUES.items()} for _ in range(300)]
    records += [{k: v for k, v in SODA.items() if k != gone} for gone in CHICAGO.source_columns]
    lines = [*map(envelope, records), DamagedLine("not JSON", '{"id": \x01 DROP')]
    (group,) = groups(lines, CHICAGO, FOUND_AT)

    with connection(tmp_path) as con:
        duck_typing.prepare(con, CHICAGO)
        duck_typing.raw_from_deliveries(con, group.records)
        expected = con.sql(duck_typing.typed_query(CHICAGO)).to_arrow_table()
    attached = AttachedLake(Lake(tmp_path / "lake"), lambda: spark)
    with staged(attached.lake, CHICAGO, RAW_RECORDS) as table:
        fill(table, [group.records])
        found = _typed(attached, CHICAGO, table.name())
    attached.close()

    assert not (told := difference("typed", expected, found)), "\n".join(told)
    assert len(found) > 1_000
    assert not tables.names(attached.lake, namespace(CHICAGO))


def _typed(attached: AttachedLake, city: City, name: tuple[str, ...]) -> pa.Table:
    typing.prepare(attached.session, city)
    return collected(typing.typed(attached.session, city, attached.read(name)))


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


def test_measurements_and_what_was_known_are_the_same(pair: Pair) -> None:
    engines = [DuckDBEngine(pair.duckdb.lake, CHICAGO), _spark_engine(pair)]
    past = load_insights()[0]
    assert engines[1].insight(past, DAYS[0]) == engines[0].insight(past, DAYS[0])
    box = {"south": 41.0, "north": 42.0, "west": -88.0, "east": -87.0}
    for name, more in (
        ("one_row_per_id", {}), ("codes", {}), ("coordinates", box), ("freshness", {}), ("newest_rows", {}),
        ("arrest_shares", {}), ("daily_counts", {"newest_day": DAYS[0]}), ("quarantine", {}),
    ):  # fmt: skip
        expected, found = (engine.measure(name, DAYS[3], **more) for engine in engines)
        assert found == expected, name
    for engine in engines:
        engine.close()


def test_questions_of_a_person_are_answered_alike(pair: Pair) -> None:
    duckdb, engine = DuckDBEngine(pair.duckdb.lake, CHICAGO), _spark_engine(pair)
    counts = "SELECT count(*) AS n, max(change_day) AS d, max(occurred_at) AS t FROM crimes"
    for as_of in (None, "2024-01-11"):
        assert engine.query(counts, as_of) == duckdb.query(counts, as_of)
    first, *_, last = snapshots(pair.spark.lake)
    assert engine.query("SELECT count(*), count(colour) FROM crimes", str(first)).rows == [(31, 0)]
    assert engine.query("SELECT count(*) FROM crimes", str(last)).rows == [(33,)]
    joined = "WITH a AS (SELECT id FROM crimes_removed) SELECT a.id, b.id FROM a LEFT JOIN crimes b ON false ORDER BY 1"
    assert engine.query(joined) == duckdb.query(joined)
    moment = "SELECT ingested_at FROM crimes WHERE id = 6"
    assert engine.query(moment).rows == [(datetime(2024, 2, 2, 8, tzinfo=UTC),)]
    with pytest.raises(CrimeAssetsError, match="cannot tell what was known on 2023-12-01"):
        engine.query(counts, "2023-12-01")
    with pytest.raises(UsageError, match="The query cannot be answered"):
        engine.query("SELECT nonsense FROM crimes")
    # Spark has values that Python or Arrow do not have.
    odd = ("map(1, 2)", "struct(1 AS a, 'x' AS a)", "date_add(DATE '9999-12-31', 1)", "timestamp_seconds(253402300800)")
    for value in odd:
        with pytest.raises(UsageError, match=r"answer cannot be read \(.+\): CAST what is odd to STRING\.$"):
            engine.query(f"SELECT {value}")
    engine.close()


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO crimes SELECT * FROM crimes",
        "SELECT 1; SELECT 2",
        "DROP TABLE crimes",
        "SET spark.sql.ansi.enabled = false",
        "SELECT * FROM parquet.`/etc`",
        "SELECT * FROM lake.chicago.crimes",
        "SELECT * FROM chicago_staging.raw",
        "SELECT * FROM crimes.snapshots",
        "SELECT * FROM range(5)",
        "SELECT * FROM elsewhere",
        "SELECT (SELECT count(*) FROM csv.`/etc/passwd`)",
        "SELECT java_method('java.lang.System', 'getenv', 'PATH')",
        "SELECT reflect('java.lang.System', 'exit', 1)",
        "SELECT TRANSFORM(id) USING 'cat' FROM crimes",
        "WITH x AS (SELECT 1) INSERT INTO crimes SELECT * FROM x",
        "FROM crimes INSERT OVERWRITE DIRECTORY '/tmp/x' SELECT *",
        "not sql at all",
        "",
        "SELECT :x",
        "SELECT '\udcff'",
        "SELECT " + "(" * 3000 + "1" + ")" * 3000,
    ],
)
def test_what_is_no_question_about_the_city_is_refused(tmp_path: Path, sql: str) -> None:
    engine = SparkEngine(Lake(tmp_path), CHICAGO, _no_session)

    with pytest.raises(UsageError):
        engine.query(sql)


def _no_session() -> SparkSession:
    raise AssertionError("Spark is not started for this")


def _spark_engine(pair: Pair) -> SparkEngine:
    session = pair.spark.session
    assert session is not None
    return SparkEngine(pair.spark.lake, CHICAGO, lambda: session)


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


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        ("Py4JError", LakeError),
        ("ConnectionRefusedError", LakeError),
        ("full", DiskFull),
        ("UsageError", UsageError),
        ("RuntimeError", RuntimeError),
    ],
)
def test_only_errors_of_sparks_are_put_in_a_sentence(tmp_path: Path, raised: str, told: type[Exception]) -> None:
    protocol = pytest.importorskip("py4j.protocol")
    pytest.importorskip("pyspark")
    errors: dict[str, Exception] = {
        "Py4JError": protocol.Py4JError("An error occurred\n: java.lang.Error: no memory\n\tat org.apache"),
        "ConnectionRefusedError": ConnectionRefusedError("no memory"),
        "full": protocol.Py4JError("java.io.IOException: No space left on device"),
        "UsageError": UsageError("no memory"),
        "RuntimeError": RuntimeError("no memory"),
    }

    def start() -> SparkSession:
        raise errors[raised]

    writer = SparkWriter(Lake(tmp_path / "lake"), CHICAGO, DirectoryStore(tmp_path / "landing"), start)
    for work in (lambda: writer.merge({}, {}), lambda: writer.load_history(ListFeed(HISTORY), DAYS[0], "run")):
        with pytest.raises(told) as found:
            work()
        assert type(found.value) is told
        assert "\n" not in str(found.value)


def test_without_spark_that_is_what_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start() -> SparkSession:
        raise UsageError("Spark is not installed")

    for name in ("pyspark", "pyspark.errors", "py4j", "py4j.protocol"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UsageError, match="not installed"):
        SparkEngine(Lake(tmp_path), CHICAGO, start).query("SELECT 1")


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


def of_export(spark: SparkSession, directory: Path, pattern: Path, days: list[date]) -> Pair:
    """A pair with the history before the days, and the days."""
    pair = Pair(directory / "pair", spark)
    feed = ExportFeed(CHICAGO, str(pattern), cache=directory / "cache", today=date(2019, 1, 1))
    pair.load(feed, days[0])
    for day in days:
        pair.deliver(day, "one", (line(found, day) for found in feed.changes(day, day)))
    pair.merge(*days)
    return pair


def differing_insights(pair: Pair, day: date) -> Iterator[str]:
    engines = DuckDBEngine(pair.duckdb.lake, CHICAGO), _spark_engine(pair)
    for insight in load_insights():
        expected, found = (engine.insight(insight, day) for engine in engines)
        if told := difference(f"{insight.name} on {day}", expected, found):
            yield from told
        elif found.to_pylist() != expected.to_pylist():
            yield f"{insight.name} on {day}: another order"
    for engine in engines:
        engine.close()
