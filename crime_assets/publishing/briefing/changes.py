"""What changed: the few things worth reading first, as sentences, the most notable first.

The insights and checks decide what is notable (flags, alarms, corrected significance); this module words, compares and
picks their findings. A finding whose numbers are hidden is left out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from crime_assets.analysis.statistics.chance import at_least_of
from crime_assets.publishing.briefing.tables import Row, Tables
from crime_assets.publishing.charts.scales import number
from crime_assets.publishing.charts.svg import shortened
from crime_assets.publishing.dashboard.choice import ALL, CLASSES, TITLES

MOST = 5
MOST_OF_A_KIND = 2
DAY_LIMIT = 8.0
"""Smallest |2(√known - √usual)| of a notable day: days vary by more than chance (`defs/checks/verdicts.py`)."""
DAYS_LOOKED_AT = 7
NEAR_METERS, SOON_DAYS = 200, 7
"""Largest distance and delay at which two crimes are a near repeat worth reporting."""
CHANCE_FLAGS = 1 / 30
"""Share of CompStat's comparisons that chance alone flags (its header)."""
FEWEST = 5
"""Fewest crimes of a series or hot spot that is reported."""
CHANCE = 0.05
"""Most series (or grown hot spots) that chance alone may be expected to produce per day if one is to be reported."""

_SPREAD_OF_Z = math.sqrt(2)
"""Standard deviation of z between two counts if nothing has changed."""
_CORRECTED = 3.0
"""Weight of a finding that is significant after correction for many tests, and has no z that may be shown."""
_STANDING = 2.5
"""Weight of a finding about a whole year, however certain: it is hardly news."""
_WARNING, _BLOCKING = 4.0, math.inf
_FEWEST_WEEKS = 4
_FEWEST_CHANGE_DAYS = 3
"""Fewest change days from which expected counts must have been learned for a fall to be reported."""
_LETTERS_OF_A_BLOCK = 60


@dataclass(frozen=True)
class Change:
    """A finding: what it is in a few words, its numbers, and what to keep in mind about them.

    `weight` is roughly how many standard deviations it is off. `place` and `direction` (1 more, -1 fewer) say what it
    is about; `explains` are larger places whose change in that direction is then no news.
    """

    kind: str
    title: str
    sentence: str
    caution: str
    weight: float
    direction: int = 0
    place: str = ""
    explains: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Told:
    """The findings to read, and the sentence after them."""

    changes: list[Change]
    closing: str


def told(tables: Tables, last_complete_day: date, *, is_compared: bool = True) -> Told:
    """The findings of a day's tables; not `is_compared`, if nobody can tell what was known before."""
    found = [
        *_failing(tables),
        *_alarms(tables),
        *_shifts(tables.compstat),
        *_days(tables, last_complete_day),
        *_hot_spots(tables.hot_cells),
        *_near_repeats(tables.near_repeat),
        *_series(tables.series),
    ]
    shown, more = pick(found)
    if more:
        things, them = ("One more thing is", "it") if more == 1 else (f"{more} more things are", "them")
        return Told(shown, f"{things} out of line; the dashboard and its tables have {them}.")
    if not is_compared:
        return Told(shown, "The city does not say when records changed: counts are not compared with earlier ones.")
    if _compared(tables.compstat):
        return Told(shown, f"Nothing {'else ' if shown else ''}is out of line.")
    return Told(shown, f"Too little is known yet to say what {'else ' if shown else ''}changed.")


def pick(found: Iterable[Change]) -> tuple[list[Change], int]:
    """The most notable findings, few of each kind, and how many others there are.

    A finding that is explained by one shown before it does not count as another.
    """
    shown: list[Change] = []
    kinds: Counter[str] = Counter()
    more = 0
    for change in sorted(found, key=lambda change: -change.weight):
        if any(change.direction == other.direction and change.place in other.explains for other in shown):
            continue
        if len(shown) == MOST or kinds[change.kind] == MOST_OF_A_KIND:
            more += 1
            continue
        shown.append(change)
        kinds[change.kind] += 1
    return shown, more


