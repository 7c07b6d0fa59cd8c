"""Cells that represent areas on a map if the city's boundaries are not available."""

from __future__ import annotations

from collections.abc import Iterable

import h3.api.basic_str as h3
import pyarrow as pa
import pyarrow.compute as pc

RESOLUTION = 9
"""H3 cells of about a tenth of a square kilometer."""
AREAS = ("district", "beat", "community_area")
SCHEMA = pa.schema([("cell", pa.string()), *((name, pa.string()) for name in AREAS)])


def cells_of(blocks: pa.Table) -> pa.Table:
    """Every cell with crimes in the table `blocks` of an extract, and the areas that most of its crimes are in."""
    placed = blocks.filter(pc.and_(pc.equal(blocks.column("period"), "all"), pc.is_valid(blocks.column("longitude"))))
    points = zip(*(placed.column(name).to_pylist() for name in ("latitude", "longitude")), strict=True)
    cells = pa.array([h3.latlng_to_cell(*point, RESOLUTION) for point in points], pa.string())
    found = pa.table({"cell": cells.unique().sort()})
    for name in AREAS:
        areas = pa.table(
            {"cell": cells, name: placed.column(name).cast(pa.string()), "crimes": placed.column("crimes")}
        )
        counted = areas.filter(pc.is_valid(areas.column(name))).group_by(["cell", name]).aggregate([("crimes", "sum")])
        ranked = counted.sort_by([("cell", "ascending"), ("crimes_sum", "descending"), (name, "ascending")])
        most = ranked.group_by("cell", use_threads=False).aggregate([(name, "first")]).rename_columns(["cell", name])
        found = found.join(most, "cell")
    return found.sort_by("cell").cast(SCHEMA)


def ring(cell: str) -> list[tuple[float, float]]:
    """The corners (longitude, latitude) of a cell."""
    return [(longitude, latitude) for latitude, longitude in h3.cell_to_boundary(cell)]


def outlines(cells: Iterable[str]) -> list[list[tuple[float, float]]]:
    """The rings (longitude, latitude) around cells together, and around the holes between them."""
    shape = h3.cells_to_h3shape(cells, tight=False)
    return [
        [(longitude, latitude) for latitude, longitude in ring]
        for polygon in shape
        for ring in (polygon.outer, *polygon.holes)
    ]
