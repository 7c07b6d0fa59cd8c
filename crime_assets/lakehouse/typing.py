"""From a source's texts to typed rows: makes `raw_records` for DuckDB, and runs sql/crimes/typed.sql over it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import islice

import duckdb
import pyarrow as pa

from crime_assets.cities import City
from crime_assets.core.digests import COMPUTED_REGION, canonical_json
from crime_assets.core.envelopes import Envelope
from crime_assets.core.sql import render, statement
from crime_assets.feeds import DAMAGE, RAW
from crime_assets.lakehouse.duck import identifier, literal
from crime_assets.lakehouse.schema import CRIMES
from crime_assets.streams.deliveries import DamagedLine

SOURCE_COLUMNS = (
    "id case_number occurred_at block iucr primary_type description location_description arrest domestic beat district "
    "ward community_area fbi_code x_coordinate y_coordinate year updated_on latitude longitude"
).split()
"""Columns of `crimes` that a source can fill; all others are computed from them."""

TYPED_COLUMNS = tuple(column.name for column in CRIMES)

_CHUNK = 20_000
_RAW_RECORDS = pa.schema(
    [
        *((name, pa.string()) for name in SOURCE_COLUMNS),
        ("raw", pa.string()),
        ("record_md5", pa.string()),
        ("ingested_at", pa.timestamp("us", tz="UTC")),
        ("damage", pa.string()),
    ]
)


def prepare(con: duckdb.DuckDBPyConnection, city: City) -> None:
    """Make the city's facts known to the connection: its codes, names, unknown markers and time formats."""
    codes = [(code, "violent") for code in city.violent_codes] + [(code, "property") for code in city.property_codes]
    unknown = [(column, marker) for column, markers in city.unknown_markers.items() for marker in markers]
    _lookup(con, "city_offense_codes", ("code", "offense_class"), codes)
    _lookup(con, "city_renames", ("published", "present"), list(city.renamed_categories.items()))
    _lookup(con, "city_unknown", ("column_name", "marker"), unknown)
    formats = ", ".join(literal(text) for text in city.timestamp_formats)
    # DuckDB takes words such as "epoch" and "infinity" for times in any format.
    con.execute(
        "CREATE OR REPLACE TEMP MACRO parse_timestamp(text) AS "
        f"CASE WHEN regexp_matches(text, '^[0-9]') THEN try_strptime(text, [{formats}]) END"
    )


def typed_query(city: City) -> str:
    """The statement that types `raw_records`; also yields reason, raw, id_text and updated_on_text."""
    latitude, longitude = city.unknown_point or (0.0, 0.0)
    return render(
        statement("crimes", "typed"),
        "duckdb",
        {
            "unknown_latitude": latitude,
            "unknown_longitude": longitude,
            **{f"{code}_width": city.code_widths.get(code, 0) for code in ("iucr", "beat", "district")},
        },
    )


def raw_from_history(
    con: duckdb.DuckDBPyConnection, reader: pa.RecordBatchReader, city: City, pulled_at: datetime
) -> None:
    """Make `raw_records` of a feed's history; it can be read once, with `faithful` around the reading."""
    schema = reader.schema
    own = sorted(name for name in schema.names if not name.startswith((COMPUTED_REGION, "_")))
    members = ", ".join(_json_member(schema.field(name)) for name in own)
    columns = ", ".join(f"{_text_of(city, name, schema)} AS {name}" for name in SOURCE_COLUMNS)
    con.register("history_batches", reader)
    # DuckDB writes the few control characters that need one with another escape than canonical_json.
    con.create_function("canonical_json", lambda text: canonical_json(json.loads(text)), ["VARCHAR"], "VARCHAR")
    con.execute(
        f"""
        CREATE OR REPLACE TEMP VIEW raw_records AS
        SELECT * EXCLUDE (line, record), coalesce(line, record) AS raw, md5(raw) AS record_md5,
               TIMESTAMPTZ {literal(pulled_at.isoformat())} AS ingested_at
        FROM (
          SELECT * REPLACE (CASE WHEN contains(record, '\\u00') THEN canonical_json(record) ELSE record END AS record)
          FROM (
            SELECT {columns}, {identifier(DAMAGE)} AS damage, {identifier(RAW)} AS line,
                   '{{' || concat_ws(',', {members}) || '}}' AS record
            FROM history_batches
          )
        )
        """
    )


@contextmanager
def faithful(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatchReader]:
    """The same reader for DuckDB to read: what it raises comes out as itself, not as a duckdb.Error that quotes it."""
    failures: list[BaseException] = []

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            yield from reader
        except BaseException as error:
            failures.append(error)
            raise

    try:
        yield pa.RecordBatchReader.from_batches(reader.schema, batches())
    except duckdb.Error:
        if failures:
            raise failures[0] from None
        raise


def raw_from_deliveries(
    con: duckdb.DuckDBPyConnection,
    lines: Iterable[Envelope | DamagedLine],
    city: City,
    found_at: datetime,
) -> None:
    """Make `raw_records` of delivered lines; damaged lines carry the time they were found at."""
    con.register("delivered", _RAW_RECORDS.empty_table())
    con.execute("CREATE OR REPLACE TEMP TABLE raw_records AS FROM delivered")
    rows = (_row(line, city, found_at) for line in lines)
    # A day on which the city stamps a million records anew is no reason to hold them all in Python.
    while chunk := list(islice(rows, _CHUNK)):
        con.register("delivered", pa.Table.from_pylist(chunk, schema=_RAW_RECORDS))
        con.execute("INSERT INTO raw_records FROM delivered")


def _row(line: Envelope | DamagedLine, city: City, found_at: datetime) -> dict[str, object]:
    if isinstance(line, DamagedLine):
        return {"raw": line.raw, "record_md5": line.md5, "ingested_at": found_at, "damage": line.reason}
    texts = {name: _joined_text(line, city.columns.get(name)) for name in SOURCE_COLUMNS}
    return {**texts, "raw": canonical_json(line.record), "record_md5": line.md5, "ingested_at": line.pulled_at}


def _joined_text(line: Envelope, source: str | tuple[str, ...] | None) -> str | None:
    if source is None:
        return None
    fields = (source,) if isinstance(source, str) else source
    texts = [_as_text(line.record[field]) for field in fields if line.record.get(field) is not None]
    return " ".join(texts) if texts else None


def _as_text(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    # JSON can hold lone surrogates, Arrow cannot.
    return text.encode("utf-8", "replace").decode("utf-8")


def _text_of(city: City, column: str, schema: pa.Schema) -> str:
    source = city.columns.get(column, ())
    fields = (source,) if isinstance(source, str) else source
    present = [identifier(field) for field in fields if field in schema.names]
    if not present:
        return "NULL::VARCHAR"
    return f"CAST({present[0]} AS VARCHAR)" if len(present) == 1 else f"concat_ws(' ', {', '.join(present)})"


def _json_member(field: pa.Field) -> str:
    column = identifier(field.name)
    is_json = (field.metadata or {}).get(b"json") == b"true"
    value = column if is_json else f"CAST(to_json({column}) AS VARCHAR)"
    return f"{literal(json.dumps(field.name, ensure_ascii=False) + ':')} || {value}"


def _lookup(con: duckdb.DuckDBPyConnection, name: str, columns: tuple[str, str], rows: list[tuple[str, str]]) -> None:
    con.execute(f"CREATE OR REPLACE TEMP TABLE {name} ({columns[0]} VARCHAR, {columns[1]} VARCHAR)")
    if rows:
        con.executemany(f"INSERT INTO {name} VALUES (?, ?)", rows)
