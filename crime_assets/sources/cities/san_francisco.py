"""San Francisco: "Police Department Incident Reports", 2018 to the present (https://data.sf.gov/d/wg3w-h783) and before
(tmnf-yvry).

A row is an offense code on a report; supplements are rows of their own, and a signed report is never changed. There is
no stamp of a row's last change. Whether somebody was arrested is said for each report, domestic violence of none.
Places are the nearest intersections.
"""

from datetime import date

from crime_assets.sources.cities import Boundaries, City, First, Kind, Source
from crime_assets.sources.cities.across import Comparison, Series, census_2020

_FIELDS = (
    "incident_datetime incident_date incident_time incident_year incident_day_of_week report_datetime row_id "
    "incident_id incident_number cad_number report_type_code report_type_description filed_online incident_code "
    "incident_category incident_subcategory incident_description resolution intersection cnn police_district "
    "analysis_neighborhood supervisor_district supervisor_district_2012 latitude longitude data_as_of data_loaded_at"
).split()
_OLD_FIELDS = "pdid incidntnum category descript dayofweek date time pddistrict address x y".split()
_SOURCE_COLUMNS: dict[str, Kind] = {
    **dict.fromkeys((*_FIELDS, *_OLD_FIELDS), "text"),
    "point": "object",
    "location": "object",
}
_ARRESTED = (
    "'Cite or Arrest Adult', 'Cite or Arrest Juvenile', 'ARREST, BOOKED', 'ARREST, CITED', 'JUVENILE BOOKED', "
    "'JUVENILE CITED'"
)

CITY = City(
    name="san_francisco",
    title="San Francisco",
    domain="data.sf.gov",
    # The older one goes on to May 2018.
    sources=(
        Source("tmnf-yvry", frozenset((*_OLD_FIELDS, "location")), until=date(2018, 1, 1)),
        Source("wg3w-h783", frozenset((*_FIELDS, "point"))),
    ),
    load_stamps=frozenset({"data_as_of", "data_loaded_at"}),
    licence="Under the Public Domain Dedication and License (PDDL).",
    timezone="America/Los_Angeles",
    lag_days=2,
    source_columns=_SOURCE_COLUMNS,
    columns={
        "id": First(("row_id", "pdid")),
        "case_number": First(("incident_number", "incidntnum")),
        "occurred_at": First(("incident_datetime", ("date", "time"))),
        "reported_at": "report_datetime",
        "report_type": "report_type_description",
        "offense_code": "incident_code",
        "primary_type": First(("incident_category", "category")),
        "description": First(("incident_description", "descript")),
        "arrest": "resolution",
        "district": First(("police_district", "pddistrict")),
        "ward": "supervisor_district",
        "neighborhood": "analysis_neighborhood",
        "latitude": First(("latitude", "y")),
        "longitude": First(("longitude", "x")),
        "year": "incident_year",
    },
    tidied={
        # Of records before 2018 it is the end of their key.
        "offense_code": "COALESCE(LPAD(offense_code, 5, '0'), SUBSTR(id, LENGTH(id) - 4))",
        "arrest": f"CASE WHEN arrest IN ({_ARRESTED}) THEN 'true' WHEN arrest IS NOT NULL THEN 'false' END",
    },
    not_published=frozenset(
        "block iucr location_description domestic beat community_area fbi_code x_coordinate y_coordinate".split()
    ),
    timestamp_formats=(
        "%Y/%m/%d %I:%M:%S %p",
        "%Y-%m-%dT%H:%M:%S.%f",
        "%m/%d/%Y %H:%M",
        "%m/%d/%Y",
        "%Y-%m-%dT00:00:00.000 %H:%M",
    ),
    key_type="string",
    scheme="'incident_code'",
    bounding_box=(37.69, -123.03, 37.84, -122.35),
    points="intersections",
    # "Current Police Districts", named in capitals as in the records. No map is by neighborhood (j2bu-swwd).
    boundaries={"district": Boundaries("d4vc-q76h", "district")},
    # Supplements say more about a report that is there already. Of 2018 the older dataset has some months, too.
    counted="report_type IN ('Initial', 'Vehicle Initial', 'Coplogic Initial') "
    "OR (report_type IS NULL AND occurred_on < DATE '2018-01-01')",
    counted_words="Initial reports are counted, not their supplements.",
    comparison=Comparison(
        unit="code on a report",
        note="A row is a code on a report. Initial reports count; those with one number are one incident, by its most "
        "serious offense. A homicide that only a supplement tells of is not counted as one.",
        area_kind="police district",
        population=census_2020(873_965),
        scheme="'SRS'",
        series=(
            Series("SRS", since=date(2003, 1, 1), until=date(2017, 12, 31), fewest=5_000),
            Series("SRS", since=date(2018, 1, 1), fewest=4_000),
        ),
        between="San Francisco publishes records since 2003.",
    ),
)
