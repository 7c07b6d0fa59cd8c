"""New York: "NYPD Complaint Data", historic (https://data.cityofnewyork.us/d/qgea-i56i) and of the current year.

A row is a complaint with its most serious offense. There is no stamp of a row's last change: each publication, a
quarter of a year after the other, is compared with what is known. The city publishes neither arrests nor which crimes
are domestic; places of rape and of sex crimes are those of a station house.
"""

from datetime import date

from crime_assets.sources.cities import Boundaries, City, First, Kind, Source
from crime_assets.sources.cities.across import Break, Comparison, Series, census_2020

_FIELDS = (
    "cmplnt_num cmplnt_fr_dt cmplnt_fr_tm cmplnt_to_dt cmplnt_to_tm addr_pct_cd rpt_dt ky_cd ofns_desc pd_cd pd_desc "
    "crm_atpt_cptd_cd law_cat_cd boro_nm loc_of_occur_desc prem_typ_desc juris_desc jurisdiction_code parks_nm "
    "hadevelopt housing_psa x_coord_cd y_coord_cd susp_age_group susp_race susp_sex transit_district latitude "
    "longitude patrol_boro station_name vic_age_group vic_race vic_sex"
).split()
_SOURCE_COLUMNS: dict[str, Kind] = {**dict.fromkeys(_FIELDS, "text"), "lat_lon": "object"}

CITY = City(
    name="new_york",
    title="New York",
    domain="data.cityofnewyork.us",
    # What is in both, in spring, is the same complaint under the same number.
    sources=(Source("qgea-i56i", frozenset(_SOURCE_COLUMNS)), Source("5uac-w243", frozenset(_SOURCE_COLUMNS))),
    licence="Open to all without restriction, by section 23-502(d) of its Administrative Code.",
    timezone="America/New_York",
    lag_days=30,
    publishes="quarters",
    source_columns=_SOURCE_COLUMNS,
    columns={
        "id": "cmplnt_num",
        "case_number": "cmplnt_num",
        "occurred_at": First((("cmplnt_fr_dt", "cmplnt_fr_tm"), ("cmplnt_to_dt", "cmplnt_to_tm"), "rpt_dt")),
        "reported_at": "rpt_dt",
        "offense_code": ("ky_cd", "pd_cd"),
        "primary_type": "ofns_desc",
        "description": "pd_desc",
        "location_description": "prem_typ_desc",
        "district": "addr_pct_cd",
        "neighborhood": "boro_nm",
        "x_coordinate": "x_coord_cd",
        "y_coordinate": "y_coord_cd",
        "latitude": "latitude",
        "longitude": "longitude",
    },
    tidied={
        # KY_CD alone where there is no PD_CD, as of murders.
        "offense_code": "SPLIT_PART(offense_code, ' ', 1) || '/' || COALESCE(SPLIT_PART(offense_code, ' ', 2), '')",
        # Exports have thousands separators: American ones.
        "x_coordinate": "REPLACE(x_coordinate, ',', '')",
        "y_coordinate": "REPLACE(y_coordinate, ',', '')",
        # Exports of some years write this for nothing.
        **{
            name: f"NULLIF({name}, '(null)')"
            for name in ("primary_type", "description", "location_description", "neighborhood", "district")
        },
    },
    not_published=frozenset("report_type block iucr arrest domestic beat ward community_area fbi_code year".split()),
    timestamp_formats=(
        "%m/%d/%Y %H:%M:%S",
        "%Y-%m-%dT00:00:00.000 %H:%M:%S",
        "%Y-%m-%dT%H:%M:%S.%f",
        "%m/%d/%Y",
        "%m/%d/%Y 24:00:00",
        "%Y-%m-%dT00:00:00.000 24:00:00",
    ),
    key_type="string",
    code_widths={"district": 3},
    scheme="'ky_pd'",
    bounding_box=(40.49, -74.27, 40.93, -73.68),
    points="station houses",
    # "Police Precincts" has them as whole numbers, of which 22 is Central Park.
    boundaries={"district": Boundaries("y76i-bdw7", "precinct")},
    comparison=Comparison(
        unit="complaint",
        note="A row is a complaint by its most serious offense, and is its own incident.",
        area_kind="precinct",
        population=census_2020(8_804_190),
        scheme="'SRS'",
        # It begins with what was reported in 2006: most of what occurred before is not in it.
        series=(Series("SRS", since=date(2006, 1, 1), fewest=20_000),),
        between="New York publishes complaints that were reported since 2006.",
        breaks=(
            Break("rape", date(2024, 9, 1), "By a law of New York, more acts are called rape since September 2024."),
        ),
    ),
)
