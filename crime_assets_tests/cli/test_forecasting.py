"""`crime-assets run` forecasts where it can, says why where it cannot, and ends with an error where a fault is."""

from datetime import date
from pathlib import Path

import pytest

from crime_assets.cli.main import main
from crime_assets.core import keys
from crime_assets.defs.work.forecast_inputs import obstacle
from crime_assets.lakehouse.writing.forecasts import days
from crime_assets.profiles import Profile, Settings
from crime_assets_tests.build import record, write_export

pytestmark = pytest.mark.slow

SUNDAYS = "2024-01-21", "2024-01-28"
BATTERY = {"primary_type": "BATTERY", "fbi_code": "08B", "iucr": "0486"}


def test_a_lake_without_index_crimes_is_not_forecast_from_and_one_with_damage_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CRIME_FEED", "export")
    monkeypatch.setenv("CRIME_EXPORT", str(tmp_path / "*.csv"))
    profile = Profile(Settings.from_environment())

    def run(day: str) -> tuple[int, str]:
        code = main(["run", "--from", day, "--to", day])
        found = capsys.readouterr()
        return code, found.out + found.err

    batteries = [record(n, "2024-01-10", occurred="2024-01-02", **BATTERY) for n in range(1, 11)]
    write_export(tmp_path / "first.csv", [*batteries, record(20, SUNDAYS[0], occurred="2024-01-12", **BATTERY)])
    code, said = run(SUNDAYS[0])
    assert code == 0, said
    assert said.count("Not forecasting from 2024-01-21: the lake knows of no index crime.\n") == 1
    assert days(profile.lake, profile.city) == set()

    # A theft has come, but what would make cells of the city is damaged.
    write_export(tmp_path / "more.csv", [record(30, SUNDAYS[1], occurred="2024-01-19")])
    key = keys.boundaries("chicago", "community_area")
    profile.landing.write(key, b"{half a map")
    code, said = run(SUNDAYS[1])
    assert code != 0
    assert said.endswith(f"crime-assets: {profile.landing.location(key)} is damaged: materialize boundaries anew.\n")
    assert days(profile.lake, profile.city) == set()

    sunday = date.fromisoformat(SUNDAYS[1])
    profile.landing.delete(key)
    assert "no index crime before the lake began has a place" in str(obstacle(profile, profile.engine, sunday))
    ring = [[-87.64, 41.87], [-87.61, 41.87], [-87.61, 41.90], [-87.64, 41.90], [-87.64, 41.87]]
    profile.landing.write(key, b'{"areas": {"32": [%s]}}' % str(ring).encode())
    assert obstacle(profile, profile.engine, sunday) is None
