"""What pages show of a day's forecasts: rows of the lake's tables, and two simulations of what patrols do to a map.

Small numbers are in these tables, and the counts by which they are found: `forecast_hiding` hides both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from crime_assets.analysis.forecasts import feedback
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.writing.forecasts import SCORES, read
from crime_assets.sources.cities import City

TABLES = ("totals", "areas", "exposure", "cells", "scores", "patrols", "rounds")
RECORDS = ("records_365d", "records_all")
"""Columns of counts: of forecast_cells, and summed by area in `areas` and `exposure`."""

_PAIR = ("target", "horizon")
_FOUND = 0.5
"""Reports that patrols add where they are, as a share of those that are made without them."""
_FOUND_BY = (0.0, 0.1, 0.2, 0.5, 1.0)
_ROUNDS_AHEAD = 28
"""Days: a round of the simulation is as long as a window."""
_SEEDS = 10
"""Means of ten differ from those of forty by less than a picture shows."""


def tables_of(lake: Lake, city: City, day: date) -> dict[str, pa.Table]:
    """The tables of an as-of day, by their names in TABLES; scores are those of all days."""
    cells, areas, exposure, totals = (
        read(lake, city, f"forecast_{name}", [day]) for name in ("cells", "areas", "exposure", "totals")
    )
    records = cells.group_by([*_PAIR, "area"]).aggregate([(name, "sum") for name in RECORDS])
    records = records.rename_columns([*_PAIR, "area", *RECORDS])
    return {
        "totals": totals,
        "areas": _counted(areas, records),
        "exposure": _counted(exposure, records),
        "cells": pa.concat_tables(_listed(part) for _, part in pairs_of(cells)),
        "scores": read(lake, city, SCORES),
        "patrols": _patrols(),
        "rounds": _rounds(cells),
    }


def pairs_of(table: pa.Table) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Target and horizon, as a table of one row, and their rows; an empty table is its own only part."""
    pairs = table.select(_PAIR).group_by(list(_PAIR), use_threads=False).aggregate([])
    if not pairs.num_rows:
        yield pairs, table
    for number, pair in enumerate(pairs.to_pylist()):
        is_of = pc.and_(pc.equal(table["target"], pair["target"]), pc.equal(table["horizon"], pair["horizon"]))
        yield pairs.slice(number, 1), table.filter(is_of)


def _listed(cells: pa.Table) -> pa.Table:
    """The cells of one target and horizon that are flagged, or would be without a cap, or by counting."""
    is_flagged = pc.is_valid(cells["flagged"])
    by_counting = pc.less_equal(cells["place_counting"], pc.sum(is_flagged).as_py() or 0)
    return cells.filter(pc.or_(pc.or_(is_flagged, cells["is_capped_out"]), by_counting))


def _counted(rows: pa.Table, records: pa.Table) -> pa.Table:
    """Rows of areas, in their order, with the records that cells have in each."""
    found: Mapping[tuple[object, ...], Mapping[str, int]] = {
        (row["target"], row["horizon"], row["area"]): row for row in records.to_pylist()
    }
    keys = list(zip(*(rows[name].to_pylist() for name in (*_PAIR, "area")), strict=True))
    for name in RECORDS:
        counts = [found[key][name] if key in found else 0 for key in keys]
        rows = rows.append_column(name, pa.array(counts, pa.int64()))
    return rows


@lru_cache
def _patrols() -> pa.Table:
    """What patrols find in a city where all places are alike; the same for every day."""
    asked = [*((found, 0.0) for found in _FOUND_BY), (_FOUND, feedback.EXPLORED)]
    made = [(found, explored, feedback.patrols(found, explored)) for found, explored in asked]
    return pa.Table.from_pylist(
        [
            {
                "extra": found,
                "explored": explored,
                "share_favored": one.share_favored,
                "never_visited": one.never_visited,
            }
            for found, explored, one in made
        ]
    )


def _rounds(cells: pa.Table) -> pa.Table:
    """Rounds of lists made of the map's own expected records, if patrols add half as many reports where they are."""
    found = []
    for pair, part in pairs_of(cells.filter(pc.equal(cells["horizon"], _ROUNDS_AHEAD))):
        for mode in feedback.MODES if part.num_rows else ():
            made = feedback.rounds(part["expected"].to_numpy(), _FOUND, mode, seeds=_SEEDS)
            for number in range(feedback.ROUNDS):
                found.append(
                    {
                        "target": pair["target"][0].as_py(),
                        "mode": mode,
                        "round": number + 1,
                        "kept": float(made.kept[number]),
                        "monthly": float(made.monthly[number]),
                        "apparent": float(made.apparent[number]),
                        "actual": float(made.true[number]),
                        "follows_after": made.follows_after,
                    }
                )
    return pa.Table.from_pylist(found, _ROUNDS)


_ROUNDS = pa.schema(
    [
        ("target", pa.string()),
        ("mode", pa.string()),
        ("round", pa.int32()),
        *((name, pa.float64()) for name in ("kept", "monthly", "apparent", "actual")),
        ("follows_after", pa.int32()),
    ]
)
