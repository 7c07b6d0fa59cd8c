"""The simulated New York: the sample city of Chicago told as complaints, a quarter of a year at a time."""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial

import duckdb
import pyarrow as pa
import pytest

from crime_assets.core.errors import UsageError
from crime_assets.sources import cities
from crime_assets.sources.cities import codes
from crime_assets.sources.feeds import PublishedFeed
from crime_assets.sources.feeds.sample import SampleFeed, planted
from crime_assets.sources.feeds.sample.publications import SamplePublications
from crime_assets_tests.sources.feeds.histories import read_history
from crime_assets_tests.sources.feeds.sample_city import CHICAGO

NEW_YORK = cities.get("new_york")
ORIGIN, TODAY = date(2025, 11, 20), date(2025, 11, 21)
PUBLISHED, AFTER = date(2025, 10, 31), date(2025, 10, 1)
QUARTER = timedelta(days=92)


def city(*, rows: int = 10_000, today: date = TODAY, origin: date = ORIGIN, seed: int = 7) -> SamplePublications:
    return SamplePublications(NEW_YORK, origin=origin, today=today, rows=rows, seed=seed)


def held(feed: PublishedFeed) -> pa.Table:
    return pa.concat_tables(feed.publication().tables())


def by_number(feed: PublishedFeed) -> dict[str, dict[str, object]]:
    return {row["cmplnt_num"]: row for row in held(feed).to_pylist()}


@pytest.fixture(scope="module")
def sql() -> duckdb.DuckDBPyConnection:
    """A year of complaints."""
    connection = duckdb.connect()
    connection.register("complaints", held(city(rows=250_000)))
    return connection


class TestPublications:
    def test_a_quarter_is_published_when_the_city_has_had_its_time(self) -> None:
        for day in (PUBLISHED, date(2026, 1, 31), date(2026, 5, 1), date(2026, 7, 31), date(2026, 10, 31)):
            # Today is not complete yet: what is published on a day is there from the next day on.
            assert city(today=day).publication().day < day
            assert city(today=day + timedelta(days=1)).publication().day == day
            assert NEW_YORK.last_complete_day(day - timedelta(days=1)) < NEW_YORK.last_complete_day(day)

    def test_it_has_what_was_reported_in_whole_quarters(self, sql: duckdb.DuckDBPyConnection) -> None:
        last, early, rows = sql.execute(
            "SELECT max(rpt_dt), count(*) FILTER (rpt_dt < cmplnt_fr_dt), count(*) FROM complaints"
        ).fetchall()[0]
        assert (last, early) == ("2025-09-30T00:00:00.000", 0)
        assert rows == pytest.approx(250_000, rel=0.02)

    def test_seed_rows_and_day_decide_it(self) -> None:
        same = city(today=TODAY + timedelta(days=70))
        assert same.publication().version == city().publication().version
        assert held(same).equals(held(city()))
        for other in (city(seed=8), city(rows=9_000), city(today=TODAY + QUARTER)):
            assert other.publication().version != city().publication().version
        here, there = by_number(city()), by_number(city(seed=8))
        assert sum(here[number] == there[number] for number in here.keys() & there.keys()) == 0

    def test_the_next_one_has_more_and_edits_and_lacks_what_was_deleted(self) -> None:
        before, after = by_number(city()), by_number(city(today=TODAY + QUARTER))
        gone, new = before.keys() - after.keys(), after.keys() - before.keys()
        assert 1 <= len(gone) <= 20
        assert len(new) == pytest.approx(92 * 690, rel=0.05)
        late = [number for number in new if str(after[number]["cmplnt_fr_dt"]) < f"{AFTER}"]
        assert 100 < len(late) < 1_500
        assert all(str(after[number]["rpt_dt"]) >= f"{AFTER}" for number in late)
        edited = [
            {name for name in before[number] if before[number][name] != after[number][name]}
            for number in before.keys() & after.keys()
            if before[number] != after[number]
        ]
        assert 200 < len(edited) < 800
        assert sum("ky_cd" in changed for changed in edited) > 50
        assert all(changed.isdisjoint({"rpt_dt", "cmplnt_fr_dt", "cmplnt_fr_tm"}) for changed in edited)

    def test_the_history_is_the_publication_a_month_at_a_time(self) -> None:
        feed = city(rows=60_000)
        key = [("cmplnt_num", "ascending")]
        assert read_history(feed, ORIGIN).sort_by(key).equals(held(feed).sort_by(key))
        with feed.history(ORIGIN) as history:
            assert history.parts == ["2025-07", "2025-08", "2025-09"]
            august = history.read("2025-08")["cmplnt_fr_dt"].to_pylist()
        assert {str(day)[:7] for day in august} - {"None", "#VALUE!"} == {"2025-08"}

    @pytest.mark.parametrize("name", ["los_angeles", "san_francisco", "chicago"])
    def test_other_cities_are_refused(self, name: str) -> None:
        with pytest.raises(UsageError, match="can simulate Chicago and New York, but not"):
            SamplePublications(cities.get(name), origin=ORIGIN, today=TODAY)


