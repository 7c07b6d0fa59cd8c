"""The made-up state is the same whenever it is made, tells nobody's name, and has what its modules say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import orjson
import pytest

from crime_assets.incidents.contract import LARGEST
from crime_assets.incidents.heads import SENSITIVE, head_of
from crime_assets.incidents.sample import NO_FAULTS, Faults, SampleReports, Sent, people, planted
from crime_assets.incidents.sample import faults as faulty
from crime_assets.incidents.sample.pace import as_they_come
from crime_assets.incidents.sample.stations import STATIONS
from crime_assets.incidents.times import BLOCK, DAY, HORIZON, HOUR, Calendar
from crime_assets_tests.incidents.oracle import Alert, alerts, most

FIRST = datetime(2026, 1, 5, tzinfo=UTC)
CITY = SampleReports(7, FIRST, 6, 900)
CALENDAR = Calendar("Asia/Kolkata")


@cache
def city() -> tuple[Sent, ...]:
    return tuple(CITY.records())


@cache
def found() -> set[Alert]:
    """What the oracle finds in the city; it is told when the sample ends."""
    records = [(one.arrived_at, one.data) for one in city() if not one.fault]
    return alerts(records, CITY.watched(), CITY.zone, datetime.fromtimestamp(CITY.ends, UTC))


def messages() -> Iterator[tuple[Sent, dict[str, Any]]]:
    return ((one, orjson.loads(one.data)) for one in city() if not one.fault)


def number(spot: planted.Spot, length: int) -> int:
    """The local number of the hour, block or day in which something is planted."""
    return (CALENDAR.local(CITY.begins) + spot.day * DAY + spot.hour * HOUR) // length


def revisions(rule: str, subject: str, window: int) -> set[int]:
    return {one[3] for one in found() if one[:3] == (rule, subject, window)}


def test_same_seed_same_bytes_whatever_the_chunk() -> None:
    small = SampleReports(7, FIRST, 1, 300)
    assert list(small.records()) == list(small.records(hours_at_once=7)) == list(small.records(hours_at_once=1_000))
    assert list(small.records()) != list(SampleReports(8, FIRST, 1, 300).records())


def test_longer_sample_begins_like_a_shorter_one() -> None:
    short, longer = (list(SampleReports(7, FIRST, weeks, 300).records()) for weeks in (1, 2))
    assert longer[: len(short)] == short


def test_arrival_order_and_end() -> None:
    times = [one.arrived_at for one in city()]
    assert times == sorted(times)
    assert CITY.begins <= times[0].timestamp() < times[-1].timestamp() < CITY.ends
    assert CALENDAR.local(CITY.begins) % DAY == 0


def test_nothing_that_must_stay_at_the_station_leaves_it() -> None:
    """Neither names, streets and plates of the lists, nor what full reports have beside them."""
    sent = b"\n".join(one.data for one in city()).lower()
    listed = {*people.NAMES, *people.SURNAMES, *(street.split()[0] for street in people.STREETS), *planted.PLATES}
    assert not [one for one in listed if one.lower().encode() in sent]
    small = SampleReports(7, FIRST, 1, 300, faults=Faults(poison=0.2))
    sent = b"\n".join(one.data for one in small.records())
    secret: set[str] = set()
    for report in (report for day in small.written() for report in day):
        person, place = report.full["complainant"], report.full["place"]
        secret |= {person["name"], person["born"], person["phone"], place["address"], report.full["narrative"]}
        secret |= {vehicle["plate"] for vehicle in report.full.get("vehicles", ())}
    assert len(secret) > 1_000
    assert not [one for one in secret if one.encode() in sent]


def test_sensitive_reports_are_coarsened() -> None:
    hidden = 0
    for _, told in messages():
        head = head_of([(one["act"], one["section"]) for one in told["acts_sections"]], is_vehicle_stolen=False)
        if head in SENSITIVE:
            hidden += 1
            assert told["is_sensitive"] is True
            assert not {"place", "complainant", "police_station", "fir_no", "gd_no"} & set(told)
            assert told["fir_id"].startswith(f"SX/{told['district']}/~K")
    assert hidden > 100


def test_shares_of_faults() -> None:
    seen: Counter[str] = Counter()
    ids: Counter[str] = Counter()
    first: dict[str, int] = {}
    wrong = {STATIONS[faulty.AHEAD_STATION].name, STATIONS[faulty.BEHIND_STATION].name}
    for one, told in messages():
        ids[told["event_id"]] += 1
        first.setdefault(told["fir_id"], told["version"])
        seen["utc"] += told["registered_at"].endswith("Z")
        station = f"{told['state']}/{told['district']}/{told.get('police_station')}"
        if told["version"] > 1 or ids[told["event_id"]] > 1 or station in wrong:
            seen[told["kind"]] += told["version"] > 1
            continue
        wait = (one.arrived_at - datetime.fromisoformat(told["registered_at"])).total_seconds()
        seen["late"] += 60 <= wait <= HORIZON
        seen["beyond"] += wait > HORIZON
    n = len(ids)
    assert 0.01 < sum(ids.values()) / n - 1 < 0.03
    assert 0.01 < seen["late"] / n < 0.035
    assert 0.0005 < seen["beyond"] / n < 0.008
    assert 0.025 < seen["amended"] / n < 0.06
    assert 0.001 < seen["cancelled"] / n < 0.01
    assert seen["transferred"] > 0
    assert 1 <= sum(version > 1 for version in first.values()) < 0.01 * n
    assert 0.4 < seen["utc"] / n < 0.6


def test_clocks_that_are_wrong() -> None:
    ahead, behind = STATIONS[faulty.AHEAD_STATION], STATIONS[faulty.BEHIND_STATION]
    waits: dict[str, list[float]] = {"ahead": [], "behind": []}
    for one, told in messages():
        key = (told["district"], told.get("police_station", ""))
        which = {ahead[:2]: "ahead", behind[:2]: "behind"}.get(key)
        if which and told["version"] == 1:
            wait = one.arrived_at - datetime.fromisoformat(told["registered_at"])
            waits[which].append(wait.total_seconds())
    assert min(waits["ahead"]) < -3_000
    assert sum(wait < 0 for wait in waits["ahead"]) < len(waits["ahead"]) / 2
    assert min(waits["behind"]) > 1_200


def test_poison_of_every_reason_is_named() -> None:
    small = SampleReports(7, FIRST, 1, 600, faults=Faults(poison=0.5))
    poison = [one for one in small.records() if one.fault]
    assert {one.fault for one in poison} == set(faulty.REASONS)
    assert all(len(one.data) > LARGEST for one in poison if one.fault == "too_large")
    for one in poison:
        if one.fault == "not_json":
            with pytest.raises(orjson.JSONDecodeError):
                orjson.loads(one.data)
    assert not [one for one in SampleReports(7, FIRST, 1, 600, faults=NO_FAULTS).records() if one.fault]


def test_limits_of_the_oracle() -> None:
    assert [most(8, before) for before in range(6)] == [4, 4, 5, 6, 6, 6]
    assert [most(28, before) for before in range(6)] == [2, 3, 3, 3, 3, 4]
    assert most(8, 10) == 8


def test_surge_is_found() -> None:
    assert 1 in revisions("surge", STATIONS[planted.SURGE.station].name, number(planted.SURGE, HOUR))


def test_chain_is_found() -> None:
    lat, lon = planted.point_beside(planted.CHAIN.station)
    last = number(planted.CHAIN, DAY) + 5
    assert revisions("near_repeats", f"burglary|{lat // 5}|{lon // 5}", last) == {1}


def test_address_is_found() -> None:
    lat, lon = planted.point_beside(planted.ADDRESS.station)
    assert revisions("repeat_address", f"{lat}|{lon}", number(planted.ADDRESS, DAY)) == {1, 2}


def test_watched_plates_are_found() -> None:
    refs = [one.ref for one in CITY.watched()]
    days = [number(spot, DAY) for spot in planted.SEEN]
    assert {one[1:] for one in found() if one[0] == "watch_list"} == {
        *((refs[0], days[0], 1), (refs[0], days[0], 2)),
        (refs[1], days[2], 1),
        (refs[2], days[4], 1),
    }


def test_major_heads_are_found() -> None:
    for spot, head in planted.MAJOR_HEADS:
        station = STATIONS[spot.station].name
        assert any(
            one[0] == "major_head" and one[1].startswith(f"{station}/") and one[1].endswith(f"|{head}")
            for one in found()
        )


def test_silence_is_found_and_withdrawn() -> None:
    quiet, late = (STATIONS[spot.station].name for spot in (planted.SILENT, planted.WITHDRAWN))
    assert revisions("silent_station", quiet, number(planted.SILENT, BLOCK)) == {1}
    assert revisions("silent_station", late, number(planted.WITHDRAWN, BLOCK)) == {1, 2}


def test_who_reports_twice_is_found() -> None:
    days = Counter(one[2] for one in found() if one[0] == "duplicates" and f"|{planted.TWICE_HEAD}|" in one[1])
    assert days == Counter(number(spot, DAY) for spot, _ in planted.TWICE)


def test_little_is_found_where_nothing_is_planted() -> None:
    plain = SampleReports(7, FIRST, 6, 900, planted=False)
    records = [(one.arrived_at, one.data) for one in plain.records() if not one.fault]
    end = datetime.fromtimestamp(plain.ends, UTC) + timedelta(hours=1)
    counts = Counter(one[0] for one in alerts(records, plain.watched(), plain.zone, end))
    assert counts["surge"] + counts["near_repeats"] + counts["repeat_address"] <= 3
    assert not {"watch_list", "duplicates", "silent_station"} & set(counts)


def test_flood_is_few_alerts() -> None:
    """5,000 reports at one point raise each rule once, at all of its levels."""
    flooded = SampleReports(7, FIRST, 6, 100, flood=True, faults=NO_FAULTS)
    records = [(one.arrived_at, one.data) for one in flooded.records()]
    day, hour = number(planted.FLOOD, DAY), number(planted.FLOOD, HOUR)
    lat, lon = planted.point_beside(planted.FLOOD.station)
    end = datetime.fromtimestamp(flooded.ends, UTC)
    raised = {one[:3] for one in alerts(records, [], flooded.zone, end) if one[3] == 4}
    assert raised == {
        ("surge", STATIONS[planted.FLOOD.station].name, hour),
        ("near_repeats", f"burglary|{lat // 5}|{lon // 5}", day),
        ("repeat_address", f"{lat}|{lon}", day),
    }


def test_messages_come_at_their_time_and_are_the_same() -> None:
    """By a clock that goes on only while somebody waits, too little each time."""
    now, slept, messages = [FIRST], [0.0], list(SampleReports(7, FIRST, 1, 300).records())

    def wait(seconds: float) -> bool:
        slept[0] += seconds
        now[0] += timedelta(seconds=max(seconds * 0.9, 0.001))
        return False

    came = [(now[0], due) for due in as_they_come(messages, lambda: now[0], wait)]

    assert [one for _, due in came for one in due] == messages
    early = [one for one in messages if one.arrived_at <= FIRST]
    assert came[0] == (FIRST, early)
    for at, due in came[1:]:
        assert all(timedelta(0) <= at - one.arrived_at < timedelta(seconds=0.01) for one in due)
    assert slept[0] > (messages[-1].arrived_at - FIRST).total_seconds()


def test_no_message_comes_after_the_stop() -> None:
    messages = list(SampleReports(7, FIRST, 1, 300).records())
    late = [one for one in messages if one.arrived_at > FIRST]
    waits: list[float] = []
    came = list(as_they_come(messages, lambda: FIRST, lambda seconds: bool(waits.append(seconds)) or True))
    assert [one for due in came for one in due] == messages[: -len(late)]
    assert waits == [(late[0].arrived_at - FIRST).total_seconds()]
