"""Columns come and go at the source: new ones are kept as texts, none of it breaks a day or rewrites what is there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlglot
from pyiceberg.table import Table
from pyiceberg.table.name_mapping import NameMapping
from pyiceberg.types import DecimalType, IcebergType, ListType, StringType
from sqlglot import exp

from crime_assets.core.envelopes import Envelope, seal
from crime_assets.core.errors import LakeError
from crime_assets.core.sql import DIALECT, SQL_DIRECTORY
from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.evolution import MOST_NEW, RESERVED, column_names, new_columns
from crime_assets.lakehouse.iceberg.tables import Change
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.reconciliation.removal import Gone, Removal, remove
from crime_assets.lakehouse.upkeep import compaction
from crime_assets.lakehouse.writing.history import load_history
from crime_assets.lakehouse.writing.merge import merge_deliveries
from crime_assets.streams.inventory import PlainObject
from crime_assets_tests.build import CHICAGO, envelope, kinds_of, record
from crime_assets_tests.lakehouse.lakes import ListFeed, files, merge, paths, quarantined, snapshots

pytestmark = pytest.mark.slow

BEFORE = date(2024, 1, 20)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake with a crime in each of three months, of a time before the source had new columns."""
    lake = Lake(tmp_path / "lake")
    old = [record(n, f"2024-01-1{n}", f"2023-1{n - 1}-05") for n in (1, 2, 3)]
    load_history(lake, CHICAGO, ListFeed(old), BEFORE, "run")
    return lake


def change(number: int, day: str, occurred: str = "2023-10-05", **fields: object) -> Envelope:
    return envelope(record(number, day, occurred, **fields), day, f"{day}T23:00:00")


def scanned(lake: Lake, *columns: str, name: str = "crimes") -> list[dict[str, Any]]:
    """Rows as any reader of Iceberg sees them, in order of id."""
    table = tables.load(lake, "chicago", name)
    assert table is not None
    rows = table.scan(selected_fields=("id", *columns)).to_arrow().to_pylist()
    return sorted(rows, key=lambda row: row["id"])


def asked(lake: Lake, sql: str, as_of: str | None = None) -> list[tuple[Any, ...]]:
    return DuckDBEngine(lake, CHICAGO).query(sql, as_of).rows


def test_a_table_can_be_read_by_others_from_its_first_moment_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Table, "transaction", None)

    table = tables.curated(Lake(tmp_path / "new"), CHICAGO, "crimes")

    mapping = NameMapping.model_validate_json(table.properties["schema.name-mapping.default"])
    assert mapping == table.schema().name_mapping
    assert [field.field_id for field in mapping.root] == list(range(1, len(table.schema().fields) + 1))


def test_a_lost_name_mapping_is_made_again(lake: Lake) -> None:
    with crimes(lake).transaction() as transaction:
        transaction.remove_properties("schema.name-mapping.default")
    with pytest.raises(ValueError, match="name-mapping"):
        scanned(lake)

    compaction.compact(lake, CHICAGO)

    assert [row["id"] for row in scanned(lake)] == [1, 2, 3]


def test_a_new_column_is_an_optional_text_and_no_other_month_is_rewritten(lake: Lake) -> None:
    before = paths(lake)

    merge(lake, change(1, "2024-01-21", precinct="7"), change(9, "2024-01-21", "2024-01-02", precinct=" 8 "))

    table = tables.load(lake, "chicago", "crimes")
    assert table is not None
    field = table.schema().find_field("precinct")
    assert (str(field.field_type), field.required) == ("string", False)
    assert {month for month, path in paths(lake).items() if before.get(month) != path} == {"2023-10", "2024-01"}
    expected = [(1, "7"), (2, None), (3, None), (9, "8")]
    assert [(row["id"], row["precinct"]) for row in scanned(lake, "precinct")] == expected
    assert asked(lake, "SELECT id, precinct FROM crimes ORDER BY id") == expected


def test_a_column_that_has_come_stays_when_it_vanishes_and_is_filled_when_it_is_back(lake: Lake) -> None:
    merge(lake, change(1, "2024-01-21", precinct="7"))
    merge(lake, change(2, "2024-01-22", "2023-11-05"), change(3, "2024-01-22", "2023-12-05", weapon="KNIFE"))
    merge(lake, change(2, "2024-01-23", "2023-11-05", precinct="9"))

    rows = asked(lake, "SELECT id, precinct, weapon FROM crimes ORDER BY id")
    assert rows == [(1, "7", None), (2, "9", None), (3, None, "KNIFE")]
    assert scanned(lake, "precinct", "weapon") == [
        {"id": id, "precinct": precinct, "weapon": weapon} for id, precinct, weapon in rows
    ]


