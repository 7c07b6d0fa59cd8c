"""A gate holds exactly what an independent filter and mask make of the lake, row for row, and its insights follow."""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from datetime import timedelta
from pathlib import Path

import duckdb
import h3
import pandas as pd
import pyarrow as pa
import pytest

from crime_assets.core.insights import Insight, all_insights
from crime_assets.governance import gates
from crime_assets.governance.gates import GATE, GateMaker
from crime_assets.governance.keys import mask_key
from crime_assets.governance.policy import INSIGHTS
from crime_assets.lakehouse.place.lake import Lake
from crime_assets_tests.build import CHICAGO, envelope, record
from crime_assets_tests.governance.policies import TEXT, scope
from crime_assets_tests.governance.worlds import LAST, MERGED, lay, versions
from crime_assets_tests.lakehouse.lakes import merge, rows

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return lay(tmp_path_factory.mktemp("gates") / "lake", versions(seed=3, crimes=700))


@pytest.fixture
def maker(lake: Lake, tmp_path: Path) -> GateMaker:
    return GateMaker(lake, CHICAGO, lambda: MERGED, lambda: mask_key(tmp_path), tmp_path / "gates")


def table(place: Path, name: str) -> pd.DataFrame:
    with duckdb.connect(str(place / GATE), read_only=True) as con:
        return con.sql(f"FROM {name}").to_arrow_table().to_pandas()


def names(place: Path) -> set[str]:
    with duckdb.connect(str(place / GATE), read_only=True) as con:
        return {row[0] for row in con.sql("SELECT table_name FROM duckdb_tables()").fetchall()}


def token(key: bytes, text: object) -> object:
    """The keyed hash, by Python's own HMAC."""
    mark = hashlib.sha256(b"crime-assets mask key " + key).hexdigest()[:6]
    return None if pd.isna(text) else f"K{mark}-" + hmac.new(key, str(text).encode(), hashlib.sha256).hexdigest()[:16]


def cells(frame: pd.DataFrame, resolution: int) -> list[tuple[float | None, float | None]]:
    """The centre that stands for each row's place: of cells with fewer than five rows, the larger one has the rest."""
    placed = [
        None if pd.isna(row.latitude) else h3.latlng_to_cell(row.latitude, row.longitude, resolution)
        for row in frame.itertuples()
    ]
    count = Counter(cell for cell in placed if cell)
    larger = Counter(h3.cell_to_parent(cell, resolution - 1) for cell in placed if cell and count[cell] < 5)

    def shown(cell: str | None) -> tuple[float | None, float | None]:
        if cell is None:
            return None, None
        if count[cell] >= 5:
            return h3.cell_to_latlng(cell)
        parent = h3.cell_to_parent(cell, resolution - 1)
        return h3.cell_to_latlng(parent) if larger[parent] >= 5 else (None, None)

    return [shown(cell) for cell in placed]


def permitted(lake: Lake, principal: str) -> pd.DataFrame:
    frame = pd.DataFrame(rows(lake))
    match principal:
        case "p.diaz":
            return frame[frame["district"] == "011"]
        case "desk":
            return frame[frame["district"].isin(["011", "025"]) & (frame["domestic"] == False)]  # noqa: E712 - NULL
    return frame


def as_rows(frame: pd.DataFrame) -> Counter[str]:
    """The rows, as texts, whatever their order."""
    return Counter(
        str([None if pd.isna(value) else f"{value:.9f}" if isinstance(value, float) else str(value) for value in row])
        for row in frame.itertuples(index=False)
    )


