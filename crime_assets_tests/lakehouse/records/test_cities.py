"""Records of other cities become typed rows: keys that are texts, times in two fields, codes by the tables of codes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import pytest

from crime_assets.core.envelopes import seal, unseal
from crime_assets.lakehouse.records.typing import SOURCE_COLUMNS
from crime_assets.lakehouse.schema import CRIMES, published
from crime_assets.sources import cities
from crime_assets_tests.lakehouse.records.texts import typed

DAY = date(2026, 10, 20)
AT = datetime(2026, 10, 21, tzinfo=UTC)
NEW_YORK = {
    "cmplnt_num": "10123456H1",
    "cmplnt_fr_dt": "2010-01-01T00:00:00.000",
    "cmplnt_fr_tm": "17:30:00",
    "addr_pct_cd": "7",
    "rpt_dt": "2010-01-02T00:00:00.000",
    "ky_cd": "109",
    "pd_cd": "438",
    "ofns_desc": "GRAND LARCENY",
    "pd_desc": "LARCENY,GRAND FROM BUILDING (NON-RESIDENCE) UNATTENDED",
    "boro_nm": "QUEENS",
    "x_coord_cd": "1,035,836",
    "y_coord_cd": "206042",
    "latitude": "40.73207216",
    "longitude": "-73.813869293",
}
LOS_ANGELES = {
    "dr_no": "221115967",
    "date_rptd": "11/6/2022 0:00",
    "date_occ": "11/5/2022 0:00",
    "time_occ": "1730",
    "area": "1",
    "area_name": "Central",
    "rpt_dist_no": "129",
    "part_1_2": "1",
    "crm_cd": "210",
    "crm_cd_desc": "ROBBERY",
    "status": "AA",
    "location": "800    CHESTNUT                     AV",
    "lat": "34.1176",
    "lon": "-118.1714",
}
NIBRS = {
    "caseno": "250500123",
    "uniquenibrno": "250500123-210-1",
    "date_rptd": "2025-03-02T00:00:00.000",
    "date_occ": "2025-03-01T00:00:00.000",
    "time_occ": "0005",
    "area": "21",
    "group": "A",
    "nibr_code": "210",
    "nibr_description": "Extortion/Blackmail",
    "status": "IC",
    "hndrdth_lat": "0.0",
    "hndrdth_lon": "0.0",
}
SAN_FRANCISCO = {
    "row_id": "74339603074",
    "incident_id": "743396",
    "incident_number": "180906213",
    "incident_datetime": "2018-12-01T00:25:00.000",
    "report_datetime": "2018-12-01T00:28:00.000",
    "report_type_description": "Initial",
    "incident_code": "03074",
    "incident_category": "Robbery",
    "resolution": "Cite or Arrest Adult",
    "police_district": "Ingleside",
    "analysis_neighborhood": "Glen Park",
    "supervisor_district": "8",
    "incident_year": "2018",
}
WASHINGTON = {
    "ccn": "24089883",
    "report_dat": "2024-06-13T12:01:39.000",
    "shift": "DAY",
    "method": "OTHERS",
    "offense": "THEFT F/AUTO",
    "block": "3000 - 3099 BLOCK OF SEDGWICK STREET NW",
    "xblock": "394578.43",
    "yblock": "141325.32",
    "ward": "3",
    "district": "2",
    "psa": "203",
    "neighborhood_cluster": "Cluster 12",
    "latitude": "38.9398002378",
    "longitude": "-77.0625358005",
    "start_date": "2024-06-13T11:54:00.000",
}
BEFORE_2018 = {
    "pdid": "14073421404014",
    "incidntnum": "140734214",
    "date": "05/14/2014",
    "time": "23:50",
    "category": "ASSAULT",
    "resolution": "NONE",
    "pddistrict": "SOUTHERN",
    "x": "-122.4",
    "y": "37.77",
}


def one(name: str, record: Mapping[str, object], **other: object) -> dict[str, Any]:
    """The row of a record, without what is NULL."""
    city = cities.get(name)
    line = unseal(seal({**record, **other}, name, DAY, "batch", AT), name)
    (row,) = typed(line, city=city)
    return {column: value for column, value in row.items() if value is not None}


@pytest.mark.parametrize("name", cities.names())
def test_each_column_is_published_or_said_not_to_be(name: str) -> None:
    city = cities.get(name)
    assert city.columns.keys() <= {*SOURCE_COLUMNS}
    assert not city.columns.keys() & city.not_published
    computed = {"nibrs_code", "nibrs_offense"} if not city.scheme else set()
    stamp = set() if city.change_field else {"updated_on"}
    assert {*SOURCE_COLUMNS} | computed == city.columns.keys() | city.not_published | stamp
    assert city.tidied.keys() <= city.columns.keys()
    assert {column.name: column.type for column in published(CRIMES, city)}["id"] == city.key_type


def test_new_york() -> None:
    row = one("new_york", NEW_YORK)
    expected = {
        "id": "10123456H1",
        "case_number": "10123456H1",
        "occurred_at": datetime(2010, 1, 1, 17, 30),
        "reported_at": datetime(2010, 1, 2),
        "offense_code": "109/438",
        "nibrs_code": "23D",
        "nibrs_offense": "theft",
        "offense_class": "property",
        "district": "007",
        "neighborhood": "QUEENS",
        "x_coordinate": 1035836.0,
        "updated_on": datetime(2026, 10, 20),
        "change_day": DAY,
    }
    assert {name: row[name] for name in expected} == expected
    assert not row.keys() & cities.get("new_york").not_published


@pytest.mark.parametrize(
    ("date_text", "time_text", "at"),
    [
        ("01/01/2010", "17:30:00", datetime(2010, 1, 1, 17, 30)),
        ("12/31/2009", "24:00:00", datetime(2010, 1, 1)),
        ("2009-12-31T00:00:00.000", "24:00:00", datetime(2010, 1, 1)),
        (None, None, datetime(2010, 1, 2)),
    ],
)
def test_times_of_new_york(date_text: str | None, time_text: str | None, at: datetime) -> None:
    assert one("new_york", NEW_YORK, cmplnt_fr_dt=date_text, cmplnt_fr_tm=time_text)["occurred_at"] == at


def test_what_is_no_time_is_quarantined() -> None:
    assert "occurred_at is no time" in one("new_york", NEW_YORK, cmplnt_fr_dt="01/01/1010")["reason"]
    assert "occurred_at is no time" in one("los_angeles", LOS_ANGELES, date_occ="1/6/1800 0:00")["reason"]


@pytest.mark.parametrize(
    ("ky", "pd", "text", "nibrs", "kind"),
    [
        ("101", None, None, "09A", "violent"),
        ("101", "(null)", "(null)", "09A", "violent"),
        ("105", "397", "ROBBERY,OPEN AREA UNCLASSIFIED", "120", "violent"),
        ("999", "999", "SOMETHING NEW", None, "unmapped"),
    ],
)
def test_codes_of_new_york(ky: str, pd: str | None, text: str | None, nibrs: str | None, kind: str) -> None:
    row = one("new_york", NEW_YORK, ky_cd=ky, pd_cd=pd, pd_desc=text)
    assert (row.get("nibrs_code"), row["offense_class"]) == (nibrs, kind)
    assert row["is_index"] == (kind != "unmapped")


def test_los_angeles() -> None:
    row = one("los_angeles", LOS_ANGELES)
    expected = {
        "id": "221115967",
        "occurred_at": datetime(2022, 11, 5, 17, 30),
        "reported_at": datetime(2022, 11, 6),
        "report_type": "Part 1",
        "block": "800 CHESTNUT AV",
        "offense_code": "210",
        "nibrs_code": "120",
        "arrest": True,
        "district": "01",
        "beat": "0129",
        "neighborhood": "Central",
        "latitude": 34.1176,
    }
    assert {name: row[name] for name in expected} == expected


@pytest.mark.parametrize(("text", "hour", "minute"), [("1", 0, 1), ("45", 0, 45), ("954", 9, 54), ("2359", 23, 59)])
def test_times_of_los_angeles_lost_their_zeros(text: str, hour: int, minute: int) -> None:
    assert one("los_angeles", LOS_ANGELES, time_occ=text)["occurred_at"] == datetime(2022, 11, 5, hour, minute)


def test_the_end_of_a_day_is_the_beginning_of_the_next() -> None:
    assert one("los_angeles", LOS_ANGELES, time_occ="2400")["occurred_at"] == datetime(2022, 11, 6)


def test_the_same_code_is_another_offense_in_another_scheme() -> None:
    row = one("los_angeles", NIBRS)
    assert (row["id"], row["case_number"], row["report_type"]) == ("250500123-210-1", "250500123", "Group A")
    assert (row["offense_code"], row["nibrs_code"], row["arrest"]) == ("210", "210", False)
    assert "latitude" not in row, "zero is no place"


def test_san_francisco() -> None:
    row = one("san_francisco", SAN_FRANCISCO)
    expected = {
        "id": "74339603074",
        "case_number": "180906213",
        "occurred_at": datetime(2018, 12, 1, 0, 25),
        "report_type": "Initial",
        "nibrs_code": "120",
        "nibrs_offense": "robbery",
        "arrest": True,
        "district": "INGLESIDE",
        "neighborhood": "Glen Park",
        "ward": 8,
        "year": 2018,
    }
    assert {name: row[name] for name in expected} == expected
    assert one("san_francisco", SAN_FRANCISCO, resolution="Open or Active")["arrest"] is False
    assert "arrest" not in one("san_francisco", SAN_FRANCISCO, resolution=None)


def test_san_francisco_before_2018() -> None:
    row = one("san_francisco", BEFORE_2018)
    assert (row["id"], row["case_number"], row["offense_code"]) == ("14073421404014", "140734214", "04014")
    assert (row["occurred_at"], row["district"], row["arrest"]) == (datetime(2014, 5, 14, 23, 50), "SOUTHERN", False)
    assert (row["latitude"], row["longitude"]) == (37.77, -122.4)
    assert row["offense_class"] != "unmapped"


def test_washington() -> None:
    row = one("washington", WASHINGTON)
    expected = {
        "id": "24089883",
        "case_number": "24089883",
        "occurred_at": datetime(2024, 6, 13, 11, 54),
        "reported_at": datetime(2024, 6, 13, 12, 1, 39),
        "offense_code": "THEFT F/AUTO",
        "nibrs_code": "23F",
        "nibrs_offense": "theft",
        "offense_class": "property",
        "description": "OTHERS",
        "block": "3000 - 3099 BLOCK OF SEDGWICK STREET NW",
        "beat": "203",
        "district": "2",
        "ward": 3,
        "neighborhood": "Cluster 12",
        "x_coordinate": 394578.43,
        "latitude": 38.9398002378,
    }
    assert {name: row[name] for name in expected} == expected
    assert not row.keys() & cities.get("washington").not_published


@pytest.mark.parametrize(
    ("text", "nibrs", "kind"),
    [
        ("HOMICIDE", "09A", "violent"),
        ("ASSAULT W/DANGEROUS WEAPON", "13A", "violent"),
        ("THEFT/OTHER", "23H", "property"),
        ("ARSON", "200", "property"),
        ("THEFT/SHOPLIFTING", None, "unmapped"),
    ],
)
def test_texts_are_the_codes_of_washington(text: str, nibrs: str | None, kind: str) -> None:
    row = one("washington", WASHINGTON, offense=text)
    assert (row.get("nibrs_code"), row["offense_class"]) == (nibrs, kind)


def test_washington_without_a_beginning_has_the_time_of_the_report() -> None:
    assert one("washington", WASHINGTON, start_date=None)["occurred_at"] == datetime(2024, 6, 13, 12, 1, 39)
    assert "occurred_at is no time" in one("washington", WASHINGTON, start_date="soon")["reason"]
    # Exports of the portal have times of UTC: an hour that is off by four or five is worse than none.
    assert "occurred_at is no time" in one("washington", WASHINGTON, start_date="2024/06/13 15:54:00+00")["reason"]
