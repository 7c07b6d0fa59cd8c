"""Chicago: "Crimes - 2001 to Present", https://data.cityofchicago.org/d/ijzp-q8t2 (columns as published in 2025)."""

from datetime import date

from crime_assets.sources.cities import Boundaries, City, Kind, Source
from crime_assets.sources.cities.across import Comparison, Series, census_2020

_TEXT_COLUMNS = (
    "id case_number date block iucr primary_type description location_description beat district ward "
    "community_area fbi_code x_coordinate y_coordinate year updated_on latitude longitude"
).split()
_SOURCE_COLUMNS: dict[str, Kind] = {
    **dict.fromkeys(_TEXT_COLUMNS, "text"),
    "arrest": "flag",
    "domestic": "flag",
    "location": "object",
}

_OTHER_CODES = "01B 08A 08B 10 11 12 13 14 15 16 17 18 19 20 22 24 26".split()

CITY = City(
    name="chicago",
    title="Chicago",
    domain="data.cityofchicago.org",
    sources=(Source("ijzp-q8t2", frozenset(_SOURCE_COLUMNS)),),
    licence="Used under the terms of its portal: the City of Chicago makes no claims as to the data's accuracy.",
    timezone="America/Chicago",
    lag_days=7,
    # In the export of 21 November 2018, 8 of 193,217 records were stamped before their id says.
    serial_ids_from=date(2016, 1, 1),
    source_columns=_SOURCE_COLUMNS,
    # `location` repeats latitude and longitude.
    columns={
        "occurred_at": "date",
        **{name: name for name in _SOURCE_COLUMNS if name not in ("date", "location")},
    },
    timestamp_formats=(
        "%Y-%m-%dT%H:%M:%S.%f",
        "%m/%d/%Y %I:%M:%S %p",
        "%Y-%m-%dT%H:%M:%S",
        "%Y-%m-%d %H:%M:%S",
        "%m/%d/%Y %H:%M:%S",
        "%m/%d/%Y %H:%M",
    ),
    code_widths={"iucr": 4, "beat": 4, "district": 3},
    # "0" is published where the place is unknown.
    unknown_markers={"ward": frozenset({"0"}), "community_area": frozenset({"0"})},
    unknown_point=(36.619446395, -91.686565684),
    renamed_categories={
        "CRIM SEXUAL ASSAULT": "CRIMINAL SEXUAL ASSAULT",
        "NON - CRIMINAL": "NON-CRIMINAL",
        "NON-CRIMINAL (SUBJECT SPECIFIED)": "NON-CRIMINAL",
    },
    # The portal's own definition of index crime, by FBI code.
    offense_classes={
        **dict.fromkeys(("01A", "02", "03", "04A", "04B"), "violent"),
        **dict.fromkeys(("05", "06", "07", "09"), "property"),
        **dict.fromkeys(_OTHER_CODES, "other"),
    },
    not_published=frozenset(
        {"reported_at", "report_type", "offense_code", "neighborhood", "nibrs_code", "nibrs_offense"}
    ),
    # 013, 021 and 023 were closed in 2012; 031 and 061 are not on the map but in the data.
    districts=frozenset(f"{n:03d}" for n in (*range(1, 26), 31, 61)),
    bounding_box=(41.6, -87.95, 42.05, -87.5),
    # The tables behind the portal's maps "Boundaries - Police Districts (current)", fthy-xz3r, "Boundaries - Police
    # Beats (current)", aerh-rz74, and "Boundaries - Community Areas".
    boundaries={
        "district": Boundaries("24zt-jpfn", "dist_num"),
        "beat": Boundaries("n9it-hstw", "beat_num"),
        "community_area": Boundaries("igwz-8jzy", "area_numbe"),
    },
    comparison=Comparison(
        unit="crime",
        note="A row is a crime by its most serious offense; of a homicide, a victim. Rows with one case number are one "
        "incident.",
        area_kind="police district",
        population=census_2020(2_746_388),
        scheme="'SRS'",
        series=(Series("SRS", since=date(2001, 1, 1), fewest=10_000),),
        between="Chicago publishes records since 2001.",
    ),
)