def _compared(compstat: Sequence[Row]) -> bool:
    """Whether the city's last 28 complete days can be compared with the 28 before."""
    return any(
        row["change"] is not None
        for row in compstat
        if (row["period"], row["district"], row["offense_class"]) == ("28d", ALL, ALL)
    )


def _shifts(compstat: Sequence[Row]) -> Iterator[Change]:
    """The flags of CompStat's 28 days: the largest rise and the largest fall of each district and of the city."""
    rows = [row for row in compstat if row["period"] == "28d"]
    flagged = [row for row in rows if row["flag"] in (1, -1) and row["change"] is not None]
    largest: dict[tuple[str | None, int], Row] = {}
    for row in sorted(flagged, key=_weight_of_shift, reverse=True):
        largest.setdefault((row["district"], row["flag"]), row)
    compared = sum(row["flag"] is not None and row["change"] is not None for row in rows if row["district"] != ALL)
    of_districts = sum(row["district"] != ALL for row in flagged)
    by_chance = (
        f"Of {compared} comparisons in districts, {_are(of_districts)} flagged; chance alone flags about "
        f"{compared * CHANCE_FLAGS:.1f}."
    )
    for row in largest.values():
        yield _shift(row, "" if row["district"] == ALL else by_chance)


def _weight_of_shift(row: Row) -> float:
    """A change within the range of the same days in other years weighs half as much: it may be the season."""
    weight = abs(float(row["z_before"])) / _SPREAD_OF_Z
    return weight / 2 if row["five_years_position"] == "within" else weight


def _shift(row: Row, by_chance: str) -> Change:
    is_rise = row["flag"] == 1
    place = {ALL: "the city", None: "no district on record"}.get(row["district"], f"district {row['district']}")
    what = TITLES[row["offense_class"]].lower()
    cautions = [by_chance] if by_chance else []
    sentence = (
        f"{number(row['crimes'])} in the 28 days to {row['last_day']}, {number(abs(row['change']))} "
        f"{'more' if is_rise else 'fewer'} than {_before(row)} (z {row['z_before']:+.1f})."
    )
    low, high = row["crimes_in_the_end_low"], row["crimes_in_the_end_high"]
    if None not in (low, high) and high > row["crimes"]:
        cautions.insert(0, f"With late records it will be {number(low)} to {number(high)} in the end.")
    return Change(
        "shift of the city" if row["district"] == ALL else "shift of a district",
        f"{'Rise' if is_rise else 'Fall'} of {what} in {place}",
        f"{sentence}{_other_years(row)}",
        " ".join(cautions),
        _weight_of_shift(row),
        row["flag"],
        place,
    )


def _before(row: Row) -> str:
    """The 28 days before, and how they are counted."""
    count = number(row["crimes_before"])
    low, high = row["crimes_before_low"], row["crimes_before_high"]
    if row["before_basis"] == "seen":
        return f"the {count} that were known of the 28 days before when they were as old"
    if row["before_basis"] == "estimated" and None not in (low, high):
        return (
            f"the {count} ({number(low)} to {number(high)}) that, by how late records come, were known of the 28 days "
            "before when they were as old"
        )
    return f"the {count} that are known today of the 28 days before, for which records had more time to come"


def _other_years(row: Row) -> str:
    """How the count compares with those of other years."""
    low, high, position = row["five_years_low"], row["five_years_high"], row["five_years_position"]
    if None in (low, high, position):
        return ""
    years = "year" if row["years"] == 1 else f"{row['years']} years"
    had = number(low) if low == high else f"{number(low)} to {number(high)}"
    seen = {
        "above": "which is less than now",
        "below": "which is more than now",
        "within": "so it may be the season",
    }[position]
    return f" The same days of the {years} before had {had}, {seen}."


