"""Whom a list would expose to patrols: flagged cells by area, beside residents and records, and what a cap costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from crime_assets.analysis.forecasts.places import Places, by_area
from crime_assets.analysis.forecasts.ranking import capped, flagged, order
from crime_assets.analysis.statistics.figures import Floats, Ints

SHARE = 2.0
"""Percent of the area on the list."""
CAPS = (2.5, 2.0, 1.5)
WEEKS = 52
_FOUR_WEEKS = 28


@dataclass(frozen=True)
class Exposure:
    """Of every area; shares are of all flagged cells, all records with a place, and all residents."""

    flagged_cells: Ints
    share_flagged: Floats
    share_records: Floats
    share_residents: Floats
    """NaN where residents are unknown."""
    weeks_flagged: Ints
    weeks: int
    kept_share: float
    """NaN without a list of four weeks ago."""


def exposure(
    found: Ints,
    places: Places,
    records: Floats,
    residents: Mapping[str, int],
    lists: Mapping[int, Ints],
    day: int,
) -> Exposure:
    """The exposure of the list of a day: `found` are its cells, `records` (n) those of a year.

    `lists` are those of earlier days (day → cells); this day's own is counted too. Cells of no known area count in the
    whole only.
    """
    cells = by_area(places, np.bincount(found, minlength=len(places)))
    people = np.array([residents.get(area, np.nan) for area in places.areas], dtype=np.float64)
    everybody = sum(residents.values())
    earlier = sorted(one for one in lists if one < day)
    recent = {one: lists[one] for one in earlier[-(WEEKS - 1) :]} | {day: found}
    areas = [np.unique(places.area[one][places.area[one] >= 0]) for one in recent.values()]
    before = recent.get(day - _FOUR_WEEKS)
    return Exposure(
        flagged_cells=cells.astype(np.int64),
        share_flagged=cells / max(1, len(found)),
        share_records=by_area(places, records) / max(1.0, float(records.sum())),
        share_residents=people / everybody if everybody else people,
        weeks_flagged=np.bincount(np.concatenate(areas), minlength=len(places.areas)).astype(np.int64),
        weeks=len(recent),
        kept_share=np.nan if before is None else len(np.intersect1d(found, before)) / max(1, len(found)),
    )


def cap_costs(windows: Sequence[tuple[Floats, Ints, Floats, Floats]], places: Places) -> tuple[float, ...]:
    """For each of CAPS the share of finds that it would have lost in finished windows; NaN where nothing was found.

    A window is: what was expected of each cell (n), what came, the history that breaks ties, and a year's records.
    """
    whole = 0.0
    kept = np.zeros(len(CAPS))
    for expected, came, history, records in windows:
        ordered = order(expected, history)
        own = own_shares(places, records)
        whole += float(came[flagged(ordered, places.km2, SHARE)].sum())
        for number, cap in enumerate(CAPS):
            kept[number] += float(came[capped(ordered, places.km2, places.area, own, SHARE, cap)].sum())
    return tuple((1 - kept / whole).tolist()) if whole else (np.nan,) * len(CAPS)


def own_shares(places: Places, records: Floats) -> Floats:
    """(areas) each one's share of the records in cells."""
    return by_area(places, records) / max(1.0, float(records.sum()))