@pytest.mark.parametrize("principal", ["p.diaz", "desk", "ana"])
def test_it_holds_what_may_be_seen_and_nothing_else(
    lake: Lake, maker: GateMaker, tmp_path: Path, principal: str
) -> None:
    wanted = permitted(lake, principal)
    held = table(maker.gate(scope(principal)).place, "crimes")
    hidden = {"record_md5", "year", "primary_type_published", "x_coordinate", "y_coordinate"}
    wanted[["latitude", "longitude"]] = cells(wanted, 8)
    if principal != "p.diaz":
        hidden |= {"id", "beat", "block", "description", "location_description", "updated_on"}
        wanted["case_number"] = [token((tmp_path / "mask.key").read_bytes(), text) for text in wanted["case_number"]]
        wanted["occurred_at"] = pd.to_datetime(wanted["occurred_at"]).dt.floor("D")
    wanted = wanted[[column for column in held.columns if column != "ingested_at"]]
    assert set(held.columns) == {*wanted.columns, "ingested_at"}
    assert not hidden & set(held.columns)
    as_held = held.drop(columns="ingested_at")
    for column in ("occurred_at", "occurred_on", "month", "change_day", "updated_on"):
        if column in as_held:
            as_held[column] = pd.to_datetime(as_held[column])
            wanted[column] = pd.to_datetime(wanted[column])
    assert len(held) > 100
    assert as_rows(as_held) == as_rows(wanted)


def test_a_version_is_seen_by_its_own_district_and_a_removed_crime_by_nobody(lake: Lake, maker: GateMaker) -> None:
    place = maker.gate(scope("p.diaz")).place
    removed = {row["id"] for row in rows(lake, "crimes_removed")}
    everything = rows(lake, "crimes_superseded")
    wanted = sorted((row["id"], row["change_day"]) for row in everything if row["district"] == "011")
    moved = {row["id"] for row in everything if row["district"] != "011"} & {id for id, _ in wanted}
    assert moved, "some crimes moved"
    assert removed & {id for id, _ in wanted}, "some versions are of removed crimes"
    held = table(place, "crimes_superseded")
    assert set(held["district"]) == {"011"}
    assert sorted(zip(held["id"], pd.to_datetime(held["change_day"]).dt.date, strict=True)) == [
        (id, day) for id, day in wanted if id not in removed
    ]
    assert not removed & set(table(place, "crimes")["id"])
    assert not {"crimes_removed", "crimes_quarantine", "crimes_now"} & names(place)


def test_its_insights_are_those_of_its_rows(maker: GateMaker, lake: Lake, tmp_path: Path) -> None:
    """As if the lake had never had others."""
    place = maker.gate(scope("p.diaz")).place
    (summary,) = table(place, "insight_crime_summary").query("period == '365d'").itertuples()
    seen = table(place, "crimes")
    assert summary.crimes == (pd.to_datetime(seen["occurred_on"]).dt.date <= LAST - timedelta(days=8)).sum()
    assert set(table(place, "insight_crime_by_district")["district"].dropna()) <= {"011", "all"}
    assert INSIGHTS not in names(place)


def test_an_insight_shows_no_column_that_comes_from_a_hidden_one(maker: GateMaker) -> None:
    ana = scope("ana")
    place = maker.gate(ana).place
    held = names(place)
    assert "insight_repeat_blocks" not in held, "its rows are blocks"
    assert not {"insight_hotspots", "insight_near_repeat"} & held, "places are masked: figures of cells would be wrong"
    for insight in all_insights():
        if insight.table in held:
            sources = {column.name: set(column.sources) for column in insight.columns}
            for column in table(place, insight.table).columns:
                assert sources[column] <= ana.columns.keys()
    assert {"insight_crime_summary", "insight_hourly_heat_map", "insight_domestic_violence"} <= held


def test_an_insight_that_filters_or_groups_by_a_hidden_column_is_not_there(maker: GateMaker) -> None:
    """Though none of the columns it shows is computed from one."""
    less = TEXT.replace('"hour", "iso_weekday", "time_of_day", ', "").replace('"domestic",', "")
    less = less.replace(" AND domestic = FALSE", "")
    held = names(maker.gate(scope("ana", less)).place)
    assert not {"insight_hourly_heat_map", "insight_day_of_week_patterns", "insight_domestic_violence"} & held
    assert "insight_crime_by_district" in held


def test_no_place_stands_for_few_crimes(maker: GateMaker) -> None:
    for who in ("p.diaz", "desk", "ana"):
        places = table(maker.gate(scope(who)).place, "crimes").groupby(["latitude", "longitude"]).size()
        assert len(places) > 3
        assert places.min() >= 5


