"""Which alerts a set of messages must raise, computed the plain way: whole-set counts, loops, exact integers.

Nothing of crime_assets is imported: what is wrong there cannot be wrong here for the same reason. Poison is left out by
who calls (the sample names it), so the contract need not be known.

An alert is (rule, subject, window_number, revision). What the rules leave open is decided so:

- Rules are named as their files without the number. In subjects, parts that are no path are joined by "|": near_repeats
  "head|block_lat|block_lon", repeat_address "lat_milli|lon_milli", major_head "fir_id|head", duplicates
  "ref|head|occurred_day"; surge and silent_station have the station, watch_list the ref.
- The window number of major_head is 0.
- Lateness is exact to the microsecond; a report is admitted at 3,600 s and known at 7 days, and no more after.
- Of a report registered more than 300 s after it arrived, the arrival is the time of everything.
- A second copy of an admitted report counts nowhere; copies that are not admitted count each for itself (watch_list,
  major_head). Which copy is the first is decided by arrival, however long ago that was.
- A station's first hour, and the state's first day, are those of counted reports that have a station.
- surge: an hour k weeks before is a period if it lies after the station's first hour; at least one must.
- near_repeats, on day d: periods are whole weeks between the first day, which is not whole, and d - 6, from 1 to 12;
  before are all reports from d - 90 to d - 7, though the earliest may be of no whole week. A block is raised at all
  levels that any of its cells with a report on d reaches.
- repeat_address, on day d: periods are min(27, d - 2 - first day), from 1; the first day is not whole.
- watch_list: begins <= arrival < ends. Levels are 1, 2, 4, 8 FIRs. Kind does not matter.
- major_head: revision 1 only.
- silent_station: only reports that arrived in time count as those before. An earlier block is a period if it begins
  after the station's first hour. Revision 2 needs the block to be closed as well. A block is closed if its end and
  600 s more are not after `until`.
- duplicates: the window is the day of registering; a report whose occurred_from is not known happened on that day.
  Levels are 2, 4, 8, 16 FIRs.
- Before more than 5,000 reports, the limit is twice as many.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

Alert = tuple[str, str, int, int]

_START = datetime(1970, 1, 1, tzinfo=UTC)
_ONE = timedelta(microseconds=1)
_SECOND = 1_000_000
_HOUR = 3_600 * _SECOND
_ODDS = 10_000
_MOST_BEFORE = 5_000
_FACTORS = (1, 2, 4, 8)
_LEAST = {4: 42, 5: 51, 6: 60, 7: 69, 8: 79}
_NEAR = ("burglary", "robbery", "vehicle theft")
_MAJOR = ("murder", "dowry death", "rape", "child offence", "dacoity", "kidnapping", "riot")
_HEADS = {
    "IPC": {
        **{"302": "murder", "303": "murder", "396": "murder", "304B": "dowry death", "307": "attempt to murder"},
        **{"376": "rape", "376A": "rape", "376D": "rape", "395": "dacoity", "397": "dacoity"},
        **{"392": "robbery", "394": "robbery", "363": "kidnapping", "364": "kidnapping", "364A": "kidnapping"},
        **{"365": "kidnapping", "366": "kidnapping", "354": "molestation", "354A": "molestation"},
        **{"354D": "molestation", "509": "molestation", "147": "riot", "148": "riot", "454": "burglary"},
        **{"457": "burglary", "380": "burglary", "379": "theft", "323": "hurt", "324": "hurt", "325": "hurt"},
        **{"326": "hurt", "498A": "cruelty", "420": "cheating"},
    },
    "BNS": {
        **{"103": "murder", "104": "murder", "80": "dowry death", "109": "attempt to murder", "64": "rape"},
        **{"65": "rape", "66": "rape", "70": "rape", "310": "dacoity", "309": "robbery", "137": "kidnapping"},
        **{"138": "kidnapping", "139": "kidnapping", "140": "kidnapping", "74": "molestation", "75": "molestation"},
        **{"76": "molestation", "78": "molestation", "79": "molestation", "191": "riot", "331": "burglary"},
        **{"305": "burglary", "304": "snatching", "303": "theft", "115": "hurt", "117": "hurt", "118": "hurt"},
        **{"85": "cruelty", "318": "cheating"},
    },
    "POCSO": dict.fromkeys(("4", "6", "8", "10", "12"), "child offence"),
    "NDPS": dict.fromkeys(("8", "20", "21", "22", "29"), "narcotics"),
    "ARMS": dict.fromkeys(("25", "27"), "arms"),
}
_SERIOUS = (
    *("murder", "dowry death", "attempt to murder", "rape", "child offence", "dacoity", "robbery", "kidnapping"),
    *("molestation", "riot", "burglary", "snatching", "theft", "hurt", "cruelty", "cheating", "narcotics", "arms"),
)
"""The most serious first; a theft of a vehicle is one only if nothing more serious is there."""


@dataclass(frozen=True)
class _Report:
    """A message and what is counted by; times are microseconds since 1970, numbers are local."""

    told: Mapping[str, Any]
    arrived: int
    event: int
    head: str
    hour: int
    day: int
    block: int
    occurred_day: int

    station: str | None
    cell: tuple[int, int] | None

    @property
    def lateness(self) -> int:
        return self.arrived - self.event

    @property
    def is_counted(self) -> bool:
        return self.lateness <= _HOUR and self.told["kind"] == "registered"


def alerts(
    records: Iterable[tuple[datetime, bytes]],
    watch: Iterable[tuple[str, datetime, datetime]],
    zone: str,
    until: datetime,
) -> set[Alert]:
    """Those of messages in any order, with their arrival; `watch` has refs, begin and end; `until` is the watermark."""
    reports = _reports(records, ZoneInfo(zone))
    counted = [report for report in reports if report.is_counted]
    return {
        *_surge(counted),
        *_near_repeats(counted),
        *_repeat_address(counted),
        *_watch_list(reports, watch),
        *_major_head(reports),
        *_silent_station(counted, ZoneInfo(zone), until),
        *_duplicates(counted),
    }


@cache
def most(periods: int, before: int) -> int:
    """The most reports of one period that are no alarm after so many `before` in so many periods.

    An alarm is what has a chance of at most 1 in 10,000 if each of all reports falls into any period alike.
    """
    if before > _MOST_BEFORE:
        return 2 * before
    high = 4
    while not _is_alarm(periods, before, high):
        high *= 2
    low = 0
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _is_alarm(periods, before, middle) else (middle, high)
    return low


def _is_alarm(periods: int, before: int, now: int) -> bool:
    """P(Bin(now + before, 1 / (periods + 1)) >= now) <= 1 / 10,000, in whole numbers."""
    together = now + before
    term, tail = 1, 0
    # From k = together down to now: comb(together, k) * periods ** (together - k).
    for k in range(together, now - 1, -1):
        tail += term
        term = term * k * periods // (together - k + 1)
    everything: int = (periods + 1) ** together
    return tail * _ODDS <= everything


def _levels(rule: str, subject: str, window: int, reports: int, needed: int) -> Iterator[Alert]:
    for revision, factor in enumerate(_FACTORS, 1):
        if reports >= needed * factor:
            yield rule, subject, window, revision


def _reports(records: Iterable[tuple[datetime, bytes]], zone: ZoneInfo) -> list[_Report]:
    """All that are taken, by arrival; without second copies of what was admitted."""
    local = _local(zone)
    found, admitted = [], set()
    for arrived_at, data in sorted(records, key=lambda one: one[0]):
        told = json.loads(data)
        arrived, event = _micros(arrived_at), _micros(datetime.fromisoformat(told["registered_at"]))
        event = arrived if event - arrived > 300 * _SECOND else event
        if arrived - event <= _HOUR:
            if told["event_id"] in admitted:
                continue
            admitted.add(told["event_id"])
        seconds = local(event)
        day = seconds // 86_400
        occurred = told.get("occurred_from")
        occurred_day = local(_micros(datetime.fromisoformat(occurred))) // 86_400 if occurred else day
        hour, block = seconds // 3_600, seconds // 21_600
        where = _station(told), _cell(told)
        found.append(_Report(told, arrived, event, _head(told), hour, day, block, occurred_day, *where))
    return found


def _station(told: Mapping[str, Any]) -> str | None:
    if told.get("is_sensitive") or "police_station" not in told:
        return None
    return f"{told['state']}/{told['district']}/{told['police_station']}"


def _cell(told: Mapping[str, Any]) -> tuple[int, int] | None:
    place = told.get("place", {})
    if "lat" not in place or "lon" not in place:
        return None
    return round(place["lat"] * 1_000), round(place["lon"] * 1_000)


def _micros(moment: datetime) -> int:
    return (moment - _START) // _ONE


def _local(zone: ZoneInfo) -> Callable[[int], int]:
    @cache
    def offset(quarter: int) -> int:
        told = datetime.fromtimestamp(quarter * 900, zone).utcoffset()
        return 0 if told is None else int(told.total_seconds())

    def local(micros: int) -> int:
        seconds = micros // _SECOND
        return seconds + offset(seconds // 900)

    return local


def _head(told: Mapping[str, Any]) -> str:
    found = {
        _HEADS.get(one["act"], {}).get(one["section"].split("(")[0].strip(), "other") for one in told["acts_sections"]
    }
    head = next((one for one in _SERIOUS if one in found), "other")
    is_stolen = any(vehicle["role"] == "stolen" for vehicle in told.get("vehicles", ()))
    return "vehicle theft" if head == "theft" and is_stolen else head


def _first_hours(counted: Iterable[_Report]) -> dict[str, int]:
    first: dict[str, int] = {}
    for report in counted:
        if report.station is not None:
            first[report.station] = min(report.hour, first.get(report.station, report.hour))
    return first


def _surge(counted: list[_Report]) -> Iterator[Alert]:
    first = _first_hours(counted)
    hours = Counter((report.station, report.hour) for report in counted if report.station is not None)
    for (station, hour), now in hours.items():
        earlier = [hour - 168 * week for week in range(1, 9) if hour - 168 * week > first[station]]
        if earlier:
            before = sum(hours[station, one] for one in earlier)
            yield from _levels("surge", station, hour, now, max(5, most(len(earlier), before) + 1))


def _near_repeats(counted: list[_Report]) -> Iterator[Alert]:
    first_day = min((report.day for report in counted if report.station is not None), default=0)
    days: dict[tuple[str, int, int], Counter[int]] = defaultdict(Counter)
    for report in counted:
        if report.head in _NEAR and report.cell is not None:
            days[report.head, *report.cell][report.day] += 1
    for (head, lat, lon), here in days.items():
        around = [
            days[head, lat + north, lon + east] for north, east in _AROUND if (head, lat + north, lon + east) in days
        ]
        for day in here:
            periods = min(12, (day - 7 - first_day) // 7)
            if periods >= 1:
                now = sum(count for one in around for when, count in one.items() if day - 6 <= when <= day)
                before = sum(count for one in around for when, count in one.items() if day - 90 <= when <= day - 7)
                subject = f"{head}|{lat // 5}|{lon // 5}"
                yield from _levels("near_repeats", subject, day, now, max(4, most(periods, before) + 1))


_AROUND = [(north, east) for north in (-1, 0, 1) for east in (-1, 0, 1)]


def _repeat_address(counted: list[_Report]) -> Iterator[Alert]:
    first_day = min((report.day for report in counted if report.station is not None), default=0)
    days: dict[tuple[int, int], Counter[int]] = defaultdict(Counter)
    for report in counted:
        if report.cell is not None:
            days[report.cell][report.day] += 1
    for (lat, lon), here in days.items():
        for day, now in here.items():
            periods = min(27, day - 2 - first_day)
            if periods >= 1:
                before = sum(here[one] for one in range(day - 28, day - 1))
                needed = max(3, most(periods, before) + 1)
                yield from _levels("repeat_address", f"{lat}|{lon}", day, now, needed)


def _is_known(report: _Report) -> bool:
    return report.lateness <= 7 * 24 * _HOUR


def _watch_list(reports: list[_Report], watch: Iterable[tuple[str, datetime, datetime]]) -> Iterator[Alert]:
    listed = [(ref, _micros(begins), _micros(ends)) for ref, begins, ends in watch]
    firs: dict[tuple[str, int], set[str]] = defaultdict(set)
    for report in filter(_is_known, reports):
        refs = {vehicle["ref"] for vehicle in report.told.get("vehicles", ())}
        for ref, begins, ends in listed:
            if ref in refs and begins <= report.arrived < ends:
                firs[ref, report.day].add(report.told["fir_id"])
    for (ref, day), found in firs.items():
        yield from _levels("watch_list", ref, day, len(found), 1)


def _major_head(reports: list[_Report]) -> Iterator[Alert]:
    for report in filter(_is_known, reports):
        if report.head in _MAJOR:
            yield "major_head", f"{report.told['fir_id']}|{report.head}", 0, 1


def _silent_station(counted: list[_Report], zone: ZoneInfo, until: datetime) -> Iterator[Alert]:
    first, blocks, in_time = _first_hours(counted), Counter[tuple[str | None, int]](), Counter[tuple[str | None, int]]()
    for report in counted:
        blocks[report.station, report.block] += 1
        if report.arrived <= _block_end(report.block, zone) + 600 * _SECOND:
            in_time[report.station, report.block] += 1
    for station, first_hour in first.items():
        block = first_hour // 6
        while _block_end(block := block + 1, zone) + 600 * _SECOND <= _micros(until):
            earlier = [block - 28 * week for week in range(1, 9) if (block - 28 * week) * 6 > first_hour]
            before = sum(in_time[station, one] for one in earlier)
            if not in_time[station, block] and before >= _LEAST.get(len(earlier), before + 1):
                yield "silent_station", station, block, 1
                if blocks[station, block]:
                    yield "silent_station", station, block, 2


@cache
def _block_end(block: int, zone: ZoneInfo) -> int:
    naive = datetime(1970, 1, 1) + timedelta(seconds=(block + 1) * 21_600)
    return _micros(naive.replace(tzinfo=zone))


def _duplicates(counted: list[_Report]) -> Iterator[Alert]:
    firs: dict[tuple[str, int], set[str]] = defaultdict(set)
    for report in counted:
        ref = report.told.get("complainant", {}).get("ref")
        if ref is not None:
            firs[f"{ref}|{report.head}|{report.occurred_day}", report.day].add(report.told["fir_id"])
    for (subject, day), found in firs.items():
        yield from _levels("duplicates", subject, day, len(found), 2)
