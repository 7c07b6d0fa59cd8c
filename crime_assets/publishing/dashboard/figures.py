"""The answers to a choice, as tables, with small numbers hidden: pages, pictures and files are made from them.

Every table that leaves the extract goes through `Figures.table`, and so through the one rule for small numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from crime_assets.analysis.small_numbers import HIDDEN, protect
from crime_assets.core.errors import UsageError
from crime_assets.core.insights import Count, Counting, Insight
from crime_assets.core.sql import statement
from crime_assets.publishing.dashboard.choice import ALL, NONE, Choice
from crime_assets.publishing.extract import ABOUT, BLOCKS
from crime_assets.publishing.published import MADE_OF, Published, published_by
from crime_assets.publishing.reading import Extract

_PARAMETER = re.compile(r"[$]([a-z_]+)")
_STRETCHES: Mapping[str, tuple[int, int]] = {"28d": (1, 56), "365d": (7, 53)}
"""Period → days per point of its trend, and the number of points."""
_UNITS = {"beat": "beat", "community area": "community_area"}
"""Kind of unit of early warning → the level of the map that has the same areas."""
_WITHIN: Mapping[str, tuple[str, ...]] = {"district": ("district", "beat"), "beat": ("beat",)}
"""Level of a map → the chosen places that it does not follow: its own, and those inside."""


@dataclass(frozen=True)
class Shown:
    """One of the dashboard's own tables: its title, what it means, and which of its columns count records.

    `needs` is the table that it is made from, if an extract may lack it, and `made_of` the column of crimes without
    which there is no such table. {codes} in `meaning` are those by which offenses belong to classes; `of_arrests` is
    added where the city publishes arrests, and `without_stamps` is said instead where it does not say when records
    changed.
    """

    title: str
    meaning: str
    counting: Counting
    needs: str | None = None
    made_of: str = "id"
    of_arrests: str = ""
    without_stamps: str = ""

    def by(self, published: Published) -> Shown:
        """It for a city: without the columns that it publishes too little for."""
        is_plain = self.without_stamps and not published.has("change_day")
        meaning = self.without_stamps if is_plain else self.meaning.format(codes=published.codes)
        return replace(
            self,
            meaning=meaning + (self.of_arrests if published.has("arrest") else ""),
            needs=None if is_plain else self.needs,
            counting=self.counting.without(published.left_out(MADE_OF)),
        )


_NOT_CLEARANCE = " An arrest recorded is not clearance."
_ARRESTS = Count("arrests", ("arrest_share",))


def _compared(of: str, *besides: str) -> tuple[Count, ...]:
    """The counts of one of the two comparisons of compstat, and what would give them away."""
    compared = (f"{of}change", f"{of}z_before", f"{of}flag")
    ends = (f"{of}crimes_before_low", f"{of}crimes_before_high")
    in_the_end = (f"{of}late_crimes", f"{of}crimes_in_the_end_low", f"{of}crimes_in_the_end_high")
    return (
        Count(f"{of}crimes", (*compared, *in_the_end, *besides)),
        Count(f"{of}crimes_before_now", (f"{of}crimes_before", *ends, *compared)),
        Count(f"{of}crimes_before", (*ends, *compared)),
    )


OF_CITY = "city_"
"""What the names of tables of the whole city begin with, where the others are of a part of it."""

TABLES: Mapping[str, Shown] = {
    "classes": Shown(
        "Crimes by class",
        "Classes follow the {codes} code: violent and property are index crime.",
        Counting(
            counts=(Count("crimes", ("arrest_share",)), _ARRESTS, Count("domestic_crimes")),
            adds_up=("offense_class",),
        ),
        of_arrests=_NOT_CLEARANCE,
    ),
    "areas": Shown(
        "Crimes by area",
        "Records of the period by the area that the city records. Areas differ in size and in how many people "
        "live, work and pass there: more crimes do not mean more danger for each of them.",
        Counting(
            counts=(Count("crimes"), Count("arrests"), Count("domestic_crimes")),
            ranked=(),
            adds_up=("area", "offense_class"),
        ),
    ),
    "trend": Shown(
        "Trend",
        "What is known so far as a line; where records are still coming in, shaded, the dashed line is what they are "
        "expected to be in the end, learned from how late records came before. Days not published at all are left out.",
        Counting(counts=(Count("crimes", ("expected_crimes",)),), adds_up=("first_day", "offense_class")),
        needs="insight_reporting_delay",
        without_stamps="What is known as a line. The city does not say when records changed, so that nobody can tell "
        "how many are still to come.",
    ),
    "hours": Shown(
        "Hour and weekday",
        "Times are the city's clock and often estimated: the peaks at 0 and 12 h come from recording.",
        Counting(counts=(Count("crimes"),), adds_up=("hour", "iso_weekday", "offense_class")),
    ),
    "types": Shown(
        "Offense categories",
        "As the city names them; renamed categories are combined.",
        Counting(
            counts=(Count("crimes", ("arrest_share",)), _ARRESTS),
            ranked=(),
            adds_up=("primary_type", "offense_class"),
        ),
        of_arrests=_NOT_CLEARANCE,
    ),
    "blocks": Shown(
        "Blocks",
        "A block is not an address: the city hides the last two digits and shifts the point. Long streets of shops and "
        "large buildings lead because many people pass there.",
        Counting(
            counts=(Count("crimes", ("last_crime_on", "latitude", "longitude")), Count("arrests")),
            ranked=(),
            adds_up=("block", "offense_class"),
        ),
        needs=BLOCKS,
        made_of="block",
    ),
    "changes": Shown(
        "What changed",
        "The last 28 complete days against the 28 before, and the year to date against last year, both as they were "
        "known when they were as old. About marks an estimate of that, and by now a count as of today, which had more "
        "time. A rise ▲ or a fall ▼ is more than chance explains; with so many comparisons a "
        "few are chance all the same. The files hold the z.",
        Counting(
            counts=(
                *_compared(""),
                *_compared("year_", "five_years_position"),
                Count("five_years_low", ("five_years_position",)),
                Count("five_years_high", ("five_years_position",)),
            ),
            adds_up=("district", "offense_class"),
        ),
        needs="insight_compstat",
        made_of="change_day",
    ),
}


class Figures:
    """The tables of one choice; counts below `threshold` are hidden, `insiders`: from who knows one of the rows."""

    def __init__(self, extract: Extract, choice: Choice, threshold: int, *, insiders: bool = False) -> None:
        self._extract = extract
        self.choice = choice
        self.about = extract.about
        self.published = published_by(extract.about.city)
        self._threshold = threshold
        self._insiders = insiders

    def table(self, name: str) -> pa.Table:
        """One of the dashboard's own tables, by its name in TABLES, or a whole insight. UsageError for other names."""
        if self.has(name):
            return self._chosen(name, self._protected(name, self._asked(name), self.shown(name).counting))
        held = self._extract.tables()
        insights = self.published.insights
        of_city = insights.get(name.removeprefix(OF_CITY)) if name.startswith(OF_CITY) else None
        if of_city is not None and f"{OF_CITY}{of_city.table}" in held:
            # Its small numbers were hidden where it was made: who looks may know some of them.
            return self._extract.ask(f"FROM {OF_CITY}{of_city.table}", {})
        insight = insights.get(name)
        if insight is None or insight.table not in held:
            raise UsageError(f"There is no table {name[:40]!r} on this day: look at the list of tables.")
        return self._protected(name, self._extract.ask(f"FROM {insight.table}", {}), insight.counting)

    def dated(self, name: str) -> pa.Table:
        """The same with the as-of day and the days of the chosen period in front, where the table does not say them."""
        found = self.table(name)
        if name not in TABLES:
            return found
        first, last = self.about.days_of(self.choice.period)
        days = {"as_of_day": self.about.as_of_day, "first_day": first, "last_day": last}
        lacking = [column for column in days if column not in found.column_names]
        for place, column in enumerate(lacking):
            found = found.add_column(place, column, pa.repeat(pa.scalar(days[column], pa.date32()), found.num_rows))
        return found

    def has(self, name: str) -> bool:
        """Whether the dashboard has this table on this day."""
        if name not in TABLES or not self.published.has(TABLES[name].made_of):
            return False
        return (self.shown(name).needs or ABOUT) in self._extract.tables()

    def shown(self, name: str) -> Shown:
        """What the page says of one of its own tables, for the city."""
        return TABLES[name].by(self.published)

    def insight(self, name: str, **wanted: str) -> list[dict[str, object]]:
        """The rows of an insight whose columns have these values; none if there is no such table."""
        if f"insight_{name}" not in self._extract.tables():
            return []
        found = self.table(name)
        for column, value in wanted.items():
            found = found.filter(pc.equal(found.column(column).cast(pa.string()), value))
        rows: list[dict[str, object]] = found.to_pylist()
        return rows

    def links(self, level: str) -> Mapping[str, str]:
        """Area → the address of its page, if it has one: table, picture and map lead to the same pages."""
        choice = self.choice
        if level == "district":
            found = self._answer("districts").column("place").to_pylist()
            return {district: choice.inside(district).link for district in found if district != NONE}
        district_of = self._beats() if level == "beat" else {}
        return {
            beat: choice.but(district=district, beat=beat, map="beat").link for beat, district in district_of.items()
        }

    def names(self, of: str = "") -> list[Insight]:
        """The insights that have tables on this day; `of` is OF_CITY for those of the whole city beside a part."""
        held = self._extract.tables()
        return [insight for insight in self.published.insights.values() if f"{of}{insight.table}" in held]

    def _beats(self) -> Mapping[str, str]:
        """Beat → the district of its page: the chosen one, or the one that most of its records have."""
        if self.choice.district != ALL:
            return dict.fromkeys(self._answer("beats").column("place").to_pylist(), self.choice.district)
        return {row["beat"]: row["district"] for row in self._answer("beat_districts").to_pylist()}

    def _protected(self, name: str, found: pa.Table, counting: Counting) -> pa.Table:
        elsewhere = self._elsewhere(name, found)
        return protect(found, counting, self._threshold, elsewhere, insiders=self._insiders)

    def _elsewhere(self, name: str, found: pa.Table) -> Mapping[str, list[int]]:
        """Count → the rows that the areas of a larger place hide: they would be read here, and give others away."""
        choice = self.choice
        if name == "classes" and choice.district != ALL:
            level, place = ("district", choice.district) if choice.beat == ALL else ("beat", choice.beat)
            hidden = self._hidden_in(choice.but(map=level))
            keys = [(place, offense_class) for offense_class in found.column("offense_class").to_pylist()]
        elif name == "areas" and choice.map == "beat" and choice.district != ALL:
            hidden = self._hidden_in(choice.but(district=ALL))
            keys = _keys(found, "area", "offense_class")
        elif name == "early_warning":
            hidden = self._hidden_units()
            keys = _keys(found, "unit_kind", "unit")
        else:
            return {}
        counts = [one.name for one in self.shown("areas").counting.counts if one.name in found.column_names]
        return {count: [row for row, key in enumerate(keys) if count in hidden.get(key, ())] for count in counts}

    def _hidden_units(self) -> dict[tuple[str, str], list[str]]:
        """(kind, unit) → what the areas hide of it, also for the sake of records without an area, which are no unit."""
        return {
            (kind, area): names
            for kind, level in _UNITS.items()
            for (area, offense_class), names in self._hidden_in(
                Choice(self.choice.city, self.choice.day, map=level)
            ).items()
            if offense_class == ALL
        }

    def _hidden_in(self, choice: Choice) -> dict[tuple[str, str], list[str]]:
        """(area, class) → what the table of the areas of a choice hides of it."""
        around = Figures(self._extract, choice, self._threshold, insiders=self._insiders)
        found = around._protected("areas", around._asked("areas"), around.shown("areas").counting)
        hidden = zip(_keys(found, "area", "offense_class"), found.column(HIDDEN).to_pylist(), strict=True)
        return {key: names.split(", ") for key, names in hidden if names}

    def _chosen(self, name: str, table: pa.Table) -> pa.Table:
        """The chosen rows. All rows are protected together: one class is the total minus the others."""
        if name == "classes":
            return table
        if name == "changes" and self.choice.district != ALL:
            return table.filter(pc.equal(pc.fill_null(table.column("district"), NONE), self.choice.district))
        return table.filter(pc.equal(table.column("offense_class"), self.choice.offense_class))

    def _asked(self, name: str) -> pa.Table:
        if name == "trend":
            days, stretches = _STRETCHES.get(self.choice.period, (1, 1))
            kind = "trend" if self.published.has("change_day") else "known"
            trend = f"{kind}_days" if self.choice.period in _STRETCHES else f"{kind}_months"
            return self._answer(trend, days=days, stretches=stretches)
        if name == "areas":
            # All of them, so that one can go from one to the next.
            level = self.choice.map if self.choice.map != "hotspots" else "district"
            return self._answer(name, level=level, **dict.fromkeys(_WITHIN.get(level, ()), ALL))
        return self._answer(name)

    def _answer(self, name: str, **more: str | int) -> pa.Table:
        """The answer to a statement of sql/dashboard with the parameters of the choice, or `more` in their place."""
        text = statement("dashboard", name)
        named = set(_PARAMETER.findall(text))
        asked = {**self.choice.parameters, **more}
        found = self._extract.ask(text, {key: value for key, value in asked.items() if key in named})
        if "offense_class" in found.column_names:
            of_none = pa.array(self.published.lacking_classes, pa.string())
            found = found.filter(pc.invert(pc.is_in(found.column("offense_class"), of_none)))
        return found.drop_columns(self.published.left_out(found.column_names))


def _keys(table: pa.Table, *names: str) -> list[tuple[str, str]]:
    """What identifies each row; an unknown place has the name that addresses have for it."""
    return list(zip(*([value or NONE for value in table.column(name).to_pylist()] for name in names), strict=True))
