"""Full reports as stations write them down, with all that must not leave them; what happens to them later.

A report depends on the seed, its hour, station and place among those of the hour, never on how many hours are made at
once. On their way they are the business of the package's `records`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from crime_assets.incidents import contract
from crime_assets.incidents.sample import people
from crime_assets.incidents.sample.faults import Faults
from crime_assets.incidents.sample.planted import Planted, is_silenced
from crime_assets.incidents.sample.stations import CELLS, STATE, STATIONS, counts, means
from crime_assets.incidents.times import DAY, HOUR, Calendar
from crime_assets.sources.feeds.sample.draws import Draws, Floats, Ints, cumulative

# Shares of a hundred; of major heads there are fewer than there really are, so that other alerts are seen beside them.
_SHARES = {
    **{"murder": 0.1, "dowry death": 0.03, "attempt to murder": 0.5, "rape": 0.15, "child offence": 0.2},
    **{"dacoity": 0.02, "robbery": 1.5, "kidnapping": 0.3, "molestation": 2.0, "riot": 0.1, "burglary": 7.0},
    **{"snatching": 5.0, "vehicle theft": 14.0, "theft": 22.0, "hurt": 14.0, "cruelty": 3.0, "cheating": 11.0},
    **{"narcotics": 4.0, "arms": 3.0, "other": 12.1},
}
_HEADS = tuple(_SHARES)
_HEAD_BOUNDS = cumulative(_SHARES.values())
_ACTS = {
    **{"murder": ("BNS 103", "IPC 302"), "dowry death": ("BNS 80", "IPC 304B"), "rape": ("BNS 64", "IPC 376")},
    **{"attempt to murder": ("BNS 109", "IPC 307"), "child offence": ("POCSO 8", "POCSO 12")},
    **{"dacoity": ("BNS 310", "IPC 395"), "robbery": ("BNS 309", "IPC 392"), "kidnapping": ("BNS 137", "IPC 363")},
    **{"molestation": ("BNS 74", "IPC 354"), "riot": ("BNS 191", "IPC 147"), "burglary": ("BNS 331", "IPC 457")},
    **{"snatching": ("BNS 304", "BNS 304"), "vehicle theft": ("BNS 303", "IPC 379"), "theft": ("BNS 303", "IPC 379")},
    **{"hurt": ("BNS 115", "IPC 323"), "cruelty": ("BNS 85", "IPC 498A"), "cheating": ("BNS 318", "IPC 420")},
    **{"narcotics": ("NDPS 20", "NDPS 22"), "arms": ("ARMS 25", "ARMS 25"), "other": ("BNS 285", "IPC 279")},
}
"""Sections of each head in the law of today, and in the one before."""
_OLD_LAW = 0.15
_NEW_PLATES, _PLATES = 1_000_000, 5_000_000
"""Plates of patterns are below the first number."""
_PLANTED_KEYS, _PEOPLE_KEYS = 1 << 60, 1 << 61
_FIRST_BORN, _BORN_DAYS = -8_766, 21_900
"""Days from 1970 to the first of 1946, and from there to where the youngest complainants are born."""
_VEHICLES = {"vehicle theft": 1.0, "robbery": 0.2, "snatching": 0.3, "dacoity": 0.3, "theft": 0.02}
_CHANGES = {"accused_known": "yes", "accused_count": 2, "action_taken": "investigation"}

_Full = dict[str, Any]


@dataclass(slots=True)
class Version:
    """What is told of a report at a time: `at` in seconds since 1970, by a right clock.

    `wait` is how many seconds it takes to arrive, where that is not left to chance.
    """

    at: float
    kind: str
    changes: dict[str, Any]
    wait: float | None = None


@dataclass(slots=True)
class Report:
    """A report with its versions; `clock` is by how many seconds its station's is ahead."""

    key: int
    at: float
    clock: int
    full: _Full
    versions: list[Version]
    stamp: Callable[[float], str]