def _alarms(tables: Tables) -> Iterator[Change]:
    """Beats and community areas out of line with their own history."""
    rows = tables.early_warning
    homes = tables.homes or {}
    units = Counter(row["unit_kind"] for row in rows)
    alarms = [row for row in rows if row["alarm"] in (1, -1)]
    numbers = Counter(row["unit_kind"] for row in alarms)
    for row in alarms:
        if None in (row["crimes"], row["expected_crimes"], row["lower_limit"], row["upper_limit"], row["z_expected"]):
            continue
        kind, unit, direction = row["unit_kind"], row["unit"], row["alarm"]
        district, area = homes.get(unit, (None, None)) if kind == "beat" else (None, None)
        within = f" (district {district})" if district else ""
        yield Change(
            "alarm",
            f"{'More' if direction == 1 else 'Fewer'} crimes than usual in {kind} {unit}{within}",
            f"{number(row['crimes'])} in the last 28 complete days, and its own history suggests "
            f"{number(round(row['expected_crimes']))}; {number(row['lower_limit'])} to {number(row['upper_limit'])} "
            "would be in line.",
            f"Of {units[kind]} {kind}s, {_are(numbers[kind])} out of line; chance alone puts about "
            f"{row['false_alarms']:.1f} there.",
            abs(row["z_expected"]),
            direction,
            f"{kind} {unit}",
            frozenset({f"{kind} {unit}", f"district {district}", f"community area {area}"}),
        )


def _days(tables: Tables, last_complete_day: date) -> Iterator[Change]:
    """Days of the last complete week with far fewer or far more crimes than the same weekday had before.

    Late records are only estimated: a rise must hold without them, a fall with them.
    """
    days: dict[date, Row] = {row["first_day"]: row for row in tables.trend if row["crimes"] is not None}
    learnt_from = {row["occurred_on"]: row["change_days"] or 0 for row in tables.reporting_delay}
    for day in (last_complete_day - timedelta(days=back) for back in range(DAYS_LOOKED_AT)):
        weeks = [_in_the_end(days[past]) for n in range(1, 9) if (past := day - timedelta(weeks=n)) in days]
        if day not in days or len(weeks) < _FEWEST_WEEKS:
            continue
        known, expected, usual = days[day]["crimes"], _in_the_end(days[day]), sum(weeks) / len(weeks)
        rise, fall = _difference(known, usual), _difference(expected, usual)
        if rise < DAY_LIMIT and (fall > -DAY_LIMIT or learnt_from.get(day, 0) < _FEWEST_CHANGE_DAYS):
            continue
        z = rise if rise >= DAY_LIMIT else fall
        late = round(expected) - known
        yield Change(
            "day",
            f"{'A quiet day' if z < 0 else 'A busy day'}: {day:%A}, {day}",
            f"{number(known)} crimes are known"
            + (f", and about {number(late)} more may come as late records" if late > 0 else "")
            + f"; the same weekday of the {len(weeks)} weeks before comes to {number(round(usual))} on average "
            f"(z {z:+.1f}).",
            "Check whether a delivery is missing before you trust it." if z < 0 else "",
            abs(z) * 3 / DAY_LIMIT,
            1 if z > 0 else -1,
            str(day),
        )


def _difference(crimes: float, usual: float) -> float:
    return 2 * (math.sqrt(crimes) - math.sqrt(usual))


def _in_the_end(row: Row) -> float:
    """The crimes of a day once all are known, as far as that can be told."""
    expected = row.get("expected_crimes")
    return float(row["crimes"] if expected is None else expected)


def _hot_spots(cells: Sequence[Row]) -> Iterator[Change]:
    """Cells that are hot and have grown: one finding for all classes together."""
    told_of = []
    for offense_class in dict.fromkeys(row["offense_class"] for row in cells):
        grown = [row for row in cells if row["offense_class"] == offense_class and is_grown(row)]
        if grown:
            told_of.append(f"{len(grown)} for {CLASSES[offense_class].lower()}{_mostly(grown)}")
    if told_of:
        yield Change(
            "hot spots",
            "New or grown hot spots on the map",
            "Cells that are hot in the last 28 complete days, and with the cells around them have far more of their "
            f"year's crimes in these days than the city has: {_listed(told_of)}.",
            "A cell is about a tenth of a square kilometer, and one place can make all cells around it hot. Chance "
            f"alone brings one on about {CHANCE:.0%} of days; a season of its own can too.",
            _CORRECTED,
        )


