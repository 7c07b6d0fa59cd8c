"""Cities as data: Chicago's adds up, and another city is one file."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import permutations, product
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest

from crime_assets.core.envelopes import seal, unseal
from crime_assets.core.errors import UsageError
from crime_assets.lakehouse.records.typing import SOURCE_COLUMNS
from crime_assets.lakehouse.schema import CRIMES
from crime_assets.sources import cities
from crime_assets.sources.cities import City
from crime_assets.streams.pull import change_day
from crime_assets_tests.build import CHICAGO

SMALLVILLE = """
from crime_assets.sources.cities import City, Source

CITY = City(
    name="smallville",
    title="Smallville",
    domain="data.smallville.example",
    sources=(Source("abcd-1234", frozenset({"report_no", "day", "at", "offence", "arrested", "modified"})),),
    timezone="Pacific/Auckland",
    lag_days=1,
    source_columns={
        "report_no": "text", "day": "text", "at": "text", "offence": "text", "arrested": "flag", "modified": "text"
    },
    columns={
        "id": "report_no",
        "occurred_at": ("day", "at"),
        "primary_type": "offence",
        "arrest": "arrested",
        "updated_on": "modified",
    },
    timestamp_formats=("%d.%m.%Y %H:%M", "%d.%m.%Y"),
)
"""


@pytest.fixture
def smallville(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[City]:
    """A city that is one more file on the package's path, gone again after the test."""
    (tmp_path / "smallville.py").write_text(SMALLVILLE)
    monkeypatch.setattr(cities, "__path__", [*cities.__path__, str(tmp_path)])
    yield cities.get("smallville")
    sys.modules.pop("crime_assets.sources.cities.smallville", None)
    vars(cities).pop("smallville", None)


@pytest.mark.parametrize("name", cities.names())
def test_its_licence_is_one_sentence(name: str) -> None:
    assert re.fullmatch(r"[A-Z][^.]+[.]", cities.get(name).licence)


@pytest.mark.parametrize("name", cities.names())
def test_keys_are_compared_as_they_come(name: str) -> None:
    assert "id" not in cities.get(name).tidied


@pytest.mark.parametrize("name", cities.names())
def test_no_text_fits_two_timestamp_formats_with_two_meanings(name: str) -> None:
    city = cities.get(name)
    with duckdb.connect() as con:
        for day, hour in product((3, 11, 28), (0, 7, 12, 23)):
            moment = datetime(2024, 9, day, hour, 5, 6)
            for written, read in permutations(city.timestamp_formats, 2):
                text = moment.strftime(written)
                own, other = (
                    con.execute("SELECT try_strptime($text, $form)", {"text": text, "form": form}).fetchall()[0][0]
                    for form in (written, read)
                )
                assert other in (None, own), (text, written, read)


def test_formats_that_fit_come_first_and_none_is_lost() -> None:
    portal = CHICAGO.formats_for("02/29/2024 11:00:05 PM")

    assert portal[0] == "%m/%d/%Y %I:%M:%S %p"
    assert sorted(portal) == sorted(CHICAGO.timestamp_formats)
    assert CHICAGO.formats_for("2024-02-29T23:00:05.000")[0] == "%Y-%m-%dT%H:%M:%S.%f"
    assert CHICAGO.formats_for("nonsense") == CHICAGO.formats_for(None) == list(CHICAGO.timestamp_formats)


