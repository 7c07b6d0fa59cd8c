"""200,000 reports and more with every fault: alerts as the oracle says, and few of a flood at one point."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from crime_assets.incidents.sample import SampleReports
from crime_assets_tests.incidents.test_oracle import FIRST, check_equal

pytestmark = pytest.mark.stress


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_oracle_says_the_same_of_200_000(tmp_path: Path, seed: int) -> None:
    consumed = check_equal(tmp_path, SampleReports(seed, FIRST, 9, 21_000, flood=True), 5_000)

    assert consumed.status["records"] >= 200_000
    found = Counter(alert["rule"] for alert in consumed.alerts())
    assert len(found) == 7
    # 5,000 reports at one point, which would be more than twelve million pairs.
    assert sum(number for rule, number in found.items() if rule != "major_head") < 1_000