class TestTheSameSimulation:
    def test_each_complaint_is_a_crime_of_the_sample_city(self, sql: duckdb.DuckDBPyConnection) -> None:
        """Same number, day, minute and kind of offense; what Chicago publishes and it lacks is no crime there."""
        chicago = SampleFeed(CHICAGO, origin=AFTER, today=PUBLISHED, rows=260_000, planted=planted.around(AFTER))
        sql.register("chicago", read_history(chicago, AFTER + timedelta(days=7)))
        # DuckDB takes names of types, of which its declarations do not know.
        sql.create_function("word", _word, ["VARCHAR"], "VARCHAR")  # type: ignore[arg-type]
        sql.create_function("word_of_chicago", partial(_word_of, "chicago", "iucr"), ["VARCHAR"], "VARCHAR")  # type: ignore[arg-type]
        same, joined = sql.execute(
            "WITH pairs AS (SELECT cmplnt_fr_dt[:11] || cmplnt_fr_tm || '.000' AS said, date, ky_cd || '/' || "
            "coalesce(pd_cd, '') AS code, iucr || '/' || fbi_code AS theirs FROM complaints JOIN chicago "
            "ON replace(cmplnt_num, 'H1', '')::INT - 200_000_000 = id::INT), "
            "words AS (SELECT code, theirs FROM pairs GROUP BY ALL HAVING word(code) = word_of_chicago(theirs)) "
            "SELECT count(*) FILTER (said = date AND words.code IS NOT NULL), count(*) FROM pairs "
            "LEFT JOIN words USING (code, theirs)"
        ).fetchall()[0]
        # Edited on the days between the two of them, without a beginning, or written so that it has no day.
        assert joined > 220_000
        assert joined - same < 0.002 * joined

    def test_all_codes_are_known(self, sql: duckdb.DuckDBPyConnection) -> None:
        found = sql.execute("SELECT DISTINCT ky_cd || '/' || coalesce(pd_cd, ''), pd_desc FROM complaints").fetchall()
        known = codes.crosswalk("new_york")
        assert len(found) > 80
        assert all(("ky_pd", code) in known for code, _ in found)
        assert [text for code, text in found if code == "101/"] == [None]
        assert {known["ky_pd", code].text for code, text in found if text} == {text for _, text in found if text}


def _word(code: str) -> str:
    return _word_of("new_york", "ky_pd", code)


def _word_of(city: str, scheme: str, code: str) -> str:
    found = codes.find(city, scheme, code)
    return codes.nibrs()[found.nibrs_code].offense if found else ""


