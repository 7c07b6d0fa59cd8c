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

from crime_assets.analysis.made import insights_of
from crime_assets.analysis.statistics import finished
from crime_assets.core.envelopes import seal, unseal
from crime_assets.core.errors import UsageError
from crime_assets.lakehouse.records.typing import SOURCE_COLUMNS
from crime_assets.lakehouse.schema import CRIMES
from crime_assets.sources import cities
from crime_assets.sources.cities import City
from crime_assets.streams.pull import change_day
from crime_assets_tests.build import CHICAGO
from crime_assets_tests.lakehouse.reconciliation.followed import Followed

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


SEATTLE = """
from crime_assets.sources.cities import City, Kind, Source

FIELDS = (
    "report_number report_date_time offense_id offense_date nibrs_group_a_b nibrs_crime_against_category "
    "offense_sub_category shooting_type_group block_address latitude longitude beat precinct sector neighborhood "
    "reporting_area offense_category nibrs_offense_code_description nibrs_offense_code"
).split()
HIDDEN = ("block", "latitude", "longitude", "beat", "district", "neighborhood")

CITY = City(
    name="seattle",
    title="Seattle",
    domain="data.seattle.gov",
    sources=(Source("tazs-3rd5", frozenset(FIELDS)),),
    timezone="America/Los_Angeles",
    lag_days=7,
    source_columns=dict[str, Kind](dict.fromkeys(FIELDS, "text")),
    columns={
        "id": "offense_id",
        "case_number": "report_number",
        "occurred_at": "offense_date",
        "reported_at": "report_date_time",
        "report_type": "nibrs_group_a_b",
        "block": "block_address",
        "offense_code": "nibrs_offense_code",
        "primary_type": "offense_sub_category",
        "description": "nibrs_offense_code_description",
        "beat": "beat",
        "district": "precinct",
        "neighborhood": "neighborhood",
        "latitude": "latitude",
        "longitude": "longitude",
    },
    # One place in six is this word.
    tidied={name: f"NULLIF({name}, 'REDACTED')" for name in HIDDEN},
    not_published=frozenset(
        "iucr location_description arrest domestic ward community_area fbi_code x_coordinate y_coordinate year".split()
    ),
    timestamp_formats=("%Y-%m-%dT%H:%M:%S.%f", "%m/%d/%Y %I:%M:%S %p"),
    key_type="string",
    scheme="'nibrs'",
    unknown_point=(-1.0, -1.0),
    bounding_box=(47.48, -122.46, 47.74, -122.22),
    counted="nibrs_code IS NULL OR nibrs_code <> '999'",
    counted_words="Records of what is no crime (code 999) are not counted.",
)
"""


@pytest.fixture
def smallville(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[City]:
    yield from one_more("smallville", SMALLVILLE, tmp_path, monkeypatch)


@pytest.fixture
def seattle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[City]:
    yield from one_more("seattle", SEATTLE, tmp_path, monkeypatch)


def one_more(name: str, module: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[City]:
    """A city that is one more file on the package's path, gone again after the test."""
    (place / f"{name}.py").write_text(module)
    monkeypatch.setattr(cities, "__path__", [*cities.__path__, str(place)])
    yield cities.get(name)
    sys.modules.pop(f"crime_assets.sources.cities.{name}", None)
    vars(cities).pop(name, None)


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


def offense(number: int, code: str, **other: str) -> dict[str, str]:
    """A row of Seattle's export, under the titles of its columns."""
    return {
        "Report Number": f"2026-{number // 2}",
        "Report Date Time": "2026-04-20T08:28:24.000",
        "Offense ID": str(number),
        "Offense Date": "2026-04-17T18:42:00.000",
        "NIBRS Group A B": "A",
        "Offense Sub Category": "LARCENY-THEFT",
        "Block Address": "7XX BLOCK OF N 47TH ST",
        "Latitude": "47.66287425",
        "Longitude": "-122.349303056792",
        "Beat": "B2",
        "Precinct": "North",
        "Neighborhood": "FREMONT",
        "NIBRS Offense Code": code,
        **other,
    }


class TestSeattle:
    """A stranger's fifth city: one module, and nothing else."""

    def test_is_less_than_eighty_lines(self) -> None:
        assert len(SEATTLE.strip().splitlines()) <= 80

    def test_each_column_is_published_or_said_not_to_be(self, seattle: City) -> None:
        computed = seattle.columns.keys() | seattle.not_published | {"updated_on"}
        assert computed == {*SOURCE_COLUMNS}
        assert not seattle.columns.keys() & seattle.not_published
        assert {*seattle.columns.values()} <= seattle.source_columns.keys()

    def test_is_loaded_typed_and_counted(self, seattle: City, tmp_path: Path) -> None:
        redacted = dict.fromkeys(("Block Address", "Latitude", "Longitude", "Beat", "Precinct"), "REDACTED")
        followed = Followed(tmp_path, "seattle", date(2026, 5, 20))
        followed.publish(
            {
                "crimes.csv": [
                    offense(1, "23F"),
                    offense(2, "13A", **redacted),
                    offense(3, "999"),
                    offense(4, "35A", Latitude="-1.0", Longitude="-1.0"),
                    offense(5, "ZZZ"),
                ]
            }
        )
        followed.run()

        crimes = followed.crimes("nibrs_offense", "offense_class", "latitude", "district", "block")
        block = "7XX BLOCK OF N 47TH ST"
        assert crimes == {
            "1": ("theft", "property", 47.66287425, "NORTH", block),
            "2": ("aggravated assault", "violent", None, None, None),
            "3": ("other", "other", 47.66287425, "NORTH", block),
            "4": ("drugs", "other", None, "NORTH", block),
            "5": (None, "unmapped", 47.66287425, "NORTH", block),
        }
        assert followed.crimes("occurred_at", "reported_at", "case_number")["1"] == (
            datetime(2026, 4, 17, 18, 42),
            datetime(2026, 4, 20, 8, 28, 24),
            "2026-0",
        )
        summary = next(one for one in insights_of(seattle) if one.name == "crime_summary")
        found = finished(summary, followed.profile.engine.insight(summary, date(2026, 5, 19))).to_pylist()
        whole = next(row for row in found if row["period"] == "all")
        assert (whole["crimes"], whole["violent_crimes"], whole["property_crimes"]) == (4, 1, 1)
        assert not whole.keys() & {"arrests", "arrest_share", "domestic_crimes", "domestic_share"}


class TestWhatItsCodesCanBe:
    def test_most_cities_publish_every_offense(self) -> None:
        for name in ("chicago", "new_york", "los_angeles", "san_francisco"):
            assert len(cities.get(name).offenses) == 14
            assert cities.get(name).classes == {"violent", "property", "other"}

    def test_washington_publishes_index_crimes_only(self) -> None:
        washington = cities.get("washington")
        assert washington.classes == {"violent", "property"}
        assert not {"simple assault", "drugs", "weapons", "fraud", "damage", "other"} & washington.offenses

    def test_nibrs_needs_no_table(self, seattle: City) -> None:
        assert len(seattle.offenses) == 14
        assert seattle.codes["nibrs", "13A"].nibrs_code == "13A"
        assert ("nibrs", "X30") not in seattle.codes
        los_angeles = {code for scheme, code in cities.get("los_angeles").codes if scheme == "nibrs"}
        assert {code for _, code in seattle.codes} == los_angeles

    def test_a_city_without_codes_of_its_own_has_none(self, smallville: City) -> None:
        assert smallville.codes == {}
        assert len(smallville.offenses) == 14


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