def test_what_was_known_on_a_day_had_the_columns_of_that_day(lake: Lake) -> None:
    merge(lake, change(1, "2024-01-21", precinct="7"))
    merge(lake, change(1, "2024-01-22", precinct="8", weapon="KNIFE"))
    merge(lake, change(1, "2024-01-23"))

    known = [asked(lake, "SELECT precinct, weapon FROM crimes WHERE id = 1", f"2024-01-{day}") for day in range(20, 24)]

    assert known == [[(None, None)], [("7", None)], [("8", "KNIFE")], [(None, None)]]
    first = snapshots(lake)[0]
    assert asked(lake, "SELECT id, precinct FROM crimes ORDER BY id", str(first)) == [(1, None), (2, None), (3, None)]


def test_merging_it_again_changes_nothing(lake: Lake) -> None:
    lines = [change(1, "2024-01-21", precinct="7"), change(2, "2024-01-21", "2023-11-05")]
    merge(lake, *lines)
    before = snapshots(lake), files(lake)

    result = merge(lake, *lines)

    assert (result.inserted, result.replaced, result.snapshot_id) == (0, 0, None)
    assert (snapshots(lake), files(lake)) == before


@pytest.mark.parametrize(
    ("published", "kept"),
    [
        ("  a  ", "a"),
        ("   ", None),
        (True, "true"),
        (7, "7"),
        (1.5, "1.5"),
        ({"b": "x", "a": [1]}, '{"a":[1],"b":"x"}'),
        ('a "quoted" \\ text\nß \x01', 'a "quoted" \\ text\nß \x01'),
    ],
)
def test_whatever_it_holds_becomes_a_text(lake: Lake, published: object, kept: str | None) -> None:
    merge(lake, change(1, "2024-01-21", precinct=published, other="x"))

    assert asked(lake, "SELECT precinct FROM crimes WHERE id = 1") == [(kept,)]


def test_names_that_are_taken_or_are_words_of_sql_do_no_harm(lake: Lake) -> None:
    merge(lake, change(1, "2024-01-21", month="May", select="a", order="b", recency="c", removed_on="d", id_text="e"))

    row = asked(
        lake,
        'SELECT month, source_month, "select", "order", source_recency, source_removed_on, source_id_text FROM crimes'
        " WHERE id = 1",
    )
    assert row == [(date(2023, 10, 1), "May", "a", "b", "c", "d", "e")]


@pytest.mark.parametrize("together", [True, False])
def test_no_two_fields_come_into_one_column(lake: Lake, *, together: bool) -> None:
    new = {"month": "May", "source_month": "June", "source_source_month": "July"}
    if together:
        merge(lake, change(1, "2024-01-21", **new))
    else:
        for day, field in zip((21, 22, 23), reversed(new), strict=True):
            merge(lake, change(day, f"2024-01-{day}", **{field: new[field]}))

    columns = "max(source_month), max(source_source_month), max(source_source_source_month)"
    assert asked(lake, f"SELECT {columns} FROM crimes") == [("May", "June", "July")]


def test_what_only_quarantined_records_bring_is_no_column(lake: Lake) -> None:
    merge(lake, change(1, "2024-01-21", arrest="perhaps", precinct="7"))

    assert len(quarantined(lake)) == 1
    assert "precinct" not in column_names(crimes(lake))


def crimes(lake: Lake) -> Table:
    table = tables.load(lake, "chicago", "crimes")
    assert table is not None
    return table


