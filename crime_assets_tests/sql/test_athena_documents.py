"""The external table over documents has every attribute of the sample department's, and reads what is exported."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import duckdb
import pytest
import sqlglot
from sqlglot import exp

from crime_assets.core.errors import UsageError
from crime_assets.core.sql import statement
from crime_assets.engines.athena_external import documents_table
from crime_assets.migration import Chunk
from crime_assets.migration.columns import Column
from crime_assets.migration.kinds import KINDS
from crime_assets.migration.mappings import ALL, CODE, CRIME
from crime_assets.migration.rendering import Renderer
from crime_assets_tests.migration.tiny import table_of

ITEM = sqlglot.parse_one(documents_table("s3://landing/data"), read="athena").find(exp.ColumnDef).args["kind"]
SQL_TYPES = {"S": "TEXT", "N": "TEXT", "BOOL": "BOOLEAN"}


def fields(kind: exp.DataType) -> dict[str, exp.DataType]:
    return {field.name: field.args["kind"] for field in kind.expressions}


def expected(columns: Iterable[Column]) -> dict[str, tuple[str, str]]:
    types = {column.attribute: KINDS[column.kind].type for column in columns}
    return {name: (kind, SQL_TYPES[kind]) for name, kind in types.items()}


def found(attributes: Mapping[str, exp.DataType], names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Type and SQL type of attributes: the first, where a long text may be an object."""
    held = {name: next(iter(fields(attributes[name]).items())) for name in names}
    return {name: (kind, sql.sql("duckdb")) for name, (kind, sql) in held.items()}


def test_every_attribute_has_its_place_and_type() -> None:
    attributes = fields(ITEM)
    known = {"id", "part", "kind", "parts", "_odd"}
    for mapping in ALL:
        wanted = expected(mapping.columns) | {name: ("S", "TEXT") for name, _ in mapping.derived}
        assert found(attributes, wanted) == wanted
        known |= wanted.keys()
        for child in mapping.children:
            (rows,) = fields(attributes[child.attribute])["L"].expressions
            inside = fields(fields(rows)["M"])
            assert found(inside, expected(child.columns)) == expected(child.columns)
            assert {*inside} == {*expected(child.columns), "_odd"}
            known.add(child.attribute)
    assert {*attributes} == known


def test_it_lies_where_the_export_does() -> None:
    text = documents_table("s3://landing/legacy/city=chicago/AWSDynamoDB/1764525600000-0a1b2c3d/data")
    assert "LOCATION 's3://landing/legacy/city=chicago/AWSDynamoDB/1764525600000-0a1b2c3d/data/'" in text
    assert "ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'" in text
    with pytest.raises(UsageError, match="is not a location in S3"):
        documents_table("s3://landing/x'; DROP TABLE y")


def lacking(names: Sequence[str], **row: str | None) -> dict[str, str | None]:
    return {**dict.fromkeys(names), **row}


def test_an_export_is_read_and_the_example_answers(tmp_path: Path) -> None:
    crimes = [column.name for column in CRIME.columns]
    common = {"date": "2018-11-19 16:00:01", "district": "011", "updated_on": "2018-11-26 15:40:00"}
    roots = [
        lacking(crimes, id="1", primary_type="THEFT", arrest="Y", latitude="41.883500180", ward="10", **common),
        lacking(crimes, id="2", primary_type="THEFT", arrest="?", **common),
        lacking(crimes, id="3", primary_type="ROBBERY", arrest="N", **common),
    ]
    roles, notes = CRIME.children
    role_names, note_names = (["crime_id", *(column.name for column in child.columns)] for child in (roles, notes))
    persons = [
        lacking(role_names, crime_id=crime, role_no=number, role="victim", sex="F", age="30")
        for crime, number in (("1", "1"), ("1", "2"), ("2", "1"))
    ]
    written = [lacking(note_names, crime_id="1", number="7", written_at="2018-11-19 17:00:00+00", comment='a "b"\nü')]
    children = {"crime_roles": table_of(persons, role_names), "crime_notes": table_of(written, note_names)}
    chunk = Chunk(table_of(roots, crimes), children, ("3",))
    codes = [lacking([column.name for column in CODE.columns], code_set="IUCR", code="0110", title="HOMICIDE")]
    documents = Renderer(CRIME).documents(chunk).table["item"].to_pylist()
    documents += (
        Renderer(CODE)
        .documents(Chunk(table_of(codes, [column.name for column in CODE.columns]), {}, ("IUCR", "0110")))
        .table["item"]
        .to_pylist()
    )
    path = tmp_path / "a.json"
    path.write_text("".join(f'{{"Item":{item}}}\n' for item in documents))
    with duckdb.connect() as con:
        con.execute("CREATE SCHEMA crime_landing")
        con.execute(f"CREATE TABLE crime_landing.documents (item {ITEM.sql('duckdb')})")
        columns = f"{{'Item': '{ITEM.sql('duckdb')}'}}"
        con.execute(
            f"INSERT INTO crime_landing.documents SELECT Item FROM read_json(?, format = 'nd', columns = {columns})",
            [str(path)],
        )
        asked = sqlglot.transpile(statement("athena", "example_documents_roles"), read="athena", write="duckdb")[0]
        assert con.execute(asked).fetchall() == [("THEFT", 2, 3), ("ROBBERY", 1, 0)]
        sql = """
            SELECT item.id.S, item.arrest.BOOL, item.latitude.N, item."_odd".M['arrest'].S, item.district_day.S,
                item.notes.L[1].M.comment.S
            FROM crime_landing.documents WHERE item.kind.S = 'crime' ORDER BY 1
        """
        assert con.execute(sql).fetchall() == [
            ("crime#1", True, "41.88350018", None, "011#2018-11-19", 'a "b"\nü'),
            ("crime#2", None, None, "?", "011#2018-11-19", None),
            ("crime#3", False, None, None, "011#2018-11-19", None),
        ]
