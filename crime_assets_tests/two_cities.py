"""Chicago and New York, small and changing: both in one lake and one Dagster home, or each in a lake of its own."""

from __future__ import annotations

import csv
import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import dagster as dg

from crime_assets.defs.automation.jobs import BACKFILL
from crime_assets.profiles import Profile, Settings
from crime_assets.sources import cities
from crime_assets.streams.pull import days_between
from crime_assets_tests.build import write_export
from crime_assets_tests.changing_city import ChangingCity
from crime_assets_tests.graph import Graph, Result

FIRST = date(2024, 1, 25)
CHICAGO, NEW_YORK = CITIES = ("chicago", "new_york")
CURATED = ("crimes", "crimes_superseded", "crimes_quarantine")
ONE_DAY = timedelta(days=1)
_OFFENSES = (("341", "PETIT LARCENY"), ("344", "ASSAULT 3 & RELATED OFFENSES"), ("105", "ROBBERY"))


def complaint(number: int, chance: random.Random) -> dict[str, str]:
    """A row of New York's export."""
    code, name = chance.choice(_OFFENSES)
    day = f"{chance.randint(1, 12):02}/{chance.randint(1, 28):02}/2023"
    return {
        "CMPLNT_NUM": f"{number}H{chance.randint(1, 9)}",
        "CMPLNT_FR_DT": day,
        "CMPLNT_FR_TM": f"{chance.randint(0, 23):02}:30:00",
        "ADDR_PCT_CD": str(chance.choice((1, 75, 107))),
        "RPT_DT": day,
        "KY_CD": code,
        "OFNS_DESC": name,
        "BORO_NM": "QUEENS",
        "PREM_TYP_DESC": "STREET",
        "LATITUDE": "40.732072160",
        "LONGITUDE": "-73.813869293",
    }


@dataclass(frozen=True)
class Step:
    """A run of some change days of a city; `fails` if its source is not there."""

    city: str
    first: date
    last: date
    fails: bool = False


def steps(number: int, seed: int) -> list[Step]:
    """Runs of both cities in any order: days as they come, some again, some two together, some without a source."""
    chance = random.Random(seed)
    reached = dict.fromkeys(CITIES, FIRST - ONE_DAY)
    found: list[Step] = []
    for _ in range(number):
        city, kind = chance.choice(CITIES), chance.random()
        before = reached[city]
        if kind < 0.15 and before >= FIRST:
            again = FIRST + timedelta(days=chance.randint(0, (before - FIRST).days))
            found.append(Step(city, again, again))
            continue
        last = before + ONE_DAY * (2 if kind > 0.85 else 1)
        fails = 0.15 <= kind < 0.25
        found.append(Step(city, before + ONE_DAY, last, fails))
        if not fails:
            reached[city] = last
    return found


class Source:
    """The files of both cities, as they are at the end of any day."""

    def __init__(self, directory: Path, days: int, seed: int) -> None:
        directory.mkdir()
        self._directory = directory
        self._chicago = ChangingCity(FIRST, days, seed)
        self._chance = random.Random(seed)
        rows = {number: complaint(number, self._chance) for number in range(1, 40)}
        self._published = {FIRST - ONE_DAY: rows}
        for day in days_between(FIRST, FIRST + ONE_DAY * days):
            # Published anew on two days in three: one more row, and one that is another now.
            if (day - FIRST).days % 3:
                number = len(rows) + 1
                rows = {**rows, number: complaint(number, self._chance)}
                changed = self._chance.randint(1, number)
                rows[changed] = {**rows[changed], "OFNS_DESC": "BURGLARY", "KY_CD": "107"}
            self._published[day] = rows

    def file(self, city: str) -> Path:
        return self._directory / f"{city}.csv"

    def stand_after(self, city: str, day: date) -> None:
        """The city's file as it is after a day."""
        path = self.file(city)
        if city == CHICAGO:
            write_export(path, self._chicago.state(day))
            return
        rows = self._published[day]
        # It was written on the last day on which something was new.
        written = max(known for known in self._published if known <= day and self._is_new(known))
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, [name.upper() for name in cities.get(NEW_YORK).source_columns])
            writer.writeheader()
            writer.writerows(rows.values())
        stamp = datetime.combine(written, time(18), UTC).timestamp()
        os.utime(path, (stamp, stamp))

    def _is_new(self, day: date) -> bool:
        return self._published[day] is not self._published.get(day - ONE_DAY)


class World:
    """Lakes of cities: one with all of them if `together`, else one each. Dagster's records are always in one place."""

    def __init__(
        self,
        directory: Path,
        source: Source,
        *,
        together: bool,
        instance: dg.DagsterInstance | None = None,
    ) -> None:
        self.source = source
        self.instance = instance or dg.DagsterInstance.ephemeral()
        self.now = datetime.combine(FIRST, time(17), UTC)
        self.graphs: dict[str, Graph] = {}
        self.done: list[Step] = []
        self._newest = dict.fromkeys(CITIES, FIRST)
        for city in CITIES:
            settings = Settings(
                home=directory / ("both" if together else city),
                city=city,
                cities=CITIES if together else (),
                feed="export",
                export=str(source.file(city)),
            )
            profile = Profile(settings, clock=self._tick)
            profile.begin(FIRST)
            self.graphs[city] = Graph(profile, self.instance if together else None)

    def load(self) -> None:
        """The histories of all cities, as they were before the first day."""
        for city, graph in self.graphs.items():
            self.source.stand_after(city, FIRST - ONE_DAY)
            graph.load()

    def run(self, step: Step, job: str = BACKFILL) -> Result:
        """That step, with the source as the newest day has left it."""
        graph, path = self.graphs[step.city], self.source.file(step.city)
        newest = self._newest[step.city] = max(self._newest[step.city], step.last)
        self.source.stand_after(step.city, newest)
        # A publication is of the day before yesterday, at the latest.
        self.now = max(self.now, datetime.combine(newest + 2 * ONE_DAY, time(17), UTC))
        if step.fails:
            path.unlink()
        else:
            self.done.append(step)
        return graph.run(str(step.first), str(step.last), job=job, fails=step.fails)

    def contents(self) -> Mapping[str, Sequence[dict[str, object]]]:
        """The rows of all curated tables, by city and table."""
        return {f"{city}.{name}": graph.rows(name) for city, graph in self.graphs.items() for name in CURATED}

    def close(self) -> None:
        """Let go of what is open."""
        for graph in self.graphs.values():
            graph.profile.engine.close()

    def _tick(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now