class TestPlaces:
    def test_they_are_in_new_york_and_agree_with_one_another(self, sql: duckdb.DuckDBPyConnection) -> None:
        south, west, north, east = NEW_YORK.bounding_box
        found = sql.execute(
            "SELECT count(DISTINCT addr_pct_cd), count(DISTINCT boro_nm), count(*) FILTER (NOT (latitude::DOUBLE "
            f"BETWEEN {south} AND {north} AND longitude::DOUBLE BETWEEN {west} AND {east})), "
            "count(*) FILTER (lat_lon->>'latitude' <> latitude) FROM complaints "
            "WHERE addr_pct_cd <> '(null)' AND boro_nm <> '(null)'"
        ).fetchall()
        assert found == [(75, 5, 0, 0)]
        wide = "SELECT addr_pct_cd FROM complaints WHERE addr_pct_cd <> '(null)' GROUP BY 1 HAVING "
        assert not sql.execute(f"{wide} max(latitude::DOUBLE) - min(latitude::DOUBLE) > 0.02").fetchall()
        several = "count(DISTINCT boro_nm) FILTER (boro_nm <> '(null)') > 1"
        assert not sql.execute(f"{wide} {several}").fetchall()

    def test_sex_crimes_are_put_at_the_station_house(self, sql: duckdb.DuckDBPyConnection) -> None:
        points = (
            "SELECT count(DISTINCT latitude || longitude) AS points, count(*) AS rows FROM complaints "
            "WHERE addr_pct_cd <> '(null)' AND ky_cd {} ('104', '116', '233') GROUP BY addr_pct_cd"
        )
        assert set(sql.execute(f"SELECT points FROM ({points.format('IN')})").fetchall()) == {(1,)}
        ((fewest,),) = sql.execute(f"SELECT min(points) FROM ({points.format('NOT IN')})").fetchall()
        assert fewest > 300

    def test_a_point_is_the_same_in_feet_and_degrees(self, shared_data, sql: duckdb.DuckDBPyConnection) -> None:
        """Real points and simulated ones within a few feet of one another are where they should be."""
        real = f"read_csv('{shared_data}/other_cities/nyc_qgea-i56i_2010-01-01.csv.gz', all_varchar = true)"
        feet = "replace({0}.x_coord_cd, ',', '')::INT // 20 = replace({1}.x_coord_cd, ',', '')::INT // 20 "
        near = feet + "AND " + feet.replace("x_coord", "y_coord")
        far, pairs = sql.execute(
            "SELECT max(greatest(abs(r.latitude::DOUBLE - c.latitude::DOUBLE), "
            "abs(r.longitude::DOUBLE - c.longitude::DOUBLE))), count(*) FROM "
            f"(SELECT DISTINCT x_coord_cd, y_coord_cd, latitude, longitude FROM complaints) AS c JOIN {real} AS r "
            f"ON {near.format('c', 'r')}"
        ).fetchall()[0]
        assert pairs > 20
        assert far < 0.0001


class TestTheDirt:
    @pytest.mark.parametrize(
        ("kind", "least", "most"),
        [
            ("x_coord_cd LIKE '%,%'", 4_000, 6_000),
            ("prem_typ_desc = '(null)'", 400, 900),
            ("boro_nm = '(null)'", 100, 250),
            ("addr_pct_cd = '(null)'", 20, 90),
            ("cmplnt_fr_dt IS NULL AND cmplnt_to_dt IS NOT NULL", 80, 180),
            ("cmplnt_fr_dt IS NULL AND cmplnt_to_dt IS NULL", 0, 0),
            ("cmplnt_to_dt IS NULL", 55_000, 70_000),
            ("cmplnt_fr_dt = '#VALUE!'", 1, 15),
            ("latitude IS NULL AND x_coord_cd IS NULL AND lat_lon IS NULL", 30, 110),
            ("ky_cd = '101' AND pd_cd IS NULL AND cmplnt_num LIKE '%H1'", 300, 900),
            ("susp_race <> '(null)' OR vic_race <> '(null)' OR _raw IS NOT NULL", 0, 0),
        ],
    )
    def test_a_year_holds_each_kind(self, sql: duckdb.DuckDBPyConnection, kind: str, least: int, most: int) -> None:
        ((found,),) = sql.execute(f"SELECT count(*) FROM complaints WHERE {kind}").fetchall()
        assert least <= found <= most
