"""Insights asked of a few rows in DuckDB, and rows to ask them of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

import duckdb
import numpy as np
import pyarrow as pa
import sqlglot

from crime_assets.analysis.statistics import finished
from crime_assets.core.insights import Insight, all_insights
from crime_assets.core.sql import render
from crime_assets.lakehouse.schema import CRIMES, REMOVED, arrow_schema
from crime_assets_tests.sql.plain import Question

INSIGHTS = {insight.name: insight for insight in all_insights()}
BANDS = ("night", "morning", "afternoon", "evening")
CLASSES = {
    **dict.fromkeys(("BATTERY", "ROBBERY", "CRIMINAL SEXUAL ASSAULT"), "violent"),
    **dict.fromkeys(("THEFT", "BURGLARY", "MOTOR VEHICLE THEFT"), "property"),
}
KINDS = {
    "THEFT": (("0820", "06", "$500 AND UNDER"), ("0810", "06", "OVER $500")),
    "BATTERY": (("0486", "08B", "DOMESTIC BATTERY SIMPLE"), ("041A", "04B", "AGGRAVATED: HANDGUN")),
    "ROBBERY": (("0326", "03", "AGGRAVATED VEHICULAR HIJACKING"), ("031A", "03", "ARMED: HANDGUN")),
    "BURGLARY": (("0610", "05", "FORCIBLE ENTRY"),),
    "ASSAULT": (("0560", "08A", "SIMPLE"),),
    "NARCOTICS": (("2024", "18", "POSS: HEROIN(WHITE)"),),
    "MOTOR VEHICLE THEFT": (
        ("0910", "07", "AUTOMOBILE"),
        ("0910", "07", "AUTO"),
        ("0910", "07", None),
        (None, "07", None),
    ),
    "CRIMINAL SEXUAL ASSAULT": (("0281", "02", "NON-AGGRAVATED"),),
    "STALKING": (("0580", "08B", "SIMPLE"),),
}
TYPES = (*CLASSES, "ASSAULT", "NARCOTICS", "Theft", "STALKING", None)
DISTRICTS = ("001", "002", "011", "031", None)
AREAS = (1, 25, 77, 8, None)
PLACES = ("STREET", "APARTMENT", "SIDEWALK", "street", None)
FLAGS = (True, False, None)
STREETS = ("W HUBBARD ST", "W Hubbard St", "N STATE ST", "S MAY ST", "E Straße", "E STRASSE", "E ﬁnal")


def crime(number: int, occurred_at: datetime, **columns: object) -> dict[str, object]:
    """A row of `crimes`; what follows from the time and the category is worked out."""
    primary_type = columns.get("primary_type", "THEFT")
    offense_class = CLASSES.get(str(primary_type), "other")
    return {
        **dict.fromkeys(column.name for column in CRIMES),
        "id": number,
        "occurred_at": occurred_at,
        "occurred_on": occurred_at.date(),
        "month": occurred_at.date().replace(day=1),
        "hour": occurred_at.hour,
        "iso_weekday": occurred_at.isoweekday(),
        "time_of_day": BANDS[occurred_at.hour // 6],
        "primary_type": primary_type,
        "offense_class": offense_class,
        "is_index": offense_class != "other",
        "is_violent": offense_class == "violent",
        "is_property": offense_class == "property",
        "change_day": occurred_at.date() + timedelta(days=8),
        **columns,
    }


def random_crimes(seed: int, rows: int, first: date, last: date) -> list[dict[str, object]]:
    """Crimes from `first` to `last`, with NULLs, letter cases and blocks on both sides of ten crimes."""
    rng = np.random.default_rng(seed)
    span = (last - first).days + 1

    def pick(values: Sequence[object]) -> object:
        return values[min(int(rng.exponential(len(values) / 3)), len(values) - 1)]

    def row(number: int) -> dict[str, object]:
        street = int(rng.exponential(rows / 200))
        block = f"{min(street, rows) * 100:05d} {STREETS[rng.integers(len(STREETS))]}"
        primary_type = pick(TYPES)
        kinds = KINDS.get(str(primary_type), ((None, None, None),))
        iucr, fbi_code, description = kinds[rng.integers(len(kinds))]
        place, district = rng.random() < 0.95, pick(DISTRICTS)
        occurred_at = datetime.combine(first, time()) + timedelta(minutes=int(rng.integers(span * 24 * 60)))
        return crime(
            number,
            occurred_at,
            primary_type=primary_type,
            iucr=iucr,
            fbi_code=fbi_code,
            description=description,
            block=block if rng.random() < 0.97 else None,
            district=district,
            beat=None if district is None or rng.random() < 0.03 else f"{str(district)[1:]}{rng.integers(1, 4)}1",
            community_area=pick(AREAS),
            location_description=pick(PLACES),
            arrest=pick(FLAGS),
            domestic=pick(FLAGS),
            latitude=41.8 + street % 40 * 0.0009 if place else None,
            longitude=-87.6 - street % 7 * 0.0012 if place or rng.random() < 0.3 else None,
            change_day=occurred_at.date() + timedelta(days=7 + int(rng.exponential(6))),
        )

    return [row(number) for number in range(rows)]


def with_unmapped(crimes: list[dict[str, object]], every: int) -> list[dict[str, object]]:
    """The crimes, the first and one in so many after it with a code that is in no table of codes."""
    flags = dict.fromkeys(("is_index", "is_violent", "is_property"), False)
    unmapped = {"fbi_code": None, "offense_class": "unmapped", **flags}
    return [{**row, **unmapped} if number % every == 0 else row for number, row in enumerate(crimes)]


def table(crimes: list[dict[str, object]]) -> pa.Table:
    """The rows as the table `crimes` has them."""
    return pa.Table.from_pylist(crimes, arrow_schema(CRIMES))


def columns(**values: object) -> pa.Table:
    """The rows of `crimes` with these columns; the others are NULL."""
    rows = len(pa.array(values["id"]))
    schema = arrow_schema(CRIMES)
    found = {
        field.name: pa.array(values[field.name]).cast(field.type)
        if field.name in values
        else pa.nulls(rows, field.type)
        for field in schema
    }
    return pa.table(found, schema=schema)


def older_versions(crimes: pa.Table) -> pa.Table:
    """Versions that some of the crimes had before, one or two each, with earlier change days."""
    kept = [row for row in crimes.to_pylist() if row["id"] % 7 == 0]
    return table(
        [
            {**row, "change_day": row["change_day"] - timedelta(days=earlier), "occurred_on": row["month"]}
            for row in kept
            for earlier in range(1, 2 + row["id"] % 2)
        ]
    )


def question(
    crimes: pa.Table,
    as_of_day: date,
    superseded: pa.Table | None = None,
    removed: pa.Table | None = None,
    serial_ids_from: date | None = None,
    pulled_since: date | None = None,
) -> Question:
    """The same for a plain computation; the lake began forty days before the as-of day."""
    return Question(
        crimes.to_pandas(),
        as_of_day,
        superseded.to_pandas() if superseded is not None else None,
        as_of_day - timedelta(days=40),
        removed.to_pandas() if removed is not None else None,
        serial_ids_from or date.max,
        pulled_since,
    )


def ask(
    name: str,
    crimes: pa.Table,
    as_of_day: date,
    superseded: pa.Table | None = None,
    *,
    by_way_of: str | None = None,
    first_change_day: date | None = None,
    removed: pa.Table | None = None,
    serial_ids_from: date | None = None,
    pulled_since: date | None = None,
) -> pa.Table:
    """The insight's table; its statement is translated there and back where it goes `by_way_of` another dialect.

    The lake began forty days before the as-of day unless its first change day is given.
    """
    return computed_of(
        INSIGHTS[name],
        crimes,
        as_of_day,
        superseded,
        by_way_of=by_way_of,
        first_change_day=first_change_day,
        removed=removed,
        serial_ids_from=serial_ids_from,
        pulled_since=pulled_since,
    )


def computed_of(
    insight: Insight,
    crimes: pa.Table,
    as_of_day: date,
    superseded: pa.Table | None = None,
    *,
    by_way_of: str | None = None,
    first_change_day: date | None = None,
    removed: pa.Table | None = None,
    serial_ids_from: date | None = None,
    pulled_since: date | None = None,
) -> pa.Table:
    """The same of an insight that need not be one of the files."""
    parameters = question(table([]), as_of_day).parameters
    if first_change_day:
        parameters["first_change_day"] = first_change_day
    parameters["pulled_since"] = pulled_since or parameters["first_change_day"]
    if serial_ids_from:
        parameters["serial_ids_from"] = serial_ids_from
    sql = render(insight.statement, by_way_of or "duckdb", parameters)
    if by_way_of:
        sql = sqlglot.transpile(sql, read=by_way_of, write="duckdb")[0]
    with duckdb.connect() as connection:
        connection.register("crimes", crimes)
        connection.register("crimes_superseded", superseded if superseded is not None else table([]))
        connection.register("crimes_removed", removed if removed is not None else arrow_schema(REMOVED).empty_table())
        return finished(insight, connection.sql(sql).to_arrow_table())


def answer(name: str, crimes: list[dict[str, object]], as_of_day: date) -> list[dict[str, object]]:
    """The insight's rows for a list of crimes."""
    rows: list[dict[str, object]] = ask(name, table(crimes), as_of_day).to_pylist()
    return rows


def tuples(rows: pa.Table) -> list[tuple[object, ...]]:
    """The rows as `assert_same` takes them."""
    return [tuple(row.values()) for row in rows.to_pylist()]
