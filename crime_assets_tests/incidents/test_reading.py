"""Messages become rows, or are quarantined with the reason and without anything that could be a name."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crime_assets.incidents.contract import ARRIVED, Record, event_id
from crime_assets.incidents.reading import Reader
from crime_assets.incidents.times import Calendar
from crime_assets_tests.incidents.messages import OTHER_REF, REF, REGISTERED, message, record, sensitive

NAME = "Asha Devi, 12 Lake Road"


@pytest.fixture
def reader() -> Reader:
    return Reader(Calendar("Asia/Kolkata"))


def row(reader: Reader, told: Record) -> dict[str, Any]:
    reports, bad = reader.read([told])
    assert bad == []
    (found,) = reports.to_pylist()
    return found


def test_a_report_becomes_a_row(reader: Reader) -> None:
    found = row(reader, record(message(41)))

    assert list(found) == ARRIVED.names
    assert found["event_id"] == event_id("SX/101/PS7/2026/41", 1)
    assert (found["kind"], found["version"], found["fir_no"], found["district"]) == ("registered", 1, 41, "101")
    assert found["registered_at"] == REGISTERED
    assert found["occurred_from"] == datetime(2026, 3, 1, 16, 30, tzinfo=UTC)
    assert (found["major_head"], found["is_sensitive"]) == ("vehicle theft", False)
    assert (found["lat_milli"], found["lon_milli"], found["block_lat"], found["block_lon"]) == (
        28613,
        77209,
        5722,
        15441,
    )
    assert (found["complainant_ref"], found["complainant_age_band"]) == (REF, "30-44")
    assert json.loads(found["vehicles"]) == [{"ref": OTHER_REF, "role": "stolen"}]
    assert json.loads(found["acts_sections"]) == [{"act": "BNS", "section": "303"}]
    assert (found["beat"], found["place_type"], found["distance_km"]) == ("B3", "street", 1.5)
    assert found["station"] == "SX/101/PS7"
    # 2 March 2026, 10 h in India: 20,514 days after 1970.
    assert (found["day_number"], found["occurred_day"]) == (20_514, 20_513)
    assert (found["block_number"], found["hour_number"]) == (20_514 * 4 + 1, 20_514 * 24 + 10)
    assert (found["arrived_s"] - found["registered_s"], found["shard"], found["sequence"]) == (30, "s1", "1")


def test_places_south_and_west_belong_to_the_cells_below(reader: Reader) -> None:
    found = row(reader, record(message(place={"lat": -33.001, "lon": -70.006})))

    assert (found["lat_milli"], found["lon_milli"], found["block_lat"], found["block_lon"]) == (
        -33001,
        -70006,
        -6601,
        -14002,
    )


def test_times_in_any_zone_are_the_same_moment(reader: Reader) -> None:
    there = row(reader, record(message(registered_at="2026-03-02T04:45:30Z")))
    here = row(reader, record(message()))

    assert {**there, "md5": None} == {**here, "md5": None}


def test_what_is_null_is_absent(reader: Reader) -> None:
    told = {**message(), "gd_no": None, "accused_count": None}

    assert row(reader, record(told))["gd_no"] is None


@pytest.mark.parametrize(
    ("after", "is_admitted", "is_known"),
    [(3_600, True, True), (3_600.001, False, True), (7 * 86_400, False, True), (7 * 86_400 + 1, False, False)],
)
def test_how_late_it_may_be(reader: Reader, after: float, is_admitted: bool, is_known: bool) -> None:
    found = row(reader, record(message(), after))

    assert (found["is_admitted"], found["is_counted"], found["is_known"]) == (is_admitted, is_admitted, is_known)


def test_changes_of_a_report_are_not_counted(reader: Reader) -> None:
    found = row(reader, record(message(version=2)))

    assert (found["is_admitted"], found["is_counted"]) == (True, False)


@pytest.mark.parametrize(("after", "is_in_time"), [(6_270, True), (6_871, False)])
def test_a_block_of_six_hours_waits_ten_minutes(reader: Reader, after: float, is_in_time: bool) -> None:
    """Registered at 10:15:30; the block ends at 12:00."""
    assert row(reader, record(message(), after))["is_in_time"] is is_in_time


def test_a_clock_that_is_ahead_is_not_believed(reader: Reader) -> None:
    found = row(reader, record(message(), -3_600))

    assert (found["is_ahead"], found["is_admitted"]) == (True, True)
    assert found["registered_s"] == found["arrived_s"] == (REGISTERED - timedelta(hours=1)).timestamp()
    assert found["registered_at"] == REGISTERED


def test_sensitive_reports_are_of_no_station(reader: Reader) -> None:
    found = row(reader, record(sensitive()))

    assert (found["major_head"], found["is_sensitive"], found["district"]) == ("rape", True, "101")
    assert (found["station"], found["lat_milli"], found["block_lat"], found["complainant_ref"]) == (
        None,
        None,
        None,
        None,
    )


UNFIT: list[tuple[str, Any]] = [
    ("not_json", b"{"),
    ("not_json", b"\xff" + NAME.encode()),
    ("not_fir_1", b"[" * 60_000),
    ("not_fir_1", b"[]"),
    ("not_json", b'{"schema":"fir/1","gd_no":"'),
    ("bad_type:place", b'{"schema":"fir/1","place":' + b"[" * 60_000),
    ("too_large", message(gd_no="1" * 70_000)),
    ("not_fir_1", message(schema="fir/2")),
    ("not_fir_1", message(schema=1)),
    ("missing:schema", message(schema=None)),
    ("unknown_field", message(complainant_name=NAME)),
    ("unknown_field", message(place={"lat": 28.613, "lon": 77.209, "address": NAME})),
    ("unknown_field", message(complainant={"name": NAME})),
    ("missing:version", {name: value for name, value in message().items() if name != "version"}),
    ("missing:police_station", message(police_station=None)),
    ("missing:ref", message(vehicles=[{"role": "seen"}])),
    ("bad_type:version", message() | {"version": "1"}),
    ("bad_type:is_sensitive", message(is_sensitive="no")),
    ("bad_type:place", message(place={"lat": "28.6"})),
    ("bad_value:accused_count", message(accused_count=-1)),
    ("bad_value:police_station", message(police_station=NAME * 3)),
    ("bad_value:place", message(place={"lat": 91.0})),
    ("bad_value:information_type", message(information_type=NAME)),
    ("bad_value:registered_at", message(registered_at="yesterday")),
    ("bad_value:occurred_from", message(occurred_from="9999-12-31T23:59:59-05:00")),
    ("bad_value:sent_at", message(sent_at="0001-01-01T00:00:00+05:30")),
    ("bad_value:registered_at", message(registered_at="0001-01-01T00:00:00+05:30")),
    ("bad_value:vehicles", message(vehicles=[{"ref": "DL 1C AB 1234", "role": "seen"}])),
    ("bad_value:fir_id", message(fir_id="SX/101/PS7/2026/999")),
    ("no_zone", message(registered_at="2026-03-02T10:15:30")),
    ("event_id_not_of_version", message(event_id=event_id("SX/101/PS7/2026/1", 2))),
    ("version_not_of_kind", message(version=2, kind="registered")),
    ("too_precise", message(place={"lat": 28.6131, "lon": 77.209})),
    ("not_coarsened", message(acts_sections=[{"act": "IPC", "section": "376"}])),
    ("not_coarsened", message(acts_sections=[{"act": "Bns", "section": "64 (1)"}])),
    ("not_coarsened", message(acts_sections=[{"act": "I.P.C.", "section": "376d"}])),
    ("not_coarsened", message(acts_sections=[{"act": "Pocso", "section": "4"}])),
    ("bad_value:fir_id", sensitive(fir_id="SX/101/~PS7/2026/1")),
    ("bad_value:fir_id", sensitive(fir_id="SX/101/~Asha Devi")),
    ("not_coarsened", sensitive(place={"lat": 28.613, "lon": 77.209})),
    ("not_coarsened", message(is_sensitive=True)),
    ("registered_in_future", message(registered_at="2026-03-02T12:16:01+05:30")),
]


@pytest.mark.parametrize(("reason", "told"), UNFIT, ids=[f"{number}-{one[0]}" for number, one in enumerate(UNFIT)])
def test_what_does_not_fit_is_quarantined(reader: Reader, reason: str, told: Any) -> None:
    reports, (bad,) = reader.read([record(told, sequence="77")])

    assert (len(reports), bad.reason, bad.shard, bad.sequence) == (0, reason, "s1", "77")
    assert NAME not in repr(bad)
    assert "DL 1C" not in repr(bad)
    assert len(bad.md5) == 32
    assert json.loads(bad.kept).keys() <= {*message(), "gd_no", "accused_count", "information_type"}


def test_what_fits_of_it_is_kept(reader: Reader) -> None:
    _, (bad,) = reader.read([record(message(complainant_name=NAME, accused_known="perhaps"))])

    kept = json.loads(bad.kept)
    assert kept["fir_id"] == "SX/101/PS7/2026/1"
    assert kept.keys().isdisjoint({"complainant_name", "accused_known", "place", "complainant", "vehicles"})


def test_bad_messages_do_not_hold_up_good_ones(reader: Reader) -> None:
    records = [record(message(number) if number % 3 else b"?", sequence=str(number)) for number in range(1, 10)]

    reports, bad = reader.read(records)

    assert reports.column("sequence").to_pylist() == ["1", "2", "4", "5", "7", "8"]
    assert [one.sequence for one in bad] == ["3", "6", "9"]
