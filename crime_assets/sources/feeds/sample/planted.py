"""Patterns put into the sample city on purpose, so that pattern detection can be checked against the truth.

By itself the city is chance: how busy a block, an hour or a season is never changes. `around` gives the patterns that a
new lake has, counted from its first change day, the origin, before which all of them lie; of days up to two before it,
nearly all is published within the lake's first week.

- A hot spot: four crimes a day more, thefts and some robberies, on the busiest block of beat 1135 and the four nearest
  to it, all within 150 m, from 60 days to 2 days before the origin.
- A near-repeat burglary chain in beat 0823: one burglary a day more, from 85 days to 2 days before the origin. For a
  week each they are on two blocks at most 200 m apart, then a step of at most 200 m further.
- A sudden rise in beat 2514: two and a half times as many crimes, of every kind and all over the beat, from 31 days to
  2 days before the origin, and so in nearly all of the 28 complete days that each of the first week's days looks at.
- An emerging hot spot in beat 0423: one vehicle theft a day more, on the busiest block and the two nearest to it, from
  45 days to 2 days before the origin. Within four weeks of its beginning forecasts call it emerging.
- A fading hot spot in beat 1524: one burglary a day more, on three blocks likewise, from 330 to 75 days before the
  origin, and then none. Within six weeks of its end forecasts call it fading.
- A quiet day: four crimes in ten of an ordinary day, everywhere, 5 days before the origin: the last complete day of the
  fourth change day.

What a record's life and texts are like does not belong here: planted ones have the same as all others.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from crime_assets.sources.feeds.sample import offenses, shares
from crime_assets.sources.feeds.sample.draws import Draws, Flags, Floats, Ints, cumulative
from crime_assets.sources.feeds.sample.places import places

HOT_SPOT_BEAT, CHAIN_BEAT, RISING_BEAT = "1135", "0823", "2514"
EMERGING_BEAT, FADING_BEAT = "0423", "1524"
HOT_SPOT_BLOCKS = 5
SPOT_BLOCKS = 3
CHAIN_WEEKS = 12
RISE = 2.5
QUIET = 0.4

_METERS_A_FOOT = 0.3048


@dataclass(frozen=True)
class Surge:
    """Crimes beside the ordinary ones of its days: `a_day` of them on average. No two may have one name.

    `spots` has groups of blocks, as indexes into the map, one after another for equally many days; within a group each
    block is as likely as any other. Each crime is of one of the `primary_types`, which are as frequent among themselves
    as ever, or of any type where none is named.
    """

    name: str
    first_day: date
    last_day: date
    a_day: float
    spots: tuple[tuple[int, ...], ...]
    primary_types: tuple[str, ...] = ()

    def crimes(self, draws: Draws, days: Ints) -> Ints:
        """How many there are on each of the days, counted from 1970-01-01, that the draws are for."""
        chance = np.floor(self.a_day + draws.uniform(f"planted: {self.name}")).astype(np.int64)
        return np.asarray(np.where(self._covers(days), chance, 0))

    def blocks(self, draws: Draws, days: Ints) -> Ints:
        """On which blocks those of the days are; one draw a crime."""
        length = (self.last_day - self.first_day).days + 1
        spot = (days - _ordinal(self.first_day)) * len(self.spots) // length
        sizes = np.array([len(blocks) for blocks in self.spots])
        first = np.cumsum(sizes) - sizes
        nth = np.floor(draws.uniform("planted block") * sizes[spot]).astype(np.int64)
        return np.asarray(np.concatenate(self.spots)[first[spot] + nth])

    def offenses(self, draws: Draws) -> Ints:
        """What they are; one draw a crime."""
        if not self.primary_types:
            return offenses.final(draws)
        among = np.flatnonzero(np.isin(offenses.COLUMNS["primary_type"].to_pylist(), self.primary_types))
        return among[draws.pick("planted offense", cumulative(offenses.WEIGHTS[among]))]

    def _covers(self, days: Ints) -> Flags:
        return (days >= _ordinal(self.first_day)) & (days <= _ordinal(self.last_day))


@dataclass(frozen=True)
class QuietDay:
    """A day on which only the share `kept` of all crimes happens."""

    day: date
    kept: float

    def leaves_out(self, draws: Draws, days: Ints) -> Flags:
        """Which of the crimes of the days, counted from 1970-01-01, do not happen; one draw a crime."""
        return np.asarray((days == _ordinal(self.day)) & ~draws.below("quiet day", self.kept))


Planted = Surge | QuietDay


def around(origin: date) -> tuple[Planted, ...]:
    """What is planted in the city of a lake whose first change day is `origin`."""

    def before(days: int) -> date:
        return origin - timedelta(days=days)

    rising = _beat(RISING_BEAT)
    ordinary = shares.CRIMES_A_DAY * float(_shares()[rising].sum())
    chain = _chain(_beat(CHAIN_BEAT), CHAIN_WEEKS)
    return (
        Surge("hot spot", before(60), before(2), 4.0, _spot(HOT_SPOT_BEAT, HOT_SPOT_BLOCKS), ("THEFT", "ROBBERY")),
        Surge("chain", before(7 * CHAIN_WEEKS + 1), before(2), 1.0, chain, ("BURGLARY",)),
        Surge("rise", before(31), before(2), (RISE - 1) * ordinary, (_indexes(rising),)),
        Surge("emerging", before(45), before(2), 1.0, _spot(EMERGING_BEAT, SPOT_BLOCKS), ("MOTOR VEHICLE THEFT",)),
        Surge("fading", before(330), before(75), 1.0, _spot(FADING_BEAT, SPOT_BLOCKS), ("BURGLARY",)),
        QuietDay(before(5), QUIET),
    )


def _spot(beat: str, blocks: int) -> tuple[tuple[int, ...]]:
    """The busiest block of a beat and those nearest to it."""
    return (_indexes(np.argsort(_meters_from(_beat(beat)[0]), kind="stable")[:blocks]),)


def _chain(blocks: Ints, steps: int) -> tuple[tuple[int, ...], ...]:
    """From the first block on to the nearest unvisited one, and so on; each with the block nearest to it."""
    spots: list[tuple[int, ...]] = []
    here, left = blocks[0], blocks[1:]
    for _ in range(steps):
        nearest = blocks[np.argsort(_meters_from(here)[blocks], kind="stable")]
        spots.append(_indexes(nearest[:2]))
        here = left[np.argmin(_meters_from(here)[left])]
        left = left[left != here]
    return tuple(spots)


def _beat(name: str) -> Ints:
    """The beat's blocks, the busiest first."""
    return np.flatnonzero(np.array(places().columns["beat"].to_pylist()) == name)


def _meters_from(block: int) -> Floats:
    """How far all blocks are from that one."""
    x, y = (places().columns[name].cast("double").to_numpy() for name in ("x_coordinate", "y_coordinate"))
    return np.asarray(np.hypot(x - x[block], y - y[block]) * _METERS_A_FOOT)


def _shares() -> Floats:
    """Each block's share of the city's crimes."""
    return np.diff(places().bounds, prepend=0.0)


def _indexes(blocks: Ints) -> tuple[int, ...]:
    return tuple(int(block) for block in blocks)


def _ordinal(day: date) -> int:
    """Days from 1970-01-01."""
    return int(np.datetime64(day, "D").astype(np.int64))
