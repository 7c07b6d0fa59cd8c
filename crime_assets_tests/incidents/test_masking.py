"""What leaves a station has no name, place or number that the contract does not let pass, and nothing else is lost."""

from __future__ import annotations

import hmac
import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from crime_assets.governance.keys import hasher, mask_key
from crime_assets.incidents.contract import FIELDS, event_id
from crime_assets.incidents.heads import head_of, is_sensitive
from crime_assets.incidents.masking import keyed, masked, plate_ref

KEY = bytes(range(32))
HASHED = keyed(KEY)
SECRETS = (
    "Asha",
    "Verma",
    "Mohan",
    "1980-02-03",
    "P1234567",
    "98100",
    "Gali",
    "DL3CAB1234",
    "Raju",
    "he came",
    "28.61394",
)
TIME = "2026-03-02T10:15:00+05:30"


def full(**changed: Any) -> dict[str, Any]:
    """A report with all that a station writes down."""
    person = {
        "name": "Asha Verma",
        "parent": "Mohan Verma",
        "born": "1980-02-03",
        "gender": "female",
        "passport": "P1234567",
        "phone": "98100",
        "address": "12 Gali",
    }
    place = {"lat": 28.61394, "lon": 77.20904, "beat": "B4", "direction": "NE", "distance_km": 1.5, "type": "home"}
    return {
        "kind": "registered",
        "version": 1,
        "state": "SX",
        "district": "101",
        "police_station": "PS03",
        "fir_no": 17,
        "fir_year": 2026,
        "registered_at": TIME,
        "sent_at": TIME,
        "received_at": TIME,
        "gd_no": "12A",
        "gd_time": TIME,
        "is_zero_fir": False,
        "outside_station": None,
        "acts_sections": [{"act": "BNS", "section": "303"}],
        "information_type": "written",
        "place": place | {"address": "12 Gali"},
        "complainant": person,
        "vehicles": [{"plate": "DL 3C AB-1234", "role": "stolen", "owner": "Raju"}],
        "accused": [{"name": "Raju", "age": 30}],
        "accused_known": "yes",
        "accused_count": 1,
        "delay_reason": "he came later",
        "narrative": "he came at night",
        "property_value_inr": 5000.5,
        "action_taken": "investigation",
        **changed,
    }


def test_plain_report() -> None:
    message = masked(full(), HASHED)
    text = json.dumps(message)
    assert not [secret for secret in SECRETS if secret in text]
    assert message["fir_id"] == "SX/101/PS03/2026/17"
    assert message["event_id"] == event_id("SX/101/PS03/2026/17", 1)
    assert (message["place"]["lat"], message["place"]["lon"]) == (28.614, 77.209)
    assert message["complainant"] == {
        "ref": HASHED("complainant", "asha verma\nmohan verma\n1980-02-03"),
        "gender": "female",
        "age_band": "45-59",
    }
    assert message["vehicles"] == [{"ref": plate_ref("dl3cab1234", HASHED), "role": "stolen"}]
    assert not {"outside_station", "delay_reason"} & set(message)
    assert set(message) - {"schema", "place", "complainant"} <= {field.name for field in FIELDS}


@pytest.mark.parametrize(
    "changed",
    [
        {"acts_sections": [{"act": "BNS", "section": "64(1)"}]},
        {"acts_sections": [{"act": "I.P.C.", "section": "376 DA"}]},
        {"acts_sections": [{"act": "BNS", "section": "103"}, {"act": "BNS", "section": "64"}]},
        {"acts_sections": [{"act": "POCSO", "section": "19"}]},
        {"acts_sections": [{"act": "theft of a thing", "section": "1"}]},
        {"acts_sections": None},
        {"victims": [{"name": "Asha", "age": 17}]},
        {"complainant": {"name": "Asha", "born": "2010-03-03"}},
        {"accused": [{"name": "Raju", "age": "12"}]},
        {"is_sensitive": True},
    ],
)
def test_sensitive_report_is_coarsened(changed: dict[str, Any]) -> None:
    message = masked(full(outside_station="PS09", outside_district="102", **changed), HASHED)
    assert message["is_sensitive"] is True
    assert not {"place", "complainant", "police_station", "fir_no", "outside_station", "gd_no"} & set(message)
    assert message["fir_id"] == f"SX/101/~{HASHED('fir', 'SX/101/PS03/2026/17')}"
    assert message["event_id"] == event_id(message["fir_id"], 1)
    assert message["outside_district"] == "102"
    assert "PS0" not in json.dumps(message)


def test_free_text_passes_in_no_field() -> None:
    """Sentences in fields for codes, times, numbers and words are left out."""
    written = "Asha Verma of 12 Gali"
    kept = {"state", "district", "police_station", "fir_no", "fir_year", "version"}
    told: dict[str, Any] = {name: written for name in full() if name not in kept}
    told |= {"acts_sections": [{"act": written, "section": written}], "vehicles": [{"role": written, "plate": "A1"}]}
    told |= {"place": dict.fromkeys(full()["place"], written), "complainant": {"gender": written, "age": written}}
    told |= {"accused": [{"name": written}], "victims": []}
    for is_judged in (False, True):
        acts = {"acts_sections": [{"act": "BNS", "section": "303"}]} if is_judged else {}
        assert written not in json.dumps(masked(full(**told | acts), HASHED))


@pytest.mark.parametrize("name", ["state", "district", "police_station", "fir_no", "fir_year"])
def test_report_without_identity_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name) as raised:
        masked(full(**{name: "Asha Verma"}), HASHED)
    assert "Asha" not in str(raised.value)


def test_hashes_are_hmac_and_alike_with_the_lakes_key(tmp_path: Path) -> None:
    lakes = mask_key(tmp_path)
    key = (tmp_path / "mask.key").read_bytes()
    told = hmac.new(key, b"plate\0DL3CAB1234", "sha256").hexdigest()[:16]
    assert keyed(key)("plate", "DL3CAB1234") == hasher(lakes)("plate", "DL3CAB1234") == f"{lakes.mark}{told}"
    assert HASHED("plate", "A") != HASHED("complainant", "A") != keyed(key)("complainant", "A")


def test_event_id_is_a_uuid_of_version_5() -> None:
    told = uuid.UUID(event_id("SX/101/PS03/2026/17", 2))
    assert told == uuid.uuid5(uuid.UUID("6f1d1b6e-2a53-5f0e-9a64-6c0d8d3f5b11"), "SX/101/PS03/2026/17#2")


def test_subsections_have_the_head_of_their_section() -> None:
    assert head_of([("BNS", "303(2)")], is_vehicle_stolen=False) == "theft"
    assert head_of([("IPC", "303")], is_vehicle_stolen=False) == "murder"
    assert is_sensitive([("BNS", "79")])
    assert not is_sensitive([("IPC", "79")])
