"""The one rule for tables that leave the lake: small counts are hidden, and everything that would reveal them.

A count of 1 to `threshold` - 1 can point to a person. It is hidden, and so is

- whatever is computed from it (shares, rates, changes, ranks), and shares whose part is that small;
- where rows add up to a total, further counts, the smallest first, until nobody can work out a hidden one from the
  others: there are at least two, they are not few together, and not all as small or as large as hidden ones are;
- its position, if the rows are sorted by their first count: rows that hide it come last, sorted by their names;
- whatever another table hides of the same counts, if that is said (`elsewhere`).

If `insiders` read it, who each know one of the rows (a commander the own district), what is left without that row is
held to the same: three rows are hidden at least, or the total.

The same counts hide the same rows in every table, whatever the order of its rows. Zeros stay: there is nobody in them.
The README says what the rule cannot do: anyone who gets several overlapping tables can subtract them. `overlaps` does
it for several at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from crime_assets.core.insights import Counting, Share

HIDDEN = "hidden"
"""Column that names the hidden columns of its row."""
TOTAL = "all"
"""The text for the total in a column of `adds_up`."""

_KEYS = ("as_of_day", "period")

Columns = Mapping[str, Sequence[object]]


@dataclass(frozen=True)
class Sum:
    """Rows that add up, and the row with their total, if the table has one; whether an insider may know a row of it."""

    parts: Sequence[int]
    total: int | None
    insiders: bool = True


def protect(
    table: pa.Table,
    counting: Counting,
    threshold: int,
    elsewhere: Mapping[str, Collection[int]] | None = None,
    *,
    insiders: bool = False,
) -> pa.Table:
    """The table with NULL for what must not be seen, and one more column, `hidden`: the names of these, or NULL.

    A threshold of 0 or 1 hides nothing. `elsewhere` are the rows of each column that another table hides already, also
    of columns that this one lacks.
    `insiders`: readers may know one of the rows.
    """
    hidden: list[set[str]] = [set() for _ in range(table.num_rows)]
    columns = {name: table.column(name).to_pylist() for name in _needed(counting, table)}
    sums = list(_sums(columns, counting.adds_up))
    out_of_order: set[int] = set()
    for number, count in enumerate(counting.counts):
        rows = hidden_rows(_counts(columns[count.name]), sums, threshold, insiders=insiders)
        rows.update((elsewhere or {}).get(count.name, ()))
        for row in rows:
            hidden[row].update((count.name, *count.derived))
        if number == 0 and counting.ranked is not None:
            out_of_order = rows
            for row in rows:
                hidden[row].update(counting.ranked)
    for share in counting.shares:
        for row in hidden_rows(parts_of(table, share), sums, threshold, insiders=insiders):
            hidden[row].add(share.name)
    for name in (elsewhere or {}).keys() & set(table.column_names):
        for row in (elsewhere or {})[name]:
            hidden[row].add(name)
    _hide_across(columns, counting, hidden)
    found = _without(table, hidden)
    return found.take(_order(table, columns, counting, out_of_order)) if out_of_order else found


def parts_of(table: pa.Table, share: Share) -> list[int]:
    """The counts of which a column has the share."""
    pairs = zip(table.column(share.name).to_pylist(), table.column(share.whole).to_pylist(), strict=True)
    return [round(part * whole) if part is not None and whole is not None else 0 for part, whole in pairs]


def _needed(counting: Counting, table: pa.Table) -> set[str]:
    counts = {count.name for count in counting.counts}
    return {*counts, *counting.adds_up, *(name for name in _KEYS if name in table.column_names)}


def _counts(values: Sequence[object]) -> list[int]:
    return [int(str(value)) if value is not None else 0 for value in values]


def hidden_rows(
    counts: Sequence[int], sums: Sequence[Sum], threshold: int, besides: Collection[int] = (), *, insiders: bool
) -> set[int]:
    """The rows whose count is hidden, if the small ones are, and some `besides`."""
    hidden = {row for row, count in enumerate(counts) if 0 < count < threshold} | {*besides}
    is_settled = not hidden
    while not is_settled:
        is_settled = True
        for one in sums:
            more = _complement(one, counts, hidden, threshold, insiders=insiders and one.insiders)
            is_settled = is_settled and not more
            hidden |= more
    return hidden


def _sums(columns: Columns, adds_up: Sequence[str]) -> Iterator[Sum]:
    """Groups of rows that add up to one total, for each column over whose values they do; rows sorted by their names.

    Which rows are hidden depends on that order where counts are equal, and must not on that of the table: of two tables
    of the same counts, one would give away what the other hides.
    """
    names = [columns[name] for name in adds_up]
    order = sorted(range(len(names[0])) if names else (), key=lambda row: [str(column[row]) for column in names])
    for name in adds_up:
        keys = [columns[key] for key in (*_KEYS, *adds_up) if key != name and key in columns]
        parts: dict[tuple[object, ...], list[int]] = defaultdict(list)
        totals: dict[tuple[object, ...], int] = {}
        for row in order:
            group = tuple(key[row] for key in keys)
            if columns[name][row] == TOTAL:
                totals[group] = row
            else:
                parts[group].append(row)
        for group, rows in parts.items():
            yield Sum(rows, totals.get(group))


def _complement(one: Sum, counts: Sequence[int], hidden: set[int], threshold: int, *, insiders: bool) -> set[int]:
    """The rows to hide as well, so that the others do not give the hidden ones away."""
    known = [row for row in one.parts if row in hidden]
    is_total_hidden = one.total in hidden
    if not known and not is_total_hidden:
        return set()
    others = sorted((row for row in one.parts if row not in hidden and counts[row]), key=lambda row: counts[row])
    is_safe = _is_safe_from_insiders if insiders else _is_safe
    more: list[int] = []
    while not is_safe([counts[row] for row in (*known, *more)], threshold, is_total_hidden=is_total_hidden):
        if len(more) == len(others):
            # All others are zero: then the total is as small, and is hidden for that reason; or too few know too much.
            return {*more, *([one.total] if insiders and one.total is not None else [])} - hidden
        more.append(others[len(more)])
    return set(more)


def _is_safe_from_insiders(counts: Sequence[int], threshold: int, *, is_total_hidden: bool) -> bool:
    """Whether that holds also for who knows one of the hidden parts."""
    if is_total_hidden:
        return bool(counts)
    others = ([*counts[:n], *counts[n + 1 :]] for n in range(len(counts)))
    return all(
        _is_safe(known, threshold, is_total_hidden=False) if known else False for known in (list(counts), *others)
    )


def _is_safe(counts: Sequence[int], threshold: int, *, is_total_hidden: bool) -> bool:
    """Whether hidden parts cannot be worked out from the rest of the sum.

    If the total is hidden too, one hidden part is enough. Otherwise the sum of the hidden parts is known. It leaves
    several possibilities if one part is not small, or if the parts are neither all 1 nor all the largest small count.
    """
    if is_total_hidden:
        return bool(counts)
    together = sum(counts)
    has_room = max(counts) >= threshold or len(counts) < together < len(counts) * (threshold - 1)
    return len(counts) >= 2 and together >= threshold and has_room


def _hide_across(columns: Columns, counting: Counting, hidden: Sequence[set[str]]) -> None:
    """Hide what is computed from several rows wherever one of the rows of its period hides a count."""
    if not counting.across:
        return
    names = {count.name for count in counting.counts}
    periods = _periods(columns, len(hidden))
    touched = {period for period, found in zip(periods, hidden, strict=True) if names & found}
    for period, found in zip(periods, hidden, strict=True):
        if period in touched:
            found.update(counting.across)


def _order(table: pa.Table, columns: Columns, counting: Counting, hidden: set[int]) -> list[int]:
    """The rows in their order, but within a period the hidden ones come last, sorted by their names."""
    rows = range(table.num_rows)
    periods = _periods(columns, table.num_rows)
    place = {period: number for number, period in enumerate(dict.fromkeys(periods))}
    told = {name for count in counting.counts for name in (count.name, *count.derived)}
    told |= {share.name for share in counting.shares} | {*counting.across, *(counting.ranked or ())}
    names = [table.column(name).to_pylist() for name in table.column_names if name not in told]
    labels = {row: tuple(str(column[row]) for column in names) for row in hidden}
    return sorted(rows, key=lambda row: (place[periods[row]], row in hidden, labels.get(row, ()), row))


def _periods(columns: Columns, rows: int) -> list[tuple[object, ...]]:
    keys = [columns[key] for key in _KEYS if key in columns]
    return list(zip(*keys, strict=True)) if keys else [()] * rows


def _without(table: pa.Table, hidden: Sequence[set[str]]) -> pa.Table:
    touched = set().union(*hidden)
    for index, name in enumerate(table.column_names):
        if name in touched:
            mask = pa.array([name in found for found in hidden])
            kept = pc.if_else(mask, pa.scalar(None, table.schema.field(name).type), table.column(name))
            table = table.set_column(index, table.schema.field(name), kept)
    order = table.column_names
    # Thousands of rows have few different sets among them.
    said = {found: ", ".join(sorted(found, key=order.index)) or None for found in {frozenset(one) for one in hidden}}
    return table.append_column(HIDDEN, pa.array([said[frozenset(found)] for found in hidden], pa.string()))
