"""From deliveries to the table `typed` of a DuckDB connection, in bounded memory.

Plain objects are read by columns, everything else line by line; both give the same rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as arrow_json

from crime_assets.core.digests import canonical_json
from crime_assets.core.envelopes import Envelope, utc
from crime_assets.lakehouse.iceberg.evolution import new_columns
from crime_assets.lakehouse.records import typing
from crime_assets.lakehouse.records.typing import RAW_RECORDS, SOURCE_COLUMNS
from crime_assets.sources.cities import City, Field, alternatives
from crime_assets.streams.deliveries import DamagedLine, open_line
from crime_assets.streams.inventory import PlainObject

Delivered = PlainObject | Envelope | DamagedLine

_GROUP_LINES = 20_000
_GROUP_BYTES = 16 << 20
_ARROW_TYPES: Mapping[tuple[str, ...], pa.DataType] = {("flag",): pa.bool_(), ("text",): pa.string()}


@dataclass(frozen=True)
class Group:
    """Raw records, and the contents that hold the texts of those records that come without text."""

    records: pa.Table
    contents: list[bytes]


def type_deliveries(
    con: duckdb.DuckDBPyConnection, delivered: Iterable[Delivered], city: City, found_at: datetime
) -> None:
    """Make the temporary table `typed`; damaged lines carry the time they were found at."""
    is_made = False
    # Even if the city re-stamps a million records in a day, they need not all be held at once.
    for group in groups(delivered, city, found_at):
        _type(con, group.records, city, is_first=not is_made)
        is_made = True
        if group.contents:
            _fill_in_texts(con, city, group.contents)
    if not is_made:
        _type(con, RAW_RECORDS.empty_table(), city, is_first=True)


def _type(con: duckdb.DuckDBPyConnection, records: pa.Table, city: City, *, is_first: bool) -> None:
    """Put records into `typed`; the first make it: to plan the statement takes longer than to run it for a day's."""
    typing.raw_from_deliveries(con, records, city)
    into = "CREATE OR REPLACE TEMP TABLE typed AS" if is_first else "INSERT INTO typed"
    con.execute(f"{into} {typing.typed_query(city)}")


def groups(delivered: Iterable[Delivered], city: City, found_at: datetime) -> Iterator[Group]:
    """Raw records of the deliveries, a bounded part at a time; damaged lines carry the time they were found at."""
    lines: list[Envelope | DamagedLine] = []
    objects: list[PlainObject] = []
    size = 0
    for one in delivered:
        if not isinstance(one, PlainObject):
            lines.append(one)
            if len(lines) >= _GROUP_LINES:
                yield Group(_from_lines(lines, city, found_at), [])
                lines = []
            continue
        if objects and (size >= _GROUP_BYTES or one.kinds != objects[0].kinds):
            yield _from_objects(objects, city, found_at)
            objects, size = [], 0
        objects.append(one)
        size += len(one.content)
    if objects:
        yield _from_objects(objects, city, found_at)
    if lines:
        yield Group(_from_lines(lines, city, found_at), [])


def _from_objects(objects: list[PlainObject], city: City, found_at: datetime) -> Group:
    contents = [one.content for one in objects]
    try:
        table = _read_columns(b"".join(contents), objects[0].kinds, city)
    except pa.ArrowInvalid:
        table = None
    if table is not None and table.num_rows == sum(one.records for one in objects):
        return Group(table, contents)
    lines = [open_line(line, city.name) for content in contents for line in content.split(b"\n") if line.strip()]
    return Group(_from_lines(lines, city, found_at), [])


def _read_columns(content: bytes, kinds: Mapping[str, Iterable[str]], city: City) -> pa.Table:
    """Raw records without their texts; ArrowInvalid if the values of a field are not all of one known kind."""
    new = new_columns(city, kinds)
    needed = [field for source in city.columns.values() for joined in alternatives(source) for field in joined]
    looks = {name: tuple(kinds[name]) for name in (*needed, *new) if name in kinds}
    if mixed := [name for name, look in looks.items() if look not in _ARROW_TYPES]:
        raise pa.ArrowInvalid(f"{mixed[0]} is neither always a text nor always a flag")
    fields = {name: _ARROW_TYPES[look] for name, look in looks.items()}
    envelope = {"_md5": pa.string(), "_pulled_at": pa.string(), "_change_day": pa.string()}
    table = arrow_json.read_json(
        pa.BufferReader(content),
        read_options=arrow_json.ReadOptions(block_size=len(content) + 1),
        parse_options=arrow_json.ParseOptions(
            explicit_schema=pa.schema(list((fields | envelope).items())), unexpected_field_behavior="ignore"
        ),
    )
    nothing = pa.nulls(table.num_rows, pa.string())
    columns = {name: _text_column(table, city.columns.get(name), nothing) for name in SOURCE_COLUMNS}
    if city.change_field is None:
        stamps = (typing.day_stamp(city, date.fromisoformat(day)) for day in table.column("_change_day").to_pylist())
        columns["updated_on"] = pa.array(stamps, pa.string())
    times = table.column("_pulled_at").combine_chunks().dictionary_encode()
    pulled_at = pa.array([utc(text) for text in times.dictionary.to_pylist()], RAW_RECORDS.field("ingested_at").type)
    return pa.table(
        {
            **columns,
            "raw": nothing,
            "record_md5": table.column("_md5"),
            "ingested_at": pulled_at.take(times.indices),
            "damage": nothing,
            "extra": _extras(table, new) if new else nothing,
        },
        RAW_RECORDS,
    )


