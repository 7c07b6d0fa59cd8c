"""Washington, D.C.: "Crime Incidents", a layer for each year of report since 2008, in the map service FEEDS/MPD
(https://maps2.dcgis.dc.gov/dcgis/rest/services/FEEDS/MPD/MapServer; pages for people: https://opendata.dc.gov).

A row is an incident under its number (CCN), with one of nine offenses of the D.C. Code in words. There are no codes,
and no other offenses at all. There is no stamp of a row's last change. The city publishes neither arrests nor which
crimes are domestic. Places are the middle of the block. REPORT_DAT and SHIFT are of the report, START_DATE is when it
happened or began (https://opendata.dc.gov, metadata of "Crime Incidents in 2024").

As others found, in notes on the service in public programs (September 2026): layers are called "Crime Incidents - 2026"
or "Crime Incidents in 2024"; times are true UTC, for SHIFT agrees with the clock of New York; 3 of 48,928 rows have no
START_DATE, and 9 repeat a CCN.
"""

from datetime import date

from crime_assets.sources.cities import City, First, Kind, Source
from crime_assets.sources.cities.across import Comparison, Series, census_2020

_FIELDS = (
    "ccn report_dat shift method offense block xblock yblock ward anc district psa neighborhood_cluster block_group "
    "census_tract voting_precinct latitude longitude bid start_date end_date objectid octo_record_id"
).split()
_SOURCE_COLUMNS = dict[str, Kind](dict.fromkeys(_FIELDS, "text"))

CITY = City(
    name="washington",
    title="Washington",
    domain="maps2.dcgis.dc.gov",
    portal="arcgis",
    page="https://opendata.dc.gov/search?q=crime%20incidents",
    # "Crime Incidents - Last 30 Days" repeats what is in the year's own layer.
    sources=(
        Source(
            "dcgis/rest/services/FEEDS/MPD/MapServer/Crime Incidents * [0-9][0-9][0-9][0-9]", frozenset(_SOURCE_COLUMNS)
        ),
    ),
    # A layer that is built anew gives all its rows new numbers.
    load_stamps=frozenset({"objectid"}),
    licence="Used under the terms of Open Data DC.",
    timezone="America/New_York",
    lag_days=2,
    source_columns=_SOURCE_COLUMNS,
    columns={
        "id": "ccn",
        "case_number": "ccn",
        "occurred_at": First(("start_date", "report_dat")),
        "reported_at": "report_dat",
        "block": "block",
        "offense_code": "offense",
        "primary_type": "offense",
        "description": "method",
        "beat": "psa",
        "district": "district",
        "ward": "ward",
        "neighborhood": "neighborhood_cluster",
        "x_coordinate": "xblock",
        "y_coordinate": "yblock",
        "latitude": "latitude",
        "longitude": "longitude",
    },
    not_published=frozenset(
        "report_type iucr location_description arrest domestic community_area fbi_code year".split()
    ),
    timestamp_formats=("%Y-%m-%dT%H:%M:%S.%f",),
    key_type="string",
    code_widths={"beat": 3, "district": 1},
    scheme="'offense'",
    bounding_box=(38.79, -77.12, 39.0, -76.9),
    comparison=Comparison(
        unit="incident",
        note="A row is an incident by the D.C. Code, whose offenses are not quite those that the FBI counts.",
        area_kind="police district",
        population=census_2020(689_545),
        scheme="'SRS'",
        series=(Series("SRS", since=date(2008, 1, 1), fewest=1_000),),
        between="Washington publishes incidents that were reported since 2008.",
    ),
)
