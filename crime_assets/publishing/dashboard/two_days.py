"""Two as-of days side by side: the same choice on both, and the difference.

Both sides are tables with small numbers hidden. A difference is made of two numbers that are shown, never of a hidden
one, so it tells nothing that the two pages do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from crime_assets.publishing.dashboard.choice import CLASSES, MAPS, TITLES, classes_of
from crime_assets.publishing.dashboard.figures import Figures
from crime_assets.publishing.dashboard.pictures import period_in_words

Row = Mapping[str, Any]

MEANING = (
    "Each day counts its own period, with what was known on it: a difference is due to other days of occurrence and "
    "to records that came, changed or went since. Where one of the two is not shown, their difference is not either."
)


@dataclass(frozen=True)
class Pair:
    """A count on the day that is looked at and on the other one; None where it is hidden."""

    name: str
    now: int | None
    then: int | None

    @property
    def difference(self) -> int | None:
        """How many more there are now, if both are shown."""
        return None if self.now is None or self.then is None else self.now - self.then


@dataclass(frozen=True)
class Compared:
    """A table of both days: its title, and what its rows are."""

    title: str
    first: str
    pairs: Sequence[Pair]


def compared(now: Figures, then: Figures) -> dict[str, Compared]:
    """The tables of both days, by their names."""
    level = now.choice.map if now.choice.map != "hotspots" else "district"
    return {
        "both-classes": Compared("Classes, both days", "Class", _classes(now, then)),
        "both-areas": Compared(
            f"{MAPS[level]}, both days", MAPS[level].removesuffix("s"), _joined(now, then, "areas", "area")
        ),
        "both-types": Compared("Categories, both days", "Category", _joined(now, then, "types", "primary_type")),
    }


def days_of_both(now: Figures, then: Figures) -> list[str]:
    """Which days each side counts."""
    return [
        f"As of {figures.choice.day}: {period_in_words(figures.choice.period, figures.about)}"
        for figures in (now, then)
    ]


def file_of(found: Compared, now: Figures, then: Figures) -> pa.Table:
    """The table for download; NULL is what is not shown."""
    rows = len(found.pairs)
    sides = [[figures.about.as_of_day, *figures.about.days_of(figures.choice.period)] for figures in (now, then)]
    names = ("as_of_day", "first_day", "last_day")
    days = {
        f"{name}{suffix}": pa.array([value] * rows, pa.date32())
        for side, suffix in zip(sides, ("", "_beside"), strict=True)
        for name, value in zip(names, side, strict=True)
    }
    return pa.table(
        {
            **days,
            found.first.lower().replace(" ", "_"): pa.array([pair.name for pair in found.pairs], pa.string()),
            "crimes": pa.array([pair.now for pair in found.pairs], pa.int64()),
            "crimes_beside": pa.array([pair.then for pair in found.pairs], pa.int64()),
            "difference": pa.array([pair.difference for pair in found.pairs], pa.int64()),
        }
    )


def _classes(now: Figures, then: Figures) -> list[Pair]:
    both = [{row["offense_class"]: row for row in figures.table("classes").to_pylist()} for figures in (now, then)]
    there = {*classes_of(now.choice.city), *both[0], *both[1]}
    found = [_pair(title, *(rows.get(name, {}) for rows in both)) for name, title in TITLES.items() if name in there]
    chosen = [rows[now.choice.offense_class] for rows in both]
    of_class = CLASSES[now.choice.offense_class].lower()
    for title, key in (("Arrests recorded", "arrests"), ("Domestic", "domestic_crimes")):
        if key in chosen[0]:
            found.append(_pair(f"{title}, {of_class}", chosen[0], chosen[1], key))
    return found


def _joined(now: Figures, then: Figures, table: str, name: str) -> list[Pair]:
    """The rows of both in the order of the first; those of the other alone come last."""
    first, second = ({row[name]: row for row in figures.table(table).to_pylist()} for figures in (now, then))
    names = dict.fromkeys([*first, *second])
    return [_pair(key or "not recorded", first.get(key, {}), second.get(key, {})) for key in names]


def _pair(name: str, now: Row, then: Row, key: str = "crimes") -> Pair:
    """A row that is missing on a day has no records there."""
    return Pair(name, now[key] if now else 0, then[key] if then else 0)
