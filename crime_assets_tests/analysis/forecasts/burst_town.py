"""A large town of spells, and what every method would have found in its finished windows of 28 days."""

from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from crime_assets.analysis.forecasts import SHARES
from crime_assets.analysis.forecasts.days import day_of, newest_sunday, replay_days
from crime_assets.analysis.forecasts.pairs import City, OfTarget
from crime_assets.analysis.forecasts.ranking import flagged, order
from crime_assets_tests.analysis.forecasts.towns import FIRST, LAG, inputs_of, town

BURGLARY = 1
HORIZON = 28
DAYS = 1400
_EVERY = 12
"""Windows after which methods learn anew."""
_PAIR = {"target": "burglary", "horizon": HORIZON, "grid": "h3-9", "basis": "replayed", "in_verdict": True}


class BurstTown:
    """Burglaries of a town of 2,304 cells, 1,300 in 28 days, an eighth of them in spells of 84 days; with trees."""

    def __init__(self, seed: int) -> None:
        events, places = town(seed, "bursts", 2304, DAYS, 1300)
        inputs = replace(inputs_of(events, places, newest_sunday(FIRST + DAYS - 1)), with_trees=True)
        self.days = sorted(replay_days(inputs.t, HORIZON, LAG, FIRST))
        self.one = OfTarget(City(inputs, [HORIZON], self.days), BURGLARY)
        rows = []
        for number, day in enumerate(self.days):
            if number % _EVERY == 0:
                self.learned = self.one.learned(day, HORIZON)
            came = events.came(BURGLARY, day, HORIZON, inputs.t)
            for method, share in self.one.shares(self.learned, day, HORIZON).items():
                ordered = order(share, self.one.city.states[day].all[BURGLARY])
                for percent in SHARES:
                    hits = float(came[flagged(ordered, places.km2, percent)].sum())
                    rows.append({"as_of_day": day_of(day), "method": method, "share": percent, "hits": hits} | _PAIR)
        self.past = pa.Table.from_pylist(rows)
        """Columns of forecast_scores, as far as champions are chosen by them."""

    def hits(self, percent: float, method: str) -> float:
        """In all windows together."""
        is_of = pc.and_(pc.equal(self.past["share"], percent), pc.equal(self.past["method"], method))
        return float(pc.sum(self.past.filter(is_of)["hits"]).as_py())
