"""The dashboard's extract: it holds what the lake holds of the day, whole or not at all, for so many days."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path

import duckdb
import h3.api.basic_str as h3
import pytest

from crime_assets.core import keys
from crime_assets.core.errors import CrimeAssetsError
from crime_assets.core.insights import all_insights
from crime_assets.defs.work.steps import compute
from crime_assets.lakehouse.writing.insights import Held, replace_days
from crime_assets.profiles import Profile
from crime_assets.publishing import extract
from crime_assets.publishing.cells import outlines, ring
from crime_assets.publishing.extract import FORMAT, days, write_extracts
from crime_assets.publishing.reading import Extract, Extracts, lately
from crime_assets.publishing.shapes import shapes_of
from crime_assets_tests.build import CHICAGO, envelope, export_profile, kept, record
from crime_assets_tests.lakehouse.lakes import merge

DAY = date(2024, 1, 31)
SUMMARY = all_insights()[:1]


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
    write_extracts(profile.lake, profile.landing, profile.engine, profile.city, SUMMARY, [day])
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
    """An insight that found nothing is there without rows; one that was not asked for is not."""
    day = DAY + timedelta(days=5)
    rows = Held(profile.lake, profile.city, SUMMARY[0]).rows(DAY)
    assert rows is not None
    replace_days(profile.lake, profile.city, SUMMARY[0], {day: rows.slice(0, 0)})
    found = written(profile, day)
    assert found.ask("FROM insight_crime_summary", {}).num_rows == 0
    assert found.ask("FROM insight_crime_summary", {}).column_names[:2] == ["as_of_day", "period"]
    assert "insight_compstat" not in found.tables()


def test_cells_stand_for_the_areas_that_most_of_their_crimes_lie_in(profile: Profile) -> None:
    found = written(profile, DAY)
    (cell,) = found.ask("FROM cells", {}).to_pylist()
    assert (cell["district"], cell["beat"], cell["community_area"]) == ("001", "0111", "32")
    shapes, is_outlined = shapes_of(profile.landing, found, "beat")
    assert not is_outlined
    ((outline,),) = shapes.values()
    assert set(shapes) == {"0111"}
    assert sorted(outline) == [pytest.approx(point) for point in sorted(ring(cell["cell"]))]
    longitudes, latitudes = zip(*ring(cell["cell"]), strict=True)
    assert min(longitudes) < -87.627876698 < max(longitudes)
    assert min(latitudes) < 41.883500187 < max(latitudes)


def test_cells_of_one_area_have_one_outline() -> None:
    """Seven cells around one another are drawn by the eighteen corners on their outside."""
    disk = h3.grid_disk("892664c1e3bffff", 1)
    (outline,) = outlines(disk)
    assert len(outline) == 18
    corners = {(round(x, 9), round(y, 9)) for cell in disk for x, y in ring(cell)}
    assert {(round(x, 9), round(y, 9)) for x, y in outline} < corners
    outside, hole = sorted(outlines(set(disk) - {"892664c1e3bffff"}), key=len, reverse=True)
    assert (len(outside), len(hole)) == (18, 6)


def test_boundaries_come_before_cells(profile: Profile) -> None:
    found = written(profile, DAY)
    content = b'{"areas": {"001": [[[-87.7, 41.8], [-87.6, 41.8], [-87.6, 41.9]]]}}'
    with kept(profile, keys.boundaries("chicago", "district"), content):
        shapes, is_outlined = shapes_of(profile.landing, found, "district")
    assert is_outlined
    assert shapes == {"001": [[[-87.7, 41.8], [-87.6, 41.8], [-87.6, 41.9]]]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[" * 100_000,
        b"null",
        b"[]",
        b"{}",
        b'{"areas": {}}',
        b'{"areas": ["001"]}',
        b'{"areas": {"001": []}}',
        b'{"areas": {"001": [[]]}}',
        b'{"areas": {"001": [[[-87.6, 41.8]]]}}',
        b'{"areas": {"001": [[[-87.7, 41.8], [-87.6], [-87.6, 41.9]]]}}',
        b'{"areas": {"001": [[[-87.7, 41.8], [-87.6, 1e999], [-87.6, 41.9]]]}}',
        b'{"areas": {"001": [[[-87.7, 41.8], ["-87.6", 41.8], [-87.6, 41.9]]]}}',
        b'{"areas": {"001": [[[-87.7, 41.8], [-87.6, 41.8], [-87.6, 4',
    ],
)
def test_boundaries_that_cannot_be_drawn_count_as_none(profile: Profile, content: bytes) -> None:
    found = written(profile, DAY)
    with kept(profile, keys.boundaries("chicago", "district"), content):
        shapes, is_outlined = shapes_of(profile.landing, found, "district")
    assert not is_outlined
    assert set(shapes) == {"001"}


def test_a_reader_sees_a_new_extract_and_keeps_its_own(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crime_assets.publishing.reading._LOOK_EVERY_SECONDS", 0)
    extracts = Extracts(profile.landing, profile.lake.home / "cache")
    written(profile, DAY)
    before = extracts.of("chicago", DAY)
    assert extracts.of("chicago", DAY) is before
    write_extracts(profile.lake, profile.landing, profile.engine, profile.city, (), [DAY])
    after = extracts.of("chicago", DAY)
    assert "insight_crime_summary" in before.tables()
    assert "insight_crime_summary" not in after.tables()


def test_what_is_asked_can_neither_write_nor_read_files(profile: Profile, tmp_path: Path) -> None:
    found = written(profile, DAY)
    (tmp_path / "secret.csv").write_text("secret")
    for sql in (f"FROM '{tmp_path}/secret.csv'", "DROP TABLE places", "SET enable_external_access = true"):
        with pytest.raises(CrimeAssetsError) as refused:
            found.ask(sql, {})
        assert isinstance(refused.value.__cause__, duckdb.Error)


def test_old_days_are_forgotten(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract, "KEPT_DAYS", 2)
    for old in days(profile.landing, CHICAGO):
        profile.landing.delete(keys.extract("chicago", old))
    for day in (DAY, DAY + timedelta(days=1), DAY + timedelta(days=2)):
        write_extracts(profile.lake, profile.landing, profile.engine, profile.city, (), [day])
    assert days(profile.landing, CHICAGO) == [DAY + timedelta(days=2), DAY + timedelta(days=1)]


def test_a_day_there_is_none_of_says_so(profile: Profile) -> None:
    with pytest.raises(CrimeAssetsError, match="no extract of chicago for 2001-01-01: choose a day"):
        Extracts(profile.landing, profile.lake.home / "cache").of("chicago", date(2001, 1, 1))


def altered(statement: str) -> Callable[[bytes, Path], bytes]:
    def alter(content: bytes, scratch: Path) -> bytes:
        path = scratch / "extract.duckdb"
        path.write_bytes(content)
        with duckdb.connect(str(path)) as connection:
            connection.execute(statement)
        return path.read_bytes()

    return alter


DAMAGES: dict[str, Callable[[bytes, Path], bytes]] = {
    "the beginning": lambda content, _: content[:20_000],
    "empty": lambda *_: b"",
    "another file": lambda *_: b"SQLite format 3\0" * 1_000,
    "no about": altered("DROP TABLE about"),
    "empty about": altered("DELETE FROM about"),
    "no format": altered("ALTER TABLE about DROP COLUMN format"),
    "older format": altered("UPDATE about SET format = 0"),
    "less about": altered("ALTER TABLE about DROP COLUMN newest_crime"),
    "more about": altered("ALTER TABLE about ADD COLUMN more INTEGER"),
    "no table": altered("DROP TABLE places"),
    "no column": altered("ALTER TABLE places DROP COLUMN crimes"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_one_that_is_not_whole_says_so(
    profile: Profile, damage: Callable[[bytes, Path], bytes], tmp_path: Path
) -> None:
    """And the other days are there as they were."""
    for day in (DAY, DAY + timedelta(days=1)):
        write_extracts(profile.lake, profile.landing, profile.engine, profile.city, (), [day])
    key = keys.extract("chicago", DAY)
    with kept(profile, key, damage(profile.landing.read(key) or b"", tmp_path)):
        extracts = Extracts(profile.landing, tmp_path / "cache")
        with pytest.raises(CrimeAssetsError) as said:
            extracts.of("chicago", DAY).ask("SELECT sum(crimes) AS crimes FROM places", {})
        other = extracts.of("chicago", DAY + timedelta(days=1))
    assert str(said.value).startswith(f"The extract of chicago for {DAY} is ")
    assert str(said.value).endswith(": materialize dashboard_extract for that day again.")
    assert other.ask("SELECT sum(crimes) AS crimes FROM places WHERE period = 'all'", {}).to_pylist() == [{"crimes": 3}]
    assert list((tmp_path / "cache").iterdir()) == []


def test_its_format_is_that_of_its_tables(profile: Profile) -> None:
    """Whoever gives them other columns raises FORMAT, and alters this digest: extracts of before lack what is new."""
    found = written(profile, DAY)
    columns = found.ask(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT starts_with(table_name, 'insight_') "
        "ORDER BY ALL",
        {},
    )
    lines = "\n".join(" ".join(row.values()) for row in columns.to_pylist())
    assert (FORMAT, sha256(lines.encode()).hexdigest()[:12]) == (4, "61c346e8433e")


def test_a_cache_that_cannot_be_written_says_so(profile: Profile, tmp_path: Path) -> None:
    written(profile, DAY)
    (tmp_path / "file").touch()
    with pytest.raises(
        CrimeAssetsError, match=r"file/cache cannot hold a copy .*: fix that, or set another CRIME_HOME"
    ):
        Extracts(profile.landing, tmp_path / "file" / "cache").of("chicago", DAY)


def test_folders_of_unknown_cities_are_none_of_ours(profile: Profile, tmp_path: Path) -> None:
    written(profile, DAY)
    with kept(profile, f"extracts/city=atlantis/as_of_day={DAY}.duckdb", b""):
        assert Extracts(profile.landing, tmp_path).cities() == ["chicago"]


def test_a_city_whose_extracts_are_gone_says_so(profile: Profile, tmp_path: Path) -> None:
    with pytest.raises(CrimeAssetsError, match="no extract of atlantis: materialize dashboard_extract"):
        Extracts(profile.landing, tmp_path).days("atlantis")


def test_a_store_is_not_listed_for_every_look(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter(range(10))
    monkeypatch.setattr("crime_assets.publishing.reading._LOOK_EVERY_SECONDS", 3600)
    found = lately(lambda: next(looks))
    assert [found(), found()] == [0, 0]
    monkeypatch.setattr("crime_assets.publishing.reading._LOOK_EVERY_SECONDS", -1)
    assert [found(), found()] == [1, 2]
