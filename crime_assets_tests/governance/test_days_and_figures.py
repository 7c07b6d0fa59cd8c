"""Gates of earlier days, the city's figures in a gate, and which gates are kept."""

from __future__ import annotations

import fcntl
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from crime_assets.analysis.small_numbers import HIDDEN
from crime_assets.core.errors import UsageError
from crime_assets.core.insights import all_insights
from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.governance import gates
from crime_assets.governance.gates import FIGURES, GATE, GateMaker
from crime_assets.governance.keys import mask_key
from crime_assets.lakehouse.place.lake import Lake
from crime_assets_tests.build import CHICAGO, envelope, record
from crime_assets_tests.governance.policies import TEXT, scope
from crime_assets_tests.governance.worlds import LAST, MERGED, OPEN, lay, versions
from crime_assets_tests.lakehouse.lakes import merge, rows

pytestmark = pytest.mark.slow

CITY = TEXT.replace('["crimes", "crimes_superseded", "insights"]', '["crimes", "city_insights"]')
PUBLIC = TEXT.replace('[roles.analyst]\ntables = ["crimes", "insights"]', '[roles.analyst]\ntables = ["city_insights"]')
INSIGHTS = {insight.name: insight for insight in all_insights()}
ROWS = TEXT.replace(', "insights"]', "]")
"""Without insights, which take most of the time."""
DAYS = versions(seed=3, crimes=400)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return lay(tmp_path_factory.mktemp("days") / "lake", DAYS)


@pytest.fixture
def maker(lake: Lake, tmp_path: Path) -> GateMaker:
    return made(lake, tmp_path)


def made(lake: Lake, place: Path) -> GateMaker:
    return GateMaker(lake, CHICAGO, lambda: MERGED, lambda: mask_key(place), place / "gates")


def asked(place: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(place / GATE), read_only=True) as con:
        return con.sql(sql).fetchall()


def shown(place: Path, table: str) -> list[dict[str, object]]:
    with duckdb.connect(str(place / GATE), read_only=True) as con:
        found: list[dict[str, object]] = con.table(table).to_arrow_table().to_pylist()
    return found


def names(place: Path) -> set[object]:
    return {row[0] for row in asked(place, "SELECT table_name FROM duckdb_tables()")}


def known(day: date) -> set[tuple[object, date]]:
    """Crimes of the open district as they were known on a day, by id and change day, from what was laid."""
    newest = {one["id"]: (change_day, one) for change_day, found in DAYS.items() if change_day <= day for one in found}
    return {(int(str(id)), change_day) for id, (change_day, one) in newest.items() if one.get("district") == OPEN}


def test_a_gate_of_an_earlier_day_has_what_was_known_then_without_what_was_removed_since(
    lake: Lake, maker: GateMaker
) -> None:
    day = MERGED[1]
    place = maker.gate(scope("p.diaz"), day).place
    removed = {row["id"] for row in rows(lake, "crimes_removed")}
    wanted = known(day)
    assert removed & {id for id, _ in wanted}, "some of them were removed later"
    assert set(asked(place, "SELECT id, change_day FROM crimes")) == {one for one in wanted if one[0] not in removed}
    assert wanted != known(LAST)
    assert asked(place, "SELECT DISTINCT as_of_day FROM insight_crime_summary") == [(day,)]
    assert not removed & {row[0] for row in asked(place, "SELECT id FROM crimes_superseded")}
    assert maker.gate(scope("desk", ROWS), LAST) == maker.gate(scope("desk", ROWS))


def test_a_day_that_nobody_knows_yet_is_refused(maker: GateMaker) -> None:
    with pytest.raises(UsageError, match="knows nothing of"):
        maker.gate(scope("desk", ROWS), LAST + timedelta(days=1))


def test_few_gates_of_earlier_days_are_kept(maker: GateMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "KEPT_DAYS", 1)
    newest = maker.gate(scope("desk", ROWS)).place
    first, second = (maker.gate(scope("desk", ROWS), day).place for day in MERGED[:2])
    assert {path.name.partition(".")[0] for path in newest.parent.iterdir()} == {newest.name, second.name}
    assert maker.gate(scope("desk", ROWS), MERGED[0]).place == first


def test_the_city_s_figures_are_those_of_the_lake_without_small_numbers(lake: Lake, maker: GateMaker) -> None:
    place = maker.gate(scope("p.diaz", CITY)).place
    engine = DuckDBEngine(lake, CHICAGO, lambda: MERGED)
    wanted = {one.name: engine.insight(one, LAST) for one in all_insights() if one.python is None}
    engine.close()
    assert {f"city_{one.table}" for one in all_insights()} | {"crimes"} == names(place)
    for name, found in wanted.items():
        key = ["period", *INSIGHTS[name].promises.key]
        true = {tuple(map(str, map(row.get, key))): row for row in found.to_pylist()}
        rows = shown(place, f"city_insight_{name}")
        assert len(rows) == len(true)
        for row in rows:
            told = {column: value for column, value in row.items() if value is not None and column != HIDDEN}
            assert told.items() <= true[tuple(map(str, map(row.get, key)))].items()
    hidden = "SELECT count(*) FROM city_insight_crime_by_district WHERE crimes BETWEEN 1 AND 4"
    assert asked(place, hidden) == [(0,)]
    assert asked(place, "SELECT count(*) FROM city_insight_hourly_heat_map WHERE hidden IS NOT NULL") != [(0,)]
    assert len(asked(place, "SELECT DISTINCT district FROM city_insight_crime_by_district")) > 3


def test_a_role_may_have_the_city_s_figures_and_nothing_else(maker: GateMaker) -> None:
    place = maker.gate(scope("ana", PUBLIC)).place
    assert names(place) == {f"city_{one.table}" for one in all_insights()}
    assert scope("ana", PUBLIC).digest != FIGURES.digest
    early = maker.gate(scope("ana", PUBLIC), MERGED[1]).place
    assert asked(early, "SELECT DISTINCT as_of_day FROM city_insight_crime_summary") == [(MERGED[1],)]


def test_gates_that_nobody_may_ask_any_more_are_removed(tmp_path: Path) -> None:
    lake = lay(tmp_path / "lake", versions(seed=3, crimes=60))
    maker = made(lake, tmp_path)
    kept, other = maker.gate(scope("desk", ROWS)).place, maker.gate(scope("ana", ROWS)).place
    early = maker.gate(scope("desk", ROWS), MERGED[1]).place
    (kept.parent / f"{'0' * 32}.making").mkdir()
    (kept.parent / f"{'0' * 32}.lock").touch()
    with duckdb.connect(str(other / GATE), read_only=True) as con:
        assert maker.keep_only([scope("desk", ROWS)]) == ["0" * 32, other.name]
        assert con.execute("SELECT count(*) > 0 FROM crimes").fetchall() == [(True,)], "who has it open reads on"
    assert {path.name.partition(".")[0] for path in kept.parent.iterdir()} == {kept.name, early.name}
    # What is of an older state may hold what was removed since.
    merge(lake, envelope(record(9001, f"{LAST}", "2024-01-03", district="011", beat="0111"), f"{LAST}"))
    with kept.with_suffix(".lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert maker.keep_only([scope("desk", ROWS)]) == [early.name], "somebody asks for the other"
    assert maker.keep_only([scope("desk", ROWS)]) == [kept.name]
    assert not list(kept.parent.iterdir())
