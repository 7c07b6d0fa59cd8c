"""The statements that forecasts are made of, run by DuckDB, equal a plain computation."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from crime_assets.analysis import forecast_statements
from crime_assets.analysis.forecast_statements import Statements, load_forecasts, statements_of
from crime_assets.core.errors import UsageError
from crime_assets.core.insights import parts
from crime_assets.core.sql import SQL_DIRECTORY
from crime_assets.sources import cities
from crime_assets_tests.sql.asking import computed_of, crime, older_versions, random_crimes, table

AS_OF = date(2024, 2, 29)
FIRST_CHANGE_DAY = AS_OF - timedelta(days=40)
TARGETS = ("violent_street", "burglary", "vehicle_theft", "robbery", "index_crime")
PUBLIC = ("STREET", "SCHOOL - PUBLIC GROUNDS", "CTA PLATFORM", "PARKING LOT/GARAGE(NON.RESID.)")
ELSEWHERE = ("APARTMENT", "street", "RESIDENCE PORCH/HALLWAY", None)

Key = tuple[object, ...]


@lru_cache
def crimes() -> pa.Table:
    """Two years of them, some known late, on days some of which were pulled late."""
    rng = np.random.default_rng(3)
    rows = random_crimes(5, 1500, date(2022, 3, 1), date(2024, 3, 9))
    for row in rows:
        day = row["change_day"]
        assert isinstance(day, date)
        pulled = day + timedelta(days=9 if day.day % 3 == 0 else 1)
        row["ingested_at"] = datetime.combine(pulled, time(8), UTC)
        row["record_md5"] = hashlib.md5(str(row["id"]).encode()).hexdigest()
        row["location_description"] = (*PUBLIC, *ELSEWHERE)[rng.integers(8)]
    return table(rows)


def first_known(older: pa.Table) -> dict[object, date]:
    """Of each record that was replaced by the as-of day, the first change day that it had."""
    found: dict[object, date] = {}
    for row in older.to_pylist():
        if row["change_day"] <= AS_OF:
            found[row["id"]] = min(row["change_day"], found.get(row["id"], row["change_day"]))
    return found


def pulled_in_time(*versions: pa.Table) -> set[date]:
    """The change days of the lake that were pulled within three days."""
    after: dict[date, int] = {}
    for row in (row for rows in versions for row in rows.to_pylist()):
        day = row["change_day"]
        if FIRST_CHANGE_DAY <= day <= AS_OF:
            days = (row["ingested_at"].date() - day).days
            after[day] = min(days, after.get(day, days))
    return {day for day, days in after.items() if days <= 3}


def belongs(row: dict[str, object]) -> dict[str, bool]:
    code = row["fbi_code"]
    is_public = row["location_description"] in PUBLIC and row["domestic"] is not True
    return {
        "violent_street": code in ("01A", "03", "04A", "04B") and is_public,
        "burglary": code == "05",
        "vehicle_theft": code == "07",
        "robbery": code == "03",
        "index_crime": True,
    }


def plain_events(older: pa.Table) -> Counter[Key]:
    """Day, first day, whether that was seen, draw, place and area, and a target → records."""
    earlier, in_time = first_known(older), pulled_in_time(crimes(), older)
    found: Counter[Key] = Counter()
    for row in crimes().to_pylist():
        if not row["is_index"] or row["occurred_on"] > AS_OF:
            continue
        first = min(row["change_day"], earlier.get(row["id"], row["change_day"]))
        place = (row["latitude"], row["longitude"], row["community_area"])
        key = (row["occurred_on"], first, int(first in in_time), int(row["record_md5"][:4], 16), *place)
        for target, is_one in belongs(row).items():
            found[*key, target] += is_one
    return +found


def test_events_are_the_index_crimes_with_what_tells_since_when_each_could_be_known() -> None:
    older = older_versions(crimes())
    found = computed_of(load_forecasts().events, crimes(), AS_OF, older, first_change_day=FIRST_CHANGE_DAY)

    told: Counter[Key] = Counter()
    for row in found.to_pylist():
        assert row.pop("as_of_day") == AS_OF
        counts = {target: row.pop(target) for target in TARGETS}
        for target, records in counts.items():
            told[*row.values(), target] += records

    expected = plain_events(older)
    assert +told == expected
    assert found.num_rows == len({key[:-1] for key in expected})
    by_target: Counter[object] = Counter()
    for key, records in expected.items():
        by_target[key[-1]] += records
    assert set(by_target) == set(TARGETS)
    assert by_target["violent_street"] < by_target["index_crime"] > by_target["robbery"] > 20
    assert {key[2] for key in expected} == {0, 1}


def test_events_have_the_types_that_are_read() -> None:
    found = computed_of(load_forecasts().events, crimes(), AS_OF)
    assert [(field.name, str(field.type)) for field in found.schema] == [
        ("as_of_day", "date32[day]"),
        ("occurred_on", "date32[day]"),
        ("first_day", "date32[day]"),
        ("is_seen", "int32"),
        ("draw", "int32"),
        ("latitude", "double"),
        ("longitude", "double"),
        ("community_area", "int32"),
        *((target, "int32") for target in TARGETS),
    ]


def test_every_record_is_a_row_also_one_like_another_and_one_without_a_place() -> None:
    same: dict[str, object] = {"primary_type": "BURGLARY", "fbi_code": "05", "record_md5": "00ff" + "0" * 28}
    rows = [
        crime(number, datetime(2024, 2, 1, 10 + number), latitude=41.8, longitude=-87.6, **same) for number in (1, 2)
    ]
    rows.append(crime(3, datetime(2024, 2, 1, 13), **same))

    found = computed_of(load_forecasts().events, table(rows), AS_OF).to_pylist()

    assert sorted((row["latitude"] or 0, row["burglary"], row["index_crime"], row["draw"]) for row in found) == [
        (0, 1, 1, 255),
        (41.8, 1, 1, 255),
        (41.8, 1, 1, 255),
    ]


@pytest.mark.parametrize("dialect", ["athena", "spark"])
def test_a_draw_is_the_same_in_every_dialect(dialect: str) -> None:
    rows = [
        crime(n, datetime(2024, 2, 1), primary_type="BURGLARY", record_md5=f"{n * 4111 % 65536:04x}{'f' * 28}")
        for n in range(200)
    ]
    found = computed_of(load_forecasts().events, table(rows), AS_OF, by_way_of=dialect)
    assert sorted(found["draw"].to_pylist()) == sorted(n * 4111 % 65536 for n in range(200))


def test_completeness_is_that_of_all_statements() -> None:
    found = computed_of(load_forecasts().completeness, crimes(), AS_OF).to_pylist()
    assert [row["days_since"] for row in found] == list(range(91))
    shares = [row["completeness"] for row in found]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)
    assert len(set(shares)) > 5
    assert {row["is_learnt"] for row in found} <= {0, 1}


def test_nothing_is_known_of_completeness_without_change_days() -> None:
    found = computed_of(load_forecasts().completeness, table([]), AS_OF).to_pylist()
    assert [(row["days_since"], row["completeness"]) for row in found] == [(lag, None) for lag in range(91)]


def test_cells_seen_are_the_places_of_index_crimes_up_to_the_last_complete_day() -> None:
    found = computed_of(load_forecasts().cells_seen, crimes(), AS_OF).to_pylist()
    expected = Counter(
        (row["latitude"], row["longitude"], row["community_area"])
        for row in crimes().to_pylist()
        if row["is_index"] and row["occurred_on"] <= AS_OF - timedelta(days=8) and row["latitude"] is not None
    )
    told = {(row["latitude"], row["longitude"], row["community_area"]): row["records"] for row in found}
    assert told == expected
    assert len(found) == len(expected)


def test_no_statement_asks_for_what_tells_of_police_or_persons() -> None:
    files = [*(SQL_DIRECTORY / "forecasts").glob("*.sql"), SQL_DIRECTORY / "parts" / "forecast_targets.sql"]
    assert len(files) == 4
    for path in files:
        text = path.read_text("utf-8")
        assert not re.search(r"\b(arrests?|case_number|primary_type|beat|district)\b", text), path
    assert "arrest" in (SQL_DIRECTORY / "checks" / "arrest_share_of_targets.sql").read_text("utf-8")


@pytest.mark.parametrize("column", ["arrest", "case_number", "district"])
def test_a_statement_that_asks_for_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, column: str) -> None:
    shutil.copytree(SQL_DIRECTORY / "forecasts", tmp_path / "forecasts")
    asked = tmp_path / "forecasts" / "03_cells_seen.sql"
    asked.write_text(f"{asked.read_text()} HAVING count({column}) > 0")
    monkeypatch.setattr(forecast_statements, "SQL_DIRECTORY", tmp_path)
    with pytest.raises(UsageError, match=column):
        load_forecasts.__wrapped__()


def test_a_city_that_counts_some_records_only_forecasts_these() -> None:
    assert statements_of(cities.get("chicago")) == load_forecasts()
    counting = cities.get("san_francisco")
    assert counting.counted
    assert "report_type" in statements_of(counting).events.statement


def test_the_release_follows_the_statements_and_the_method(monkeypatch: pytest.MonkeyPatch) -> None:
    now = load_forecasts()
    assert re.fullmatch("[0-9a-f]{16}", now.release)
    other = Statements(now.events.counting_only("ward = 1"), now.completeness, now.cells_seen)
    assert other.release != now.release
    before = now.release
    monkeypatch.setattr(forecast_statements, "RELEASE", 99)
    assert now.release != before


def test_the_part_is_read_by_name() -> None:
    assert "forecast_targets" in parts()
    assert load_forecasts().events.statement.count("'VEHICLE NON-COMMERCIAL'") == 1
