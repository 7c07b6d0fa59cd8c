"""The file of a day's forecasts: what is in it, what nobody is shown, and how it is found again."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from pathlib import Path

import h3
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from crime_assets.analysis.forecasts import HORIZONS
from crime_assets.analysis.forecasts.targets import TARGETS
from crime_assets.core import keys
from crime_assets.lakehouse.schema_forecasts import FORECASTS
from crime_assets.lakehouse.writing.forecasts import SCORES, read
from crime_assets.profiles import Profile
from crime_assets.publishing import forecasts
from crime_assets.publishing.database_files import opened
from crime_assets.publishing.forecasts import FORMAT, ForecastFile, Forecasts, write
from crime_assets_tests.build import CHICAGO, sample_profile
from crime_assets_tests.publishing.forecasts_made import AREA_ID, CELLS, SUNDAY, put

PAIRS = {(target.name, horizon) for target in TARGETS for horizon in HORIZONS}
NEXT = SUNDAY + timedelta(days=7)


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """A lake in which something was forecast on two Sundays, and the file of the later one."""
    profile = sample_profile(tmp_path_factory.mktemp("forecasts") / "lake")
    put(profile, [SUNDAY, NEXT])
    write(profile, NEXT)
    return profile


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
        assert tables[name].column_names == [*(one for one in wanted if one not in left_out), "hidden"]


def test_no_cell_is_beyond_five_percent_of_either_list(file: ForecastFile) -> None:
    listed = defaultdict(set)
    for row in file.tables(0)["cells"].to_pylist():
        assert row["flagged"] in {1, 2, 5} or row["place_counting"] <= 37
        listed[row["target"], row["horizon"]].add(row["place"])
    assert listed.keys() == PAIRS
    assert all(found >= set(range(1, 38)) and len(found) <= 74 for found in listed.values())


def test_cells_that_a_cap_left_out_stay_to_be_seen(kept: dict[str, pa.Table]) -> None:
    from crime_assets.publishing.forecast_tables import _listed

    rows = kept["cells"].filter(pc.equal(kept["cells"]["target"], "burglary")).slice(0, 3)
    rows = rows.set_column(rows.schema.get_field_index("flagged"), "flagged", pa.array([5, None, None], pa.int32()))
    rows = rows.set_column(
        rows.schema.get_field_index("is_capped_out"), "is_capped_out", pa.array([False, True, False])
    )
    rows = rows.set_column(
        rows.schema.get_field_index("place_counting"), "place_counting", pa.array([9, 9, 9], pa.int32())
    )
    assert _listed(rows)["flagged"].to_pylist() == [5, None]


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


def _pairs(rows: pa.Table) -> set[tuple[str, int]]:
    return set(zip(rows["target"].to_pylist(), rows["horizon"].to_pylist(), strict=True))