def test_a_crime_removed_after_the_newest_day_is_gone_too(lake: Lake, tmp_path: Path) -> None:
    key = mask_key(tmp_path)
    maker = GateMaker(lake, CHICAGO, lambda: MERGED[:-1], lambda: key, tmp_path / "gates")
    place = maker.gate(scope("p.diaz")).place
    removed = {row["id"] for row in rows(lake, "crimes_removed")}
    assert not removed & set(table(place, "crimes")["id"])


@pytest.mark.parametrize("seed", [2, 9])
def test_a_district_of_few_crimes_has_a_gate(tmp_path: Path, seed: int) -> None:
    """The share of a day that is known can be as small as anything there: figures must not overflow."""
    small = lay(tmp_path / "lake", versions(seed, 2500))
    maker = GateMaker(small, CHICAGO, lambda: MERGED, lambda: mask_key(tmp_path), tmp_path / "gates")
    assert "insight_compstat" in names(maker.gate(scope("p.diaz")).place)


def test_it_is_made_again_when_the_lake_changes_and_only_then(
    lake: Lake, tmp_path: Path, maker: GateMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []
    write = GateMaker._write
    monkeypatch.setattr(GateMaker, "_write", lambda self, *of: (made.append(of[1]), write(self, *of)))
    one = maker.gate(scope("p.diaz"))
    assert maker.gate(scope("p.diaz")) == one
    assert len(made) == 1
    day = LAST
    merge(lake, envelope(record(9001, f"{day}", "2024-01-03", district="011", beat="0111"), f"{day}"))
    two = maker.gate(scope("p.diaz"))
    later = GateMaker(
        lake, CHICAGO, lambda: [*MERGED, LAST + timedelta(days=1)], lambda: mask_key(tmp_path), tmp_path / "x"
    )
    assert later.gate(scope("desk")).state != maker.gate(scope("desk")).state, "another day"
    assert (two.place, two.state == one.state) == (one.place, False)
    assert 9001 in set(table(two.place, "crimes")["id"])
    assert [path.name for path in two.place.iterdir()] == [GATE], "nothing else is beside it"


def test_a_gate_that_broke_off_is_made_again(maker: GateMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    class Crash(BaseException):
        pass

    def crash(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(gates, "_add", crash)
        with pytest.raises(Crash):
            maker.gate(scope("desk"))
    place = maker.gate(scope("desk")).place
    assert {path.name for path in place.parent.iterdir()} == {
        place.name, f"{place.name}.state", f"{place.name}.lock",
    }  # fmt: skip
    assert len(table(place, "crimes")) > 50


def test_who_sees_more_rows_or_other_masks_has_another_gate(maker: GateMaker) -> None:
    wider = TEXT.replace('districts = ["011"]', 'districts = ["011", "012"]')
    assert maker.gate(scope("p.diaz", wider)).place != maker.gate(scope("p.diaz")).place


def test_the_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    one = mask_key(tmp_path / "a")
    assert mask_key(tmp_path / "a") == one
    assert mask_key(tmp_path / "b").id != one.id
    assert mask_key(tmp_path / "b").mark != one.mark, "hashes of two keys can be told apart"
    assert (tmp_path / "a" / "mask.key").stat().st_mode & 0o777 == 0o600
    assert one.inner.hex() not in repr(one)


def test_a_merge_while_a_gate_is_made_makes_it_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = lay(tmp_path / "lake", versions(seed=3, crimes=60))
    maker, asked = GateMaker(own, CHICAGO, lambda: MERGED, lambda: mask_key(tmp_path), tmp_path / "gates"), []
    finish = gates.finished

    def disturbed(insight: Insight, found: pa.Table) -> pa.Table:
        asked.append(insight)
        if len(asked) == 2:
            merge(own, envelope(record(9001, f"{LAST}", "2024-01-03", district="011", beat="0111"), f"{LAST}"))
        return finish(insight, found)

    monkeypatch.setattr(gates, "finished", disturbed)
    assert 9001 in set(table(maker.gate(scope("p.diaz")).place, "crimes")["id"])


def test_files_of_others_beside_gates_harm_none(lake: Lake, maker: GateMaker) -> None:
    kept = maker.gate(scope("p.diaz"))
    other = kept.place.parent / ".DS_Store"
    other.write_text("")
    assert maker.keep_only([scope("p.diaz")]) == []
    assert (kept.place / GATE).exists()
    assert other.exists()
