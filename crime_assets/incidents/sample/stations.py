"""Where the made-up state's police stations are, and how many reports each of them registers in which hour.

State SX has six districts with ten stations each. Around a station lie 20 by 20 cells of a thousandth of a degree,
some 110 m; 40 such cells lie between one station's and the next one's first. By itself nothing ever changes: an hour of
the week is as busy in one week as in another, and reports come independently of each other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from crime_assets.sources.feeds.sample.draws import Draws, Floats, Ints

STATE = "SX"
DISTRICTS = ("101", "102", "103", "104", "105", "106")
A_DISTRICT = 10
CELLS = 20
WEEK_HOURS = 168

_APART = 60
_SOUTH, _WEST = 22_000, 75_000
_BETWEEN_DISTRICTS = 1_000
_QUIETEST, _BUSIEST = 0.3, 1.9
# From midnight on; a day's mean is 1.
_HOURS = np.array(
    [
        *(0.45, 0.3, 0.25, 0.2, 0.2, 0.3, 0.5, 0.7, 0.95, 1.2, 1.4, 1.45),
        *(1.4, 1.3, 1.25, 1.25, 1.3, 1.4, 1.5, 1.6, 1.6, 1.45, 1.15, 0.9),
    ]
)
# Thursday first, as hours count from 1970.
_DAYS = np.array([0.97, 1.03, 1.1, 1.08, 0.96, 0.93, 0.93])


class Station(NamedTuple):
    """A station, and the south-western corner of its cells in thousandths of a degree."""

    district: str
    code: str
    lat: int
    lon: int

    @property
    def name(self) -> str:
        """As in reports: state, district, station."""
        return f"{STATE}/{self.district}/{self.code}"


STATIONS = tuple(
    Station(
        district,
        f"PS{nth + 1:02}",
        _SOUTH + row // 3 * _BETWEEN_DISTRICTS + nth // 5 * _APART,
        _WEST + row % 3 * _BETWEEN_DISTRICTS + nth % 5 * _APART,
    )
    for row, district in enumerate(DISTRICTS)
    for nth in range(A_DISTRICT)
)


def means(seed: int, rate_a_week: float, hours: Ints) -> Floats:
    """Expected reports of each station (a row) in each of the hours, which are local and count from 1970."""
    draws = Draws(seed, np.arange(len(STATIONS)))
    weights = _QUIETEST + (_BUSIEST - _QUIETEST) * draws.uniform("busy")
    week = np.multiply.outer(_DAYS, _HOURS).ravel()
    shares = week[hours % WEEK_HOURS] / week.sum()
    return np.asarray(rate_a_week * np.multiply.outer(weights / weights.sum(), shares))


def counts(uniform: Floats, expected: Floats) -> Ints:
    """Numbers of a Poisson distribution with these expectations (below 700), one a uniform draw."""
    found = np.zeros(expected.shape, dtype=np.int64)
    chance = np.exp(-expected)
    below = chance.copy()
    # Rounding may leave the sum of all chances below the greatest draw.
    for nth in range(1, 60 + 2 * int(expected.max(initial=0.0))):
        more = uniform >= below
        if not more.any():
            break
        found += more
        chance *= expected / nth
        below += chance
    return found
