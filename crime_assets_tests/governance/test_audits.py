"""The trail as tables: each line once, whatever happens in between, nothing of a broken trail, for auditors only."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from crime_assets.core.errors import LakeError
from crime_assets.core.insights import all_insights
from crime_assets.governance import audits
from crime_assets.governance.audits import write_audit
from crime_assets.governance.gates import GATE, GateMaker
from crime_assets.governance.keys import mask_key
from crime_assets.governance.review import write_review
from crime_assets.governance.trail import Trail
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.upkeep import compaction
from crime_assets.lakehouse.upkeep.compaction import compact
from crime_assets.lakehouse.upkeep.expiry import expire
from crime_assets.lakehouse.upkeep.orphans import remove_orphans
from crime_assets.lakehouse.writing import audits as writing
from crime_assets_tests.build import CHICAGO, envelope, record
from crime_assets_tests.governance.policies import AUDITED, scope
from crime_assets_tests.lakehouse.lakes import merge, properties
from crime_assets_tests.lakehouse.lakes import rows as rows_of

pytestmark = pytest.mark.slow

BEGUN = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
DAY = date(2024, 1, 25)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture
def trail(lake: Lake, tmp_path: Path) -> Trail:
    moments = (BEGUN + timedelta(minutes=n) for n in range(10**6))
    (tmp_path / "anchors").mkdir()
    return Trail(lake.home / "trail", tmp_path / "anchors", moments.__next__)


def rows(lake: Lake, name: str = "audit") -> list[dict[str, Any]]:
    return sorted(rows_of(lake, name), key=lambda row: tuple(map(str, row.values())))


def lines(lake: Lake) -> list[int]:
    return sorted(row["n"] for row in rows_of(lake, "audit"))


def test_a_line_is_a_typed_row(trail: Trail, lake: Lake) -> None:
    told: dict[str, Any] = {"principal": "p.diaz", "districts": ["011"], "seconds": 0.25, "bytes": 70, "asked": 1}
    trail.append("ask", account="pdiaz", sql="SELECT 'ä'")
    entry = trail.append("answer", seen=[3, 1], rows=2, columns=["id", "a,b"], gate=7, new={"x": 1}, **told)
    written = write_audit(trail, lake, CHICAGO)
    assert (written.new_lines, written.new_ids, written.lines, written.head) == (2, 2, 2, entry.hash)
    ask, answer = rows(lake)
    assert (ask["n"], ask["event"], ask["sql"], ask["principal"], ask["details"]) == (
        1,
        "ask",
        "SELECT 'ä'",
        None,
        None,
    )
    assert answer == {
        **dict.fromkeys(answer),
        **told,
        "n": 2,
        "happened_at": BEGUN + timedelta(minutes=1),
        "event": "answer",
        "districts": '["011"]',
        "columns": '["id", "a,b"]',
        "rows": 2,
        "ids_exact": True,
        "seen": entry.fields["seen"],
        "details": '{"gate": 7, "new": {"x": 1}}',
        "prev": ask["hash"],
        "hash": entry.hash,
    }
    assert rows(lake, "audit_seen") == [{"n": 2, "id": 1}, {"n": 2, "id": 3}]


def test_each_line_comes_once(trail: Trail, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audits, "_LINES_AT_ONCE", 3)
    assert write_audit(trail, lake, CHICAGO).lines == 0
    for number in range(8):
        trail.append("answer", seen=range(number))
    assert write_audit(trail, lake, CHICAGO).new_lines == 8
    before = properties(lake, "audit")
    assert write_audit(trail, lake, CHICAGO).new_lines == 0
    assert properties(lake, "audit") == before
    trail.append("answer", seen=[5])
    assert (write_audit(trail, lake, CHICAGO).new_lines, lines(lake)) == (1, list(range(1, 10)))
    assert len(rows(lake, "audit_seen")) == sum(range(8)) + 1


def test_after_a_crash_between_the_tables_nothing_is_twice(
    trail: Trail, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        trail.append("answer", seen=[number])
    add = writing.add

    def crashes(lake: Lake, city: Any, name: str, rows: Any) -> int:
        if name == "audit":
            raise KeyboardInterrupt
        return add(lake, city, name, rows)

    with monkeypatch.context() as patched:
        patched.setattr(audits, "add", crashes)
        with pytest.raises(KeyboardInterrupt):
            write_audit(trail, lake, CHICAGO)
    written = write_audit(trail, lake, CHICAGO)
    assert (written.new_lines, written.new_ids) == (4, 0)
    assert [row["id"] for row in rows(lake, "audit_seen")] == [0, 1, 2, 3]


def test_nothing_is_taken_from_a_broken_trail_or_another_one(trail: Trail, lake: Lake, tmp_path: Path) -> None:
    for _ in range(3):
        trail.append("ask")
    write_audit(trail, lake, CHICAGO)
    trail.append("ask")
    (path,) = (lake.home / "trail").glob("*.jsonl")
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"n": 2', b'"n": 9'))
    with pytest.raises(LakeError, match=r"is not whole .2026-05-01.jsonl:2 "):
        write_audit(trail, lake, CHICAGO)
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[:2]))
    with pytest.raises(LakeError, match="knows line 3, which the trail lacks"):
        write_audit(trail, lake, CHICAGO)
    other = Trail(tmp_path / "other")
    for _ in range(3):
        other.append("ask")
    with pytest.raises(LakeError, match="audit does not say of line 1 what the trail says"):
        write_audit(other, lake, CHICAGO)
    assert lines(lake) == [1, 2, 3]


@pytest.mark.parametrize("table", ["audit", "audit_seen"])
@pytest.mark.parametrize(
    ("changed", "line"),
    [("FROM was WHERE n <> 3", 3), ("FROM was WHERE n > 1", 1), ("FROM was UNION ALL FROM was WHERE n = 4", 4)],
)
def test_a_table_that_somebody_changed_is_found(
    trail: Trail, lake: Lake, monkeypatch: pytest.MonkeyPatch, table: str, changed: str, line: int
) -> None:
    monkeypatch.setattr(audits, "_LINES_AT_ONCE", 2)
    for number in range(6):
        trail.append("answer", seen=[number, 100 + number])
    write_audit(trail, lake, CHICAGO)
    assert write_audit(trail, lake, CHICAGO).new_lines == 0
    held = tables.load(lake, "chicago", table)
    assert held is not None
    with duckdb.connect() as con:
        con.register("was", held.scan().to_arrow())
        held.overwrite(con.sql(changed).to_arrow_table())
    with pytest.raises(LakeError, match=f"The table {table} does not say of line {line} what the trail says"):
        write_audit(trail, lake, CHICAGO)


def test_upkeep_leaves_trail_and_tables_whole(trail: Trail, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "MOST_SMALL_FILES", 2)
    for number in range(4):
        trail.append("answer", seen=[number, 100 + number])
        write_audit(trail, lake, CHICAGO)
    files = {path: path.read_bytes() for path in (lake.home / "trail").rglob("*") if path.is_file()}
    before = rows(lake), rows(lake, "audit_seen")
    later = datetime.now(UTC) + timedelta(days=2_000)
    assert compact(lake, CHICAGO)["audit"].files_removed == 4
    assert expire(lake, CHICAGO, all_insights(), later)["audit"].snapshots_removed == 4
    remove_orphans(lake, CHICAGO, later)
    assert (rows(lake), rows(lake, "audit_seen")) == before
    assert {path: path.read_bytes() for path in (lake.home / "trail").rglob("*") if path.is_file()} == files
    assert trail.verify().problems == ()
    assert write_audit(trail, lake, CHICAGO).new_lines == 0


def test_an_auditor_has_the_audit_tables_and_no_crimes(trail: Trail, lake: Lake, tmp_path: Path) -> None:
    merge(lake, envelope(record(1, str(DAY)), f"{DAY}", f"{DAY}T23:00:00"))
    maker = GateMaker(lake, CHICAGO, lambda: [DAY], lambda: mask_key(tmp_path), tmp_path / "gates")
    auditor = scope("auditor", AUDITED)

    def held() -> dict[str, int]:
        with duckdb.connect(str(maker.gate(auditor).place / GATE), read_only=True) as con:
            names = [row[0] for row in con.sql("SELECT table_name FROM duckdb_tables() ORDER BY ALL").fetchall()]
            return {name: len(con.sql(f"FROM {name}").fetchall()) for name in names}

    assert held() == {"access_review": 0, "audit": 0, "audit_seen": 0}
    trail.append("answer", seen=[1])
    write_audit(trail, lake, CHICAGO)
    write_review(lake, CHICAGO, [{"reviewed_on": DAY, "principal": "ana", "answers": 0, "refusals": 0, "verdict": "?"}])
    assert held() == {"access_review": 1, "audit": 1, "audit_seen": 1}
    assert not maker.gate(auditor).is_new
    before = maker.gate(scope("ana", AUDITED)).state
    trail.append("ask")
    write_audit(trail, lake, CHICAGO)
    assert held()["audit"] == 2
    assert maker.gate(scope("ana", AUDITED)).state == before


def test_a_day_has_one_review(lake: Lake) -> None:
    row = {"principal": "ana", "answers": 0, "refusals": 0, "verdict": "never used"}
    added = [write_review(lake, CHICAGO, [{**row, "reviewed_on": day}]) for day in (DAY, DAY, DAY + timedelta(days=7))]
    assert added == [1, 0, 1]
    assert len(rows(lake, "access_review")) == 2
