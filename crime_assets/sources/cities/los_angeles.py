"""Los Angeles: "Crime Data" of 2010 to 2019 (https://data.lacity.org/d/63jg-8b9z) and of 2020 to 2024 (2nrs-mtv8), and
"LAPD NIBRS Offenses" since March 2024 (k7nn-b2ep).

A row of the first two is a report, of the third an offense: counts before and after 2024 are no trend. There is no
stamp of a row's last change. The status of the case tells of an arrest; domestic violence is marked since 2024 only.
"""

from datetime import date

from crime_assets.sources.cities import City, First, Kind, Source
from crime_assets.sources.cities.across import Comparison, Series, census_2020

_FIELDS = (
    "dr_no date_rptd date_occ time_occ area area_name rpt_dist_no part_1_2 crm_cd crm_cd_desc mocodes vict_age "
    "vict_sex vict_descent premis_cd premis_desc weapon_used_cd weapon_desc status status_desc crm_cd_1 crm_cd_2 "
    "crm_cd_3 crm_cd_4 location cross_street lat lon"
).split()
_NIBRS_FIELDS = (
    "caseno uniquenibrno totaloffensecount group nibr_code nibr_description crime_against totalvictimcount victim_shot "
    "domestic_violence_crime hate_crime gang_related_crime transit_related_crime homeless_victim_crime "
    "homeless_suspect_crime homeless_arrestee_crime hndrdth_loc_chk hndrdth_lat hndrdth_lon"
).split()
_IN_BOTH = (
    "date_rptd date_occ time_occ area area_name rpt_dist_no premis_cd premis_desc weapon_used_cd weapon_desc status "
    "status_desc"
).split()

CITY = City(
    name="los_angeles",
    title="Los Angeles",
    domain="data.lacity.org",
    sources=(
        Source("63jg-8b9z", frozenset(_FIELDS)),
        Source("2nrs-mtv8", frozenset(_FIELDS)),
        Source("k7nn-b2ep", frozenset((*_IN_BOTH, *_NIBRS_FIELDS))),
    ),
    licence="Its portal grants no licence in so many words: ask the city before publishing more than figures.",
    timezone="America/Los_Angeles",
    lag_days=14,
    source_columns=dict[str, Kind](dict.fromkeys((*_FIELDS, *_NIBRS_FIELDS), "text")),
    columns={
        "id": First(("uniquenibrno", "dr_no")),
        "case_number": First(("caseno", "dr_no")),
        "occurred_at": ("date_occ", "time_occ"),
        "reported_at": "date_rptd",
        "report_type": First(("group", "part_1_2")),
        "block": First(("hndrdth_loc_chk", "location")),
        "offense_code": First(("nibr_code", "crm_cd")),
        "primary_type": First(("nibr_description", "crm_cd_desc")),
        "location_description": "premis_desc",
        "arrest": "status",
        "beat": "rpt_dist_no",
        "district": "area",
        "neighborhood": "area_name",
        "latitude": First(("hndrdth_lat", "lat")),
        "longitude": First(("hndrdth_lon", "lon")),
    },
    tidied={
        # The day has a midnight of its own, and spreadsheets take zeros away from the time: 1 is 00:01.
        "occurred_at": "SPLIT_PART(occurred_at, ' ', 1) || ' ' || LPAD(REGEXP_EXTRACT(occurred_at, '[0-9]+$'), 4, '0')",
        "block": "REGEXP_REPLACE(block, ' +', ' ')",
        "arrest": "CASE WHEN SUBSTR(arrest, 1, 2) IN ('AA', 'JA') THEN 'true' WHEN arrest IS NOT NULL THEN 'false' END",
        "report_type": "CASE WHEN report_type IN ('1', '2') THEN 'Part ' ELSE 'Group ' END || report_type",
    },
    not_published=frozenset(
        "iucr description domestic ward community_area fbi_code x_coordinate y_coordinate year".split()
    ),
    timestamp_formats=(
        "%m/%d/%Y %H%M",
        "%Y-%m-%dT00:00:00.000 %H%M",
        "%m/%d/%Y %I:%M:%S %p",
        "%m/%d/%Y %H:%M",
        "%Y-%m-%dT%H:%M:%S.%f",
        "%m/%d/%Y 2400",
        "%Y-%m-%dT00:00:00.000 2400",
    ),
    key_type="string",
    code_widths={"beat": 4, "district": 2},
    scheme="CASE WHEN report_type IN ('1', '2') THEN 'crm_cd' ELSE 'nibrs' END",
    unknown_point=(0.0, 0.0),
    bounding_box=(33.6, -118.75, 34.4, -118.1),
    comparison=Comparison(
        unit="report, since 2024 offense",
        note="A row is a report to 2023, and an offense since: those of one case are one incident.",
        area_kind="police area",
        population=census_2020(3_898_747),
        scheme="CASE WHEN report_type LIKE 'Part%' THEN 'SRS' ELSE 'NIBRS' END",
        series=(
            Series("SRS", since=date(2010, 1, 1), until=date(2023, 12, 31), fewest=10_000),
            Series("NIBRS", since=date(2025, 1, 1), fewest=8_000),
        ),
        between="Los Angeles went from one system of records to another in 2024: neither has all of that year.",
    ),
)
