"""Days that nobody asked for: an edit made on one of them, and what else can happen in a hole."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from crime_assets_tests.build import export_profile, export_row, record
from crime_assets_tests.graph import failing
from crime_assets_tests.nights import ONE_DAY, Nights

FIRST, BEFORE, BACK = date(2018, 3, 9), date(2018, 3, 13), date(2018, 4, 1)
"""The first change day, the last one before the outage, and the one whose night is the first one after it."""
EDITED = "11500000"
Rows = dict[str, list[str]]


class Portal:
    """An export that is written anew after each day: rows by id, and what happens to them on which day."""

    def __init__(self, path: Path, header: list[str], rows: Rows) -> None:
        self.path, self._header, self._rows = path, header, rows
        self.changes: dict[date, list[Callable[[Rows], object]]] = {}

    def write(self, day: date) -> None:
        rows = {id: list(row) for id, row in self._rows.items()}
        for changed in sorted(self.changes):
            for change in self.changes[changed] if changed <= day else ():
                change(rows)
        with self.path.open("w", newline="") as file:
            csv.writer(file).writerows([self._header, *rows.values()])

    def edit(self, day: date, id: str, arrest: str, hour: int = 15) -> None:
        """The arrest flag of a crime changes on a day."""

        def change(rows: Rows) -> None:
            row = rows[id]
            row[self._header.index("Arrest")] = arrest
            row[self._header.index("Updated On")] = f"{day:%m/%d/%Y} {hour % 12 or 12:02}:00:00 {'AP'[hour > 11]}M"

        self.changes.setdefault(day, []).append(change)

    def add(self, day: date, number: int) -> None:
        """A new crime is published on a day."""
        row = export_row(record(number, f"{day}T15:30:00", "2018-03-01T10:00:00"))
        self.changes.setdefault(day, []).append(lambda rows: rows.update({str(number): row}))

    def remove(self, day: date, id: str) -> None:
        """The city takes a crime back on a day."""
        self.changes.setdefault(day, []).append(lambda rows: rows.pop(id))


@pytest.fixture
def portal(shared_data: Path, tmp_path: Path) -> Portal:
    """The export as it was before the outage; one crime is published and one edited on the last days, so that they are
    there to be asked for.
    """
    path = shared_data.parent / "cases" / "missed-days" / "before.csv"
    if not path.exists():
        pytest.skip(f"there is no {path}")
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    found = Portal(tmp_path / "crimes.csv", header, {row[0]: row for row in rows})
    for number, day in enumerate((date(2018, 3, 30), BACK)):
        found.add(day, 990 + number)
    return found


def _lake(portal: Portal, home: Path) -> Nights:
    portal.write(FIRST)
    return Nights(export_profile(home / "lake", portal.path), FIRST, portal.write)


def _outage(portal: Portal, home: Path) -> Nights:
    """A lake whose machine was off from 14 March to 2 April 2018, and then ran for a night."""
    lake = _lake(portal, home / "outage")
    lake.live(FIRST, BEFORE)
    return lake


def _undisturbed(portal: Portal, home: Path) -> list[dict[str, object]]:
    """The crimes of a lake that ran each night."""
    lake = _lake(portal, home / "undisturbed")
    lake.live(FIRST, BACK)
    lake.reconcile()
    return lake.graph.rows()


def _loaded_anew(portal: Portal, home: Path) -> list[dict[str, object]]:
    """The crimes of a lake that begins only now: all of them are its history."""
    portal.write(BACK)
    lake = Nights(export_profile(home / "anew" / "lake", portal.path), BACK + ONE_DAY, portal.write)
    return lake.graph.rows()


def _arrest(lake: Nights, id: str = EDITED) -> object:
    return {row["id"]: row["arrest"] for row in lake.graph.rows()}[int(id)]


def test_an_edit_on_a_day_that_nobody_asked_for_arrives_with_the_next_night(portal: Portal, tmp_path: Path) -> None:
    portal.edit(date(2018, 3, 16), EDITED, "false")
    lake = _outage(portal, tmp_path)
    assert _arrest(lake) is True

    asked = lake.night(BACK)

    assert asked == [date.fromordinal(day) for day in range(date(2018, 3, 14).toordinal(), BACK.toordinal() + 1)]
    assert _arrest(lake) is False
    assert failing(lake.graph.check("no_day_missing")) == set()
    assert lake.graph.rows() == _undisturbed(portal, tmp_path)


def test_an_edit_in_a_hole_that_is_edited_again_later(portal: Portal, tmp_path: Path) -> None:
    portal.edit(date(2018, 3, 16), EDITED, "false")
    portal.edit(BACK, EDITED, "true")
    portal.edit(date(2018, 3, 20), "11500002", "true", hour=23)
    portal.edit(date(2018, 3, 21), "11500002", "false", hour=0)
    lake = _outage(portal, tmp_path)
    lake.night(BACK)
    assert lake.graph.rows() == _loaded_anew(portal, tmp_path)


def test_a_crime_that_is_new_in_a_hole_and_taken_back_in_it(portal: Portal, tmp_path: Path) -> None:
    portal.add(date(2018, 3, 15), 70)
    portal.remove(date(2018, 3, 25), "70")
    portal.add(date(2018, 3, 15), 71)
    portal.remove(date(2018, 3, 26), "11500003")
    lake = _outage(portal, tmp_path)
    lake.night(BACK)
    lake.reconcile()
    assert lake.graph.rows() == _loaded_anew(portal, tmp_path)
    # Nobody ever saw the one; the other was there before.
    assert [row["id"] for row in lake.graph.rows("crimes_removed")] == [11500003]


def test_days_that_are_run_out_of_order(portal: Portal, tmp_path: Path) -> None:
    portal.edit(date(2018, 3, 16), EDITED, "false")
    portal.edit(date(2018, 3, 28), EDITED, "true")
    portal.add(date(2018, 3, 20), 72)
    lake = _outage(portal, tmp_path)
    lake.stand_after(BACK)
    for first, last in (("2018-03-25", "2018-03-31"), ("2018-04-01", "2018-04-01"), ("2018-03-14", "2018-03-18")):
        lake.graph.run(first, last, job="backfill_change_days")
    assert failing(lake.graph.check("no_day_missing")) == {"no_day_missing"}
    lake.night(BACK)
    assert lake.graph.rows() == _loaded_anew(portal, tmp_path)
    assert failing(lake.graph.check("no_day_missing")) == set()


def test_a_night_of_which_all_or_one_run_fails(portal: Portal, tmp_path: Path) -> None:
    portal.edit(date(2018, 3, 16), EDITED, "false")
    lake = _outage(portal, tmp_path)
    lake.night(BACK, fails=lambda *_: True)
    lake.night(BACK, fails=lambda first, last: first < last)
    assert lake.merged[-1] < BACK, "the run keys of that night are used up"
    lake.night(date(2018, 4, 2), fails=lambda first, last: first < last)
    lake.night(date(2018, 4, 3))
    assert _arrest(lake) is False
    assert failing(lake.graph.check("no_day_missing")) == set()


def test_reconciliation_sees_the_edit_where_the_day_is_never_asked_for(portal: Portal, tmp_path: Path) -> None:
    portal.edit(date(2018, 3, 16), EDITED, "false")
    lake = _outage(portal, tmp_path)
    lake.live(BACK, BACK)
    assert _arrest(lake) is True

    said = lake.reconcile()

    assert (said["months_restamped"], said["missing_pulled"], said["rows_replaced"]) == (1, 1, 1)
    assert _arrest(lake) is False
    assert lake.reconcile()["months_that_differ"] == 0
