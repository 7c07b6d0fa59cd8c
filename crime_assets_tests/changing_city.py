"""A small city that changes every day: new crimes, edits of old and of new ones, edits of edits, crimes taken back."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path

from crime_assets.defs.automation.schedules import CATCH_UP_DAYS
from crime_assets.profiles import Profile, Settings
from crime_assets.sources.feeds.socrata import SocrataFeed
from crime_assets.streams.pull import days_between
from crime_assets_tests.build import CHICAGO, export_profile, record, sample_profile, write_export
from crime_assets_tests.graph import verdicts
from crime_assets_tests.nights import ONE_DAY, Nights
from crime_assets_tests.sources.feeds.soda_server import SodaServer

Change = tuple[str, dict[str, object]]
"""`put` with the new version of a record, or `remove` with the one that is gone."""


class ChangingCity:
    """What happens on each day from `first` on, the same for each seed; one day in seven is quiet."""

    def __init__(self, first: date, days: int, seed: int = 1, crimes: int = 60) -> None:
        chance = random.Random(seed)
        self.first = first
        self.history = [record(n, _stamp(first - timedelta(days=chance.randint(3, 90)), chance)) for n in range(crimes)]
        self.changes: dict[date, list[Change]] = {}
        present = {str(crime["id"]): crime for crime in self.history}
        for number in range(days):
            day = first + timedelta(days=number)
            self.changes[day] = [] if number % 7 == 5 else list(_changes(present, day, number, chance))

    def state(self, day: date) -> list[dict[str, object]]:
        """All records at the end of a day."""
        present = {str(crime["id"]): crime for crime in self.history}
        for changed in sorted(self.changes):
            if changed <= day:
                for kind, crime in self.changes[changed]:
                    if kind == "put":
                        present[str(crime["id"])] = crime
                    else:
                        present.pop(str(crime["id"]), None)
        return list(present.values())


def _changes(present: dict[str, dict[str, object]], day: date, number: int, chance: random.Random) -> Iterator[Change]:
    for k in range(3):
        new = record(10_000 + 10 * number + k, _stamp(day, chance), str(day - timedelta(days=8)))
        yield _put(present, new)
    for id in chance.sample(sorted(present), 4):
        # Some stamps appear a day late.
        stamped = (
            day - ONE_DAY if chance.random() < 0.2 and str(present[id]["updated_on"]) < str(day - ONE_DAY) else day
        )
        edited = {**present[id], "updated_on": _stamp(stamped, chance), "arrest": chance.random() < 0.5}
        if chance.random() < 0.2:
            edited["date"] = f"{day - timedelta(days=chance.randint(10, 60))}T09:00:00.000"
        yield _put(present, edited)
    if chance.random() < 0.5:
        id = chance.choice(sorted(present))
        yield "remove", present.pop(id)


def _put(present: dict[str, dict[str, object]], crime: dict[str, object]) -> Change:
    present[str(crime["id"])] = crime
    return "put", crime


def _stamp(day: date, chance: random.Random) -> str:
    return f"{day}T{chance.randint(0, 23):02}:{chance.randint(0, 59):02}:{chance.randint(0, 59):02}.000"


@contextmanager
def lake_of(feed: str, city: ChangingCity, home: Path) -> Iterator[Nights]:
    """A lake of the city by way of a feed, its history loaded. The sample feed has a city of its own."""
    home.mkdir(parents=True)
    match feed:
        case "sample":
            yield Nights(sample_profile(home / "lake", rows=1_500), city.first, lambda _: None)
        case "export":
            path = home / "crimes.csv"
            write_export(path, city.history)
            profile = export_profile(home / "lake", path)
            yield Nights(profile, city.first, lambda day: write_export(path, city.state(day)))
        case _:
            with SodaServer(city.history, seed=3) as server:
                profile = Profile(Settings(home=home / "lake", feed="socrata"))
                portal = SocrataFeed(server.city(CHICAGO), scheme="http", now=_clock_of(profile))
                yield Nights(profile, city.first, lambda day: _bring(server, city.state(day)), portal)


def _clock_of(profile: Profile) -> Callable[[], datetime]:
    """The profile's clock, whichever it has at the time."""

    def now() -> datetime:
        return profile.clock()

    return now


def _bring(server: SodaServer, state: list[dict[str, object]]) -> None:
    wanted: Mapping[str, dict[str, object]] = {str(crime["id"]): crime for crime in state}
    there = {row["id"] for row in server.rows}
    for id in there - wanted.keys():
        server.remove(id)
    for id, crime in wanted.items():
        if id in there:
            server.edit(id, **crime)
        else:
            server.add(crime)


def assert_an_outage_leaves_no_trace(city: ChangingCity, feed: str, tmp_path: Path, days: int, nights: int) -> None:
    """An outage of so many days, from the fourth on, ends like a lake that never had one, after so many nights.

    Rows are compared in all columns but `ingested_at`, the time of the pull. Versions that came and went while nobody
    looked are in no source any more, so `crimes_superseded` and `crimes_removed` have less.
    """
    before = city.first + timedelta(days=2)
    back = before + timedelta(days=days + 1)
    end = back + timedelta(days=nights - 1)
    with lake_of(feed, city, tmp_path / "undisturbed") as undisturbed:
        undisturbed.live(city.first, end)
        undisturbed.reconcile()
        expected = undisturbed.graph.rows()
    with lake_of(feed, city, tmp_path / "outage") as lake:
        lake.live(city.first, before)
        for night in range(nights):
            assert lake.merged != days_between(city.first, back + timedelta(days=night - 1)), "it took fewer nights"
            asked = lake.night(back + timedelta(days=night))
            assert len(asked) <= CATCH_UP_DAYS + 1
        assert lake.merged == days_between(city.first, end)
        assert verdicts(lake.graph.check("no_day_missing"))["no_day_missing"].passed
        lake.reconcile()
        assert lake.graph.rows() == expected
        said = lake.reconcile()
        assert (said["missing_pulled"], said["removed"], said["newer_here"]) == (0, 0, 0)
