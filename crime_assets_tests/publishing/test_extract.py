"""The dashboard's extract: it holds what the lake holds of the day, whole or not at all, for so many days."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from crime_assets.core import keys
from crime_assets.core.errors import CrimeAssetsError
from crime_assets.core.insights import load_insights
from crime_assets.profiles import Profile
from crime_assets.publishing import extract
from crime_assets.publishing.cells import ring
from crime_assets.publishing.extract import days, write_extract
from crime_assets.publishing.reading import Extract, Extracts
from crime_assets.publishing.shapes import shapes_of
from crime_assets.work.steps import compute
from crime_assets_tests.build import CHICAGO, envelope, export_profile, record
from crime_assets_tests.lakehouse.lakes import merge

DAY = date(2024, 1, 31)
SUMMARY = load_insights()[:1]


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """Three crimes, of which one has no place and one was known a day later only; the summary of both days."""
    found = export_profile(tmp_path_factory.mktemp("extract") / "lake", "none.csv")
    found.begin(DAY)
    merge(
        found.lake,
        envelope(record(1, f"{DAY}", "2024-01-20", arrest=True), f"{DAY}"),
        envelope(record(2, f"{DAY}", "2023-06-01", district=None, latitude=None, longitude=None), f"{DAY}"),
        envelope(record(3, "2024-02-01", "2024-01-24"), "2024-02-01"),
    )
    for day in (DAY, DAY + timedelta(days=1)):
        compute(found, found.engine, SUMMARY[0], [day])
    return found


def written(profile: Profile, day: date) -> Extract:
    write_extract(profile.lake, profile.landing, profile.engine, profile.city, SUMMARY, day)
    return Extracts(profile.landing, profile.lake.home / "cache").of("chicago", day)


def test_it_says_what_was_known_on_its_day(profile: Profile) -> None:
    first, second = (written(profile, day) for day in (DAY, DAY + timedelta(days=1)))
    assert (first.about.crimes, second.about.crimes) == (2, 3)
    assert (first.about.newest_crime, second.about.newest_crime) == (date(2024, 1, 20), date(2024, 1, 24))
    assert (first.about.as_of_day, first.about.last_complete_day) == (DAY, date(2024, 1, 23))
    assert (first.about.city, first.about.title) == ("chicago", "Chicago")


def test_its_tables_add_up_to_the_lake(profile: Profile) -> None:
    found = written(profile, DAY)
    for table in ("places", "hours", "types", "blocks"):
        sums = found.ask(f"SELECT period, sum(crimes) AS crimes FROM {table} GROUP BY period ORDER BY period", {})
        assert [tuple(row.values()) for row in sums.to_pylist()] == [("28d", 1), ("365d", 2), ("all", 2)]
    for table in ("days", "months"):
        assert found.ask(f"SELECT sum(crimes) AS crimes FROM {table}", {}).to_pylist() == [{"crimes": 2}]


def test_it_holds_the_insights_of_its_day_in_their_order(profile: Profile) -> None:
    rows = written(profile, DAY).ask("FROM insight_crime_summary", {}).to_pylist()
    assert [(row["as_of_day"], row["period"], row["crimes"]) for row in rows] == [
        (DAY, "28d", 1),
        (DAY, "365d", 2),
        (DAY, "all", 2),
    ]


def test_a_day_without_rows_has_empty_tables(profile: Profile) -> None:
    """An insight that was never computed for a day is there without rows; one without a table is not."""
    found = written(profile, DAY + timedelta(days=5))
    assert found.ask("FROM insight_crime_summary", {}).num_rows == 0
    assert found.ask("FROM insight_crime_summary", {}).column_names[:2] == ["as_of_day", "period"]
    assert "insight_compstat" not in found.tables()


def test_cells_stand_for_the_areas_that_most_of_their_crimes_lie_in(profile: Profile) -> None:
    found = written(profile, DAY)
    (cell,) = found.ask("FROM cells", {}).to_pylist()
    assert (cell["district"], cell["beat"], cell["community_area"]) == ("001", "0111", "32")
    shapes, is_outlined = shapes_of(profile.landing, found, "beat")
    assert not is_outlined
    assert shapes == {"0111": [ring(cell["cell"])]}
    longitudes, latitudes = zip(*ring(cell["cell"]), strict=True)
    assert min(longitudes) < -87.627876698 < max(longitudes)
    assert min(latitudes) < 41.883500187 < max(latitudes)


def test_boundaries_come_before_cells(profile: Profile) -> None:
    found = written(profile, DAY)
    key = keys.boundaries("chicago", "district")
    profile.landing.write(key, b'{"areas": {"001": [[[-87.7, 41.8], [-87.6, 41.8], [-87.6, 41.9]]]}}')
    try:
        shapes, is_outlined = shapes_of(profile.landing, found, "district")
    finally:
        profile.landing.delete(key)
    assert is_outlined
    assert shapes == {"001": [[[-87.7, 41.8], [-87.6, 41.8], [-87.6, 41.9]]]}


def test_a_reader_sees_a_new_extract_and_keeps_its_own(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crime_assets.publishing.reading._LOOK_EVERY_SECONDS", 0)
    extracts = Extracts(profile.landing, profile.lake.home / "cache")
    written(profile, DAY)
    before = extracts.of("chicago", DAY)
    assert extracts.of("chicago", DAY) is before
    write_extract(profile.lake, profile.landing, profile.engine, profile.city, (), DAY)
    after = extracts.of("chicago", DAY)
    assert "insight_crime_summary" in before.tables()
    assert "insight_crime_summary" not in after.tables()


def test_what_is_asked_can_neither_write_nor_read_files(profile: Profile, tmp_path: Path) -> None:
    found = written(profile, DAY)
    (tmp_path / "secret.csv").write_text("secret")
    for sql in (f"FROM '{tmp_path}/secret.csv'", "DROP TABLE places", "SET enable_external_access = true"):
        with pytest.raises(duckdb.Error):
            found.ask(sql, {})


def test_old_days_are_forgotten(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract, "KEPT_DAYS", 2)
    for old in days(profile.landing, CHICAGO):
        profile.landing.delete(keys.extract("chicago", old))
    for day in (DAY, DAY + timedelta(days=1), DAY + timedelta(days=2)):
        write_extract(profile.lake, profile.landing, profile.engine, profile.city, (), day)
    assert days(profile.landing, CHICAGO) == [DAY + timedelta(days=2), DAY + timedelta(days=1)]


def test_a_day_there_is_none_of_says_so(profile: Profile) -> None:
    with pytest.raises(CrimeAssetsError, match="no extract of chicago for 2001-01-01: choose a day"):
        Extracts(profile.landing, profile.lake.home / "cache").of("chicago", date(2001, 1, 1))
