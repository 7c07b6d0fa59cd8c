"""Verdicts of what was delivered: whole, repeated, and of the columns that were expected."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import pytest

from crime_assets.core.envelopes import Envelope
from crime_assets.defs.checks import verdicts
from crime_assets.defs.checks.verdicts import Verdict
from crime_assets.lakehouse.iceberg.evolution import MOST_NEW
from crime_assets.sources import cities
from crime_assets.streams.inventory import Inventory, InventoryItem
from crime_assets_tests import build

DAY = date(2024, 3, 20)
ONE = timedelta(days=1)
CHICAGO = build.CHICAGO
COLUMNS = frozenset(CHICAGO.source_columns)


def found(
    *records: int,
    distinct: int | None = None,
    promised: int | None = 1,
    missing: Sequence[str] = (),
    damage: str | None = None,
) -> Inventory:
    """An inventory of objects with so many records each; the last one damaged where it says so."""
    items = [InventoryItem(f"raw/{n}", "etag", 10, count, 0) for n, count in enumerate(records)]
    if damage:
        items[-1] = InventoryItem(items[-1].key, "etag", 10, records[-1], 0, damage)
    return Inventory(items, sum(records) if distinct is None else distinct, promised, list(missing))


class TestDeliveryComplete:
    def test_passes(self) -> None:
        verdict = verdicts.delivery_complete({DAY: found(200, 50), DAY - ONE: found(promised=0)})
        assert verdict == Verdict(
            True,
            "All batches were delivered in full (change days: 2).",
            {"missing": [], "damaged_objects": []},
        )

    def test_fails_for_missing_batches(self) -> None:
        days = {DAY - ONE: found(200), DAY: found(200, promised=3, missing=["b", "c"])}
        assert verdicts.delivery_complete(days) == Verdict(
            False,
            "2024-03-20: 2 of 3 batches are missing. "
            "Materialize raw_crime_batches of these days again to deliver the rest.",
            {"missing": ["b", "c"], "damaged_objects": []},
        )

    def test_fails_for_want_of_a_manifest(self) -> None:
        verdict = verdicts.delivery_complete({DAY: found(200, promised=None), DAY - ONE: found(0, missing=["a"])})
        assert not verdict.passed
        assert verdict.sentence.startswith("2024-03-20: no manifest; 2024-03-19: 1 of 1 batches are missing. ")

    def test_a_damaged_object_is_named_but_only_missing_batches_fail(self) -> None:
        whole = verdicts.delivery_complete({DAY: found(200, 3, damage="cut off")})
        assert whole.passed
        assert whole.sentence.endswith(" Damaged objects: 1; their readable part is used.")
        assert whole.figures["damaged_objects"] == ["raw/1"]
        assert not verdicts.delivery_complete({DAY: found(3, missing=["a"], damage="cut off")}).passed

    def test_lists_no_more_names_than_a_person_reads(self) -> None:
        names = [f"{n:03d}" for n in range(50)]
        verdict = verdicts.delivery_complete({DAY: found(promised=50, missing=names)})
        assert verdict.figures["missing"] == names[:20]
        assert "50 of 50 batches" in verdict.sentence


class TestDuplicateShare:
    def test_passes_at_the_limit(self) -> None:
        assert verdicts.duplicate_share({DAY: found(100, distinct=95), DAY - ONE: found(300)}) == Verdict(
            True,
            "5 of 400 delivered records are duplicates; the worst day has 5.0%.",
            {"repeated": 5, "records": 400, "days_above_limit": {}},
        )

    def test_fails_if_one_day_is_above_it(self) -> None:
        verdict = verdicts.duplicate_share({DAY: found(60, 40, distinct=94), DAY - ONE: found(10_000)})
        assert verdict == Verdict(
            False,
            "6 of 10100 delivered records are duplicates; the worst day has 6.0%.",
            {"repeated": 6, "records": 10_100, "days_above_limit": {"2024-03-20": 0.06}},
        )

    @pytest.mark.parametrize("days", [{}, {DAY: found()}, {DAY: found(0, 0)}])
    def test_nothing_delivered_is_nothing_repeated(self, days: Mapping[date, Inventory]) -> None:
        verdict = verdicts.duplicate_share(days)
        assert verdict.passed
        assert verdict.sentence == "0 of 0 delivered records are duplicates; the worst day has 0.0%."


def lines(count: int, **fields: object) -> list[Envelope]:
    location = {"latitude": "41.88", "longitude": "-87.62"}
    return [build.envelope(build.record(id, "2024-01-20", location=location, **fields)) for id in range(count)]


def schema(columns: frozenset[str], *objects: list[Envelope], taken: Collection[str] = ()) -> Verdict:
    """The verdict on inventories of these records, one a day."""
    days = [
        Inventory([InventoryItem("raw/1", "etag", 10, len(one), 0)], len(one), kinds=build.kinds_of(one))
        for one in objects
    ]
    return verdicts.source_schema(CHICAGO, columns, days, taken)


def test_fields_of_another_dataset_are_not_gone() -> None:
    city = cities.get("san_francisco")
    of_old, of_new = (source.fields for source in city.sources)
    assert verdicts.source_schema(city, of_new, []).sentence == "All 27 columns are there and look as they should."
    assert verdicts.source_schema(city, of_old, []).passed
    assert verdicts.source_schema(city, of_new | of_old, []).passed
    assert verdicts.source_schema(city, of_old - {"pddistrict"}, []).sentence == "pddistrict is gone from the source"
    assert verdicts.source_schema(city, of_new | of_old - {"x"}, []).sentence == "x is gone from the source"


@pytest.mark.parametrize("name", ["san_francisco", "washington"])
def test_load_stamps_that_feeds_leave_out_are_not_gone(name: str) -> None:
    city = cities.get(name)
    assert city.load_stamps
    assert verdicts.source_schema(city, city.sources[-1].fields - city.load_stamps, []).passed


@pytest.mark.parametrize("name", ["los_angeles", "san_francisco"])
def test_datasets_have_the_fields_of_the_city_and_no_others(name: str) -> None:
    city = cities.get(name)
    assert frozenset().union(*(source.fields for source in city.sources)) == city.source_columns.keys()


class TestSourceSchema:
    def test_passes(self) -> None:
        verdict = schema(COLUMNS, lines(200))
        assert verdict.passed
        assert verdict.sentence == "All 22 columns are there and look as they should."
        assert verdict.figures == {"drift": {}, "records_looked_at": 200}

    def test_a_new_and_a_lost_column(self) -> None:
        verdict = schema(COLUMNS - {"ward", "beat"} | {"precinct"}, lines(200))
        assert not verdict.passed
        assert verdict.sentence == (
            "precinct is new at the source and comes as nothing; "
            "beat is gone from the source; ward is gone from the source"
        )

    def test_what_becomes_of_new_columns(self) -> None:
        odd = [*lines(5, precinct="7", weapon=1), *lines(5, precinct=7)]

        verdict = schema(COLUMNS | {"precinct", "weapon", "2nd"}, odd, taken=["precinct", "late"])

        assert verdict.figures["drift"] == {
            "2nd": "is new at the source and comes as nothing; crimes takes no column with such a name",
            "precinct": "is new at the source and comes as number, text",
            "weapon": "is new at the source and comes as number",
            "late": "was added to crimes when it was new, and is gone from the source",
        }

    def test_new_columns_beyond_what_crimes_takes(self) -> None:
        taken = [f"new_{n:03}" for n in range(MOST_NEW)]

        verdict = schema(COLUMNS | {*taken, "zip"}, lines(5), taken=taken)

        assert verdict.figures["drift"]["zip"] == (
            "is new at the source and comes as nothing; crimes already has 50 such columns and takes no more"
        )
        assert verdict.figures["drift"]["new_000"] == "is new at the source and comes as nothing"

    @pytest.mark.parametrize(
        ("fields", "sentence"),
        [
            ({"beat": 111}, "beat should be text and comes as number"),
            ({"beat": 1.5}, "beat should be text and comes as number"),
            ({"beat": True}, "beat should be text and comes as flag"),
            ({"beat": ["1"]}, "beat should be text and comes as list"),
            ({"arrest": 1}, "arrest should be flag and comes as number"),
            ({"location": [41.88, -87.62]}, "location should be object and comes as list"),
        ],
    )
    def test_one_value_of_another_kind(self, fields: dict[str, Any], sentence: str) -> None:
        odd = [*lines(199), build.envelope({**build.record(1, "2024-01-20"), **fields})]
        verdict = schema(COLUMNS, odd)
        assert not verdict.passed
        assert verdict.sentence == sentence

    def test_every_kind_is_named(self) -> None:
        odd = [build.envelope(build.record(1, "2024-01-20", beat=value)) for value in ({"a": 1}, 1, "0111")]
        assert schema(COLUMNS, odd).figures["drift"] == {"beat": "should be text and comes as number, object"}

    def test_an_export_spells_flags_and_points_as_text(self) -> None:
        spelled = build.envelope(build.record(2, "2024-01-20", arrest="true", location="(41.88, -87.62)"))
        assert schema(COLUMNS, lines(1), [spelled]).passed

    def test_an_empty_column_shows_only_among_many_records(self) -> None:
        assert schema(COLUMNS, lines(99, ward=None)).passed
        verdict = schema(COLUMNS, lines(100, ward=None))
        assert not verdict.passed
        assert verdict.sentence == "ward is empty in all 100 records"
        assert schema(COLUMNS, lines(100, ward=None), lines(1)).passed

    def test_nothing_says_nothing(self) -> None:
        for given in ([], [[]]):
            verdict = schema(COLUMNS, *given)
            assert verdict.passed
            assert verdict.figures["records_looked_at"] == 0