class TestChicago:
    def test_is_found_by_its_name(self) -> None:
        assert "chicago" in cities.names()
        assert cities.get("chicago") is CHICAGO
        assert CHICAGO.name == "chicago"
        assert (CHICAGO.key_field, CHICAGO.change_field) == ("id", "updated_on")

    def test_every_column_comes_from_a_field_of_the_source(self) -> None:
        assert set(CHICAGO.columns) | CHICAGO.not_published >= set(SOURCE_COLUMNS)
        assert set(SOURCE_COLUMNS) <= {column.name for column in CRIMES}
        assert set(CHICAGO.columns.values()) <= CHICAGO.source_columns.keys()

    def test_only_the_repeated_location_is_left_out(self) -> None:
        assert CHICAGO.source_columns.keys() - set(CHICAGO.columns.values()) == {"location"}

    def test_what_is_said_of_columns_is_said_of_columns_there_are(self) -> None:
        assert CHICAGO.code_widths.keys() <= CHICAGO.columns.keys()
        assert CHICAGO.unknown_markers.keys() <= CHICAGO.columns.keys()

    def test_portal_and_clock(self) -> None:
        assert re.fullmatch(r"[a-z0-9]{4}-[a-z0-9]{4}", CHICAGO.dataset)
        assert re.fullmatch(r"[a-z.]+[.][a-z]+", CHICAGO.domain)
        assert ZoneInfo(CHICAGO.timezone).utcoffset(datetime(2024, 7, 1)) != ZoneInfo(CHICAGO.timezone).utcoffset(
            datetime(2024, 1, 1)
        )

    def test_every_format_reads_back_what_it_writes_in_python_and_in_duckdb(self) -> None:
        at = datetime(2018, 11, 19, 15, 42)
        assert len(set(CHICAGO.timestamp_formats)) == len(CHICAGO.timestamp_formats)
        for pattern in CHICAGO.timestamp_formats:
            text = at.strftime(pattern)
            assert datetime.strptime(text, pattern) == at
            assert duckdb.execute("SELECT try_strptime(?, ?)", [text, pattern]).fetchall() == [(at,)]

    def test_what_a_format_takes_no_other_takes_for_another_time(self) -> None:
        for at in (datetime(2018, 3, 4, 0, 5), datetime(2018, 11, 10, 12, 0), datetime(2018, 1, 2, 13, 59)):
            for pattern in CHICAGO.timestamp_formats:
                readings = set()
                for other in CHICAGO.timestamp_formats:
                    try:
                        readings.add(datetime.strptime(at.strftime(pattern), other))
                    except ValueError:
                        continue
                assert readings == {at}

    def test_offense_codes_are_of_one_class(self) -> None:
        classes = CHICAGO.offense_classes
        assert {code for code, kind in classes.items() if kind == "violent"} == {"01A", "02", "03", "04A", "04B"}
        assert {code for code, kind in classes.items() if kind == "property"} == {"05", "06", "07", "09"}

    def test_renamed_categories_have_one_present_name(self) -> None:
        assert CHICAGO.renamed_categories.keys().isdisjoint(CHICAGO.renamed_categories.values())

    def test_districts_are_padded_and_the_point_of_no_place_is_outside_the_city(self) -> None:
        assert {len(district) for district in CHICAGO.districts} == {CHICAGO.code_widths["district"]}
        assert {"001", "025", "031", "061"} <= CHICAGO.districts
        south, west, north, east = CHICAGO.bounding_box
        assert south < 41.88 < north
        assert west < -87.63 < east
        assert CHICAGO.unknown_point is not None
        assert not south <= CHICAGO.unknown_point[0] <= north

    def test_real_rows_are_as_it_says(self, shared_data: Path) -> None:
        export = f"read_csv('{shared_data}/chicago/Crimes_-_2018.csv.gz', all_varchar = true)"
        names = [row[0] for row in duckdb.execute(f"DESCRIBE FROM {export}").fetchall()]
        assert {name.lower().replace(" ", "_") for name in names} == CHICAGO.source_columns.keys()
        south, west, north, east = CHICAGO.bounding_box
        (row,) = duckdb.execute(
            f"""
            SELECT count(*) FILTER ("District" NOT IN {tuple(sorted(CHICAGO.districts))}),
                   count(*) FILTER (length("Beat") <> 4 OR length("IUCR") <> 4),
                   count(*) FILTER (NOT ("Latitude"::DOUBLE BETWEEN {south} AND {north}
                                         AND "Longitude"::DOUBLE BETWEEN {west} AND {east})
                                    AND "Latitude"::DOUBLE <> 36.619446395)
            FROM (FROM {export} LIMIT 50000)
            """
        ).fetchall()
        assert row == (0, 0, 0)


class TestAnotherCity:
    def test_is_one_file(self, smallville: City) -> None:
        assert {"chicago", "smallville"} <= set(cities.names())
        assert cities.names() == sorted(cities.names())
        assert smallville.title == "Smallville"
        assert cities.get("chicago") is CHICAGO

    def test_has_fields_of_its_own(self, smallville: City) -> None:
        assert (smallville.key_field, smallville.change_field) == ("report_no", "modified")
        assert smallville.columns["occurred_at"] == ("day", "at")
        assert smallville.unknown_point is None
        assert smallville.districts == frozenset()
        assert smallville.bounding_box == (-90.0, -180.0, 90.0, 180.0)

    def test_its_records_travel_and_find_their_change_day(self, smallville: City) -> None:
        record = {"report_no": "7", "day": "19.11.2018", "at": "23:05", "modified": "20.11.2018 01:30"}
        assert change_day(smallville, record) == date(2018, 11, 20)
        assert change_day(CHICAGO, record) is None
        sealed = seal(record, smallville.name, date(2018, 11, 20), "b", datetime(2018, 11, 21, tzinfo=UTC))
        assert unseal(sealed, "smallville").record == record

    def test_a_key_of_several_fields_is_refused(self, smallville: City) -> None:
        split = City(**{**vars(smallville), "columns": {**smallville.columns, "id": ("day", "at")}})
        with pytest.raises(ValueError, match="smallville: id must come from one source field"):
            _ = split.key_field


@pytest.mark.parametrize("name", ["gotham", "", "Chicago", "chicago.CITY", "../chicago", ".", "os", "__init__"])
def test_unknown_cities_are_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        cities.get(name)
    assert str(caught.value) == f"There is no city {name!r}: set CRIME_CITY to one of {', '.join(cities.names())}."


class TestLastCompleteDay:
    @pytest.mark.parametrize(
        ("city", "as_of", "newest", "last"),
        [
            ("chicago", "2026-11-20", "2026-01-01", "2026-11-12"),
            ("san_francisco", "2026-11-20", "2026-11-19", "2026-11-17"),
            ("san_francisco", "2026-11-20", "2018-12-31", "2018-12-29"),
            ("new_york", "2026-11-20", "2026-09-30", "2026-09-30"),
            ("new_york", "2026-11-20", "2026-06-30", "2026-06-30"),
            ("new_york", "2026-10-20", "2026-09-30", "2026-06-30"),
            ("new_york", "2026-11-20", None, "2026-09-30"),
            ("washington", "2026-11-20", "2026-11-18", "2026-11-16"),
        ],
    )
    def test_is_no_later_than_what_was_published(self, city: str, as_of: str, newest: str | None, last: str) -> None:
        known = date.fromisoformat(newest) if newest else None
        assert str(cities.get(city).last_complete_day(date.fromisoformat(as_of), known)) == last
