"""Two worlds of real rows: the year 2018 as it was exported, and as if most of it had been otherwise outside of 011."""

from __future__ import annotations

import csv
import gzip
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Self

import pytest

from crime_assets.governance import confine
from crime_assets.governance.gates import GATE, GateMaker
from crime_assets.governance.keys import mask_key
from crime_assets.governance.policy import parse_policy
from crime_assets.governance.pool import Pool
from crime_assets.governance.scopes import scope_of
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.writing import history_ledger
from crime_assets.profiles import Profile, Settings
from crime_assets_tests.build import CHICAGO
from crime_assets_tests.governance.policies import TYPES
from crime_assets_tests.governance.test_two_worlds import (
    QUICK,
    SEEN_BY_STAT,
    WALLS,
    World,
    attacks,
    check_selects,
    said,
)
from crime_assets_tests.graph import Graph
from crime_assets_tests.lakehouse.lakes import files
from crime_assets_tests.publishing.governed.behind import POLICY, SCOPES

pytestmark = [
    pytest.mark.stress,
    pytest.mark.skipif(not confine.landlock_version(), reason="this kernel has no Landlock: nobody is answered here"),
]

DAYS = ["2018-11-18", "2018-11-19"]
MERGED = [date.fromisoformat(DAYS[0]) + timedelta(days=n) for n in range(2)]


NOW = datetime(2018, 11, 21, 12, tzinfo=UTC)


class Always(datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return cls(NOW.year, NOW.month, NOW.day, NOW.hour, tzinfo=tz)


def altered(source: Path, target: Path) -> None:
    """The export with a third of what is hidden gone, and the rest of it otherwise."""
    chance = random.Random(7)
    with gzip.open(source, "rt", newline="") as read, gzip.open(target, "wt", newline="") as write:
        rows = csv.DictReader(read)
        assert rows.fieldnames is not None
        written = csv.DictWriter(write, rows.fieldnames)
        written.writeheader()
        for row in rows:
            if row["District"] == "011":
                written.writerow(row)
            elif chance.random() > 1 / 3:
                written.writerow(
                    {
                        **row,
                        "Case Number": f"ZZ{chance.randrange(10**6):06d}",
                        "Block": f"0{chance.randrange(10, 99)}XX W HIDDEN ST",
                        "District": "012",
                        "Beat": "1299",
                        "IUCR": chance.choice(["0486", "0820"]),
                        "Primary Type": "ZHIDDEN",
                        "Arrest": chance.choice(["true", "false"]),
                        "Latitude": f"{41.7 + chance.random() / 10:.6f}",
                        "Longitude": f"{-87.7 + chance.random() / 10:.6f}",
                    }
                )


@pytest.fixture(scope="module")
def lakes(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> list[Path]:
    place = tmp_path_factory.mktemp("exports")
    real = shared_data / "chicago" / "Crimes_-_2018.csv.gz"
    altered(real, other := place / "Crimes_-_2018.csv.gz")
    homes = []
    with pytest.MonkeyPatch.context() as patch:
        # When a crime was pulled is seen by who sees the crime: it is the same in both worlds.
        patch.setattr(history_ledger, "datetime", Always)
        for name, export in (("one", real), ("two", other)):
            home = tmp_path_factory.mktemp(name)
            profile = Profile(Settings(home=home / "lake", feed="export", export=str(export)), lambda: NOW)
            profile.begin(MERGED[0])
            graph = Graph(profile)
            graph.load()
            graph.run(DAYS[0], DAYS[1], only={"raw_crime_batches", "crime_deliveries", "crimes"})
            homes.append(home)
    return homes


@pytest.fixture(scope="module", params=SCOPES)
def worlds(lakes: list[Path], request: pytest.FixtureRequest) -> list[World]:
    policy = parse_policy(POLICY.encode())
    scope = scope_of(policy, policy.principals[request.param], TYPES)
    key = mask_key(lakes[0].parent / "key")
    found = []
    for home in lakes:
        lake = Lake(home / "lake")
        maker = GateMaker(lake, CHICAGO, lambda: MERGED, lambda: key, home / "gates")
        found.append(World(home, maker.gate(scope), files(lake)[0]))
    return found


@pytest.fixture(scope="module")
def pools() -> Iterator[dict[str, Pool]]:
    made = {switches: Pool(QUICK, tuple(switches.split())) for switches in WALLS}
    yield made
    for pool in made.values():
        pool.close()


def test_the_gates_hold_something_and_are_equally_large(worlds: list[World], pools: dict[str, Pool]) -> None:
    assert len({(world.gate.place / GATE).stat().st_size for world in worlds}) == 1
    counts = [pools[""].ask(world.gate, "SELECT count(*) FROM crimes").rows.to_pylist()[0]["0"] for world in worlds]
    assert counts[0] == counts[1] > 1_000


@pytest.mark.parametrize("walls", WALLS)
def test_no_attack_sees_a_difference(worlds: list[World], pools: dict[str, Pool], walls: str) -> None:
    for name, sql in attacks().items():
        if (walls, name) not in SEEN_BY_STAT:
            one, two = (said(pools[walls], world, sql) for world in worlds)
            assert one == two, name
            assert "ZHIDDEN" not in str(one)


def test_random_selects_see_no_difference(worlds: list[World], pools: dict[str, Pool]) -> None:
    check_selects(worlds, pools, 2018, 5_000)
