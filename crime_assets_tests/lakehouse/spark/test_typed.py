"""Spark types each text as DuckDB does. Skipped where Spark cannot run."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from crime_assets.engines.spark import collected
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.duck import connection
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.records import typing as duck_typing
from crime_assets.lakehouse.records.typing import RAW_RECORDS
from crime_assets.lakehouse.spark import typing
from crime_assets.lakehouse.spark.attached import AttachedLake
from crime_assets.lakehouse.spark.staging import fill, namespace, staged
from crime_assets.lakehouse.writing.delivered import groups
from crime_assets.sources.cities import City
from crime_assets.streams.deliveries import DamagedLine
from crime_assets_tests.build import CHICAGO, envelope, record
from crime_assets_tests.lakehouse.records.texts import HOSTILE, NO_IDS, NO_NUMBERS, NO_TIMES, SODA
from crime_assets_tests.lakehouse.spark.pairs import difference

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


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
        duck_typing.raw_from_deliveries(con, group.records, CHICAGO)
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
