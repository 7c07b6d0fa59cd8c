"""The check of gates finds whatever is not for their scopes, in every table."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from crime_assets.governance.gates import GATE, GateMaker
from crime_assets.governance.keys import mask_key
from crime_assets.governance.upkeep import faults
from crime_assets_tests.build import CHICAGO
from crime_assets_tests.governance.policies import TEXT, scope
from crime_assets_tests.governance.worlds import MERGED, lay, versions

pytestmark = pytest.mark.slow

OWN = scope("p.diaz", TEXT.replace(', "insights"]', "]"))
"""Without insights, which take most of the time."""
WITH_INSIGHTS = scope("p.diaz")
OTHER_ID = "UPDATE {0} SET id = id + 100000 WHERE id = (SELECT max(id) FROM {0})"


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> GateMaker:
    place = tmp_path_factory.mktemp("upkeep")
    lake = lay(place / "lake", versions(seed=3, crimes=60))
    made = GateMaker(lake, CHICAGO, lambda: MERGED, lambda: mask_key(place), place / "gates")
    made.gate(OWN)
    return made


def found(maker: GateMaker, *changes: str) -> list[str]:
    """What is said of the gate after changes, which are taken back."""
    gate: Path = maker.gate(OWN).place / GATE
    shutil.copy(gate, kept := gate.with_name("kept"))
    gate.chmod(0o600)
    with duckdb.connect(str(gate)) as con:
        for change in changes:
            con.execute(change)
    said = faults(maker, [OWN])[OWN.digest]
    kept.replace(gate)
    return said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("SELECT 1", []),
        ("INSERT INTO crimes (district) VALUES ('012')", ["other crimes than"]),
        (OTHER_ID.format("crimes"), ["other crimes than"]),
        ("INSERT INTO crimes_superseded (district) VALUES ('012')", ["other crimes_superseded than"]),
        (OTHER_ID.format("crimes_superseded"), ["other crimes_superseded than"]),
        ("DROP TABLE crimes_superseded", ["other crimes_superseded than"]),
        ("CREATE TABLE crimes_quarantine AS SELECT 'x' AS id, 'y' AS raw", ["the table crimes_quarantine"]),
        ("CREATE TABLE insight_compstat AS SELECT '011' AS district", ["the table insight_compstat"]),
        ("CREATE TABLE city_insight_compstat AS SELECT 1 AS crimes", ["the table city_insight_compstat"]),
        ("CREATE TABLE audit_seen AS SELECT 1 AS id", ["the table audit_seen"]),
    ],
)
def test_what_is_not_for_its_scope_is_found(maker: GateMaker, change: str, said: list[str]) -> None:
    told = found(maker, change)
    assert len(told) == len(said), told
    assert all(part in one for part, one in zip(said, told, strict=True)), told


def test_a_district_of_others_in_an_insight_is_found(maker: GateMaker) -> None:
    place = maker.gate(WITH_INSIGHTS).place / GATE
    assert faults(maker, [WITH_INSIGHTS])[WITH_INSIGHTS.digest] == []
    place.chmod(0o600)
    with duckdb.connect(str(place)) as con:
        con.execute("UPDATE insight_compstat SET district = '012' WHERE district = 'all'")
    assert faults(maker, [WITH_INSIGHTS])[WITH_INSIGHTS.digest] == [
        "insight_compstat has districts that its scope has not"
    ]
