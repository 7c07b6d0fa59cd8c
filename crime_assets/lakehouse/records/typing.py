"""From a source's texts to typed rows: creates `raw_records` in DuckDB, over which sql/crimes/typed.sql runs."""

from __future__ import annotations

import json
from datetime import date, datetime
from functools import lru_cache

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from crime_assets.core.digests import canonical_json
from crime_assets.core.sql import DIALECT, parse, render, statement
from crime_assets.lakehouse.iceberg.duck import identifier, literal
from crime_assets.lakehouse.iceberg.evolution import new_columns
from crime_assets.lakehouse.records.arrow_texts import is_trimmed
from crime_assets.lakehouse.records.record_json import record_json
from crime_assets.sources.cities import City, alternatives
from crime_assets.sources.cities.codes import nibrs
from crime_assets.sources.feeds import DAMAGE, RAW
from crime_assets.sources.feeds.times import parse_timestamp

SOURCE_COLUMNS = (
    "id case_number occurred_at reported_at report_type block offense_code iucr primary_type description "
    "location_description arrest domestic beat district ward community_area neighborhood fbi_code x_coordinate "
    "y_coordinate year updated_on latitude longitude"
).split()
"""Columns of `crimes` that a source can fill; all others are computed from them."""


RAW_RECORDS = pa.schema(
    [
        *((name, pa.string()) for name in SOURCE_COLUMNS),
        ("raw", pa.string()),
        ("record_md5", pa.string()),
        ("ingested_at", pa.timestamp("us", tz="UTC")),
        ("damage", pa.string()),
        ("extra", pa.string()),
    ]
)


def prepare(con: duckdb.DuckDBPyConnection, city: City) -> None:
    """Create the city's facts in the connection: its codes, names, unknown markers and time formats."""
    for name, (columns, rows) in facts(city).items():
        _lookup(con, name, columns, rows)
    con.execute(parse_timestamp(city.timestamp_formats))


def facts(city: City) -> dict[str, tuple[tuple[str, ...], list[tuple[str | None, ...]]]]:
    """The tables from which the statements know a city: their names, their columns (all texts), and their rows."""
    codes: list[tuple[str | None, ...]] = [(code, kind, None) for code, kind in city.offense_classes.items()]
    known = city.codes
    if known:
        codes += [(code, offense.offense_class, offense.offense) for code, offense in nibrs().items()]
    unknown = [(column, marker) for column, markers in city.unknown_markers.items() for marker in markers]
    return {
        "city_offense_codes": (("code", "offense_class", "offense"), codes),
        "city_codes": (("code", "nibrs_code"), [(" ".join(key), code.nibrs_code) for key, code in known.items()]),
        "city_renames": (("published", "present"), list(city.renamed_categories.items())),
        "city_unknown": (("column_name", "marker"), list(unknown)),
    }


def typed_query(city: City, dialect: str = "duckdb") -> str:
    """The statement that types `raw_records`; also yields reason, raw, id_text, updated_on_text and extra."""
    latitude, longitude = city.unknown_point or (0.0, 0.0)
    text = statement("crimes", "typed")
    return render(
        text if city.key_type == "long" else _with_text_key(text),
        dialect,
        {
            "unknown_latitude": latitude,
            "unknown_longitude": longitude,
            **{f"{code}_width": city.code_widths.get(code, 0) for code in ("iucr", "beat", "district")},
        },
    )


@lru_cache
def _with_text_key(text: str) -> str:
    """typed.sql for keys that may be any text."""
    as_text = exp.alias_(exp.column("id"), "v_id")
    typed = parse(text).transform(
        lambda node: as_text.copy() if isinstance(node, exp.Alias) and node.alias == "v_id" else node
    )
    return typed.sql(DIALECT)


def prepare_functions(con: duckdb.DuckDBPyConnection) -> None:
    """Create what histories need besides `prepare`; once for a connection and all its cursors."""
    # DuckDB escapes a few control characters differently from canonical_json.
    con.create_function("canonical_json", lambda text: canonical_json(json.loads(text)), ["VARCHAR"], "VARCHAR")


def raw_from_history(
    con: duckdb.DuckDBPyConnection, records: pa.Table, city: City, pulled_at: datetime, published: date
) -> None:
    """Create `raw_records` from a part of a feed's history; what has no change stamp was `published` on that day."""
    texts_from_history(con, records, city, pulled_at, published)
    _trim(con, city, is_needed=not all(map(is_trimmed, records.columns)))


