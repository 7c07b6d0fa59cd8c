"""Patterns put into the made-up state on purpose, so that rules can be checked against the truth.

All lie in the sixth week (`WEEK`), so a sample of fewer than six weeks has not all of them. Days count from the
sample's first, hours on the local clock. Places of patterns are cells outside the stations' own: nothing else is
reported from there.

- A surge: in one hour a station registers six times as many reports as ever (`SURGE`).
- A chain: seven burglaries in six days within three by three cells (`CHAIN`).
- An address: six reports from one cell on one day (`ADDRESS`).
- Three number plates that are watched for (`PLATES`): the first is seen twice on a day, the second once, the third once
  before it is watched for, which does not count, and once after.
- Four reports of major heads (`MAJOR_HEADS`), of which the last becomes one by an amendment a day later.
- Silence: a station that registers twenty reports in a block of six hours every week has none (`SILENT`).
- Silence withdrawn: such a block's three reports come when it is closed already (`WITHDRAWN`).
- Three people each report one thing at two stations (`TWICE`).
- A flood, if asked for: 5,000 burglaries at one point in one hour (`FLOOD`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from crime_assets.incidents.sample.people import plate
from crime_assets.incidents.sample.stations import CELLS, STATIONS
from crime_assets.incidents.times import BLOCK, DAY, HOUR

WEEK = 5


class Spot(NamedTuple):
    """A station by its place in the list, a day of the sample, and the hour at which it begins."""

    station: int
    day: int
    hour: int


SURGE = Spot(3, 36, 15)
SURGE_FACTOR, SURGE_USUAL = 6, 4
CHAIN = Spot(11, 36, 2)
CHAIN_STEPS = ((1, 0), (0, 1), (-1, 1), (0, -1), (1, 1), (-1, -1), (0, 0))
"""Cells to the north and east of the middle one, which is the last: from there, all of them are within one cell."""
ADDRESS = Spot(22, 38, 9)
ADDRESS_HEADS = ("theft", "hurt", "cheating", "theft", "hurt", "other")
SEEN = (Spot(5, 36, 10), Spot(27, 36, 18), Spot(8, 37, 12), Spot(9, 37, 13), Spot(9, 39, 13))
SEEN_PLATES = (0, 0, 1, 2, 2)
PLATES = tuple(plate(7_000 + 11 * nth) for nth in range(3))
WATCHED_FROM = (0, 0, 38)
"""Days on which watching for each of them begins; it ends with the sample."""
MAJOR_HEADS = (
    (Spot(6, 36, 4), "murder"),
    (Spot(16, 37, 21), "dacoity"),
    (Spot(26, 38, 16), "kidnapping"),
    (Spot(36, 36, 20), "murder"),
)
BEFORE_AMENDED = "hurt"
SILENT, WITHDRAWN = Spot(33, 37, 12), Spot(44, 39, 12)
BLOCK_USUAL = 20
TWICE = ((Spot(12, 37, 10), 24), (Spot(13, 37, 11), 35), (Spot(14, 38, 10), 2))
"""Where each goes first, and the station of the second report, an hour later."""
TWICE_HEAD = "cheating"
FLOOD = Spot(51, 40, 11)
FLOOD_REPORTS = 5_000


@dataclass(frozen=True)
class Planted:
    """A report beside the ordinary ones: `at` in seconds since the sample began; what is not said is as ever."""

    at: int
    station: int
    head: str = ""
    # Thousandths of a degree.
    point: tuple[int, int] | None = None
    plate: str = ""
    # Two with the same number, above 0, are by one person and of one occurrence.
    person: int = 0
    amended_to: str = ""
    # Minutes from registering to arriving.
    late: int = 0


def patterns(weeks: int, *, flood: bool) -> list[Planted]:
    """The reports that there are in so many weeks, in their order."""
    found = [*_surge(weeks), *_chain(), *_address(), *_seen(), *_major(), *_silence(weeks), *_twice()]
    if flood:
        found += _flood()
    return sorted((one for one in found if one.at < weeks * 7 * DAY), key=lambda one: one.at)


def is_silenced(station: int, at: float) -> bool:
    """Whether ordinary reports of the station, by its place in the list, are left out then."""
    return any(station == spot.station and 0 <= at - _start(spot) < BLOCK for spot in (SILENT, WITHDRAWN))


def point_beside(station: int) -> tuple[int, int]:
    """A cell that is none of a station's, in thousandths of a degree; those around it are none either."""
    return STATIONS[station].lat + CELLS + 10, STATIONS[station].lon + CELLS + 10


def _start(spot: Spot) -> int:
    return spot.day * DAY + spot.hour * HOUR


def _other_weeks(spot: Spot, weeks: int) -> Iterator[int]:
    return (_start(spot) + (week - WEEK) * 7 * DAY for week in range(weeks) if week != WEEK)


def _surge(weeks: int) -> Iterator[Planted]:
    # Rules look back no further than a station's first report.
    yield Planted(60, SURGE.station)
    for start in _other_weeks(SURGE, weeks):
        yield from (Planted(start + 600 + 700 * nth, SURGE.station) for nth in range(SURGE_USUAL))
    more = SURGE_FACTOR * SURGE_USUAL
    yield from (Planted(_start(SURGE) + 60 + 140 * nth, SURGE.station) for nth in range(more))


def _chain() -> Iterator[Planted]:
    lat, lon = point_beside(CHAIN.station)
    for nth, (north, east) in enumerate(CHAIN_STEPS):
        at = _start(CHAIN) + min(nth, 5) * DAY + nth * 900
        yield Planted(at, CHAIN.station, "burglary", (lat + north, lon + east))


def _address() -> Iterator[Planted]:
    for nth, head in enumerate(ADDRESS_HEADS):
        yield Planted(_start(ADDRESS) + nth * 5_000, ADDRESS.station, head, point_beside(ADDRESS.station))


def _seen() -> Iterator[Planted]:
    for spot, nth in zip(SEEN, SEEN_PLATES, strict=True):
        yield Planted(_start(spot) + 300, spot.station, "theft", plate=PLATES[nth])


def _major() -> Iterator[Planted]:
    *plain, (last, head) = MAJOR_HEADS
    yield from (Planted(_start(spot) + 450, spot.station, one) for spot, one in plain)
    yield Planted(_start(last) + 450, last.station, BEFORE_AMENDED, amended_to=head)


def _silence(weeks: int) -> Iterator[Planted]:
    for spot in (SILENT, WITHDRAWN):
        yield Planted(60, spot.station)
        for start in _other_weeks(spot, weeks):
            yield from (Planted(start + 500 + 1_000 * nth, spot.station) for nth in range(BLOCK_USUAL))
    end = _start(WITHDRAWN) + BLOCK
    # Registered in the last nine minutes, so that they are counted, and yet come more than ten after the end.
    yield from (Planted(end - 520 + 200 * nth, WITHDRAWN.station, late=20 + 15 * nth) for nth in range(3))


def _twice() -> Iterator[Planted]:
    for nth, (spot, other) in enumerate(TWICE):
        for at, station in ((_start(spot), spot.station), (_start(spot) + HOUR, other)):
            yield Planted(at + 800, station, TWICE_HEAD, person=nth + 1)


def _flood() -> Iterator[Planted]:
    for nth in range(FLOOD_REPORTS):
        at = _start(FLOOD) + nth * HOUR // FLOOD_REPORTS
        yield Planted(at, FLOOD.station, "burglary", point_beside(FLOOD.station))
