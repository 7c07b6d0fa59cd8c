"""The file of a day's forecasts: what is in it, what nobody is shown, and how it is found again."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import h3
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from crime_assets.analysis.forecasts import HORIZONS
from crime_assets.analysis.forecasts.targets import TARGETS
from crime_assets.core import keys
from crime_assets.core.errors import CrimeAssetsError
from crime_assets.lakehouse.schema_forecasts import FORECASTS
from crime_assets.lakehouse.writing.forecasts import SCORES, read
from crime_assets.profiles import Profile
from crime_assets.publishing import forecast_tables, forecasts
from crime_assets.publishing.database_files import opened, packed
from crime_assets.publishing.forecast_hiding import ON_COUNTING_LIST, as_shown
from crime_assets.publishing.forecasts import FORMAT, KEPT_DAYS, ForecastFile, Forecasts, days_to_write, write
from crime_assets_tests.build import CHICAGO, sample_profile
from crime_assets_tests.publishing.forecasts_made import AREA_ID, CELLS, SUNDAY, put

PAIRS = {(target.name, horizon) for target in TARGETS for horizon in HORIZONS}
NEXT = SUNDAY + timedelta(days=7)


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Profile]:
    """A lake in which something was forecast on two Sundays, and the file of the later one."""
    profile = sample_profile(tmp_path_factory.mktemp("forecasts") / "lake")
    put(profile, [SUNDAY, NEXT])
    with pytest.MonkeyPatch.context() as patch:
        # Simulations are slow, and others test what they say.
        patch.setattr(forecast_tables, "_SEEDS", 1)
        write(profile, NEXT)
        yield profile


@pytest.fixture
def shelf(profile: Profile, tmp_path: Path) -> Forecasts:
    return Forecasts(profile.landing, tmp_path / "cache")


@pytest.fixture
def file(shelf: Forecasts) -> ForecastFile:
    return shelf.of("chicago", NEXT)


@pytest.fixture(scope="module")
def kept(profile: Profile) -> dict[str, pa.Table]:
    """The tables as they stand in the file, small numbers and all."""
    with opened(Path(profile.landing.location(keys.forecast("chicago", NEXT)))) as connection:
        return {name: connection.sql(f"FROM {name}").to_arrow_table() for name in forecasts.TABLES}


def test_the_file_says_what_it_is_about(file: ForecastFile) -> None:
    about = file.about
    assert (about.format, about.city, about.title, about.as_of_day) == (FORMAT, "chicago", "Chicago", NEXT)
    assert (about.area_id, about.cells, about.has_boundaries) == (AREA_ID, len(CELLS), True)
    assert about.km2 == pytest.approx(sum(h3.cell_area(cell) for cell in CELLS), abs=0.1)
    assert about.first_published == about.first_change_day == SUNDAY


def test_it_has_the_tables_of_the_day_and_the_scores_of_all(profile: Profile, file: ForecastFile) -> None:
    tables = file.tables(0)
    for name in ("totals", "areas", "exposure", "cells"):
        assert set(tables[name]["as_of_day"].to_pylist()) == {NEXT}
        assert _pairs(tables[name]) == PAIRS
    lake = read(profile.lake, CHICAGO, SCORES)
    assert tables["scores"].drop_columns(["hidden"]).equals(lake)
    totals = read(profile.lake, CHICAGO, "forecast_totals", [NEXT])
    assert tables["totals"].equals(totals)


def test_columns_are_those_of_the_lake_without_counts_of_cells(file: ForecastFile) -> None:
    tables = file.tables(0)
    for name in ("areas", "exposure", "scores", "cells"):
        wanted = [column.name for column in FORECASTS[f"forecast_{name}"]]
        left_out = ["records_365d", "records_all"] if name == "cells" else []
        added = [ON_COUNTING_LIST, "hidden"] if name == "cells" else ["hidden"]
        assert tables[name].column_names == [*(one for one in wanted if one not in left_out), *added]


def test_no_cell_is_beyond_five_percent_of_either_list(file: ForecastFile) -> None:
    listed = defaultdict(set)
    for row in file.tables(0)["cells"].to_pylist():
        assert row["flagged"] in {1, 2, 5} or row["place_counting"] <= 37
        listed[row["target"], row["horizon"]].add(row["place"])
    assert listed.keys() == PAIRS
    assert all(found >= set(range(1, 38)) and len(found) <= 74 for found in listed.values())


def test_cells_that_a_cap_left_out_stay_to_be_seen(kept: dict[str, pa.Table]) -> None:
    rows = kept["cells"].filter(pc.equal(kept["cells"]["target"], "burglary")).slice(0, 3)
    rows = rows.set_column(rows.schema.get_field_index("flagged"), "flagged", pa.array([5, None, None], pa.int32()))
    rows = rows.set_column(
        rows.schema.get_field_index("is_capped_out"), "is_capped_out", pa.array([False, True, False])
    )
    rows = rows.set_column(
        rows.schema.get_field_index("place_counting"), "place_counting", pa.array([9, 9, 9], pa.int32())
    )
    assert forecast_tables._listed(rows)["flagged"].to_pylist() == [5, None]


def test_expected_records_have_two_digits(file: ForecastFile) -> None:
    for name in ("cells", "areas"):
        rows = file.tables(0)[name]
        for column in (one for one in rows.column_names if one.startswith("expected")):
            assert all(value == float(f"{value:.2g}") for value in rows[column].to_pylist() if value is not None)


def test_patrols_and_rounds_are_simulated_in_order(file: ForecastFile) -> None:
    tables = file.tables(5)
    patrols = tables["patrols"].to_pylist()
    assert [(row["extra"], row["explored"]) for row in patrols] == [
        (0, 0), (0.1, 0), (0.2, 0), (0.5, 0), (1, 0), (0.5, 0.2),
    ]  # fmt: skip
    favored = [row["share_favored"] for row in patrols]
    assert favored[:5] == sorted(favored[:5])
    assert favored[5] < favored[3]
    rounds = tables["rounds"]
    assert {(row["target"], row["mode"], row["round"]) for row in rounds.to_pylist()} == {
        (target.name, mode, number)
        for target in TARGETS
        for mode in ("retrained", "frozen", "explored")
        for number in range(1, 13)
    }
    assert min(pc.subtract(rounds["apparent"], rounds["actual"]).to_pylist()) > 0


def test_what_a_count_expects_of_a_cell_is_hidden_where_the_count_is_small(kept: dict[str, pa.Table]) -> None:
    shown = as_shown(kept, 10)["cells"].to_pylist()
    for row, counts in zip(shown, kept["cells"].to_pylist(), strict=True):
        year, history = counts["records_365d"], counts["records_all"]
        few, old_few = 0 < year < 10, 0 < history < 10
        older = history - year
        hidden = {
            "expected_365d": few,
            "expected_3y": few or (year < 10 and history > 0) or older > 0,
            "expected_kde": year < 10,
            # With the count of the year it would tell the few before.
            "expected_all": old_few or 0 < older < 10,
            "expected_decayed": old_few,
            "expected_mixture": old_few,
            "expected_last_year": True,
            "from_season": old_few,
            "trend": few,
            "trend_q": True,
        }
        # A published count is the same figure as its own column.
        for name in ("expected", "low_80", "high_80", "low_95", "high_95"):
            hidden[name] = hidden[f"expected_{row['method']}"]
        hidden["place"], hidden["place_counting"] = hidden["expected"], hidden["expected_decayed"]
        said = set((row["hidden"] or "").split(", "))
        assert {name for name, is_hidden in hidden.items() if is_hidden} <= said
        assert not {name for name, is_hidden in hidden.items() if not is_hidden} & said
        assert all(row[name] is None for name in said)
    assert any(row["expected"] is None for row in shown)
    assert any(row["expected"] is not None and row["expected_365d"] is None for row in shown)


def test_a_place_is_hidden_with_its_expected_count(kept: dict[str, pa.Table]) -> None:
    """Equal counts lie in the order of their cells: places would tell where one count ends and the next begins."""
    best = {(row["target"], row["horizon"]): row["best_count"] for row in kept["totals"].to_pylist()}
    rows = as_shown(kept, 10)["cells"].to_pylist()
    for row in rows:
        assert (row["place"] is None) is (row["expected"] is None)
        is_counted = row[f"expected_{best[row['target'], row['horizon']]}"] is not None
        assert (row["place_counting"] is not None) is is_counted
    assert any(row["place"] is None for row in rows)
    assert all(row["place"] for row in as_shown(kept, 0)["cells"].to_pylist())
    # As they stand, rows are in the order of their cells.
    for pair in PAIRS:
        cells = [row["cell"] for row in rows if (row["target"], row["horizon"]) == pair]
        assert cells == sorted(cells)


@pytest.mark.parametrize(
    ("best", "hidden"), [("365d", ("3y", "all")), ("3y", ("365d", "all")), ("all", ("365d", "3y"))]
)
def test_no_count_tells_the_few_that_another_has_besides(
    kept: dict[str, pa.Table], best: str, hidden: tuple[str, str]
) -> None:
    rows = kept["cells"].slice(0, 1)
    rows = _set(rows, records_365d=[20], records_all=[22], method=[best])
    totals = _set(kept["totals"], best_count=[best] * kept["totals"].num_rows)
    (shown,) = as_shown({**kept, "totals": totals, "cells": rows}, 5)["cells"].to_pylist()
    assert {one for one in ("365d", "3y", "all") if shown[f"expected_{one}"] is None} == {*hidden}
    assert None not in (shown["expected"], shown["place"], shown["place_counting"])


def test_who_is_on_the_list_of_counting_is_told_without_a_place(kept: dict[str, pa.Table]) -> None:
    # 8 cells are 1 % of the area, 15 are 2 %, and 37 are 5 %.
    for row, before in zip(as_shown(kept, 10)["cells"].to_pylist(), kept["cells"].to_pylist(), strict=True):
        place = before["place_counting"]
        wanted = 1 if place <= 8 else 2 if place <= 15 else 5 if place <= 37 else None
        assert row[ON_COUNTING_LIST] == wanted


def test_shares_by_cause_are_tenths_where_small_numbers_are_hidden(kept: dict[str, pa.Table]) -> None:
    assert set(as_shown(kept, 5)["cells"]["from_season"].to_pylist()) == {0.1}
    assert set(as_shown(kept, 0)["cells"]["from_season"].to_pylist()) == {0.08}


def test_counts_of_areas_are_hidden_so_that_the_others_do_not_tell_them(kept: dict[str, pa.Table]) -> None:
    tables = _with_areas(kept, records_28d=[2, 11, 30, 0], records_365d=[40, 60, 70, 90])
    rows = as_shown(tables, 5)["areas"].to_pylist()
    # 2 is hidden, and 11, without which the total would tell it; nobody is in the 0.
    assert [row["records_28d"] for row in rows] == [None, None, 30, 0]
    assert [row["hidden"] for row in rows] == ["records_28d", "records_28d", None, None]
    assert all(row["expected"] is not None for row in rows)
    assert [row["records_28d"] for row in as_shown(tables, 0)["areas"].to_pylist()] == [2, 11, 30, 0]


def test_what_a_count_expects_of_an_area_is_hidden_with_it(kept: dict[str, pa.Table]) -> None:
    tables = _with_areas(kept, records_28d=[9, 11, 30, 0], records_365d=[3, 60, 70, 90])
    shown = as_shown(tables, 5)
    assert [row["high_95"] is None for row in shown["areas"].to_pylist()] == [True, True, False, False]
    assert [row["expected"] is None for row in shown["areas"].to_pylist()] == [True, True, False, False]
    for name in ("share_records_365d", "ratio_records"):
        assert [row[name] is None for row in shown["exposure"].to_pylist()] == [True, True, False, False]
    assert {row["hidden"] for row in shown["exposure"].to_pylist()} == {"share_records_365d, ratio_records", None}


def test_costs_of_caps_are_whole_percents_where_small_numbers_are_hidden(kept: dict[str, pa.Table]) -> None:
    assert set(as_shown(kept, 5)["exposure"]["cost_15"].to_pylist()) == {0.09}


@pytest.mark.parametrize(
    ("hits", "crimes", "shown"),
    [
        ([20, 30, 50], 100, [20, 30, 50]),
        ([4, 30, 50], 100, [None, 30, 50]),
        ([0, 0, 50], 100, [0, 0, 50]),
        # Between one and two percent are four, and outside the largest list three.
        ([20, 24, 50], 100, [None, 24, 50]),
        ([20, 30, 97], 100, [20, 30, None]),
        ([20, 48, 97], 100, [20, 48, None]),
        ([20, 96, 97], 100, [20, None, None]),
        ([20, 20, 50], 100, [20, 20, 50]),
        ([0, 1, 3], 3, [None, None, None]),
    ],
)
def test_neither_hits_nor_what_lies_between_two_lists_is_small(
    kept: dict[str, pa.Table], hits: list[int], crimes: int, shown: list[int | None]
) -> None:
    rows = kept["scores"].slice(0, 3)
    assert rows["share"].to_pylist() == [1, 2, 5]
    rows = _set(_set(rows, hits=[float(one) for one in hits]), crimes=[crimes] * 3)
    found = as_shown({**kept, "scores": rows}, 5)["scores"].to_pylist()
    assert [row["hits"] for row in found] == shown
    assert [row["pai"] is None for row in found] == [one is None for one in shown]
    is_few = crimes < 5
    assert all((row[name] is None) is is_few for row in found for name in ("crimes", "level_error", "deviance"))


def test_a_file_of_another_release_or_damaged_is_refused_in_a_sentence(profile: Profile, tmp_path: Path) -> None:
    good = profile.landing.read(keys.forecast("chicago", NEXT))
    assert good is not None
    about = pa.Table.from_pylist([{"format": FORMAT + 1}])
    for content, said in (
        (b"no database", "are damaged"),
        (good[: len(good) // 2], "are damaged"),
        (packed(tmp_path, {"about": about}), "are of another release"),
        (packed(tmp_path, {"about": pa.Table.from_pylist([{"format": FORMAT}])}), "are damaged"),
    ):
        path = tmp_path / "forecast.duckdb"
        path.write_bytes(content)
        with pytest.raises(CrimeAssetsError, match=rf"of x {said}: materialize forecast_pages for that day again[.]"):
            ForecastFile(path, "x")


def test_days_are_found_newest_first_and_others_are_refused(profile: Profile, shelf: Forecasts) -> None:
    profile.landing.write("forecasts/city=chicago/notes.txt", b"x")
    profile.landing.write("forecasts/city=atlantis/as_of_day=2024-02-04.duckdb", b"x")
    assert shelf.days("chicago") == [NEXT]
    assert shelf.days("atlantis") == shelf.days("new_york") == []
    with pytest.raises(CrimeAssetsError, match="no forecasts of chicago as of 2024-01-28: choose a day"):
        shelf.of("chicago", SUNDAY)
    assert shelf.of("chicago", NEXT) is shelf.of("chicago", NEXT)


def test_nothing_is_written_of_a_day_that_was_not_forecast(profile: Profile) -> None:
    with pytest.raises(CrimeAssetsError, match="Nothing was forecast as of 2024-02-11: materialize forecast_totals"):
        write(profile, NEXT + timedelta(days=7))


def test_the_newest_thirteen_days_are_kept(profile: Profile, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    older = [NEXT - timedelta(days=7 * back) for back in range(1, KEPT_DAYS + 2)]
    key = keys.forecast("chicago", NEXT)
    content = profile.landing.read(key)
    assert content is not None
    for day in older:
        profile.landing.write(keys.forecast("chicago", day), content)
    write(profile, NEXT)
    try:
        assert Forecasts(profile.landing, tmp_path).days("chicago") == [NEXT, *older[: KEPT_DAYS - 1]]
    finally:
        for day in older:
            profile.landing.delete(keys.forecast("chicago", day))


def test_files_of_another_release_are_made_again(profile: Profile) -> None:
    key = keys.forecast("chicago", SUNDAY)
    assert days_to_write(profile, NEXT) == [NEXT]
    profile.landing.write(key, b"of another release")
    try:
        assert days_to_write(profile, NEXT) == [SUNDAY, NEXT]
        write(profile, SUNDAY)
        assert days_to_write(profile, NEXT) == [NEXT]
    finally:
        profile.landing.delete(key)


def _with_areas(kept: dict[str, pa.Table], **columns: list[int]) -> dict[str, pa.Table]:
    """The tables with four areas, of the pair of robberies at 28 days, which are counted by a year."""
    found = dict(kept)
    for name in ("areas", "exposure"):
        rows = kept[name]
        rows = rows.filter(pc.and_(pc.equal(rows["target"], "robbery"), pc.equal(rows["horizon"], 28))).slice(0, 4)
        assert name == "exposure" or rows["method"].to_pylist() == ["365d"] * 4
        given = {column: values for column, values in columns.items() if column in rows.column_names}
        found[name] = _set(rows, records_last_year=[50] * 4, **given) if name == "areas" else _set(rows, **given)
    return found


def _set(rows: pa.Table, **columns: list[int] | list[float] | list[str]) -> pa.Table:
    for name, values in columns.items():
        number = rows.schema.get_field_index(name)
        rows = rows.set_column(number, name, pa.array(values, rows.schema.field(number).type))
    return rows


def _pairs(rows: pa.Table) -> set[tuple[str, int]]:
    return set(zip(rows["target"].to_pylist(), rows["horizon"].to_pylist(), strict=True))


def test_the_questions_of_the_page_on_forecasts_can_be_asked(profile: Profile) -> None:
    page = (Path(__file__).parents[2] / "docs/forecasts.md").read_text()
    newest, scored = (profile.engine.query(sql).rows for sql in re.findall(r"```sql\n(.*?)```", page, re.DOTALL))
    totals = read(profile.lake, profile.city, "forecast_totals", [NEXT])
    assert len(newest) == totals.num_rows == len(TARGETS) * len(HORIZONS)
    assert [row[2] for row in newest if row[:2] == ("burglary", 28)] == [
        row["expected"] for row in totals.to_pylist() if (row["target"], row["horizon"]) == ("burglary", 28)
    ]
    assert {row[0] for row in scored} == {target.name for target in TARGETS}
