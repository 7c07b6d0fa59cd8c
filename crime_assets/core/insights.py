"""The files of sql/insights: what their headers say, and the parts that several of them share.

A file is comment lines, then one SELECT. The comment says what the table answers. Lines that begin with a tag say more:

    @column name: meaning. [source, source]     each column of the table, in order, and what it is computed from
    @chart bars district, crimes where period = 28d     the small chart that Dagster shows
    @count crimes: share, change     a column that counts records, and those that would give a hidden count away
    @share arrest_share: crimes     a part of that count, where the part itself is not a column
    @across change     columns computed from the counts of several rows
    @ranked district_rank     the rows are sorted by the first count; these columns number them
    @adds_up district, offense_class     columns over whose values counts add up to a total that is published too
    @about before_basis: crimes_before     a column that says how another is known, and is left out with it
    @python hotspots     that module of `statistics` finishes the statement's rows
    @needs points, categories     what a city must give besides columns: see NEEDS
    @instead community_area: district     of a city without the first column of crimes the second one takes its place,
                                          in the header and in the statement, though not in parts

More tags, those of `promises`, say what must hold for the rows. What the tags ask for is done elsewhere: charts, small
numbers, statistics, checks.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from hashlib import sha256
from pathlib import Path

from sqlglot import TokenType, exp, tokenize

from crime_assets.core import promises
from crime_assets.core.errors import UsageError
from crime_assets.core.headers import headed
from crime_assets.core.promises import NOTHING, Promises, promises_of
from crime_assets.core.sql import DIALECT, SQL_DIRECTORY, listed, only_values, only_where, parse, placeholders

PARAMETERS = frozenset({"as_of_day", "last_complete_day", "first_change_day", "pulled_since", "serial_ids_from"})
"""Parameters an insight may use: the change day up to which it knows; the last day that the city has published nearly
completely by then; the lake's first change day; that from which on none is missing up to the as-of day; and the first
from which on greater ids were reported later."""
TABLES = frozenset({"crimes", "crimes_superseded", "crimes_removed"})
"""Tables an insight may read."""
NEEDS: Mapping[str, str] = {
    "points": "coordinates that are near the place",
    "categories": "the offense categories of Chicago",
    "stamps": "a stamp of each record's last change",
}
"""What an insight may need of a city besides columns → in words."""
LEADING = ("as_of_day", "period", "first_day", "last_day")
"""The first columns of every insight: what it knows, and of which days it speaks."""

_FILE_NAME = re.compile(r"(?P<number>\d\d)_(?P<name>[a-z][a-z0-9_]*)\.sql")
_COLUMN = re.compile(r"(?P<name>[a-z][a-z0-9_]*): (?P<doc>.+?)(?: \[(?P<sources>[a-z0-9_]+(?:, [a-z0-9_]+)*)\])?")
_CHART = re.compile(r"(?P<kind>bars|line|heat) (?P<columns>[a-z0-9_]+(?:, [a-z0-9_]+)*)(?: where (?P<where>.+))?")
_WHERE = re.compile(r"(?P<name>[a-z0-9_]+) = (?P<value>[^,=]+)")
_COUNT = re.compile(r"(?P<name>[a-z0-9_]+)(?:: (?P<derived>[a-z0-9_]+(?:, [a-z0-9_]+)*))?")
_PAIR = re.compile(r"(?P<name>[a-z0-9_]+): (?P<column>[a-z0-9_]+)")
_SENTENCE_ENDS = re.compile(r"(?<=[.])\s")
_NAME = re.compile(r"\b[a-z0-9_]+\b")
_SHARE = re.compile(r"(?P<name>[a-z0-9_]+): (?P<whole>[a-z0-9_]+)")
_TAGS = (
    *("column", "chart", "count", "share", "across", "ranked", "adds_up", "about", "python", "needs", "instead"),
    *promises.TAGS,
)
_AXES = {"bars": 2, "line": 2, "heat": 3}


@dataclass(frozen=True)
class InsightColumn:
    """An output column: what it means, and the columns of `crimes` it is computed from, sorted."""

    name: str
    doc: str
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Chart:
    """A small chart: bars (label, value), a line (along, value) or a heat map (row, column, value).

    It shows only the rows whose columns have the texts of `where`.
    """

    kind: str
    columns: tuple[str, ...]
    where: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Count:
    """A column that counts records, and the columns from which the count could be worked out."""

    name: str
    derived: tuple[str, ...] = ()


@dataclass(frozen=True)
class Share:
    """A column that is a part of a count; the number of records in the part is not published."""

    name: str
    whole: str


@dataclass(frozen=True)
class Counting:
    """Which columns of a table count records: hiding small numbers needs to know.

    `across` are columns computed from counts of several rows. For each column of `adds_up`, the counts of its values
    add up to a total that is published too; rows with the text "all" in that column are such totals. If `ranked` is
    not None, the order of the rows and the columns that it names give away their first count.
    """

    counts: tuple[Count, ...] = ()
    shares: tuple[Share, ...] = ()
    across: tuple[str, ...] = ()
    ranked: tuple[str, ...] | None = None
    adds_up: tuple[str, ...] = ()

    def without(self, names: Collection[str]) -> Counting:
        """What is left if these columns are not in the table."""

        def kept(columns: Iterable[str]) -> tuple[str, ...]:
            return tuple(name for name in columns if name not in names)

        return Counting(
            counts=tuple(Count(one.name, kept(one.derived)) for one in self.counts if one.name not in names),
            shares=tuple(one for one in self.shares if not {one.name, one.whole} & {*names}),
            across=kept(self.across),
            ranked=kept(self.ranked) if self.ranked is not None else None,
            adds_up=kept(self.adds_up),
        )


@dataclass(frozen=True)
class Insight:
    """One file of sql/insights: a statement over `crimes` that takes parameters.

    `python` names the module of `statistics` that makes the table from the statement's rows, where SQL cannot.
    """

    name: str
    number: int
    description: str
    columns: tuple[InsightColumn, ...]
    statement: str
    chart: Chart | None = None
    counting: Counting = Counting()
    python: str | None = None
    promises: Promises = NOTHING
    needs: tuple[str, ...] = ()
    about: tuple[tuple[str, str], ...] = ()
    """Columns that say how another is known, and that one."""
    instead: tuple[tuple[str, str], ...] = ()
    """Columns of crimes, and those that take their places where a city does not publish them."""
    text: str = field(default="", repr=False, compare=False)
    """The file."""
    left_out: tuple[str, ...] = ()
    """Columns of the statement that are not in the table: the city does not publish what they are computed from."""

    @property
    def table(self) -> str:
        """Name of the table that holds its results."""
        return f"insight_{self.name}"

    @cached_property
    def definition(self) -> str:
        """A digest of how it is computed: of the statement and its parts, without their comments and spaces.

        Not of the module that finishes it: whoever changes what that gives changes the statement as well.
        """
        signs = [(token.token_type == TokenType.STRING, token.text) for token in tokenize(self.statement, read=DIALECT)]
        without = f" {self.left_out}" if self.left_out else ""
        return sha256(f"{self.python} {signs}{without}".encode()).hexdigest()[:16]

    def lacking(self, unpublished: Collection[str], gives: Collection[str]) -> list[str]:
        """Why it cannot be made for a city: columns of crimes, or NEEDS, that the city lacks; none if it can.

        It can if each row can still be told from all others, and something is counted.
        """
        lacked = [need for need in self.needs if need not in gives]
        without = {column.name: {*column.sources} & {*unpublished} for column in self.columns}
        lacked += sorted({source for name in self.promises.key for source in without[name]})
        counts = [count.name for count in self.counting.counts]
        if counts and all(without[name] for name in counts):
            lacked += sorted({source for name in counts for source in without[name]} - {*lacked})
        return lacked

    def instead_of(self, unpublished: Collection[str]) -> Insight:
        """It for a city that does not publish these columns of crimes: others take their places, where it names any."""
        taken = {one: other for one, other in self.instead if one in unpublished}
        if not taken:
            return self
        return _made(self.name, self.number, _NAME.sub(lambda found: taken.get(found[0], found[0]), self.text))

    def said_of(self, codes: str, unpublished: Collection[str]) -> Insight:
        """It with descriptions for a city: classes follow `codes`, FBI or NIBRS, and no unpublished arrests."""

        def said(text: str) -> str:
            sentences = _SENTENCE_ENDS.split(text.replace("FBI code", f"{codes} code"))
            return " ".join(one for one in sentences if "arrest" not in unpublished or "arrest" not in one)

        columns = tuple(replace(column, doc=said(column.doc)) for column in self.columns)
        return replace(self, description=said(self.description), columns=columns)

    def counting_only(self, condition: str) -> Insight:
        """It for a city of which only rows with this condition count: SQL in the Athena dialect over crimes."""
        return replace(self, statement=only_where(self.statement, TABLES, condition)) if condition else self

    def of_classes(self, classes: Collection[str]) -> Insight:
        """It for a city that publishes offenses of these classes only: no row is made of another one.

        Codes that are in no table are no such class: what is of them has its rows in any city.
        """
        if "offense_class" not in {column.name for column in self.columns}:
            return self
        return replace(self, statement=only_values(self.statement, "offense_class", {"all", *classes}))

    def without(self, unpublished: Collection[str]) -> Insight:
        """It for a city that does not publish these columns of crimes: what is computed from them is left out."""
        out = {column.name for column in self.columns if {*column.sources} & {*unpublished}}
        out |= {name for name, column in self.about if column in out}
        if not out:
            return self
        return replace(
            self,
            columns=tuple(column for column in self.columns if column.name not in out),
            chart=None
            if self.chart and out & {*self.chart.columns, *(name for name, _ in self.chart.where)}
            else self.chart,
            counting=self.counting.without(out),
            promises=self.promises.without(out),
            left_out=tuple(column.name for column in self.columns if column.name in out),
        )


def load_insights(
    directory: Path = SQL_DIRECTORY / "insights", leading: Sequence[str] = LEADING
) -> tuple[Insight, ...]:
    """All insights of a directory, in the order of their file names. Each begins with the columns `leading`.

    Raises UsageError if there is none, or (naming the file) if a name, header or statement is wrong.
    """
    insights = tuple(_load(path, leading) for path in sorted(directory.glob("*.sql")))
    if not insights:
        raise UsageError(f"There are no insights in {directory}: add files named like 01_crime_summary.sql.")
    names = [insight.name for insight in insights]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"Two files in {directory} are called {name}: give one of them another name.")
    return insights


@lru_cache
def all_insights() -> tuple[Insight, ...]:
    """Those of sql/insights. Cached: parsing them takes longer than asking most of them."""
    return load_insights()


@lru_cache
def insights_for(
    unpublished: frozenset[str], gives: frozenset[str], counted: str = "", codes: str = "FBI"
) -> tuple[Insight, ...]:
    """Those that can be made for a city, without what cannot: `unpublished` are columns of crimes, `gives` NEEDS.

    If only some rows count, `counted` is the condition. `codes` are those that say to which class an offense belongs.
    """
    meant = (insight.instead_of(unpublished) for insight in all_insights())
    made = (insight for insight in meant if not insight.lacking(unpublished, gives))
    return tuple(insight.without(unpublished).counting_only(counted).said_of(codes, unpublished) for insight in made)


@lru_cache
def parts() -> Mapping[str, str]:
    """The files of sql/parts: name → a SELECT that insights may read like a table."""
    return {path.stem: path.read_text(encoding="utf-8").strip() for path in (SQL_DIRECTORY / "parts").glob("*.sql")}


@lru_cache
def with_parts(statement: str) -> str:
    """The statement with the parts that it reads added to its WITH, each before those that read it.

    UsageError if a query of its own is called like a part, or it is not one SELECT.
    """
    needed: dict[str, str] = {}
    if taken := {cte.alias for cte in parse(statement).find_all(exp.CTE)} & parts().keys():
        raise UsageError(f"A query is called {', '.join(sorted(taken))}, like a part in sql/parts: rename the query.")

    def need(text: str) -> None:
        for name in sorted(_read(parse(text)) & parts().keys() - needed.keys()):
            need(parts()[name])
            needed[name] = parts()[name]

    need(statement)
    if not needed:
        return statement
    ahead = ",\n\n".join(f"{name} AS (\n{text}\n)" for name, text in needed.items())
    own = re.match(r"WITH\s+", statement, re.IGNORECASE)
    return f"WITH {ahead},\n\n{statement[own.end() :]}" if own else f"WITH {ahead}\n\n{statement}"


def _load(path: Path, leading: Sequence[str]) -> Insight:
    match = _FILE_NAME.fullmatch(path.name)
    if match is None:
        raise UsageError(f"{path} is not named like an insight: use two digits and a name, as in 01_crime_summary.sql.")
    try:
        insight = _made(match["name"], int(match["number"]), path.read_text(encoding="utf-8"))
        _check(insight, leading)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text: save it as UTF-8.") from error
    return insight


def _made(name: str, number: int, text: str) -> Insight:
    """What the text of a file says."""
    description, tags, statement = headed(text, _TAGS, "answers")
    return Insight(
        name=name,
        number=number,
        description=description,
        columns=tuple(_column(text) for text in tags["column"]),
        statement=with_parts(statement),
        chart=_chart(tags["chart"]),
        counting=Counting(
            counts=tuple(_count(text) for text in tags["count"]),
            shares=tuple(_share(text) for text in tags["share"]),
            across=_names(tags["across"]),
            ranked=_names(tags["ranked"]) if tags["ranked"] else None,
            adds_up=_names(tags["adds_up"]),
        ),
        python=tags["python"][0] if tags["python"] else None,
        promises=promises_of(tags),
        needs=_names(tags["needs"]),
        about=tuple(_pair("about", text) for text in tags["about"]),
        instead=tuple(_pair("instead", text) for text in tags["instead"]),
        text=text,
    )


def _column(text: str) -> InsightColumn:
    match = _matched(_COLUMN, "column", text, "name: meaning. [source, source]")
    sources = match["sources"].split(", ") if match["sources"] else []
    return InsightColumn(match["name"], match["doc"], tuple(sorted(sources)))


def _chart(texts: list[str]) -> Chart | None:
    if not texts:
        return None
    shape = "bars label, value where column = value"
    match = _matched(_CHART, "chart", texts[0], shape)
    columns = tuple(match["columns"].split(", "))
    if len(columns) != _AXES[match["kind"]]:
        raise UsageError(f"The chart of kind {match['kind']} needs {_AXES[match['kind']]} columns, not {len(columns)}.")
    wanted = (_matched(_WHERE, "chart", text, shape) for text in (match["where"] or "").split(", ") if text)
    return Chart(match["kind"], columns, tuple((found["name"], found["value"]) for found in wanted))


def _names(texts: list[str]) -> tuple[str, ...]:
    return tuple(name for text in texts for name in text.split(", ") if name)


def _count(text: str) -> Count:
    match = _matched(_COUNT, "count", text, "name: derived, derived")
    return Count(match["name"], tuple(match["derived"].split(", ")) if match["derived"] else ())


def _share(text: str) -> Share:
    match = _matched(_SHARE, "share", text, "name: count")
    return Share(match["name"], match["whole"])


def _pair(tag: str, text: str) -> tuple[str, str]:
    match = _matched(_PAIR, tag, text, "name: column")
    return match["name"], match["column"]


def _matched(pattern: re.Pattern[str], tag: str, text: str, shape: str) -> re.Match[str]:
    match = pattern.fullmatch(text)
    if match is None:
        raise UsageError(f"The header line '@{tag} {text}' must read '@{tag} {shape}'.")
    return match


def _check(insight: Insight, leading: Sequence[str]) -> None:
    query = parse(insight.statement)
    documented = [column.name for column in insight.columns]
    if insight.python is None and query.named_selects != documented:
        raise UsageError(
            f"The statement gives the columns {', '.join(query.named_selects)}, "
            f"the header describes {', '.join(documented) or 'none'}: write one @column line for each, in their order."
        )
    if documented[: len(leading)] != list(leading):
        raise UsageError(f"The first columns must be {', '.join(leading)}.")
    if unknown := set(_named(insight)) - set(documented):
        raise UsageError(f"The header names {', '.join(sorted(unknown))}, which no @column line describes.")
    if unknown := {*insight.needs} - NEEDS.keys():
        raise UsageError(f"The header needs {', '.join(sorted(unknown))}: there are only {', '.join(NEEDS)}.")
    if unknown := placeholders(query) - PARAMETERS:
        raise UsageError(f"The statement asks for {listed(unknown)}: only {listed(PARAMETERS)} are given.")
    read = _read(query)
    if "crimes" not in read or read - TABLES:
        raise UsageError(
            f"The statement reads {', '.join(sorted(read)) or 'no table'}: it must read crimes, and may read "
            f"{', '.join(sorted({*TABLES, *parts()} - {'crimes'}))}."
        )


def _named(insight: Insight) -> Iterator[str]:
    """The columns that chart, counts, sums and promises name."""
    if insight.chart is not None:
        yield from insight.chart.columns
        yield from (name for name, _ in insight.chart.where)
    for count in insight.counting.counts:
        yield from (count.name, *count.derived)
    for share in insight.counting.shares:
        yield from (share.name, share.whole)
    yield from (name for pair in insight.about for name in pair)
    yield from (*insight.counting.across, *(insight.counting.ranked or ()), *insight.counting.adds_up)
    yield from insight.promises.named()


def _read(query: exp.Query) -> set[str]:
    """The tables that a query reads."""
    return {table.name for table in query.find_all(exp.Table)} - {cte.alias for cte in query.find_all(exp.CTE)}
