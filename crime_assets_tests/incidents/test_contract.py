"""The identity of a version of a report."""

from __future__ import annotations

import uuid

from crime_assets.incidents.contract import ARRIVED, FIELDS, event_id


def test_an_event_is_identified_by_report_and_version() -> None:
    ids = uuid.UUID("6f1d1b6e-2a53-5f0e-9a64-6c0d8d3f5b11")
    for fir_id, version in (("SX/101/PS7/2026/1", 1), ("SX/101/PS7/2026/1", 2), ("SX/101/~K1a2b3c-00", 1)):
        assert event_id(fir_id, version) == str(uuid.uuid5(ids, f"{fir_id}#{version}"))


def test_no_column_is_there_twice() -> None:
    assert len(set(ARRIVED.names)) == len(ARRIVED)
    assert {field.name for field in FIELDS} <= set(ARRIVED.names)