def test_columns_that_others_add_at_the_same_time_are_added_too(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    add, theirs = tables.add_columns, ["first", "precinct", "third"]

    def interrupted(table: Table, columns: Mapping[str, IcebergType]) -> None:
        if columns and theirs:
            with Lake(lake.home).catalog.load_table(("chicago", "crimes")).update_schema() as update:
                update.add_column(theirs.pop(0), StringType())
        add(table, columns)

    monkeypatch.setattr(tables, "add_columns", interrupted)

    merge(lake, change(1, "2024-01-21", precinct="7", weapon="KNIFE"))

    assert theirs == []
    assert asked(lake, "SELECT precinct, weapon, first, third FROM crimes WHERE id = 1") == [("7", "KNIFE", None, None)]


def test_a_column_that_another_writer_fills_meanwhile_keeps_its_values(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, others = tables.commit, [1]

    def interrupted(table: Table, change: Change) -> int:
        if table.name()[-1] == "crimes" and others:
            others.pop()
            theirs = Lake(lake.home).catalog.load_table(("chicago", "crimes"))
            with theirs.update_schema() as update:
                update.add_column("reviewer", StringType())
                update.add_column("score", DecimalType(9, 2))
            row = theirs.scan(row_filter="id = 1").to_arrow().to_pylist()[0]
            added = [{**row, "id": 500, "reviewer": "Ann", "score": Decimal("1.25")}]
            theirs.append(pa.Table.from_pylist(added, schema=theirs.schema().as_arrow()))
        return commit(table, change)

    monkeypatch.setattr(tables, "commit", interrupted)

    merge(lake, change(1, "2024-01-21", arrest=True))
    merge(lake, change(1, "2024-01-22"), change(500, "2024-01-10"))

    assert others == []
    assert asked(lake, "SELECT id, reviewer, score FROM crimes WHERE month = DATE '2023-10-01' ORDER BY id") == [
        (1, None, None),
        (500, "Ann", Decimal("1.25")),
    ]
    assert [(row["id"], row["reviewer"]) for row in scanned(lake, "reviewer") if row["reviewer"]] == [(500, "Ann")]


def test_a_column_of_parts_that_another_writer_added_is_named(lake: Lake) -> None:
    with crimes(lake).update_schema() as update:
        update.add_column("tags", ListType(100, StringType(), element_required=False))

    with pytest.raises(LakeError, match=r"The column tags of chicago\.crimes is of the type list<string>"):
        merge(lake, change(1, "2024-01-21"))


def test_names_that_are_no_plain_words_are_left_out() -> None:
    odd = ["Weapon", "a b", "x'; DROP TABLE crimes; --", "", "1st", "_x", ":@computed_region_a", "ß", "a" * 64, "a.b"]

    assert new_columns(CHICAGO, [*odd, *CHICAGO.source_columns, "weapon_2"]) == {"weapon_2": "weapon_2"}


def test_every_name_that_a_statement_over_rows_of_crimes_uses_is_reserved() -> None:
    used = {
        alias.alias
        for path in (SQL_DIRECTORY / "crimes").glob("*.sql")
        if path.stem not in ("typed", "trimmed", "held_stamps")
        for alias in sqlglot.parse_one(path.read_text(), dialect=DIALECT).find_all(exp.Alias)
    }
    assert used <= RESERVED


def test_a_source_with_very_many_new_columns_gives_the_first_of_them(lake: Lake) -> None:
    merge(lake, change(1, "2024-01-21", **{f"new_{n:03}": str(n) for n in range(MOST_NEW + 5)}))
    merge(lake, change(2, "2024-01-22", "2023-11-05", aaa="late"))

    table = tables.load(lake, "chicago", "crimes")
    assert table is not None
    names = [field.name for field in table.schema().fields]
    assert [name for name in names if name not in RESERVED] == [f"new_{n:03}" for n in range(MOST_NEW)]
    assert asked(lake, "SELECT new_000, new_049 FROM crimes WHERE id = 1") == [("0", "49")]


def test_a_history_brings_them_too_with_repeated_records(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    old = [
        record(1, "2024-01-10"),
        record(2, "2024-01-10", precinct="2"),
        record(3, "2024-01-10", "2024-02-01", month="x"),
    ]
    new = [record(1, "2024-01-12", precinct="1"), record(2, "2024-01-11")]

    load_history(lake, CHICAGO, ListFeed([*old, *new]), BEFORE, "run")

    rows = [(1, "1", None), (2, None, None), (3, None, "x")]
    assert asked(lake, "SELECT id, precinct, source_month FROM crimes ORDER BY id") == rows
    assert [
        (row["id"], row["precinct"], row["source_month"]) for row in scanned(lake, "precinct", "source_month")
    ] == rows


def test_what_was_loaded_before_a_column_came_is_loaded_anew_with_it(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    records = [record(n, "2024-01-10", f"2023-0{n}-01") for n in range(1, 10)]
    broken = ListFeed(records, RuntimeError("gone"), breaks_at=8, part_rows=1)
    with pytest.raises(RuntimeError, match="gone"):
        load_history(lake, CHICAGO, broken, BEFORE, "run")
    assert (lake.staging / "history-chicago" / "done.jsonl").read_text().strip()

    load_history(lake, CHICAGO, ListFeed([{**each, "precinct": "5"} for each in records], part_rows=1), BEFORE, "run")

    assert asked(lake, "SELECT count(*), count(precinct) FROM crimes") == [(9, 9)]


def plain(envelopes: Iterable[Envelope]) -> PlainObject:
    lines = [
        seal(one.record, one.city, one.change_day, one.batch, datetime(2024, 1, 22, tzinfo=UTC)) for one in envelopes
    ]
    return PlainObject(b"".join(lines), len(lines), kinds_of(envelopes))


def test_whole_objects_bring_them_like_lines(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        change(1, "2024-01-21", precinct=" 7 ", month="May"),
        change(2, "2024-01-21", "2023-11-05", weapon=True, precinct=""),
    ]
    with monkeypatch.context() as patched:
        # They are read by columns.
        patched.setattr("crime_assets.lakehouse.writing.delivered.open_line", None)
        merge_deliveries(lake, CHICAGO, [plain(lines)], {})
    merge_deliveries(lake, CHICAGO, [plain([change(3, "2024-01-21", "2023-12-05", weapon=1, month={"a": 1})])], {})

    assert asked(lake, "SELECT precinct, weapon, source_month FROM crimes ORDER BY id") == [
        ("7", None, "May"),
        (None, "true", None),
        (None, "1", '{"a":1}'),
    ]


def test_removed_crimes_keep_them(lake: Lake) -> None:
    merge(lake, change(1, "2024-01-21", precinct="7"))
    gone = Removal(
        [Gone(1, datetime(2024, 1, 21, 15, 40)), Gone(2, datetime(2024, 1, 12, 15, 40))],
        date(2024, 1, 25),
        datetime(2024, 1, 26, tzinfo=UTC),
    )

    assert remove(lake, CHICAGO, gone, {}) == 2

    assert [(row["id"], row["precinct"]) for row in scanned(lake, "precinct", name="crimes_removed")] == [
        (1, "7"),
        (2, None),
    ]
    assert asked(lake, "SELECT id, precinct, removed_on FROM crimes_removed ORDER BY id") == [
        (1, "7", date(2024, 1, 25)),
        (2, None, date(2024, 1, 25)),
    ]
    assert asked(lake, "SELECT id, precinct FROM crimes ORDER BY id", "2024-01-22") == [(1, "7"), (2, None), (3, None)]


def test_files_with_and_without_them_are_compacted(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "MOST_SMALL_FILES", 3)
    for number in range(7):
        # The first few leave versions behind that have no such column.
        merge(lake, change(1, f"2024-01-{21 + number}", **({"precinct": str(number)} if number > 2 else {})))
    before = asked(lake, "SELECT change_day, precinct FROM crimes_superseded ORDER BY 1")
    assert len(files(lake, "crimes_superseded")) > 3

    compaction.compact(lake, CHICAGO)

    assert len(files(lake, "crimes_superseded")) == 1
    assert asked(lake, "SELECT change_day, precinct FROM crimes_superseded ORDER BY 1") == before
    assert [precinct for _, precinct in before][-3:] == ["3", "4", "5"]


def test_a_column_of_another_type_is_read_as_far_as_it_can_be(lake: Lake) -> None:
    merge(
        lake,
        change(1, "2024-01-21", arrest="Yes", ward=17, beat=111),
        change(2, "2024-01-21", "2023-11-05", arrest={"made": True}),
        change(3, "2024-01-21", "2023-12-05", district=None, location_description=["STREET"]),
    )

    assert asked(lake, "SELECT id, arrest, ward, beat, district, location_description FROM crimes ORDER BY id") == [
        (1, True, 17, "0111", "001", "STREET"),
        (2, False, 42, "0111", "001", "STREET"),
        (3, False, 42, "0111", None, '["STREET"]'),
    ]
    assert [row["reason"] for row in quarantined(lake)] == ["arrest is neither true nor false"]
