"""Whatever a commander of district 011 asks, the answer is the same in both worlds, to the last byte.

So with all walls, with the guard on statements off, with Landlock off, and with DuckDB's own locks off: each wall holds
alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from crime_assets.core.errors import UsageError
from crime_assets.governance import confine
from crime_assets.governance.gates import GATE, Gate, GateMaker
from crime_assets.governance.keys import mask_key
from crime_assets.governance.pool import Limits, Pool
from crime_assets_tests.build import CHICAGO
from crime_assets_tests.governance.attacks import ATTACKS, ENDLESS
from crime_assets_tests.governance.policies import scope
from crime_assets_tests.governance.selects import Selects
from crime_assets_tests.governance.worlds import MERGED, lay, other_world, versions
from crime_assets_tests.lakehouse.lakes import files

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not confine.landlock_version(), reason="this kernel has no Landlock: nobody is answered here"),
]

WALLS = ("", "--no-guard", "--no-landlock", "--no-guard --no-locks")
SEEN_BY_STAT = {
    ("--no-guard --no-locks", name) for name in ("F07", "the gate's own bytes", "the gate's own bytes by its path")
}
"""Landlock alone does not hide how large a file is of which one knows the name, and lets the gate itself be read, which
has a number of its own.
"""
CASES = Path(__file__).parents[3] / "shared" / "cases" / "governance-attacks.json"
_MANY = 1_000
_EVERY = 4
QUICK = Limits(cpu_seconds=1, seconds=4, most_rows=5_000)


@dataclass(frozen=True)
class World:
    """A lake, and its gate."""

    home: Path
    gate: Gate
    data_file: str


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> list[World]:
    days = versions(seed=1, crimes=600)
    key = mask_key(tmp_path_factory.mktemp("key"))
    found = []
    for name, laid in (("one", days), ("two", other_world(days, seed=2))):
        home = tmp_path_factory.mktemp(name)
        lake = lay(home / "lake", laid)
        maker = GateMaker(lake, CHICAGO, lambda: MERGED, lambda: key, home / "gates")
        found.append(World(home, maker.gate(scope("p.diaz")), files(lake)[0]))
    return found


@pytest.fixture(scope="module")
def pools() -> Iterator[dict[str, Pool]]:
    made = {switches: Pool(QUICK, tuple(switches.split())) for switches in WALLS}
    yield made
    for pool in made.values():
        pool.close()


def attacks() -> dict[str, str]:
    """Our own, and those that were tried elsewhere where they are at hand."""
    others = {case["id"]: case["sql"] for case in json.loads(CASES.read_text())} if CASES.is_file() else {}
    return {**ATTACKS, **others}


def tries() -> list[object]:
    """Each attack with each set of walls, those on the machine's time only once; every fourth try with fewer walls than
    all in `make test`, all in `make stress`.
    """
    with_all = [("", name) for name in [*attacks(), *ENDLESS]]
    fewer = [(walls, name) for name in attacks() for walls in WALLS[1:] if (walls, name) not in SEEN_BY_STAT]
    marks = ([] if place % _EVERY == 0 else [pytest.mark.stress] for place in range(len(fewer)))
    return with_all + [pytest.param(*one, marks=mark) for one, mark in zip(fewer, marks, strict=True)]


def said(pool: Pool, world: World, sql: str) -> object:
    """What a commander gets to see, the places of this test's files taken out."""
    places = {"d": Path(world.data_file).parent, "f": world.data_file, "gate": world.gate.place / GATE}
    for name, place in {**places, "out": world.home}.items():
        sql = sql.replace("{" + name + "}", str(place))
    try:
        found = pool.ask(world.gate, sql)
    except UsageError as error:
        text = re.sub(r"[0-9a-f]{32}", "HEX", str(error).replace(str(world.home), "HOME"))
        return re.sub(r"lake/warehouse\S*", "FILE", text)
    rows = [[str(value).replace(str(world.home), "HOME") for value in row.values()] for row in found.rows.to_pylist()]
    # Without an order, two threads may hand groups over in either, also in one and the same world.
    return found.columns, rows if "ORDER BY" in sql else sorted(rows)


@pytest.mark.parametrize(("walls", "name"), tries())
def test_an_attack_sees_no_difference(worlds: list[World], pools: dict[str, Pool], walls: str, name: str) -> None:
    before = {world.home: sorted(world.home.iterdir()) for world in worlds}
    one, two = (said(pools[walls], world, {**attacks(), **ENDLESS}[name]) for world in worlds)
    assert one == two
    assert "ZHIDDEN" not in str(one)
    assert before == {world.home: sorted(world.home.iterdir()) for world in worlds}, "a file was written"


@pytest.mark.parametrize("walls", WALLS)
def test_what_may_be_seen_is_answered(worlds: list[World], pools: dict[str, Pool], walls: str) -> None:
    """Walls through which nothing comes would hold, too."""
    asked = "SELECT count(*), count(DISTINCT district), min(district) FROM crimes"
    (row,) = pools[walls].ask(worlds[0].gate, asked).rows.to_pylist()
    assert row["0"] > 100
    assert (row["1"], row["2"]) == (1, "011")


def check_selects(worlds: list[World], pools: dict[str, Pool], seed: int, number: int) -> None:
    """Random SELECTs get equal answers in both worlds; most get one."""
    listed = "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal ORDER BY ALL"
    schema: dict[str, list[tuple[str, str]]] = {}
    for row in pools[""].ask(worlds[0].gate, listed).rows.to_pylist():
        schema.setdefault(row["0"], []).append((row["1"], row["2"]))
    selects, answered = Selects(schema, seed), 0
    for _ in range(number):
        sql = selects.one()
        for walls in WALLS[: 2 if number < _MANY else 1]:
            one, two = (said(pools[walls], world, sql) for world in worlds)
            if one != two:
                # In which of several rows an error is found first, two threads decide, also in one and the same world.
                one, two = ({str(said(pools[walls], world, sql)) for _ in range(12)} for world in worlds)
                assert one & two, sql
            answered += not isinstance(one, str)
    assert answered > number / 2


@pytest.mark.parametrize("seed", range(3))
def test_random_selects_see_no_difference(worlds: list[World], pools: dict[str, Pool], seed: int) -> None:
    check_selects(worlds, pools, seed, 40)


@pytest.mark.stress
def test_thousands_of_random_selects_see_no_difference(worlds: list[World], pools: dict[str, Pool]) -> None:
    check_selects(worlds, pools, 77, 5_000)


@pytest.mark.parametrize("name", ENDLESS)
def test_what_does_not_end_is_ended(worlds: list[World], pools: dict[str, Pool], name: str) -> None:
    with pytest.raises(UsageError, match=r"stopped|more than|Out of Memory"):
        pools[""].ask(worlds[0].gate, ENDLESS[name])
    assert pools[""].ask(worlds[0].gate, "SELECT 1").rows.num_rows == 1


def test_the_gates_are_equally_large(worlds: list[World]) -> None:
    assert len({(world.gate.place / GATE).stat().st_size for world in worlds}) == 1
