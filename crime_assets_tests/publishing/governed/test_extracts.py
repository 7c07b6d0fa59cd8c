"""The extract of a scope is that of a lake in which nothing else ever was."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from crime_assets.analysis.statistics import finished
from crime_assets.core.insights import all_insights
from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.publishing.extract import cubes
from crime_assets.publishing.governed.extracts import ScopedExtracts, keep_pages, lacking_for_pages
from crime_assets_tests.build import CHICAGO, envelope, record
from crime_assets_tests.governance.worlds import LAST, MERGED, OPEN, Record, lay, versions
from crime_assets_tests.lakehouse.lakes import merge
from crime_assets_tests.publishing.governed.behind import Behind

pytestmark = pytest.mark.slow


def only_open(days: dict[date, list[Record]]) -> dict[date, list[Record]]:
    """Without the crimes that were ever in another district: those move in and out."""
    others = {record["id"] for found in days.values() for record in found if record.get("district") != OPEN}
    return {day: [record for record in found if record["id"] not in others] for day, found in days.items()}


def extracts(behind: Behind, principal: str) -> ScopedExtracts:
    policy = behind.access.policy()
    scope = behind.access.scope(policy, policy.principals[principal])
    assert scope is not None
    return ScopedExtracts(behind.profile, behind.access.gates, scope, as_of=True)


@pytest.mark.parametrize("day", [LAST, MERGED[1]])
def test_it_is_that_of_a_lake_with_nothing_else(tmp_path: Path, day: date) -> None:
    days = versions(seed=5, crimes=300)
    moving = {record["id"] for found in days.values() for record in found if record.get("district") == OPEN} - {
        record["id"] for found in only_open(days).values() for record in found
    }
    if day != LAST:
        # Those are removed later; a scope does not see them on earlier days, either.
        moving |= {record["id"] for found in days.values() for record in found if int(str(record["id"])) % 17 == 0}
    days = {day: [record for record in found if record["id"] not in moving] for day, found in days.items()}
    lay(tmp_path / "lake", days)
    alone = lay(tmp_path / "alone", only_open(days))
    found = extracts(Behind(tmp_path), "diaz").of("chicago", day)
    engine = DuckDBEngine(alone, CHICAGO, lambda: MERGED)
    try:
        for cube in cubes():
            assert found.ask(f"FROM {cube.name}", {}).to_pylist() == engine.insight(cube, day).to_pylist(), cube.name
        for insight in all_insights():
            rows = finished(insight, engine.insight(insight, day))
            assert found.ask(f"FROM {insight.table}", {}).to_pylist() == rows.to_pylist(), insight.table
    finally:
        engine.close()
    assert found.about.crimes > 20


def test_it_is_made_once_and_again_when_the_lake_is_another(tmp_path: Path) -> None:
    days = versions(seed=5, crimes=60)
    lay(tmp_path / "lake", days)
    shelf = extracts(Behind(tmp_path), "diaz")
    shelf.of("chicago", LAST)
    (path,) = tmp_path.glob("lake/pages/*/*.duckdb")
    made = path.stat().st_mtime_ns
    assert extracts(Behind(tmp_path), "diaz").of("chicago", LAST).about.as_of_day == LAST
    assert path.stat().st_mtime_ns == made
    assert path.stat().st_mode & 0o077 == 0
    state = path.with_suffix(".state")
    state.write_text("0" * 32)
    extracts(Behind(tmp_path), "diaz").of("chicago", LAST)
    assert path.stat().st_mtime_ns > made
    assert sorted(found.suffix for found in path.parent.iterdir()) == ["", ".duckdb", ".state"]


def test_pages_are_made_ahead_and_old_ones_removed(tmp_path: Path) -> None:
    lay(tmp_path / "lake", versions(seed=5, crimes=60))
    behind = Behind(tmp_path)
    policy, gates = behind.access.policy(), behind.access.gates
    scopes = {name: behind.access.scope(policy, policy.principals[name]) for name in ("diaz", "desk", "narrow")}
    diaz, desk, narrow = (scope for scope in scopes.values() if scope is not None)
    pages = tmp_path / "lake" / "pages"

    def held() -> set[tuple[str, str]]:
        return {(path.parent.name, path.stem) for path in pages.glob("*/*.duckdb")}

    assert keep_pages(behind.profile, gates, [diaz, narrow], [diaz, desk, narrow]) == []
    assert held() == {(diaz.digest, str(LAST))}
    extracts(behind, "desk").of("chicago", LAST)
    extracts(behind, "diaz").of("chicago", MERGED[1])
    new = record(90_001, f"{LAST}", f"{MERGED[0]}T01:00:00.000", district="012")
    merge(behind.profile.lake, envelope(new, f"{LAST}", f"{LAST}T23:40:00"))
    assert keep_pages(behind.profile, gates, [diaz], [diaz]) == [desk.digest]
    assert held() == {(diaz.digest, str(LAST))}
    assert not (pages / desk.digest).exists()


def test_a_lake_that_changes_meanwhile_is_looked_at_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was begun with one state and ended with another is shown to nobody."""
    lay(tmp_path / "lake", versions(seed=5, crimes=20))
    behind = Behind(tmp_path)
    shelf, made = extracts(behind, "diaz"), ScopedExtracts._made

    def disturbed(self: ScopedExtracts, day: date) -> bytes:
        if not list(tmp_path.glob("lake/pages/*/*.duckdb")):
            new = record(90_001, f"{LAST}", f"{MERGED[0]}T01:00:00.000", district=OPEN)
            merge(behind.profile.lake, envelope(new, f"{LAST}", f"{LAST}T23:40:00"))
            return b"begun before"
        return made(self, day)

    monkeypatch.setattr(ScopedExtracts, "_made", disturbed)
    found = shelf.of("chicago", LAST).ask("SELECT sum(crimes) AS n FROM places WHERE period = 'all'", {}).to_pylist()
    monkeypatch.undo()
    again = extracts(behind, "diaz").of("chicago", LAST)
    assert found == again.ask("SELECT sum(crimes) AS n FROM places WHERE period = 'all'", {}).to_pylist()


def test_what_the_pages_need_is_named(tmp_path: Path) -> None:
    lay(tmp_path / "lake", versions(seed=5, crimes=20))
    behind = Behind(tmp_path)
    policy = behind.access.policy()
    lacking = {}
    for name in ("diaz", "desk", "watch", "narrow"):
        scope = behind.access.scope(policy, policy.principals[name])
        assert scope is not None
        lacking[name] = lacking_for_pages(CHICAGO, scope)
    assert lacking["narrow"] == [
        "arrest",
        "beat",
        "community_area",
        "district",
        "domestic",
        "hour",
        "iso_weekday",
        "month",
        "occurred_on",
        "offense_class",
        "primary_type",
    ]
    assert [lacking[name] for name in ("diaz", "desk", "watch")] == [[], [], []]