def _text_column(table: pa.Table, source: Field | None, nothing: pa.Array) -> pa.Array:
    """A column's texts, from the first of its fields that there are."""
    texts = [_joined(table, fields) for fields in alternatives(source)]
    found = [text for text in texts if text is not None]
    return pc.coalesce(*found) if found else nothing


def _joined(table: pa.Table, fields: tuple[str, ...]) -> pa.ChunkedArray | None:
    """Fields joined with one space; None if the table has none of them."""
    texts = [table.column(field).cast(pa.string()) for field in fields if field in table.column_names]
    if len(texts) <= 1:
        return texts[0] if texts else None
    joined = pc.binary_join_element_wise(*texts, " ", null_handling="skip")
    return pc.if_else(pc.equal(joined, ""), None, joined)


def _from_lines(lines: list[Envelope | DamagedLine], city: City, found_at: datetime) -> pa.Table:
    envelopes = [line for line in lines if isinstance(line, Envelope)]
    stamps = [] if city.change_field else [typing.day_stamp(city, line.change_day) for line in envelopes]
    records = [line.record for line in envelopes]
    whole = {
        **{name: _texts(records, city.columns.get(name)) for name in SOURCE_COLUMNS},
        "raw": [line.text for line in envelopes],
        "record_md5": [line.md5 for line in envelopes],
        "ingested_at": [line.pulled_at for line in envelopes],
        **({"updated_on": stamps} if stamps else {}),
        "damage": [None] * len(envelopes),
        "extra": [_extra(record, city) for record in records],
    }
    damaged = [
        {"raw": line.raw, "record_md5": line.md5, "ingested_at": found_at, "damage": line.reason}
        for line in lines
        if isinstance(line, DamagedLine)
    ]
    return pa.concat_tables([pa.table(whole, RAW_RECORDS), pa.Table.from_pylist(damaged, RAW_RECORDS)])


def _texts(records: list[Mapping[str, object]], source: Field | None) -> list[str | None]:
    choices = alternatives(source)
    return [
        next((text for fields in choices if (text := _text(record, fields)) is not None), None) for record in records
    ]


def _text(record: Mapping[str, object], fields: tuple[str, ...]) -> str | None:
    """Fields joined with one space; None if the record has none of them."""
    texts = [text for text in (_as_text(record.get(field)) for field in fields) if text is not None]
    return " ".join(texts) if texts else None


def _extras(table: pa.Table, new: Mapping[str, str]) -> pa.Array:
    """For each row, the values of the fields of new columns."""
    columns = [table.column(field).cast(pa.string()).to_pylist() for field in new]
    rows = (_as_extra(dict(zip(new.values(), texts, strict=True))) for texts in zip(*columns, strict=True))
    return pa.array(rows, pa.string())


def _extra(record: Mapping[str, object], city: City) -> str | None:
    """The values of fields that the city's description does not know, as one JSON object of texts."""
    if record.keys() <= city.source_columns.keys():
        return None
    return _as_extra({column: _as_text(record[field]) for field, column in new_columns(city, record).items()})


def _as_extra(texts: Mapping[str, str | None]) -> str | None:
    return canonical_json(texts) if any(text is not None for text in texts.values()) else None


def _as_text(value: object) -> str | None:
    if value is None:
        return None
    text = (
        value
        if isinstance(value, str)
        else json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    )
    # JSON can hold lone surrogates, Arrow cannot.
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _fill_in_texts(con: duckdb.DuckDBPyConnection, city: City, contents: list[bytes]) -> None:
    """Add their texts to the records that cannot be typed; few records that are read by columns need this."""
    wanted = con.execute("SELECT DISTINCT record_md5 FROM typed WHERE reason IS NOT NULL AND raw IS NULL").fetchall()
    for (digest,) in wanted:
        texts = (text_with(content, digest.encode(), city) for content in contents)
        text = next(text for text in texts if text is not None)
        con.execute("UPDATE typed SET raw = ? WHERE record_md5 = ?", [text, digest])


def text_with(content: bytes, digest: bytes, city: City) -> str | None:
    """The canonical JSON of the record with that digest, if the content has it."""
    at = content.find(digest)
    while at >= 0:
        start, end = content.rfind(b"\n", 0, at) + 1, content.find(b"\n", at)
        line = open_line(content[start : end if end >= 0 else len(content)], city.name)
        if isinstance(line, Envelope) and line.md5.encode() == digest:
            return line.text
        at = content.find(digest, at + 1)
    return None
