"""Which columns say more than a mask: of all that the schema has, by what they say."""

from __future__ import annotations

from datetime import datetime, timedelta

import duckdb
import pytest

from crime_assets.governance.finer import TEXTS, TIMES, finer_than_masks
from crime_assets.governance.masks import MASKS, Mask
from crime_assets.governance.scopes import Scope
from crime_assets.lakehouse.schema import CRIMES
from crime_assets_tests.governance.policies import TEXT, TYPES, scope

OF_TIME = {
    "occurred_on": "occurred_at::DATE",
    "month": "date_trunc('month', occurred_at)::DATE",
    "hour": "hour(occurred_at)",
    "iso_weekday": "isodow(occurred_at)",
    "time_of_day": "hour(occurred_at) // 6",
    "year": "year(occurred_at)",
}
"""The columns that are computed from the time alone, and how."""


def masked(column: str, kind: str, value: int | str) -> list[str]:
    """The columns that are finer, of all that there are."""
    columns: dict[str, Mask | None] = {**dict.fromkeys(TYPES), column: Mask(kind, value)}
    return finer_than_masks(Scope("some", (), frozenset({"crimes"}), "TRUE", columns))


@pytest.mark.parametrize("to", MASKS["truncate"].values)
def test_what_is_computed_from_a_time_is_finer_if_it_tells_two_times_apart(to: int | str) -> None:
    moments = [datetime(2023, 1, 1) + timedelta(hours=7 * n) for n in range(2_000)]
    told = set()
    with duckdb.connect() as con:
        con.execute("CREATE TABLE crimes AS SELECT unnest($1) AS occurred_at", [moments])
        for name, made in OF_TIME.items():
            (found,) = con.execute(
                f"SELECT max(n) > 1 FROM (SELECT count(DISTINCT {made}) AS n FROM crimes "
                f"GROUP BY date_trunc('{to}', occurred_at))"
            ).fetchall()
            told |= {name} if found[0] else set()
    assert told == OF_TIME.keys() & masked("occurred_at", "truncate", to)


@pytest.mark.parametrize(
    ("column", "kind", "value", "finer"),
    [
        ("occurred_at", "truncate", "hour", ""),
        ("occurred_at", "truncate", "day", "hour time_of_day"),
        (
            "occurred_at", "truncate", "month",
            "hour time_of_day occurred_on iso_weekday id case_number updated_on change_day ingested_at",
        ),
        ("updated_on", "truncate", "day", ""),
        ("updated_on", "truncate", "year", "change_day ingested_at"),
        ("latitude", "h3_center", 8, "block"),
        ("latitude", "h3_center", 7, "block beat"),
        ("latitude", "h3_center", 6, "block beat community_area ward district"),
        ("case_number", "keyed_hash", 16, ""),
        ("primary_type", "keyed_hash", 16, "primary_type_published iucr description fbi_code"),
        ("beat", "keyed_hash", 16, "block latitude longitude x_coordinate y_coordinate"),
        ("time_of_day", "keyed_hash", 16, "hour occurred_at"),
    ],
)  # fmt: skip
def test_what_says_more_than_a_mask(column: str, kind: str, value: int | str, finer: str) -> None:
    """The digest of the whole record always does."""
    assert masked(column, kind, value) == [*finer.split(), "record_md5"]


def test_each_column_that_can_be_masked_is_judged() -> None:
    types = {column.name: column.type for column in CRIMES}
    assert {name for name, kind in types.items() if kind == "string"} == TEXTS.keys()
    assert {name for name, kind in types.items() if kind.startswith("timestamp")} == TIMES.keys()
    assert all(levels.keys() == set(MASKS["truncate"].values) for levels in TIMES.values())
    named = {name for names in TEXTS.values() for name in names}
    named |= {name for levels in TIMES.values() for names in levels.values() for name in names}
    assert named <= types.keys()


def test_only_what_is_seen_clear_says_more() -> None:
    assert finer_than_masks(scope("p.diaz")) == ["block"]
    assert finer_than_masks(scope("ana")) == ["hour", "time_of_day"]
    by_year = finer_than_masks(scope("ana", TEXT.replace('to = "day"', 'to = "year"')))
    assert by_year == ["hour", "time_of_day", "occurred_on", "iso_weekday", "month", "change_day", "ingested_at"]