def is_grown(cell: Row) -> bool:
    """Whether the 28 days have far more of the year's crimes in and around a hot cell than chance would explain.

    By chance, the 28 days would have the same share of the year's crimes there as in the city: late records and the
    season are the same for all.
    """
    now, year, looked_at = cell["local_crimes"], cell["year_local_crimes"], int(cell["looked_at"])
    if now is None or year is None or now < FEWEST:
        return False
    return at_least_of(now, year, cell["city_share"]) * looked_at <= CHANCE


def _mostly(cells: Sequence[Row]) -> str:
    """The district with more of the cells than any other."""
    districts = Counter(row["district"] for row in cells if row["district"] is not None)
    if not districts:
        return ""
    district, count = min(districts.items(), key=lambda item: (-item[1], item[0]))
    if count == 1 < len(districts):
        return f" (in {len(districts)} districts)"
    areas = sorted({row["community_area"] for row in cells if row["district"] == district} - {None}, key=_natural)
    beside = f", community area{'s' if len(areas) > 1 else ''} {_listed(areas)}" if 0 < len(areas) <= 3 else ""
    part = "" if len(cells) == 1 else "all of them " if count == len(cells) else f"{count} of them "
    return f" ({part}in district {district}{beside})"


def _near_repeats(bands: Sequence[Row]) -> Iterator[Change]:
    """Kinds of crime that are followed by others nearby and soon, leaving aside pairs at the same point."""
    for offense in dict.fromkeys(row["offense"] for row in bands):
        near = [
            row
            for row in bands
            if row["offense"] == offense and 0 < row["distance_to_m"] <= NEAR_METERS and row["days_to"] <= SOON_DAYS
        ]
        if not any(row["is_repeat"] == 1 for row in near) or any(row["pairs"] is None for row in near):
            continue
        pairs, expected = sum(row["pairs"] for row in near), sum(row["expected_pairs"] for row in near)
        if not 0 < expected < pairs:
            continue
        yield Change(
            "near repeat",
            f"One follows another: {offense.lower()}",
            f"{number(pairs)} pairs in 365 days lay up to {NEAR_METERS} m and {SOON_DAYS} days apart, "
            f"{pairs / expected:.2f} times the {number(round(expected))} that chance alone brings.",
            "Pairs at the same point are not counted: points are blocks, not addresses.",
            _STANDING,
        )


def _series(rows: Sequence[Row]) -> Iterator[Change]:
    """Blocks where far more of the year's crimes of a kind fall into the last 28 days than chance would explain."""
    for row in rows:
        crimes, year, beat = row["crimes"], row["year_crimes"], row["beat"]
        if row["block"] is None or crimes is None or year is None or crimes < FEWEST:
            continue
        if at_least_of(crimes, year, 28 / 365) * row["looked_at"] > CHANCE:
            continue
        block = shortened(row["block"], _LETTERS_OF_A_BLOCK)
        of_beat = f" (beat {beat})" if beat else ""
        yield Change(
            "series",
            f"A series of {(row['primary_type'] or 'crimes without a category').lower()}: {block}{of_beat}",
            f"{number(crimes)} records on {row['days']} days from {row['first_crime_on']} to {row['last_crime_on']}, "
            "far more of its year there than chance would put into 28 days.",
            "A block is dozens of addresses, and several records of one day can be one event.",
            _CORRECTED,
            1,
            f"beat {beat}" if beat else "",
        )


def _failing(tables: Tables) -> Iterator[Change]:
    """Checks that fail: everything else depends on them."""
    for check in tables.checks:
        if not check.is_passed:
            blocks = "No new figures are made until it passes." if check.is_blocking else ""
            yield Change(
                "data",
                f"The data may be wrong: the check {check.check} fails",
                check.sentence,
                blocks,
                _BLOCKING if check.is_blocking else _WARNING,
            )


def _are(count: int) -> str:
    return "1 is" if count == 1 else f"{number(count)} are"


def _natural(text: str) -> tuple[int, str]:
    """A sort key that orders numbers in texts by value."""
    return len(text), text


def _listed(texts: Sequence[str]) -> str:
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)