def texts_from_history(
    con: duckdb.DuckDBPyConnection, records: pa.Table, city: City, pulled_at: datetime, published: date
) -> None:
    """Only that, without what makes typed rows of it; `history_records` are the records as they came."""
    schema = records.schema
    texts = {name: text_of(city, name, schema) for name in SOURCE_COLUMNS}
    if city.change_field is None:
        texts["updated_on"] = literal(day_stamp(city, published))
    columns = ", ".join(f"{text} AS {name}" for name, text in texts.items())
    con.register("history_records", records)
    con.execute(parse_timestamp(city.formats_for(_some_text(records, city.occurrence_in(schema.names)))))
    record = record_json(records)
    if records.column(RAW).null_count < len(records):
        record = f"coalesce({identifier(RAW)}, {record})"
    con.execute(
        f"""
        CREATE OR REPLACE TEMP VIEW raw_records AS
        SELECT *, md5(raw) AS record_md5, TIMESTAMPTZ {literal(pulled_at.isoformat())} AS ingested_at
        FROM (SELECT {columns}, {identifier(DAMAGE)} AS damage, {_extra(city, schema)} AS extra, {record} AS raw
              FROM history_records)
        """
    )


def raw_from_deliveries(con: duckdb.DuckDBPyConnection, records: pa.Table, city: City) -> None:
    """Create `raw_records` from a table with the columns of RAW_RECORDS."""
    con.register("delivered", records)
    con.execute("CREATE OR REPLACE TEMP VIEW raw_records AS FROM delivered")
    _trim(con, city, is_needed=not all(map(is_trimmed, records.columns)))


def _trim(con: duckdb.DuckDBPyConnection, city: City, *, is_needed: bool) -> None:
    trimmed = render(statement("crimes", "trimmed"), "duckdb", {}) if is_needed else "FROM raw_records"
    con.execute(f"CREATE OR REPLACE TEMP VIEW trimmed_texts AS {trimmed}")
    con.execute(f"CREATE OR REPLACE TEMP VIEW trimmed_records AS {tidied_query(city, 'duckdb')}")


def tidied_query(city: City, dialect: str) -> str:
    """The statement that makes `trimmed_records` of `trimmed_texts`, as the city asks for."""
    columns = [f"{city.tidied[name]} AS {name}" if name in city.tidied else name for name in RAW_RECORDS.names]
    if not city.scheme:
        return render(
            f"SELECT {', '.join(columns)}, CAST(NULL AS VARCHAR) AS nibrs_code FROM trimmed_texts", dialect, {}
        )
    coded = f"WITH tidied_records AS (SELECT {', '.join(columns)}, {city.scheme} AS scheme FROM trimmed_texts) "
    return render(coded + statement("crimes", "coded"), dialect, {})


def day_stamp(city: City, day: date) -> str:
    """What stands for the change stamp of a record that has none: the day on which it was published."""
    return day.strftime(city.timestamp_formats[0])


def _some_text(records: pa.Table, field: str | None) -> str | None:
    """A text of a column, if there is one."""
    if field is None:
        return None
    column = records.column(field)
    first = pc.index(column.is_valid(), True).as_py()
    return None if first < 0 else column[first].as_py()


def _extra(city: City, schema: pa.Schema) -> str:
    """The values of columns that the city's description does not know, as one JSON object of texts."""
    members = [
        f"{literal(column)}, CAST({identifier(field)} AS VARCHAR)"
        for field, column in new_columns(city, schema.names).items()
    ]
    return f"CAST(json_object({', '.join(members)}) AS VARCHAR)" if members else "NULL::VARCHAR"


def text_of(city: City, column: str, schema: pa.Schema) -> str:
    """SQL over records as they came: a column's text."""
    texts = [_joined(fields, schema) for fields in alternatives(city.columns.get(column))]
    found = [text for text in texts if text is not None]
    if not found:
        return "NULL::VARCHAR"
    return found[0] if len(found) == 1 else f"coalesce({', '.join(found)})"


def _joined(fields: tuple[str, ...], schema: pa.Schema) -> str | None:
    """Fields joined with one space; None if the source has none of them."""
    present = [identifier(field) for field in fields if field in schema.names]
    if len(present) <= 1:
        return f"CAST({present[0]} AS VARCHAR)" if present else None
    return f"nullif(concat_ws(' ', {', '.join(present)}), '')"


def _lookup(
    con: duckdb.DuckDBPyConnection, name: str, columns: tuple[str, ...], rows: list[tuple[str | None, ...]]
) -> None:
    listed = {column: [row[place] for row in rows] for place, column in enumerate(columns)}
    con.register("looked_up", pa.table(listed, pa.schema([(column, pa.string()) for column in columns])))
    con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS FROM looked_up")
    con.unregister("looked_up")
