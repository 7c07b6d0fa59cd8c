"""A large town of six years in which vehicle thefts alone move: an eighth of them come in spells of 84 days."""

import numpy as np

from crime_assets.analysis.forecasts.events import Events
from crime_assets.analysis.forecasts.places import Places
from crime_assets_tests.analysis.forecasts.towns import joined, town, without

THEFTS = 2
"""The position of vehicle thefts among targets."""
DAYS = 2240
_CELLS = 2304


def moving_town(seed: int) -> tuple[Events, Places]:
    """1,300 vehicle thefts in 28 days, and 150 records of every other target, whose places never change."""
    still, places = town(seed, "constant", _CELLS, DAYS, 150)
    moving, _ = town(seed + 1000, "bursts", _CELLS, DAYS, 1300)
    others, thefts = still.counts[:, THEFTS] == 0, moving.counts[:, THEFTS] > 0
    return joined(without(still, np.nonzero(~others)[0]), without(moving, np.nonzero(~thefts)[0])), places