class _Drawn(NamedTuple):
    """What is drawn for a report; uniform draws but for where it says otherwise."""

    key: int
    at: float
    station: int
    planted: int
    head: int
    lat: float
    lon: float
    old_law: bool
    utc: bool
    name: int
    parent: int
    born: int
    street: int
    person: int
    has_vehicle: float
    plate: int
    known: float
    occurred: float
    took: float
    told: float
    words: float
    zero: float
    value: float
    minor: bool
    later: float
    wait: float
    amended: bool
    before: bool
    cancelled: bool


class Stamps:
    """Writes times as stations do: ISO 8601, some of them with Z."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar

    def here(self, seconds: float) -> str:
        """With the zone's offset."""
        local = self._calendar.local(seconds)
        minutes = (local - int(seconds // 1)) // 60
        sign = "-" if minutes < 0 else "+"
        return f"{self._text(local, seconds)}{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"

    def utc(self, seconds: float) -> str:
        """With Z."""
        return f"{self._text(int(seconds // 1), seconds)}Z"

    def _text(self, whole: int, seconds: float) -> str:
        day, second = divmod(whole, DAY)
        thousandths = int(seconds % 1 * 1_000)
        text = f"{_day(day)}T{second // HOUR:02}:{second // 60 % 60:02}:{second % 60:02}"
        return f"{text}.{thousandths:03}" if thousandths else text


class Writer:
    """Writes the reports of hours in their order; the numbers of each station's reports go on from hour to hour."""

    def __init__(
        self, seed: int, begins: int, rate_a_week: float, calendar: Calendar, planted: Sequence[Planted], faults: Faults
    ) -> None:
        self._seed, self._begins, self._rate, self._calendar = seed, begins, rate_a_week, calendar
        self._planted, self._faults = planted, faults
        self._stamps = Stamps(calendar)
        self._numbers: dict[tuple[int, int], int] = {}

    def reports(self, first: int, hours: int) -> Iterator[Report]:
        """The reports of so many hours, from the `first` one of the sample on, by time."""
        keys, at, station, planted = self._which(first, hours)
        if not len(keys):
            return
        columns = self._draw(keys, at, station, planted)
        for drawn in map(_Drawn._make, zip(*(column.tolist() for column in columns), strict=True)):
            yield self._written(drawn)

    def _which(self, first: int, hours: int) -> tuple[Ints, Floats, Ints, Ints]:
        """Keys, seconds since 1970, stations, and which of the planted ones they are (-1: none), by time."""
        starts = self._begins + HOUR * np.arange(first, first + hours)
        numbers = np.array([self._calendar.hour(start) for start in starts.tolist()])
        expected = means(self._seed, self._rate, numbers).ravel()
        station = np.repeat(np.arange(len(STATIONS)), hours)
        start = np.tile(starts, len(STATIONS))
        hour_keys = (start // 900 * 64 + station) << 20
        found = counts(Draws(self._seed, hour_keys).uniform("reports"), expected)
        nth = np.arange(found.sum()) - np.repeat(np.cumsum(found) - found, found)
        keys, station, start = np.repeat(hour_keys, found) + 1 + nth, np.repeat(station, found), np.repeat(start, found)
        at: Floats = np.floor(start + Draws(self._seed, keys).uniform("second") * HOUR)
        if self._planted:
            since = (at - self._begins).tolist()
            kept = np.array([not is_silenced(*one) for one in zip(station.tolist(), since, strict=True)], dtype=bool)
            keys, station, at = keys[kept], station[kept], at[kept]
        return self._with_planted(keys, at, station, first * HOUR, (first + hours) * HOUR)

    def _with_planted(
        self, keys: Ints, at: Floats, station: Ints, start: int, end: int
    ) -> tuple[Ints, Floats, Ints, Ints]:
        which = [nth for nth, one in enumerate(self._planted) if start <= one.at < end]
        more = [self._planted[nth] for nth in which]
        keys = np.concatenate([keys, _PLANTED_KEYS + np.array(which, dtype=np.int64)])
        at = np.concatenate([at, np.array([self._begins + one.at for one in more], dtype=np.float64)])
        station = np.concatenate([station, np.array([one.station for one in more], dtype=np.int64)])
        planted = np.full(len(keys), -1)
        planted[len(keys) - len(which) :] = which
        order = np.lexsort((keys, at))
        return keys[order], at[order], station[order], planted[order]

    def _draw(self, keys: Ints, at: Floats, station: Ints, planted: Ints) -> Sequence[Any]:
        """The columns of `_Drawn`."""
        draws, faults = Draws(self._seed, keys), self._faults
        who = np.array([self._planted[nth].person if nth >= 0 else 0 for nth in planted.tolist()])
        people_keys = np.where(who > 0, _PEOPLE_KEYS + who, keys)
        persons = Draws(self._seed, people_keys)
        # A few cells of each station have many of its reports.
        cell = np.floor(draws.uniform("cell") ** 1.5 * CELLS * CELLS).astype(np.int64) * 7 % (CELLS * CELLS)
        lat = np.array([one.lat for one in STATIONS])[station] + cell // CELLS
        lon = np.array([one.lon for one in STATIONS])[station] + cell % CELLS
        whole = {"name": len(people.NAMES) * len(people.SURNAMES), "parent": len(people.NAMES), "born": _BORN_DAYS}
        names = [np.floor(persons.uniform(what) * many).astype(np.int64) for what, many in whole.items()]
        return (
            *(keys, at, station, planted, draws.pick("head", _HEAD_BOUNDS)),
            *(lat + 0.9 * (draws.uniform("north") - 0.5), lon + 0.9 * (draws.uniform("east") - 0.5)),
            *(draws.below("law", _OLD_LAW), draws.below("utc", faults.utc)),
            *names,
            np.floor(persons.uniform("street") * 10_000).astype(np.int64),
            people_keys,
            draws.uniform("vehicle"),
            _NEW_PLATES + np.floor(draws.uniform("plate") * _PLATES).astype(np.int64),
            *(draws.uniform(what) for what in ("known", "occurred", "took", "told", "words", "zero", "value")),
            draws.below("minor", 0.003),
            *(draws.uniform("later"), draws.uniform("wait")),
            *(draws.below("amended", faults.amendments), draws.below("before", faults.before)),
            draws.below("cancelled", faults.cancelled),
        )

    def _written(self, drawn: _Drawn) -> Report:
        planted = self._planted[drawn.planted] if drawn.planted >= 0 else None
        clock = self._faults.clock(drawn.station, drawn.at - self._begins)
        stamp = self._stamps.utc if drawn.utc else self._stamps.here
        head = planted.head if planted and planted.head else _HEADS[drawn.head]
        full = self._full(drawn, head, int(drawn.at) + clock, stamp)
        if planted:
            _replant(full, planted, drawn, head, stamp, self._begins)
        return Report(drawn.key, drawn.at, clock, full, _versions(drawn, planted, full), stamp)

    def _full(self, drawn: _Drawn, head: str, registered: int, stamp: Callable[[float], str]) -> _Full:
        station = STATIONS[drawn.station]
        year = int(_day(self._calendar.local(registered) // DAY)[:4])
        number = self._numbers[drawn.station, year] = self._numbers.get((drawn.station, year), 0) + 1
        received = registered - 300 - int(drawn.told * 3_000)
        full: _Full = {
            "state": STATE,
            "district": station.district,
            "police_station": station.code,
            "fir_no": number,
            "fir_year": year,
            "registered_at": stamp(registered),
            "is_zero_fir": False,
            "acts_sections": _acts(head, old_law=drawn.old_law),
            "received_at": stamp(received),
            "gd_no": f"{number * 3 % 100}A",
            "gd_time": stamp(received + 120),
            "information_type": contract.INFORMATION[int(drawn.words * 3)],
            "accused_known": contract.KNOWN[int(drawn.known * 3)],
            "accused_count": int(drawn.known * 4),
            "delay_reason": contract.DELAYS[int(drawn.took * 20)] if drawn.took < 0.3 else "none",
            "property_value_inr": float(int(drawn.value**6 * 500_000)),
            "action_taken": "investigation",
            **_people_and_places(drawn, head),
        }
        if drawn.occurred < 0.85:
            began = received - 600 - int(-20_000 * np.log1p(-drawn.took))
            full |= {"occurred_from": stamp(began), "occurred_to": stamp(began + int((received - began) * drawn.told))}
        if drawn.zero < 0.01:
            other = STATIONS[(drawn.station + 7) % len(STATIONS)]
            full |= {"is_zero_fir": True, "outside_station": other.code, "outside_district": other.district}
        if drawn.minor or head == "child offence":
            full["victims"] = [{"name": people.NAMES[drawn.street % len(people.NAMES)], "age": 6 + drawn.street % 12}]
        if drawn.has_vehicle < _VEHICLES.get(head, 0.004):
            role = "stolen" if head == "vehicle theft" else contract.ROLES[1 + drawn.plate % 2]
            full["vehicles"] = [{"plate": people.plate(drawn.plate), "role": role}]
        return full


@lru_cache(50_000)
def _day(number: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=number)).isoformat()


def _acts(head: str, *, old_law: bool) -> list[dict[str, str]]:
    act, section = _ACTS[head][old_law].split()
    return [{"act": act, "section": section}]


def _people_and_places(drawn: _Drawn, head: str) -> _Full:
    surname = people.SURNAMES[drawn.name % len(people.SURNAMES)]
    name = f"{people.NAMES[drawn.name // len(people.SURNAMES)]} {surname}"
    parent = f"{people.NAMES[drawn.parent]} {surname}"
    street = people.STREETS[drawn.street % len(people.STREETS)]
    story = people.STORIES[drawn.street % len(people.STORIES)]
    return {
        "place": {
            "lat": round(drawn.lat / 1_000, 6),
            "lon": round(drawn.lon / 1_000, 6),
            "beat": f"B{1 + int(drawn.lat) // 10 % 4}",
            "direction": contract.DIRECTIONS[int(drawn.lat + drawn.lon) % 8],
            "distance_km": round(0.1 + drawn.told * 2, 1),
            "type": contract.PLACES[int(drawn.words * 9)],
            "address": f"{1 + drawn.street % 200} {street}",
        },
        "complainant": {
            "name": name,
            "parent": parent,
            "born": _day(_FIRST_BORN + drawn.born),
            "gender": contract.GENDERS[drawn.name % 2],
            "phone": f"9{drawn.born:05}{drawn.street:04}",
            "address": f"{1 + drawn.street % 200} {street}",
        },
        "narrative": story.format(name=name, parent=parent, street=street),
    }


def _replant(
    full: _Full, planted: Planted, drawn: _Drawn, head: str, stamp: Callable[[float], str], begins: int
) -> None:
    """Make an ordinary report the one that is planted."""
    full.pop("victims", None)
    if planted.point:
        full["place"] |= {"lat": planted.point[0] / 1_000, "lon": planted.point[1] / 1_000}
    if planted.plate:
        full["vehicles"] = [{"plate": planted.plate, "role": "seen"}]
    if planted.person:
        # The same noon of the day before, whenever and wherever each of them is told.
        noon = begins + planted.at // DAY * DAY - 12 * HOUR
        full |= {"occurred_from": stamp(noon), "occurred_to": stamp(noon + HOUR)}


def _versions(drawn: _Drawn, planted: Planted | None, full: _Full) -> list[Version]:
    """The report as it was registered, and what became of it: amended, transferred, cancelled."""
    later = drawn.at + HOUR + 10 * DAY * drawn.later
    changes = _CHANGES | {"property_value_inr": full["property_value_inr"] + 500.0}
    found = [Version(drawn.at, "registered", {})]
    if planted:
        found[0].wait = planted.late * 60 + 1 + 30 * drawn.wait
        if planted.amended_to:
            told = {"acts_sections": _acts(planted.amended_to, old_law=False)}
            found.append(Version(drawn.at + DAY, "amended", told, 5))
    elif drawn.before:
        # The amendment is there in minutes, and the report itself only after it.
        found[0].wait = 600 + 2_700 * drawn.wait
        found.append(Version(drawn.at + 60 + 500 * drawn.later, "amended", changes, 5))
    elif drawn.amended:
        found.append(Version(later, "amended", changes))
    if full["is_zero_fir"] and drawn.zero < 0.005:
        found.append(Version(later + DAY, "transferred", {"action_taken": "transferred"}))
    if drawn.cancelled:
        found.append(Version(later + 2 * DAY, "cancelled", {}))
    return found
