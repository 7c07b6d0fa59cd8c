"""Small numbers in several tables of the same records: what one of them hides, the others do not give away.

A count in a row of a table is a **fact**: of which days, of which records, of which places and categories. Tables that
have the same fact hide it together. Facts add up to others, within a table and across tables: districts to the city,
months to a year, hours to bands of the day. What `small_numbers` demands of rows that add up is demanded of all of
these sums, and then it is tried whether several of them together give away what is hidden: to anyone, or to who knows
all of one district.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple, TypeAlias

import pyarrow as pa

from crime_assets.analysis.small_numbers import TOTAL, Sum, hidden_rows, parts_of, protect
from crime_assets.analysis.solving import apart, solved
from crime_assets.core.insights import Insight
from crime_assets.core.promises import AREAS

_UNMAPPED = "unmapped_crimes"
_CLASSES = {
    "violent": "violent_crimes",
    "property": "property_crimes",
    "other": "other_crimes",
    "unmapped": _UNMAPPED,
}
"""Class of offense → what crimes of it are called where the class has no column."""
_PARTS = {"crimes": tuple(_CLASSES.values()), "index_crimes": ("violent_crimes", "property_crimes")}
_SHARES = {"arrest_share": "arrests", "domestic_share": "domestic_crimes"}
"""Part of all crimes → what that is called where it has a column."""
_BANDS = {"night": 0, "morning": 6, "afternoon": 12, "evening": 18}
_PROXY = "violence_against_women_proxy"
_KINDS = {
    (f"{_PROXY}.crimes", "stalking"): ("crimes", "STALKING"),
    (f"{_PROXY}.arrests", "stalking"): ("arrests", "STALKING"),
    (f"{_PROXY}.crimes", "domestic assault"): ("domestic_crimes", "ASSAULT"),
    (f"{_PROXY}.arrests", "domestic assault"): ("domestic_violence.arrests", "ASSAULT"),
}
"""Kinds of the proxy, in the whole city, that are a category of others → measure and category."""
_SEXUAL = ("CRIMINAL SEXUAL ASSAULT", "SEX OFFENSE")
_OVER: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "share": ("crimes", ()),
    "ratio_to_mean_day": ("crimes", ()),
    "share_of_domestic": ("domestic_crimes", ()),
    "share_of_type": ("crimes", ("primary_type",)),
    f"{_PROXY}.share": ("crimes", ("district",)),
}
"""Column, or insight and column → what it is divided by, which it gives away; and of which of its places that is."""
_AVERAGE = "city_average"
_OF_AVERAGE = (_AVERAGE, "ratio_to_city_average", "ratio_to_city")
"""Columns that give the sum of all named areas away."""
_NAMED, _UNKNOWN = "(named)", "(unknown)"


class Fact(NamedTuple):
    """What a number counts: the first and the last day, the records, and the values of columns, sorted."""

    first_day: date | None
    last_day: date | None
    measure: str
    where: tuple[tuple[str, str], ...] = ()

    def of(self, **changed: str | None) -> Fact:
        """The fact with other values; without those that are None."""
        kept = {**dict(self.where), **changed}
        return self._replace(where=tuple(sorted((name, value) for name, value in kept.items() if value is not None)))

    def only(self, measure: str, *columns: str) -> Fact:
        """The fact of these columns alone, of other records."""
        return self._replace(measure=measure, where=tuple(pair for pair in self.where if pair[0] in columns))

    @property
    def district(self) -> str | None:
        """The district that it is about."""
        found = dict(self.where)
        return found.get("district") or (_district_of(found["beat"]) if "beat" in found else None)


@dataclass(frozen=True)
class _Column:
    """A column that counts, or tells a part: the fact of each row as its own table has it, and its number."""

    insight: Insight
    name: str
    facts: Sequence[Fact]
    numbers: Sequence[int]


Known: TypeAlias = dict[Fact, int]
"""Fact → its number."""


def protect_together(tables: Mapping[Insight, pa.Table], threshold: int) -> dict[str, pa.Table]:
    """The tables of insights by their names, as `protect` has them, for insiders who see all of them."""
    columns = [column for insight, table in tables.items() for column in _columns(insight, table)]
    known: Known = {}
    for column in columns:
        known.update(zip(map(_same, column.facts), column.numbers, strict=True))
    named = _named(columns)
    known |= named
    hidden = _hidden(known, _sums(columns, known), threshold)
    found = {}
    for insight, table in tables.items():
        own = [column for column in columns if column.insight is insight]
        rows = {column.name: [row for row, fact in enumerate(column.facts) if _same(fact) in hidden] for column in own}
        found[insight.table] = protect(table, insight.counting, 0, {**_told_by(table, own, hidden), **rows})
    return found


def _columns(insight: Insight, table: pa.Table) -> Iterator[_Column]:
    places = list(_places(insight, table))
    for count in insight.counting.counts:
        numbers = [int(value or 0) for value in table.column(count.name).to_pylist()]
        yield _Column(insight, count.name, _facts(insight, count.name, places), numbers)
    for share in insight.counting.shares:
        is_known = share.whole in insight.promises.totals and share.name in _SHARES
        name = _SHARES[share.name] if is_known else share.name
        facts = [fact._replace(measure=name) if is_known else fact for fact in _facts(insight, name, places)]
        yield _Column(insight, share.name, facts, parts_of(table, share))


def _facts(insight: Insight, name: str, places: Sequence[Fact]) -> list[Fact]:
    """The facts of a count. Those of all records are the same in each table; others are of their table alone."""
    if name not in insight.promises.totals:
        return [place._replace(measure=f"{insight.name}.{name}") for place in places]
    classes = [dict(place.where).get("offense_class") for place in places]
    return [
        place.of(offense_class=None)._replace(measure=_CLASSES[found] if found else name)
        for place, found in zip(places, classes, strict=True)
    ]


def _places(insight: Insight, table: pa.Table) -> Iterator[Fact]:
    """The days and places of each row, without what is counted."""
    areas = {area.where: area for area in insight.promises.named_areas if area.where is not None}
    for row in table.select([*("first_day", "last_day"), *insight.promises.key]).to_pylist():
        found = Fact(row["first_day"], row["last_day"], "")
        for name in insight.promises.key:
            value = _UNKNOWN if row[name] is None else str(row[name])
            area = next((area for (where, is_it), area in areas.items() if str(row[where]) == is_it), None)
            if name in {"month", "occurred_on"}:
                found = _within(found, row[name], is_month=name == "month")
            elif area is not None:
                found = found.of(**{area.kind: value}) if name == area.column else found
            elif value != TOTAL:
                found = found.of(**{name: value})
        yield found


def _within(fact: Fact, first: date, *, is_month: bool) -> Fact:
    """The fact of those of its days that are of a month, or a day."""
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1) if is_month else first
    return fact._replace(first_day=max(first, fact.first_day or first), last_day=min(last, fact.last_day or last))


def _same(fact: Fact) -> Fact:
    """The fact as the table has it that more than one of them is from."""
    if len(fact.where) == 1 and (found := _KINDS.get((fact.measure, dict(fact.where).get("kind", "")))) is not None:
        return fact._replace(measure=found[0], where=(("primary_type", found[1]),))
    return fact


def _named(columns: Sequence[_Column]) -> Known:
    """The sums of named areas that averages give away."""
    found: defaultdict[Fact, int] = defaultdict(int)
    for column in _averaged(columns):
        (area,) = _areas(column)
        for fact, number in zip(column.facts, column.numbers, strict=True):
            if dict(fact.where)[area] != _UNKNOWN:
                found[fact.of(**{area: _NAMED})] += number
    return dict(found)


def _averaged(columns: Sequence[_Column]) -> Iterator[_Column]:
    """The counts of which a table has the average."""
    for column in columns:
        counts = column.insight.counting.counts
        if counts and column.name == counts[0].name and _AVERAGE in {one.name for one in column.insight.columns}:
            yield column


def _areas(column: _Column) -> list[str]:
    return [name for name in column.insight.promises.key if name in AREAS]


def _sums(columns: Sequence[_Column], known: Known) -> Iterator[tuple[list[Fact], Fact | None]]:
    """Facts that add up to another one; to None, if no table has that."""
    for column in columns:
        yield from _of_column(column, known)
    for fact in known:
        yield from _of_parts(fact, known)
    for column in _averaged(columns):
        (area,) = _areas(column)
        for whole in dict.fromkeys(fact.of(**{area: None}) for fact in column.facts):
            parts = [whole.of(**{area: name}) for name in (_NAMED, _UNKNOWN)]
            yield [part for part in parts if part in known], whole
    yield from _of_beats(known)
    yield from _of_days(known)


def _of_parts(fact: Fact, known: Known) -> Iterator[tuple[list[Fact], Fact | None]]:
    """A fact and those of its classes, hours or days."""
    if (measures := _PARTS.get(fact.measure)) is not None:
        of_classes = [fact._replace(measure=name) for name in measures]
        # Tables have rows of codes that are in no table only if there are any.
        yield [part for part in of_classes if part.measure != _UNMAPPED or part in known], fact
    where = dict(fact.where)
    if where.keys() == {"time_of_day"}:
        first = _BANDS[where["time_of_day"]]
        cells = [(str(hour), str(day)) for hour in range(first, first + 6) for day in range(1, 8)]
        yield [fact.only(fact.measure).of(hour=hour, iso_weekday=day) for hour, day in cells], fact
    if where.keys() == {"iso_weekday"} and fact.first_day is not None and fact.last_day is not None:
        days = (fact.first_day + timedelta(days=n) for n in range((fact.last_day - fact.first_day).days + 1))
        of_weekday = (day for day in days if str(day.isoweekday()) == where["iso_weekday"])
        yield [Fact(day, day, fact.measure) for day in of_weekday], fact


def _of_column(column: _Column, known: Known) -> Iterator[tuple[list[Fact], Fact | None]]:
    """Rows of one table."""
    names = {*column.insight.counting.adds_up}
    names |= {area.kind for area in column.insight.promises.named_areas if area.column in names}
    parts: defaultdict[Fact, list[Fact]] = defaultdict(list)
    for fact in column.facts:
        for name, _ in fact.where:
            if name in names:
                parts[fact.of(**{name: None})].append(_same(fact))
    # By one name each: a district of a kind and a kind in a district leave different facts.
    for whole, facts in parts.items():
        yield facts, _same(whole) if _same(whole) in known else None
    for fact in column.facts:
        if fact.measure.startswith(_PROXY) and fact.where == (("kind", "sexual offense"),):
            measure = fact.measure.removeprefix(f"{_PROXY}.")
            types = [fact.only(measure).of(primary_type=name) for name in _SEXUAL]
            yield [part for part in types if part in known], fact


def _district_of(beat: str) -> str:
    return f"0{beat[:2]}"


def _of_beats(known: Known) -> Iterator[tuple[list[Fact], Fact | None]]:
    """Beats that are a district: those of its number, if all of its crimes are in them."""
    parts: defaultdict[Fact, list[Fact]] = defaultdict(list)
    for fact in known:
        if [name for name, _ in fact.where] == ["beat"]:
            parts[fact.only(fact.measure).of(district=fact.district)].append(fact)
    for whole, facts in parts.items():
        if known.get(whole) == sum(known[fact] for fact in facts):
            yield facts, whole


def _of_days(known: Known) -> Iterator[tuple[list[Fact], Fact | None]]:
    """Days, months and periods that follow one another without a gap and are a longer period."""
    alike: defaultdict[Fact, list[Fact]] = defaultdict(list)
    for fact in known:
        if fact.first_day is not None and fact.last_day is not None:
            alike[fact._replace(first_day=None, last_day=None)].append(fact)
    for facts in alike.values():
        for whole in facts:
            for is_longest in (False, True):
                if found := _tiled(whole, facts, is_longest=is_longest):
                    yield found, whole


def _tiled(whole: Fact, facts: Sequence[Fact], *, is_longest: bool) -> list[Fact]:
    """Shorter periods that are the whole one, the shortest or the longest first; none, if they are not."""
    ends: dict[date | None, Fact] = {}
    for fact in sorted(facts, key=lambda fact: str(fact.last_day), reverse=not is_longest):
        if fact != whole and str(fact.last_day) <= str(whole.last_day):
            ends[fact.first_day] = fact
    found: list[Fact] = []
    day = whole.first_day
    while day is not None and str(day) <= str(whole.last_day):
        if (part := ends.get(day)) is None or part.last_day is None:
            return []
        found.append(part)
        day = part.last_day + timedelta(days=1)
    return found


def _hidden(known: Known, added: Iterable[tuple[list[Fact], Fact | None]], threshold: int) -> set[Fact]:
    """The facts that are not shown."""
    facts = sorted(known, key=str)
    counts = [known[fact] for fact in facts]
    owned: defaultdict[str, set[int]] = defaultdict(set)
    for number, fact in enumerate(facts):
        if (district := fact.district) not in {None, _NAMED, _UNKNOWN}:
            owned[str(district)].add(number)
    sums = list(_numbered(facts, added))
    hidden: set[int] = set()
    more = {row for row, count in enumerate(counts) if 0 < count < threshold}
    while more - hidden:
        hidden = hidden_rows(counts, sums, threshold, hidden | more, insiders=True)
        more = {
            other
            for own, fact in _given_away(sums, hidden, list(owned.values()))
            for other in _beside(fact, sums, counts, hidden | own)
        }
    return {facts[number] for number in hidden}


def _numbered(facts: Sequence[Fact], added: Iterable[tuple[list[Fact], Fact | None]]) -> Iterator[Sum]:
    """Sums of the places of facts. Insiders know one of the parts if they are of different areas."""
    place = {fact: number for number, fact in enumerate(facts)}
    for parts, total in added:
        if parts and place.keys() >= {*parts}:
            areas = {value for part in parts for name, value in part.where if name in AREAS} - {_NAMED, _UNKNOWN}
            of_parts = sorted({place[part] for part in parts})
            yield Sum(of_parts, place.get(total) if total is not None else None, insiders=len(areas) > 1)


def _given_away(sums: Sequence[Sum], hidden: set[int], owned: Sequence[set[int]]) -> Iterator[tuple[set[int], int]]:
    """The hidden facts that all sums together give away, and what who learns it knows: nothing, or `owned`."""
    for together in apart([_unknown(one, hidden) for one in sums if one.total is not None]):
        names = set().union(*together)
        yield from ((set(), fact) for fact in solved(together))
        for own in owned:
            if names & own:
                left = [{name: factor for name, factor in one.items() if name not in own} for one in together]
                yield from ((own, fact) for fact in solved(left))


def _unknown(one: Sum, hidden: set[int]) -> dict[int, int]:
    """A sum as an equation of what is hidden of it."""
    found = {part: 1 for part in one.parts if part in hidden}
    return found | ({one.total: -1} if one.total is not None and one.total in hidden else {})


def _beside(fact: int, sums: Sequence[Sum], counts: Sequence[int], seen: set[int]) -> list[int]:
    """The smallest fact that stands in a sum with this one, and is not zero, hidden or one's own."""
    near = {row for one in sums if fact in one.parts or fact == one.total for row in (*one.parts, one.total)}
    left = [row for row in near if row is not None and row not in seen and counts[row]]
    return sorted(left, key=lambda row: (counts[row], row))[:1]


def _class_of(fact: Fact) -> str | None:
    return fact.measure if fact.measure in _CLASSES.values() else None


def _told_by(table: pa.Table, columns: Sequence[_Column], hidden: set[Fact]) -> dict[str, list[int]]:
    """Column → the rows where it would tell a hidden fact of another row or table."""
    if not columns:
        return {}
    first = columns[0]
    found: dict[str, list[int]] = {}
    for name in table.column_names:
        over = _OVER.get(f"{first.insight.name}.{name}") or _OVER.get(name)
        if over is not None:
            measure, kept = over
            wholes = [fact.only(_class_of(fact) or measure, *kept) for fact in first.facts]
            found[name] = [row for row, whole in enumerate(wholes) if whole in hidden]
    for column in _averaged(columns):
        (area,) = _areas(column)
        rows = [row for row, fact in enumerate(column.facts) if fact.of(**{area: _NAMED}) in hidden]
        found |= {name: rows for name in _OF_AVERAGE if name in table.column_names}
    return found
