"""Which types can hold what is declared, as the three catalogues write them."""

from __future__ import annotations

import pytest

from crime_assets.migration.columns import Column, Kind

WHOLE = Column("ward", Kind.NUMBER, precision=3)
PLACE = Column("latitude", Kind.NUMBER, precision=12, scale=9)
ANY = Column("amount", Kind.NUMBER)
CODE = Column("iucr", Kind.PADDED, width=5)
TITLE = Column("title", Kind.TEXT)
NOTE = Column("comment", Kind.LARGE)
DAY = Column("date", Kind.DATE)
TIME = Column("updated_on", Kind.TIME)
ZONED = Column("written_at", Kind.TIME_ZONE)
FLAG = Column("arrest", Kind.FLAG, true="Y", false="N")
BYTES = Column("picture", Kind.BYTES)


@pytest.mark.parametrize(
    ("column", "fitting"),
    [
        (WHOLE, ["numeric(3,0)", "numeric(4)", "integer", "bigint(20) unsigned", "NUMBER(3)", "decimal(3,0)"]),
        (PLACE, ["numeric(12,9)", "NUMBER(12, 9)", "decimal(13,9)"]),
        (ANY, ["numeric", "NUMBER", "double", "double precision", "integer", "numeric(10,2)"]),
        (CODE, ["character(5)", "CHAR(5)", "char(5)", "CHAR(5 CHAR)", "NCHAR(5)"]),
        (TITLE, ["character varying(60)", "VARCHAR2(60 BYTE)", "varchar(60)", "text", "character varying"]),
        (NOTE, ["text", "CLOB", "longtext"]),
        (DAY, ["DATE", "date", "timestamp without time zone", "datetime"]),
        (TIME, ["timestamp(0) without time zone", "TIMESTAMP(6)", "datetime(6)", "timestamp without time zone"]),
        (ZONED, ["timestamp with time zone", "TIMESTAMP(6) WITH TIME ZONE", "timestamp(6) with local time zone"]),
        (FLAG, ["character(1)", "CHAR(1)", "boolean", "NUMBER(1)", "varchar(1)"]),
        (BYTES, ["bytea", "BLOB", "RAW(16)", "longblob"]),
    ],
)
def test_types_that_fit(column: Column, fitting: list[str]) -> None:
    assert [text for text in fitting if not column.fits(text)] == []


@pytest.mark.parametrize(
    ("column", "unfit"),
    [
        (WHOLE, ["numeric", "double", "numeric(3,1)", "text", "character(3)"]),
        (PLACE, ["numeric(12,8)", "numeric(12)", "integer", "NUMBER"]),
        (ANY, ["text", "boolean", "date"]),
        (CODE, ["character(4)", "char", "character varying(5)"]),
        (TITLE, ["character(60)", "numeric", "bytea", "xml"]),
        (NOTE, ["bytea", "integer"]),
        (DAY, ["timestamp with time zone", "text", "time without time zone"]),
        (TIME, ["date", "timestamp(6) with time zone"]),
        (ZONED, ["timestamp without time zone", "timestamp(6)"]),
        (FLAG, ["bytea", "date"]),
        (BYTES, ["text", "bit(3)"]),
        (TITLE, ["", "text[]", "text; drop table crimes", "character varying(60", "mood"]),
    ],
)
def test_types_that_do_not(column: Column, unfit: list[str]) -> None:
    assert [text for text in unfit if column.fits(text)] == []


def test_an_attribute_has_the_columns_name_unless_it_is_given_one() -> None:
    assert (TITLE.attribute, Column("number", Kind.NUMBER, "note_number").attribute) == ("title", "note_number")
