"""The only schema: Arrow, Iceberg, column documentation and checks are all derived from these lists.

What belongs here: names, types and meanings of the columns of the curated tables. No reading, no writing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

import pyarrow as pa
from pyiceberg.schema import Schema
from pyiceberg.types import (
    BooleanType,
    DateType,
    DoubleType,
    IntegerType,
    LongType,
    NestedField,
    PrimitiveType,
    StringType,
    TimestampType,
    TimestamptzType,
)

from crime_assets.core.errors import UsageError
from crime_assets.sources.cities import City

_TYPES: dict[str, tuple[PrimitiveType, pa.DataType]] = {
    "long": (LongType(), pa.int64()),
    "int": (IntegerType(), pa.int32()),
    "double": (DoubleType(), pa.float64()),
    "boolean": (BooleanType(), pa.bool_()),
    "string": (StringType(), pa.string()),
    "date": (DateType(), pa.date32()),
    "timestamp": (TimestampType(), pa.timestamp("us")),
    "timestamptz": (TimestamptzType(), pa.timestamp("us", tz="UTC")),
}


@dataclass(frozen=True)
class Column:
    """A column: the name of its Iceberg type, what it means, and whether it can be NULL."""

    name: str
    type: str
    doc: str
    required: bool = False


CRIMES = (
    Column("id", "long", "The city's own identifier of the record; one row each.", required=True),
    Column("case_number", "string", "Police case number; several records can share one."),
    Column("occurred_at", "timestamp", "When it happened, on the city's clock; often estimated.", required=True),
    Column("occurred_on", "date", "Day of occurred_at.", required=True),
    Column("month", "date", "First day of the month of occurred_at.", required=True),
    Column("hour", "int", "Hour of occurred_at, 0 to 23.", required=True),
    Column("iso_weekday", "int", "1 Monday to 7 Sunday.", required=True),
    Column("time_of_day", "string", "night 0-5 h, morning 6-11 h, afternoon 12-17 h, evening 18-23 h.", required=True),
    Column("reported_at", "timestamp", "When it was reported, on the city's clock."),
    Column("report_type", "string", "What kind of report the record is, such as an initial one or a supplement."),
    Column("block", "string", "Block, the last two digits of the number hidden by the city."),
    Column("offense_code", "string", "The city's own code of the offense, as docs/cities-codes.md says."),
    Column("iucr", "string", "Illinois crime code, four characters, leading zeros kept."),
    Column("primary_type", "string", "Offense category; renamed categories are folded into their present name."),
    Column("primary_type_published", "string", "Offense category as the city published it."),
    Column("description", "string", "Offense within the category."),
    Column("location_description", "string", "Kind of place."),
    Column("arrest", "boolean", "Whether an arrest is recorded so far. Not clearance: see the README."),
    Column("domestic", "boolean", "Whether the city marks it as domestic violence."),
    Column("beat", "string", "Police beat, four digits."),
    Column("district", "string", "Police district, three digits."),
    Column("ward", "int", "City council ward; NULL where unknown."),
    Column("community_area", "int", "One of 77 community areas; NULL where unknown."),
    Column("neighborhood", "string", "Neighborhood or borough, by the city's name for it."),
    Column("fbi_code", "string", "FBI (NIBRS) offense code that the classes below follow."),
    Column("nibrs_code", "string", "NIBRS offense that the city's own code is; NULL where that is not known."),
    Column(
        "nibrs_offense", "string", "One of 14 words for that offense, such as robbery; docs/cities-codes.md has them."
    ),
    Column("offense_class", "string", "violent, property, other, or unmapped, by its FBI code.", required=True),
    Column("is_index", "boolean", "Index crime: violent or property.", required=True),
    Column("is_violent", "boolean", "offense_class is violent.", required=True),
    Column("is_property", "boolean", "offense_class is property.", required=True),
    Column("x_coordinate", "double", "State plane x of the block, feet; NULL where unknown."),
    Column("y_coordinate", "double", "State plane y of the block, feet; NULL where unknown."),
    Column("year", "int", "Year as the city published it."),
    Column("latitude", "double", "Degrees north, shifted to the block; NULL where unknown."),
    Column("longitude", "double", "Degrees east, shifted to the block; NULL where unknown."),
    Column("updated_on", "timestamp", "When the city last touched the record, on the city's clock.", required=True),
    Column("change_day", "date", "Day of updated_on.", required=True),
    Column("record_md5", "string", "Digest of the source's record; an edited record has a new one.", required=True),
    Column("ingested_at", "timestamptz", "When this version of the record was pulled, UTC.", required=True),
)

REMOVED = (
    *CRIMES,
    Column("removed_on", "date", "Change day from which the source is known to no longer have it.", required=True),
    Column("noticed_at", "timestamptz", "When its absence was noticed, UTC.", required=True),
)

COMPUTED_FROM: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("occurred_on", "month", "hour", "iso_weekday", "time_of_day"), ("occurred_at",)),
    **dict.fromkeys(("offense_class", "is_index", "is_violent", "is_property"), ("fbi_code", "offense_code")),
    **dict.fromkeys(("nibrs_code", "nibrs_offense"), ("offense_code", "description")),
    **dict.fromkeys(("x_coordinate", "y_coordinate"), ("x_coordinate", "y_coordinate", "latitude", "longitude")),
    **dict.fromkeys(("latitude", "longitude"), ("x_coordinate", "y_coordinate", "latitude", "longitude")),
    "primary_type_published": ("primary_type",),
    "change_day": ("updated_on",),
}
"""Columns of `crimes` that sql/crimes/typed.sql computes from columns other than their namesake."""

QUARANTINE = (
    Column("record_md5", "string", "Digest of the record or of the damaged line; one row each.", required=True),
    Column("reason", "string", "Why it cannot be typed.", required=True),
    Column("raw", "string", "The source's record (JSON) or the damaged line, untouched.", required=True),
    Column("id", "string", "The identifier as the source wrote it, where there is one."),
    Column("updated_on", "string", "The change stamp as the source wrote it, where there is one."),
    Column("ingested_at", "timestamptz", "When it was pulled, UTC.", required=True),
)

AUDIT = (
    Column("n", "long", "Number of the line, from 1 without a gap.", required=True),
    Column("happened_at", "timestamptz", "When it was written, UTC.", required=True),
    Column("event", "string", "What happened: ask, answer, refuse, login and others.", required=True),
    Column("account", "string", "Account of the machine that asked."),
    Column("principal", "string", "Who it was, by the policy."),
    Column("how", "string", "How that was known: peer, token or oidc."),
    Column("source", "string", "From where: a process or an address."),
    Column("session", "string", "The session, where there was one."),
    Column("role", "string", "The role at that time."),
    Column("districts", "string", "The districts at that time, a JSON array."),
    Column("scope", "string", "Digest of what could be seen."),
    Column("policy", "string", "Digest of the policy in force."),
    Column("gate", "string", "State of the gate that was asked."),
    Column("purpose", "string", "What it was for."),
    Column("sql", "string", "The query."),
    Column("sql_sha256", "string", "Digest of the query."),
    Column("tables", "string", "Tables that were read, a JSON array; * where that is not known."),
    Column("columns", "string", "Names of the answer's columns, a JSON array."),
    Column("columns_read", "string", "Columns that were read, such as crimes.district, a JSON array; * for all."),
    Column("rows", "long", "Rows that came back."),
    Column("bytes", "long", "Bytes that came back."),
    Column("seconds", "double", "How long it took."),
    Column("outcome", "string", "How it ended."),
    Column("reason", "string", "Why it was refused or ended."),
    Column("ids_exact", "boolean", "Whether audit_seen has exactly the crimes that were seen."),
    Column("seen", "string", "Digest of the file of the ids that were seen."),
    Column("asked", "long", "Number of the line of the question."),
    Column("clock_back", "boolean", "Whether the clock had gone back since the line before."),
    Column("details", "string", "Whatever else the line says, a JSON object."),
    Column("prev", "string", "Hash of the line before.", required=True),
    Column("hash", "string", "Hash of the line.", required=True),
)

AUDIT_SEEN = (
    Column("n", "long", "Number of a line of the trail whose ids are exact.", required=True),
    Column("id", "long", "A crime that was seen.", required=True),
)

ACCESS_REVIEW = (
    Column("reviewed_on", "date", "Day of the review.", required=True),
    Column("principal", "string", "Who it is about.", required=True),
    Column("role", "string", "The role by the policy, or the last one on the trail."),
    Column("districts", "string", "The districts, a JSON array."),
    Column("tables", "string", "Tables that the role is given, a JSON array."),
    Column("recognised", "string", "By what the principal is recognised."),
    Column("expires", "date", "Last day of the access; NULL if it has none."),
    Column("last_used", "timestamptz", "Newest answer, page, download or login, UTC; NULL if there is none."),
    Column("answers", "long", "Answers, pages and downloads in the last 90 days.", required=True),
    Column(
        "refusals",
        "long",
        "Refusals in the last 90 days; who a failed login would have been is not known.",
        required=True,
    ),
    Column("unmasked", "string", "Columns of crimes that are seen clear, a JSON array; * for all."),
    Column("verdict", "string", "in use, never used, unused for 90 days, expired and others.", required=True),
)

CITY_MONTHS = (
    Column("city", "string", "The city's short name; its part of the table.", required=True),
    Column("month", "date", "First day of the month of occurrence.", required=True),
    Column("scheme", "string", "By which scheme the rows were counted: SRS, NIBRS or unknown.", required=True),
    Column("series", "date", "First day of the months whose figures mean the same; NULL if it is in none."),
    Column("offense", "string", "One of 14 words, `unmapped` or `no crime`; docs/cities-codes.md.", required=True),
    Column("counting_unit", "string", "What a row is.", required=True),
    Column("rows", "long", "Rows of crimes, those that are not counted included.", required=True),
    Column("incidents", "long", "Incidents of which it is the most serious offense.", required=True),
    Column("known_arrests", "long", "Incidents with an arrest on any row; NULL where arrests are not published."),
    Column("comparable_in_time", "boolean", "Whether it compares with other months of its series.", required=True),
    Column("reason_in_time", "string", "Why it does not."),
    Column("comparable_between", "boolean", "Whether its year compares with other cities.", required=True),
    Column("reason_between", "string", "Why it does not."),
)

FIR_ALERTS = (
    Column("alert_id", "string", "Identifies the alert: computed from rule, subject and window.", required=True),
    Column("revision", "int", "1, and up to 4 as counts double; one row each.", required=True),
    Column("rule", "string", "The rule: a file of sql/alerts.", required=True),
    Column("title", "string", "What the rule says."),
    Column("subject", "string", "What it is about: a station, a cell, a hash of a number plate.", required=True),
    Column("district", "string", "Code of the police district."),
    Column("window", "string", "What the window is: hour, block, day or fir."),
    Column("window_number", "int", "Number of the window since 1970, on the stream's clock.", required=True),
    Column("window_start", "timestamptz", "When the window began; NULL where it has no time."),
    Column("at_least", "long", "Reports that raise this revision."),
    Column("before_reports", "long", "Reports before, with which it was compared."),
    Column("periods", "long", "Windows before, with which it was compared."),
    Column("lat", "double", "Degrees north; NULL where the alert has no place."),
    Column("lon", "double", "Degrees east; NULL where the alert has no place."),
    Column("event_ids", "string", "Reports that raised it, at most 20 of them, as a JSON array."),
    Column("raised_at", "timestamptz", "When it was raised.", required=True),
    Column("epoch", "string", "The consumer's state that raised it.", required=True),
    Column("object_number", "long", "Number of the object in that state's chain of alerts.", required=True),
)


@cache
def fir_history() -> tuple[Column, ...]:
    """Columns of `live.fir_history`: those of a report, and which delivery brought it.

    A function, because where there is no stream of live reports nothing of them is loaded.
    """
    from crime_assets.incidents.contract import FIELDS

    needed = {"event_id", "kind", "fir_id", "version", "registered_at", "md5"}
    return (
        *(Column(field.name, field.type, field.doc, required=field.name in needed) for field in FIELDS),
        Column("epoch", "string", "The consumer's state that delivered it.", required=True),
        Column("delivery", "long", "Number of the object in that state's chain of deliveries.", required=True),
    )


def published(columns: tuple[Column, ...], city: City) -> tuple[Column, ...]:
    """Those of the columns of crimes that a city publishes, or that are computed from such; the key as it has it.

    What they mean is said for the city: its classes follow its own codes.
    """
    return tuple(
        replace(
            column,
            type=city.key_type if column.name == "id" and column.required else column.type,
            doc=column.doc.replace("its FBI code", f"its {city.class_codes} code"),
        )
        for column in columns
        if column.name not in city.not_published
    )


def iceberg_schema(columns: tuple[Column, ...]) -> Schema:
    """The Iceberg schema. All its fields are optional: data files written outside pyiceberg are added as they are."""
    return Schema(
        *(
            NestedField(number, column.name, _TYPES[column.type][0], required=False, doc=column.doc)
            for number, column in enumerate(columns, start=1)
        )
    )


def arrow_schema(columns: tuple[Column, ...]) -> pa.Schema:
    """The same columns for Arrow."""
    return pa.schema([(column.name, _TYPES[column.type][1]) for column in columns])


def iceberg_schema_of(arrow: pa.Schema, docs: Mapping[str, str]) -> Schema:
    """The Iceberg schema of a computed table, with what its columns mean. UsageError for a type that no table takes."""
    names = {arrow_type: name for name, (_, arrow_type) in _TYPES.items()}
    for field in arrow:
        if field.type not in names:
            raise UsageError(
                f"The column {field.name} has the type {field.type}, which the lake does not store: CAST it to "
                "BIGINT, DOUBLE, VARCHAR, BOOLEAN, DATE or TIMESTAMP in the SQL."
            )
    return iceberg_schema(tuple(Column(field.name, names[field.type], docs.get(field.name, "")) for field in arrow))
