"""Cells that represent areas on a map if the city's boundaries are not available."""

from __future__ import annotations

from collections import defaultdict
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
    counts: dict[str, dict[str, dict[str, int]]] = defaultdict(lambda: {name: defaultdict(int) for name in AREAS})
    placed = blocks.filter(pc.and_(pc.equal(blocks.column("period"), "all"), pc.is_valid(blocks.column("longitude"))))
    columns = (placed.column(name).to_pylist() for name in ("latitude", "longitude", "crimes", *AREAS))
    for latitude, longitude, crimes, *areas in zip(*columns, strict=True):
        cell = counts[h3.latlng_to_cell(latitude, longitude, RESOLUTION)]
        for name, area in zip(AREAS, areas, strict=True):
            if area is not None:
                cell[name][str(area)] += crimes
    rows = [
        {"cell": cell, **{name: _most(found) for name, found in areas_of.items()}} for cell, areas_of in counts.items()
    ]
    return pa.Table.from_pylist(sorted(rows, key=lambda row: str(row["cell"])), SCHEMA)


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


def _most(found: dict[str, int]) -> str | None:
    return min(found, key=lambda name: (-found[name], name), default=None)
