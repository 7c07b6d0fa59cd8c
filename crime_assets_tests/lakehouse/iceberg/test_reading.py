"""Which files are read, and that nothing is missed: files without a column, files whose manifests say little."""

from __future__ import annotations

from pathlib import Path

import pytest

from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.duck import connection
from crime_assets.lakehouse.iceberg.reading import may_hold, rows_of
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.place.warehouse import local_path
from crime_assets_tests.build import envelope, record
from crime_assets_tests.lakehouse.lakes import merge


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake with ids 10 and 12 in one month, 30 in another, -1 in none."""
    lake = Lake(tmp_path / "lake")
    merge(
        lake,
        envelope(record(10, "2024-01-20", "2023-10-05")),
        envelope(record(12, "2024-01-20", "2023-10-05")),
        envelope(record(30, "2024-01-20", "2023-11-05")),
    )
    return lake


@pytest.mark.parametrize(
    ("ids", "months"),
    [
        ([], []),
        ([9], []),
        ([10], ["2023-10"]),
        ([11], ["2023-10"]),
        ([12], ["2023-10"]),
        ([13, 29], []),
        ([13, 30], ["2023-11"]),
        ([31], []),
        ([1, 12, 99], ["2023-10"]),
        ([1, 10, 30, 99], ["2023-10", "2023-11"]),
    ],
)
def test_a_file_is_looked_into_where_its_range_of_ids_has_one(lake: Lake, ids: list[int], months: list[str]) -> None:
    table = tables.load(lake, "chicago", "crimes")
    assert table is not None
    files = {local_path(file.file_path): file for file in tables.data_files(table)}

    found = may_hold(table, files, ids)

    assert sorted(Path(path).parent.name for path in found) == [f"occurred_month={month}" for month in months]


def test_a_file_whose_manifest_says_nothing_is_looked_into_and_read_whole(lake: Lake) -> None:
    table = tables.load(lake, "chicago", "crimes")
    assert table is not None
    (file, _) = sorted(tables.data_files(table), key=lambda file: -file.record_count)
    silent = type(file).from_args(file_path=file.file_path, record_count=file.record_count)

    assert may_hold(table, {"path": silent}, [99]) == ["path"]
    with connection(lake.staging) as con:
        rows = con.execute(
            f"SELECT id, weapon, filename FROM ({rows_of(table, [silent], ['id', 'weapon'], filename=True)})"
        )
        path = local_path(file.file_path)
        assert sorted(rows.fetchall()) == [(10, None, path), (12, None, path)]


def test_a_file_with_one_bound_only_is_looked_into(lake: Lake) -> None:
    table = tables.load(lake, "chicago", "crimes")
    assert table is not None
    (file, _) = sorted(tables.data_files(table), key=lambda file: -file.record_count)
    half = type(file).from_args(file_path=file.file_path, record_count=2, lower_bounds=file.lower_bounds)

    assert may_hold(table, {"path": half}, [99]) == ["path"]


def test_a_file_whose_manifest_says_nothing_may_lack_a_column_of_the_table(lake: Lake) -> None:
    before = tables.load(lake, "chicago", "crimes")
    assert before is not None
    (file, _) = sorted(tables.data_files(before), key=lambda file: -file.record_count)
    silent = type(file).from_args(file_path=file.file_path, record_count=file.record_count)
    merge(lake, envelope(record(30, "2024-01-21", "2023-11-05", weapon="KNIFE"), "2024-01-21"))
    table = tables.load(lake, "chicago", "crimes")
    assert table is not None

    with connection(lake.staging) as con:
        rows = con.execute(f"SELECT id, weapon FROM ({rows_of(table, [silent])}) ORDER BY id").fetchall()
    assert rows == [(10, None), (12, None)]


def test_no_files_are_no_rows_with_the_types_of_the_table(lake: Lake) -> None:
    table = tables.load(lake, "chicago", "crimes")
    assert table is not None
    with connection(lake.staging) as con:
        some = con.sql(rows_of(table, tables.data_files(table), filename=True)).to_arrow_table()
        none = con.sql(rows_of(table, [], filename=True)).to_arrow_table()

    assert none.num_rows == 0
    assert some.num_rows == 3
    assert none.schema == some.schema
