"""What a consumer raises equals what an independent oracle says of the same messages, whatever befalls them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from crime_assets.incidents.sample import SampleReports
from crime_assets_tests.incidents.consumed import Consumed
from crime_assets_tests.incidents.oracle import alerts

FIRST = datetime(2026, 1, 5, tzinfo=UTC)


def check_equal(place: Path, sample: SampleReports, most: int) -> Consumed:
    """Consume a sample, with all its faults; its alerts are those of the oracle, each published once."""
    sent = list(sample.records())
    consumed = Consumed(place)
    consumed.put((one.arrived_at, one.key, one.data) for one in sent)
    consumed.watch(sample.watched())

    totals = consumed.run(most=most)

    assert (totals.records, totals.quarantined) == (len(sent), sum(bool(one.fault) for one in sent))
    until = datetime.fromtimestamp(consumed.status["watermark"], UTC)
    whole = [(one.arrived_at, one.data) for one in sent if not one.fault]
    expected = alerts(whole, sample.watched(), sample.zone, until)
    assert consumed.raised().keys() == expected
    assert set(consumed.raised().values()) == {1}
    return consumed


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "most"), [(11, 5_000), (12, 700)])
def test_the_oracle_says_the_same(tmp_path: Path, seed: int, most: int) -> None:
    consumed = check_equal(tmp_path, SampleReports(seed, FIRST, 9, 1_200), most)

    rules = {alert["rule"] for alert in consumed.alerts()}
    assert rules == {
        *("surge", "near_repeats", "repeat_address", "watch_list", "major_head", "silent_station", "duplicates")
    }
