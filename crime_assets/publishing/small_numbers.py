"""The one rule for tables that leave the lake: small counts are hidden, and what would give a hidden one away.

A count of 1 to `threshold` - 1 can point at a person. It is hidden, and so is

- whatever is computed from it (shares, rates, changes), and shares whose part is that small;
- a second count, the smallest there is, wherever the rows add up to a published total and only one of them is hidden,
  or where the hidden ones together are fewer than the threshold (complementary suppression).

Zeros stay: nobody is in them. What the rule cannot do is said in the README: whoever asks for several tables that
overlap without being the same can subtract them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from crime_assets.core.insights import Counting

HIDDEN = "hidden"
"""Column that names those of its row that are hidden."""
TOTAL = "all"
"""What stands for the sum in a column of `adds_up`."""

_KEYS = ("as_of_day", "period")


def protect(table: pa.Table, counting: Counting, threshold: int) -> pa.Table:
    """The table with what must not be seen as NULL, and a column more, `hidden`: the names of those, NULL where none.

    A threshold of 0 or 1 hides nothing.
    """
    hidden: list[set[str]] = [set() for _ in range(table.num_rows)]
    columns = {name: table.column(name).to_pylist() for name in _needed(counting, table)}
    for count in counting.counts:
        for row in _hidden_rows(columns, count.name, counting.adds_up, threshold):
            hidden[row].update((count.name, *count.derived))
    for share in counting.shares:
        for row, (part, whole) in enumerate(zip(columns[share.name], columns[share.whole], strict=True)):
            if part is not None and whole is not None and _is_small(round(part * whole), threshold):
                hidden[row].add(share.name)
    _hide_across(columns, counting, hidden)
    return _without(table, hidden)


def _needed(counting: Counting, table: pa.Table) -> set[str]:
    counts = {count.name for count in counting.counts}
    shares = {name for share in counting.shares for name in (share.name, share.whole)}
    return {*counts, *shares, *counting.adds_up, *(name for name in _KEYS if name in table.column_names)}


def _is_small(count: int, threshold: int) -> bool:
    return 0 < count < threshold


def _hidden_rows(
    columns: Mapping[str, Sequence[object]], name: str, adds_up: Sequence[str], threshold: int
) -> set[int]:
    """The rows whose count of that name is hidden."""
    counts = [int(str(value)) if value is not None else 0 for value in columns[name]]
    hidden = {row for row, count in enumerate(counts) if _is_small(count, threshold)}
    groups = list(_groups(columns, adds_up))
    is_settled = False
    while not is_settled:
        is_settled = True
        for rows in groups:
            more = _complement(rows, counts, hidden, threshold)
            is_settled = is_settled and not more
            hidden |= more
    return hidden


def _groups(columns: Mapping[str, Sequence[object]], adds_up: Sequence[str]) -> Iterator[list[int]]:
    """Rows that add up to one total, for each of the columns over whose values they do."""
    for name in adds_up:
        keys = [columns[key] for key in (*_KEYS, *adds_up) if key != name and key in columns]
        found: dict[tuple[object, ...], list[int]] = defaultdict(list)
        for row, value in enumerate(columns[name]):
            if value != TOTAL:
                found[tuple(key[row] for key in keys)].append(row)
        yield from found.values()


def _complement(rows: Sequence[int], counts: Sequence[int], hidden: set[int], threshold: int) -> set[int]:
    """The rows to be hidden as well, lest the total of these rows give the hidden ones away."""
    known = hidden.intersection(rows)
    more: set[int] = set()
    others = iter(sorted((row for row in rows if row not in known and counts[row]), key=lambda row: (counts[row], row)))
    while known and (len(known | more) < 2 or sum(counts[row] for row in known | more) < threshold):
        row = next(others, None)
        if row is None:
            # All else is zero: then the total is as small, and is hidden for itself.
            break
        more.add(row)
    return more


def _hide_across(columns: Mapping[str, Sequence[object]], counting: Counting, hidden: Sequence[set[str]]) -> None:
    """Hide what is computed from several rows wherever one of the rows of its period hides a count."""
    if not counting.across:
        return
    names = {count.name for count in counting.counts}
    periods = list(zip(*(columns[key] for key in _KEYS if key in columns), strict=True)) or [()] * len(hidden)
    touched = {period for period, found in zip(periods, hidden, strict=True) if names & found}
    for period, found in zip(periods, hidden, strict=True):
        if period in touched:
            found.update(counting.across)


def _without(table: pa.Table, hidden: Sequence[set[str]]) -> pa.Table:
    for index, name in enumerate(table.column_names):
        mask = [name in found for found in hidden]
        if any(mask):
            kept = pc.if_else(pa.array(mask), pa.scalar(None, table.schema.field(name).type), table.column(name))
            table = table.set_column(index, table.schema.field(name), kept)
    names = [", ".join(name for name in table.column_names if name in found) or None for found in hidden]
    return table.append_column(HIDDEN, pa.array(names, pa.string()))
