"""Which publication the lake was last found to be equal to, so that it need not be read again.

Only a note beside the lake: without it, the publication is compared once more.
"""

from __future__ import annotations

import json
from pathlib import Path

from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.sources.cities import City


def remember(lake: Lake, city: City, version: str, undated: int) -> None:
    """Note that the lake, as it is now, holds all of this publication, which has so many damaged lines."""
    path = _path(lake, city)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([version, _snapshot(lake, city), undated]))


def undated(lake: Lake, city: City, version: str) -> int | None:
    """How many damaged lines this publication has; None if the lake is not known to hold it."""
    try:
        known, snapshot, lines = json.loads(_path(lake, city).read_text())
    except (OSError, ValueError):
        return None
    return int(lines) if (known, snapshot) == (version, _snapshot(lake, city)) else None


def _path(lake: Lake, city: City) -> Path:
    return lake.staging / f"taken-{city.name}.json"


def _snapshot(lake: Lake, city: City) -> int | None:
    table = tables.load(lake, city.name, "crimes")
    snapshot = table.current_snapshot() if table is not None else None
    return snapshot.snapshot_id if snapshot is not None else None
