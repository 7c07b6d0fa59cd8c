"""Whether the rows of an insight keep what its header promises, and agree with what `crimes` holds.

Pure functions of rows and counts: reading them, and what follows from a fault, belongs elsewhere. Each fault is a
sentence, in one of the PARTS.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from math import isclose
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from crime_assets.analysis.small_numbers import TOTAL
from crime_assets.core.insights import LEADING, Insight
from crime_assets.core.periods import first_days, last_days
from crime_assets.core.promises import FIGURES, Area

PARTS = ("keys_unique", "periods_whole", "nothing_negative", "parts_add_up", "records_counted", "areas_there")

_SCHEMA = pa.schema(
    [
        ("district", pa.string()),
        ("community_area", pa.int32()),
        ("beat", pa.string()),
        *((f"in_{period}", pa.bool_()) for period in ("28d", "365d", "ytd", "90d")),
        ("first_day", pa.date32()),
        *((name, pa.int64()) for name in FIGURES),
    ]
)

Counts = Mapping[str, int]


class Recorded:
    """What `crimes` holds as of a day, by period and area: from the rows of sql/checks/recorded.sql."""

    def __init__(self, rows: Sequence[Mapping[str, Any]], as_of_day: date, last_complete_day: date) -> None:
        self._rows = pa.Table.from_pylist(list(rows), _SCHEMA)
        self._counted: dict[tuple[str, str | None], dict[object, Counts]] = {}
        first, last = first_days(as_of_day, last_complete_day), last_days(as_of_day, last_complete_day)
        self.as_of_day = as_of_day
        self.days = {
            period: (first.get(period, pc.min(self._rows["first_day"]).as_py()), last[period]) for period in last
        }
        """Period → its first and its last day; `all` has no first day if nothing is known."""

    def of(self, period: str) -> Counts:
        """How many records of each kind the period has."""
        return self._by(period, None)[None]

    def by_area(self, period: str, kind: str) -> Mapping[object, Counts]:
        """The same for each area of a kind that has any, and for records without one."""
        return self._by(period, kind)

    def _by(self, period: str, kind: str | None) -> dict[object, Counts]:
        found = self._counted.get((period, kind))
        if found is None:
            rows = self._rows if period == "all" else self._rows.filter(self._rows[f"in_{period}"])
            if kind is None:
                found = {None: {name: pc.sum(rows[name]).as_py() or 0 for name in FIGURES}}
            else:
                found = {value: counts for (value,), counts in _sums(rows, [kind], FIGURES).items()}
            self._counted[period, kind] = found
        return found


def faults(insight: Insight, rows: pa.Table, recorded: Recorded) -> dict[str, str]:
    """What is wrong with the rows of one as-of day: part → a sentence; parts that are right are not in it."""
    found = {
        "keys_unique": _keys(insight, rows),
        "periods_whole": _periods(insight, rows, recorded),
        "nothing_negative": _numbers(insight, rows),
        "parts_add_up": _parts(insight, rows),
        "records_counted": _records(insight, rows, recorded),
        "areas_there": _areas(insight, rows, recorded),
    }
    return {part: sentence for part in PARTS if (sentence := _in_short(list(found[part])))}


def promised(insight: Insight) -> dict[str, str]:
    """What each part means for an insight, or that it means nothing."""
    said, whys = insight.promises, dict(insight.promises.unsummed)
    over = " and over ".join(insight.counting.adds_up)
    summed = f"{', '.join(_summed(insight))} over {over}, where a row is called {TOTAL}"
    apart = "".join(f"; not {name}: {why}" for name, why in whys.items())
    exact = ", ".join(said.totals)
    most = ", ".join(name for name in _counted(insight) if name not in said.totals)
    counted = [f"as many as in crimes: {exact}" if exact else "", f"no more than in crimes: {most}" if most else ""]
    return {
        "keys_unique": ", ".join(("as_of_day", "period", *said.key)),
        "periods_whole": ", ".join(said.periods),
        "nothing_negative": f"all numbers but {', '.join(said.signed)}" if said.signed else "all numbers",
        "parts_add_up": (summed if over else "no parts") + apart,
        "records_counted": ("; ".join(filter(None, counted)) or "no counts of records") + apart,
        "areas_there": ", ".join(f"each {area.kind.replace('_', ' ')}" for area in said.areas) or "no areas",
    }


def _keys(insight: Insight, rows: pa.Table) -> Iterator[str]:
    key = ["as_of_day", "period", *insight.promises.key]
    counted = _grouped(rows, key, [([], "count_all")])
    for row in counted.filter(pc.greater(counted["count_all"], 1)).to_pylist():
        yield f"{row.pop('count_all')} rows are of {_listed(row)}"


def _periods(insight: Insight, rows: pa.Table, recorded: Recorded) -> Iterator[str]:
    for row in _grouped(rows, LEADING).to_pylist():
        as_of_day, period, *days = (row[name] for name in LEADING)
        if as_of_day != recorded.as_of_day:
            yield f"rows of {recorded.as_of_day} say that they are of {as_of_day}"
        if period not in insight.promises.periods:
            yield f"there is a period {period}, which the header does not name"
        elif tuple(days) != recorded.days[period]:
            yield f"{period} is from {days[0]} to {days[1]}, not {' to '.join(map(str, recorded.days[period]))}"


def _numbers(insight: Insight, rows: pa.Table) -> Iterator[str]:
    for field in rows.schema:
        column = rows[field.name]
        is_float = pa.types.is_floating(field.type)
        if is_float and pc.all(pc.is_finite(column)).as_py() is False:
            yield f"{field.name} has values that are no numbers"
        elif (is_float or pa.types.is_integer(field.type)) and field.name not in insight.promises.signed:
            least = pc.min(column).as_py()
            if least is not None and least < 0:
                yield f"{field.name} goes down to {least:,}, and the header does not call it @signed"


def _parts(insight: Insight, rows: pa.Table) -> Iterator[str]:
    """Rows called `all` have the sums of the others."""
    adds_up, names = insight.counting.adds_up, _summed(insight)
    for column in adds_up:
        is_total = _is(rows, column, TOTAL)
        if not pc.any(is_total).as_py():
            continue
        others = ["period", *(name for name in adds_up if name != column)]
        totals, parts = (_sums(rows.filter(mask), others, names) for mask in (is_total, pc.invert(is_total)))
        for key in {**totals, **parts}:
            where = _listed(dict(zip(others, key, strict=True)))
            if key not in totals:
                yield f"{where} has no row for {column} {TOTAL}"
                continue
            nothing = {name: whole and 0 for name, whole in totals[key].items()}
            for name in names:
                whole, part = totals[key][name], parts.get(key, nothing)[name]
                if not _same(whole, part):
                    yield f"{name} of {where} is {_number(whole)} in all, and {_number(part)} over each {column}"


def _records(insight: Insight, rows: pa.Table, recorded: Recorded) -> Iterator[str]:
    """Counts are those of `crimes`; where the table does not have all records, they are no more."""
    if not _counted(insight):
        return
    for period in insight.promises.periods:
        of_period = rows.filter(pc.equal(rows["period"], period))
        if not insight.promises.named_areas:
            yield from _of_all(insight, period, of_period, recorded)
        if "offense_class" in insight.promises.key and "crimes" in _counted(insight):
            yield from _of_classes(insight, period, of_period, recorded)
        for area in insight.promises.areas:
            yield from _of_areas(insight, period, of_period, recorded, area)


def _of_all(insight: Insight, period: str, rows: pa.Table, recorded: Recorded) -> Iterator[str]:
    found = _sums(_all_of(insight, rows), ["period"], _counted(insight))
    yield from _differences(insight, period, found.get((period,), {}), recorded.of(period))


def _of_classes(insight: Insight, period: str, rows: pa.Table, recorded: Recorded) -> Iterator[str]:
    known = recorded.of(period)
    for (name,), found in _sums(_all_of(insight, rows, but="offense_class"), ["offense_class"], ["crimes"]).items():
        count = {"crimes": known.get(f"{name}_crimes", 0)}
        yield from _differences(insight, f"{period}, {name},", {"crimes": found["crimes"]}, count)


def _of_areas(insight: Insight, period: str, rows: pa.Table, recorded: Recorded, area: Area) -> Iterator[str]:
    there = {str(value): counts for value, counts in recorded.by_area(period, area.kind).items()}
    for (value,), found in _sums(_rows_of(insight, rows, area), [area.column], _counted(insight)).items():
        yield from _differences(insight, f"{_area(area, value)} in {period}", found, there.get(str(value), {}))


def _differences(insight: Insight, where: str, found: Mapping[str, Any], known: Counts) -> Iterator[str]:
    for name in _counted(insight):
        count, right = found.get(name) or 0, known.get(name, 0)
        if count > right or (count < right and name in insight.promises.totals):
            yield f"{name} of {where} is {count:,} in the table, and crimes has {right:,}"


def _areas(insight: Insight, rows: pa.Table, recorded: Recorded) -> Iterator[str]:
    for area in insight.promises.areas:
        found = _grouped(_rows_of(insight, rows, area), ["period", area.column]).to_pylist()
        there = {(row["period"], str(row[area.column])) for row in found}
        for period in insight.promises.periods:
            for value, counts in recorded.by_area(period, area.kind).items():
                if (period, str(value)) not in there and (value is not None or area.where is None):
                    where = _area(area, value)
                    yield f"{period} has no row of {where}, where {counts['crimes']:,} crimes occurred"


def _summed(insight: Insight) -> list[str]:
    """Counts of which those of the parts add up."""
    unsummed = dict(insight.promises.unsummed)
    return [count.name for count in insight.counting.counts if count.name not in unsummed]


def _counted(insight: Insight) -> list[str]:
    """Counts that `crimes` is counted for as well."""
    return list(dict.fromkeys([*insight.promises.totals, *(name for name in _summed(insight) if name in FIGURES)]))


def _all_of(insight: Insight, rows: pa.Table, but: str = "") -> pa.Table:
    """The rows that have each record once: rows called `all` instead of their parts, but for the column `but`."""
    for name in insight.promises.key:
        is_total = _is(rows, name, TOTAL)
        if pc.any(is_total).as_py():
            rows = rows.filter(pc.invert(is_total) if name == but else is_total)
    return rows


def _rows_of(insight: Insight, rows: pa.Table, area: Area) -> pa.Table:
    """The rows of single areas."""
    if area.where is not None:
        rows = rows.filter(_is(rows, *area.where))
    return _all_of(insight, rows, but=area.column)


def _is(rows: pa.Table, column: str, text: str) -> pa.ChunkedArray:
    """Where a column has a text."""
    if not pa.types.is_string(rows.schema.field(column).type):
        return pa.chunked_array([pa.nulls(rows.num_rows, pa.bool_()).fill_null(False)])
    return pc.equal(rows[column], text).fill_null(False)


def _sums(rows: pa.Table, by: Sequence[str], names: Sequence[str]) -> dict[tuple[object, ...], dict[str, Any]]:
    """Values of `by` → the sum of each column; None where all are NULL."""
    found = _grouped(rows, by, [(name, "sum") for name in names]).to_pylist()
    return {tuple(row[name] for name in by): {name: row[f"{name}_sum"] for name in names} for row in found}


def _grouped(rows: pa.Table, by: Sequence[str], aggregates: Sequence[tuple[Any, str]] = ()) -> pa.Table:
    """One row for each combination of values of `by`, in the order in which they first occur."""
    return rows.group_by(list(by), use_threads=False).aggregate(list(aggregates))


def _same(one: float | None, other: float | None) -> bool:
    return one == other if one is None or other is None else isclose(one, other, rel_tol=1e-9)


def _listed(values: Mapping[str, object]) -> str:
    """Values as text, without the as-of day, which is known."""
    return ", ".join(f"{name} {_text(value)}" for name, value in values.items() if name != "as_of_day")


def _area(area: Area, value: object) -> str:
    return f"{area.kind.replace('_', ' ')} {_text(value)}"


def _text(value: object) -> str:
    return "unknown" if value is None else str(value)


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,}"


def _in_short(found: Sequence[str]) -> str:
    more = f" (and {len(found) - 1:,} more like this)" if len(found) > 1 else ""
    return f"{found[0]}{more}" if found else ""
