"""Events of the real export of 2016 to 2018, each known eight days after it occurred: no lake has seen them come."""

import gzip
import json
from pathlib import Path

import duckdb
import numpy as np

from crime_assets.analysis.forecasts.events import Events, gathered
from crime_assets.analysis.forecasts.places import Places, cells_of, place_of, study_area
from crime_assets_tests.analysis.forecasts.towns import LAG

FIRST = 16_801
"""1 January 2016."""
_SEEN_BEFORE = 17_167
"""1 January 2017: cells with records before it are in the study area."""
_PUBLIC = """
STREET|SIDEWALK|ALLEY|PARK PROPERTY|PARKING LOT/GARAGE(NON.RESID.)|GAS STATION|VACANT LOT/LAND|VACANT LOT
DRIVEWAY - RESIDENTIAL|RESIDENTIAL YARD (FRONT/BACK)|BRIDGE|LAKEFRONT/WATERFRONT/RIVERBANK|HIGHWAY/EXPRESSWAY
CTA BUS|CTA TRAIN|CTA STATION|CTA PLATFORM|CTA BUS STOP|VEHICLE NON-COMMERCIAL
SCHOOL, PUBLIC, GROUNDS|SCHOOL, PRIVATE, GROUNDS
"""
_ROWS = """
SELECT
  CAST(strptime("Date", '%m/%d/%Y %I:%M:%S %p') AS DATE) - DATE '1970-01-01' AS occurred,
  CAST("Latitude" AS DOUBLE) AS latitude,
  CAST("Longitude" AS DOUBLE) AS longitude,
  "Community Area" AS area,
  CAST("FBI Code" IN ('01A', '03', '04A', '04B') AND "Domestic" = 'false'
    AND list_contains($public, "Location Description") AS BIGINT) AS violent_street,
  CAST("FBI Code" = '05' AS BIGINT) AS burglary,
  CAST("FBI Code" = '07' AS BIGINT) AS vehicle_theft,
  CAST("FBI Code" = '03' AS BIGINT) AS robbery,
  CAST(1 AS BIGINT) AS index_crime
FROM read_csv($files, all_varchar = true)
WHERE "FBI Code" IN ('01A', '02', '03', '04A', '04B', '05', '06', '07', '09')
"""


def exported(shared: Path) -> tuple[Events, Places]:
    """The events, and the study area of the reference boundaries and of cells with records before 2017."""
    files = sorted(str(path) for path in (shared / "chicago").glob("Crimes_-_201?.csv.gz"))
    public = _PUBLIC.strip().replace("\n", "|").split("|")
    rows = duckdb.sql(_ROWS, params={"files": files, "public": public}).to_arrow_table()
    occurred = rows["occurred"].to_numpy().astype(np.int32)
    is_seen = (occurred < _SEEN_BEFORE) & rows["latitude"].is_valid().to_numpy()
    latitudes, longitudes = (rows[name].to_numpy()[is_seen] for name in ("latitude", "longitude"))
    areas = [area or None for area, seen in zip(rows["area"].to_pylist(), is_seen.tolist(), strict=True) if seen]
    places = study_area(_boundaries(shared), cells_of(latitudes, longitudes), areas, np.ones(len(areas), np.int64))
    columns = ("violent_street", "burglary", "vehicle_theft", "robbery", "index_crime")
    counts = np.stack([rows[name].to_numpy() for name in columns], axis=1)
    cell = place_of(places, rows["latitude"], rows["longitude"])
    return gathered((occurred + LAG).astype(np.int32), occurred, cell, counts, len(places)), places


def _boundaries(shared: Path) -> dict[str, list[list[tuple[float, float]]]]:
    with gzip.open(shared / "reference" / "chicago_community_areas.geojson.gz") as file:
        features = json.load(file)["features"]
    return {
        str(one["properties"]["area_numbe"]): [
            [(longitude, latitude) for longitude, latitude in ring]
            for polygon in one["geometry"]["coordinates"]
            for ring in polygon
        ]
        for one in features
    }
