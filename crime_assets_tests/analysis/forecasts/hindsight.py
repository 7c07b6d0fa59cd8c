"""A map drawn with hindsight: what lies around a window, before it and after it. No forecast can have it."""

import numpy as np

from crime_assets.analysis.forecasts.events import Events
from crime_assets.analysis.forecasts.places import Places
from crime_assets.analysis.forecasts.ranking import flagged, order

REACH = 540
"""Days on both sides of the window."""


def hits(events: Events, places: Places, target: int, origin: int, horizon: int, share: float = 2.0) -> float:
    """Records of the window in the cells that have most of the other records; ties are broken as forecasts' are."""
    ever = int(events.known[-1])
    came = events.came(target, origin, horizon, ever)
    around = events.counted(origin + 1 - REACH, origin + horizon + REACH, ever)[target, :-1] - came
    history = events.counted(0, origin, origin)[target, :-1]
    found = flagged(order(around.astype(np.float64), history), places.km2, share)
    return float(came[found].sum())
