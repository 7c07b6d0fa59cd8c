"""Messages, lines and clocks that nobody expects: none stops a consumer, and none is kept that has to be hidden."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crime_assets.core.errors import LandingError
from crime_assets.incidents.deliveries import read_reports
from crime_assets.incidents.reading import Reader
from crime_assets.incidents.sources.directory import line_of, record_of
from crime_assets.incidents.times import Calendar
from crime_assets_tests.incidents.consumed import NAME, Consumed
from crime_assets_tests.incidents.messages import REGISTERED, message, record, sensitive

AT = "2026-03-02T04:46:00+00:00"


@pytest.mark.parametrize("name", ["registered_at", "occurred_from"])
@pytest.mark.parametrize(
    ("when", "zone"),
    [
        ("9999-12-31T23:59:59Z", "Asia/Kolkata"),
        ("9999-12-31T23:59:59-14:00", "Asia/Kolkata"),
        ("0001-01-01T00:00:00+14:00", "Asia/Kolkata"),
        ("0001-01-01T00:00:00Z", "America/New_York"),
    ],
)
def test_no_time_stops_the_reader(name: str, when: str, zone: str) -> None:
    """9999-12-31 is what many systems write for an unknown one."""
    reports, bad = Reader(Calendar(zone)).read([record(message(**{name: when}))])
    assert len(reports) + len(bad) == 1


@pytest.mark.parametrize("name", ["occurred_to", "received_at", "gd_time", "sent_at"])
@pytest.mark.parametrize("when", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
def test_every_delivery_can_be_read(tmp_path: Path, name: str, when: str) -> None:
    consumed = Consumed(tmp_path)
    consumed.put([(REGISTERED, "k", json.dumps(message(**{name: when})).encode())])
    consumed.run()
    for found in consumed.store.list(f"live/stream={NAME}/epoch={consumed.epoch}/deliveries/"):
        list(read_reports(consumed.store, found.key))


def test_what_was_not_coarsened_is_not_kept_in_the_quarantine() -> None:
    """The station, the number and the diary entry of a rape: that for which it was refused."""
    told = message(acts_sections=[{"act": "BNS", "section": "64"}], gd_no="GD 12", outside_station="PS9")
    _, (bad,) = Reader(Calendar("Asia/Kolkata")).read([record(told)])
    assert bad.reason == "not_coarsened"
    assert json.loads(bad.kept).keys().isdisjoint({"police_station", "fir_no", "fir_id", "gd_no", "outside_station"})


def test_a_sensitive_report_has_no_diary_entry() -> None:
    """It tells where it was."""
    _, bad = Reader(Calendar("Asia/Kolkata")).read([record(sensitive(gd_no="GD 12"))])
    assert [one.reason for one in bad] == ["not_coarsened"]


def test_an_arrival_clock_far_ahead_does_not_stop_the_consumer(tmp_path: Path) -> None:
    consumed = Consumed(tmp_path)
    weeks = [REGISTERED + timedelta(weeks=week, minutes=n) for week in range(5) for n in range(12)]
    found = [(at, "a", json.dumps(message(n, registered_at=at.isoformat())).encode()) for n, at in enumerate(weeks, 1)]
    found.insert(20, (datetime(2099, 1, 1, tzinfo=UTC), "a", b"?"))
    consumed.put(found, shards=1, is_ended=False)
    consumed.run(most=7)
    assert consumed.status["watermark"] < datetime(2027, 1, 1, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "line",
    [
        b'{"n":1,"data":{"x":1},"at":"%s","key":"k"}' % AT.encode(),
        b'{"at":"%s","data":{"x":1},"key":"k","n":1}' % AT.encode(),
        b'{"n": 1, "at": "%s", "key": "k", "data": {"x": 1,"data":2}}' % AT.encode(),
    ],
)
def test_lines_of_others_are_read_in_any_order(line: bytes) -> None:
    assert record_of(line, "s", 1, 1).data


def test_deep_json_is_put_as_base64() -> None:
    deep = b'{"a":' * 20_000 + b"1" + b"}" * 20_000
    assert b"base64" in line_of(1, REGISTERED, "k", deep)


def test_a_deep_line_of_others_is_damage(tmp_path: Path) -> None:
    consumed = Consumed(tmp_path)
    consumed.put([(REGISTERED, "k", b"?")])
    (path,) = (tmp_path / "source/shards").glob("*/*.ndjson")
    path.write_bytes(b'{"n": 1, "at": "%s", "key": "k", "data": %s}\n' % (AT.encode(), b"[" * 90_000 + b"]" * 90_000))
    try:
        consumed.run()
    except LandingError:
        return
    assert consumed.quarantined()


@pytest.mark.parametrize("most", [1, 7])
def test_where_a_stream_ends_does_not_depend_on_ticks(tmp_path: Path, most: int) -> None:
    marks = []
    for name, size in (("one", most), ("all", 5_000)):
        consumed = Consumed(tmp_path / name)
        times = [REGISTERED + timedelta(minutes=10 * n) for n in range(20)]
        consumed.put(
            [
                (at, f"k{n}", json.dumps(message(n, registered_at=at.isoformat())).encode())
                for n, at in enumerate(times, 1)
            ]
        )
        consumed.run(most=size)
        marks.append(consumed.status["watermark"])
    assert marks[0] == marks[1]


def test_a_channel_that_is_new_is_not_told_of_months_of_alerts(tmp_path: Path) -> None:
    consumed, murder = Consumed(tmp_path), [{"act": "BNS", "section": "103"}]
    consumed.put(
        [
            (at, "k", json.dumps(message(n, acts_sections=murder, registered_at=at.isoformat())).encode())
            for n, at in ((n, REGISTERED + timedelta(minutes=n)) for n in range(1, 30))
        ],
        is_ended=False,
    )
    consumed.run(most=1)
    heard: list[object] = []

    class Channel:
        name = "topic"

        def tell(self, alerts: list[object]) -> None:
            heard.extend(alerts)

    from crime_assets.incidents.loop import Loop
    from crime_assets.incidents.sources.directory import DirectorySource

    state = consumed._state(lambda _: None)
    source = DirectorySource(consumed.place / "source", NAME, is_live=False)
    loop = Loop(source, state, consumed.store, Calendar("Asia/Kolkata"), lambda: datetime.now(UTC))
    loop.run([Channel()], until_ended=True)
    state.close()
    assert len(heard) < 20
