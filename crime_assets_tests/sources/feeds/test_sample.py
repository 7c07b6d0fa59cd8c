"""The simulated city: the same for the same seed, and as odd as the real feed."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from datetime import date, datetime, timedelta

import duckdb
import pyarrow as pa
import pytest

from crime_assets.sources.feeds.sample import _EDITION, SampleFeed, shares
from crime_assets_tests.sources.feeds.histories import read_history
from crime_assets_tests.sources.feeds.sample_city import (
    CHICAGO,
    ORIGIN,
    TODAY,
    UNTYPABLE,
    by_id,
    change_day,
    city,
    occurred,
)


@pytest.fixture(scope="module")
def year() -> pa.Table:
    """A year of the city as it is loaded before the lake's first change day."""
    return read_history(city(rows=250_000), ORIGIN)


@pytest.fixture(scope="module")
def sql(year: pa.Table) -> duckdb.DuckDBPyConnection:
    """The same year as the view `crimes`, with the time it says in `happened` (NULL where it cannot be read)."""
    connection = duckdb.connect()
    connection.register("year", year)
    connection.execute('CREATE VIEW crimes AS SELECT *, TRY_CAST("date" AS TIMESTAMP) AS happened FROM year')
    return connection


class TestTheSameCity:
    def test_records_are_those_of_this_edition(self) -> None:
        """Whoever changes them on purpose increases the edition, too: a history half loaded must not go on."""
        feed = city(rows=3_000)
        found = json.dumps([read_history(feed, ORIGIN).to_pydict(), list(feed.changes(ORIGIN, TODAY))])
        assert (_EDITION, hashlib.sha256(found.encode()).hexdigest()[:16]) == (2, "b7c90f32a39810a5")

    def test_a_seed_decides_every_record(self) -> None:
        assert by_id(city()) == by_id(city())
        here, there = by_id(city()), by_id(city(seed=8))
        assert sum(here[key] == there[key] for key in here.keys() & there.keys()) == 0

    def test_origin_and_rows_only_say_where_it_begins(self) -> None:
        small, large = by_id(city(rows=5_000)), by_id(city(rows=30_000, origin=date(2025, 11, 10)))
        assert len(small) < len(large)
        assert all(large[key] == record for key, record in small.items())

    def test_today_only_says_which_version_is_current(self) -> None:
        before, after = by_id(city()), by_id(city(today=TODAY + timedelta(days=30)))
        untouched = [key for key in before.keys() & after.keys() if change_day(after[key]) < TODAY]
        assert len(untouched) > 8_000
        assert all(before[key] == after[key] for key in untouched)

    @pytest.mark.parametrize(
        ("rows", "today"),
        [(10_000, ORIGIN), (10_000, TODAY), (250_000, ORIGIN), (250_000, TODAY), (800_000, ORIGIN)],
    )
    def test_as_many_rows_as_asked_for(self, rows: int, today: date) -> None:
        found = read_history(city(rows=rows, today=today), ORIGIN).num_rows
        assert found == pytest.approx(rows, rel=0.02)

    def test_a_year_is_about_what_chicago_has(self, sql: duckdb.DuckDBPyConnection) -> None:
        per_day = sql.execute(
            "SELECT count(*) / count(DISTINCT happened::DATE) FROM crimes WHERE happened < '2025-10-01'"
        ).fetchone()
        assert per_day is not None
        assert per_day[0] == pytest.approx(shares.CRIMES_A_DAY, rel=0.02)


class TestTheLifeOfARecord:
    def test_seven_days_are_never_published(self, sql: duckdb.DuckDBPyConnection) -> None:
        lags = Counter(
            dict(
                sql.execute(
                    "SELECT date_diff('day', happened::DATE, updated_on::TIMESTAMP::DATE), count(*) "
                    "FROM crimes WHERE happened IS NOT NULL GROUP BY 1"
                ).fetchall()
            )
        )
        assert min(lags) == 7
        assert 0.75 < lags[7] / lags.total() < 0.95
        assert 300 < max(lags) <= 400

    def test_edits_move_records_to_a_newer_day(self) -> None:
        before, after = by_id(city()), by_id(city(today=TODAY + timedelta(days=60)))
        edited = [key for key in before.keys() & after.keys() if change_day(after[key]) >= TODAY]
        assert len(edited) > 500
        fields = [
            {name for name in before[key].keys() | after[key].keys() if before[key].get(name) != after[key].get(name)}
            for key in edited
        ]
        assert all("updated_on" in changed and changed.isdisjoint({"id", "date", "case_number"}) for changed in fields)
        assert sum("arrest" in changed for changed in fields) > 100
        assert all(after[key]["arrest"] for key in edited if before[key]["arrest"] != after[key]["arrest"])
        assert sum({"iucr", "primary_type", "fbi_code"} <= changed for changed in fields) > 50
        assert sum({"latitude", "x_coordinate", "location"} <= changed for changed in fields) > 50

    def test_an_edited_record_leaves_its_older_day(self) -> None:
        day = TODAY - timedelta(days=1)
        then = {record["id"] for record in city().changes(day, day)}
        later = city(today=TODAY + timedelta(days=60))
        still = {record["id"] for record in later.changes(day, day)}
        moved = {record["id"] for record in later.changes(TODAY, later.latest_day())} & then
        assert still < then
        assert moved
        assert len(then - still - moved) <= 3

    @pytest.mark.slow
    def test_edits_end_and_none_is_missed(self) -> None:
        day = date(2025, 8, 5)
        feed = city(rows=450_000)
        seen = list(feed.changes(day, day))
        ages = [(day - occurrence).days for record in seen if (occurrence := occurred(record)) is not None]
        assert 200 < max(ages) <= 400
        through_history = Counter(stamp[:10] for stamp in read_history(feed, TODAY)["updated_on"].to_pylist())
        assert len(seen) == through_history[day.isoformat()]

    def test_deletions_leave_no_trace(self) -> None:
        def ids(feed: SampleFeed) -> set[str]:
            return set(read_history(feed, date.max)["id"].to_pylist())

        later = city(today=TODAY + timedelta(days=120))
        gone = ids(city()) - ids(later)
        assert 2 <= len(gone) <= 20
        assert gone.isdisjoint(record["id"] for record in later.changes(TODAY, TODAY + timedelta(days=60)))

    @pytest.mark.slow
    def test_a_bulk_restamp_shares_one_second(self) -> None:
        day = date(2026, 2, 10)
        feed = city(rows=500_000, origin=day, today=day + timedelta(days=1))
        restamped = Counter(read_history(feed, day + timedelta(days=1))["updated_on"].to_pylist())
        stamp, rows = restamped.most_common(1)[0]
        assert stamp == "2026-02-10T15:50:01.000"
        assert rows > 150_000
        others = sum(count for other, count in restamped.items() if other[:10] == stamp[:10] and other != stamp)
        assert feed.count(day, day) == rows + others
        assert others < 1_200
        yesterday = city(rows=500_000, origin=day, today=day)
        assert yesterday.count(date.min, day) > 490_000

    def test_a_bulk_restamp_touches_the_calendar_year_before_last(self) -> None:
        day = date(2026, 2, 10)
        feed = city(rows=290_000, origin=day, today=day + timedelta(days=1))
        touched = [record for record in feed.changes(day, day) if str(record["updated_on"]).endswith("T15:50:01.000")]
        assert {str(record["year"]) for record in touched} == {"2024"}
        assert len(touched) > 5_000

    def test_a_day_has_two_stamps(self) -> None:
        found = Counter(record["updated_on"] for record in city(rows=100_000).changes(ORIGIN, ORIGIN))
        assert len(found) == 2
        (edits, few), (news, many) = sorted(found.items())
        assert few < many
        assert f"{ORIGIN}T15:30" < str(edits) < str(news) < f"{ORIGIN}T16:30"


class TestTheShape:
    def one(self, sql: duckdb.DuckDBPyConnection, query: str) -> tuple[float, ...]:
        row = sql.execute(query).fetchone()
        assert row is not None
        return row

    def test_hours(self, sql: duckdb.DuckDBPyConnection) -> None:
        hours = dict(
            sql.execute("SELECT hour(happened), count(*) FROM crimes WHERE happened IS NOT NULL GROUP BY 1").fetchall()
        )
        assert sorted(hours, key=lambda hour: -hours[hour])[:2] == [0, 12]
        assert min(hours, key=lambda hour: hours[hour]) == 5
        midnight, noon, round_hour, seconds = self.one(
            sql,
            "SELECT avg((happened::TIME = '00:00')::INT), avg((happened::TIME = '12:00')::INT), "
            "avg((minute(happened) = 0)::INT), max(second(happened)) FROM crimes WHERE happened IS NOT NULL",
        )
        assert midnight == pytest.approx(0.032, abs=0.002)
        assert noon == pytest.approx(0.026, abs=0.002)
        assert round_hour == pytest.approx(0.35, abs=0.02)
        assert seconds == 0

    def test_seasons_and_weekdays(self, sql: duckdb.DuckDBPyConnection) -> None:
        days = "SELECT happened::DATE AS day, count(*) AS n FROM crimes WHERE happened < '2025-10-01' GROUP BY 1"
        summer, winter = self.one(
            sql,
            f"SELECT avg(n) FILTER (month(day) IN (6, 7, 8)), avg(n) FILTER (month(day) IN (1, 2, 12)) FROM ({days})",
        )
        assert summer / winter == pytest.approx(798 / 672, rel=0.04)
        friday, wednesday = self.one(
            sql, f"SELECT avg(n) FILTER (isodow(day) = 5), avg(n) FILTER (isodow(day) = 3) FROM ({days})"
        )
        assert friday > wednesday
        first, ordinary = self.one(
            sql, f"SELECT avg(n) FILTER (day(day) = 1), avg(n) FILTER (day(day) > 1) FROM ({days})"
        )
        assert first > 1.08 * ordinary

    def test_offenses(self, sql: duckdb.DuckDBPyConnection) -> None:
        table = [line.split("|") for line in shares.OFFENSES.splitlines()]
        total = sum(int(row[4]) for row in table)
        found = {
            row[0]: row
            for row in sql.execute(
                "SELECT iucr, count(*) / sum(count(*)) OVER (), avg(domestic::INT), count(DISTINCT primary_type), "
                "min(fbi_code), count(*) FROM crimes GROUP BY 1"
            ).fetchall()
        }
        assert found.keys() == {row[0] for row in table}
        for iucr, name, _, fbi_code, rows, _, domestic in table[:40]:
            assert found[iucr][1] == pytest.approx(int(rows) / total, rel=0.12), name
            assert found[iucr][2] == pytest.approx(int(domestic) / 1000, abs=0.05), name
            assert found[iucr][4] == fbi_code
        assert all(row[3] == 1 for iucr, row in found.items() if iucr[:2] != "02")

    def test_arrests(self, sql: duckdb.DuckDBPyConnection) -> None:
        old = dict(
            sql.execute(
                "SELECT primary_type, avg(arrest::INT) FROM crimes WHERE happened < '2025-05-01' GROUP BY 1"
            ).fetchall()
        )
        assert old["NARCOTICS"] > 0.95
        assert old["BURGLARY"] == pytest.approx(0.044, abs=0.02)
        assert old["THEFT"] == pytest.approx(0.105, abs=0.02)
        early, late = self.one(
            sql,
            "SELECT avg(arrest::INT) FILTER (happened < '2025-05-01'), "
            "avg(arrest::INT) FILTER (happened >= '2025-10-15') FROM crimes",
        )
        assert early > late + 0.01

    def test_places_agree_with_one_another(self, sql: duckdb.DuckDBPyConnection) -> None:
        districts, beats, outside = self.one(
            sql,
            "SELECT count(DISTINCT district) FILTER (district NOT IN ('16', '031', '061')), count(DISTINCT beat), "
            "count(*) FILTER (district <> '0' || beat[:2]) FROM crimes",
        )
        assert districts == 22
        assert beats == 272
        assert 10 < outside < 100
        south, west, north, east = CHICAGO.bounding_box
        (strays,) = self.one(
            sql,
            "SELECT count(*) FROM crimes WHERE latitude NOT IN ('36.619446395', '#VALUE!') AND NOT "
            f"(latitude::DOUBLE BETWEEN {south} AND {north} AND longitude::DOUBLE BETWEEN {west} AND {east})",
        )
        assert strays == 0
        wide = sql.execute(
            "SELECT beat FROM crimes WHERE latitude NOT IN ('36.619446395', '#VALUE!') GROUP BY 1 "
            "HAVING max(latitude::DOUBLE) - min(latitude::DOUBLE) > 0.03 OR count(DISTINCT community_area) > 2"
        ).fetchall()
        assert wide == []

    def test_a_point_is_the_same_in_feet_and_degrees(self, shared_data) -> None:
        columns = '"X Coordinate"::DOUBLE AS x, "Y Coordinate"::DOUBLE AS y, "Latitude"::DOUBLE, "Longitude"::DOUBLE'
        real = duckdb.execute(
            f"SELECT {columns} FROM read_csv('{shared_data}/chicago/sample_2024_10k_bom.csv.gz', all_varchar = true) "
            'WHERE "Latitude"::DOUBLE > 40 LIMIT 2000'
        ).fetchall()
        east, north, unit = shares.POINT_ORIGIN
        for x, y, latitude, longitude in real:
            a, b = (x - east) / unit, (y - north) / unit
            terms = (1, a, b, a * b, a * a, b * b)
            assert sum(c * t for c, t in zip(shares.LATITUDE, terms, strict=True)) == pytest.approx(latitude, abs=3e-6)
            assert sum(c * t for c, t in zip(shares.LONGITUDE, terms, strict=True)) == pytest.approx(
                longitude, abs=3e-6
            )

    def test_blocks_repeat(self, sql: duckdb.DuckDBPyConnection) -> None:
        blocks, repeat, busiest = self.one(
            sql,
            "SELECT count(*), count(*) FILTER (n >= 10), max(n) FROM "
            "(SELECT block, count(*) AS n FROM crimes GROUP BY 1)",
        )
        assert 15_000 < blocks < 36_000
        assert 4_000 < repeat < 12_000
        assert busiest > 200
        (in_four_weeks,) = self.one(
            sql,
            "SELECT count(*) FROM (SELECT block FROM crimes WHERE happened >= '2025-06-01' AND happened < '2025-06-29' "
            "GROUP BY 1 HAVING count(*) >= 10)",
        )
        assert 40 < in_four_weeks < 400


class TestTheDirt:
    @pytest.mark.parametrize(
        ("kind", "least", "most"),
        [
            ("latitude = '36.619446395' AND longitude = '-91.686565684' AND x_coordinate = '0'", 50, 200),
            ("community_area = '0'", 10, 60),
            ("ward = '0'", 10, 60),
            ("latitude IS NULL AND x_coordinate IS NULL AND location IS NULL", 1_500, 2_800),
            ("district = '16'", 1, 40),
            ("district = '031'", 3, 40),
            ("district = '061'", 3, 40),
            ("district NOT IN ('16', '031', '061') AND district <> '0' || beat[:2]", 3, 60),
            ("primary_type = 'CRIM SEXUAL ASSAULT'", 200, 1_500),
            ("primary_type = 'CRIMINAL SEXUAL ASSAULT'", 200, 1_500),
            ("primary_type = 'NON - CRIMINAL'", 1, 60),
            ("primary_type = 'NON-CRIMINAL (SUBJECT SPECIFIED)'", 1, 60),
            ("primary_type = 'NON-CRIMINAL'", 1, 120),
            ("block SIMILAR TO '.*[a-z].*'", 400, 700),
            ("location_description IS NULL", 600, 1_100),
            ("happened IS NULL", 1, 15),
            ("latitude = '#VALUE!'", 1, 15),
        ],
    )
    def test_a_year_holds_each_kind(self, sql: duckdb.DuckDBPyConnection, kind: str, least: int, most: int) -> None:
        found = sql.execute(f"SELECT count(*) FROM crimes WHERE {kind}").fetchone()
        assert found is not None
        assert least <= found[0] <= most

    def test_sex_offenses_lack_coordinates_most_often(self, sql: duckdb.DuckDBPyConnection) -> None:
        by_type = sql.execute(
            "SELECT primary_type FROM crimes GROUP BY 1 HAVING count(*) > 800 "
            "ORDER BY avg((x_coordinate IS NULL)::INT) DESC LIMIT 2"
        ).fetchall()
        assert ("SEX OFFENSE",) in by_type

    def test_homicides_share_case_numbers(self, sql: duckdb.DuckDBPyConnection) -> None:
        cases = sql.execute(
            "SELECT case_number, count(*), count(DISTINCT id) FROM crimes WHERE primary_type = 'HOMICIDE' "
            "GROUP BY 1 HAVING count(*) > 1"
        ).fetchall()
        assert len(cases) > 10
        assert {(rows, ids) for _, rows, ids in cases} == {(2, 2)}

    def test_rows_look_alike_but_for_the_id(self, sql: duckdb.DuckDBPyConnection) -> None:
        alike = sql.execute(
            "SELECT count(*) FROM (SELECT * EXCLUDE (id), count(*) AS n FROM crimes GROUP BY ALL HAVING n > 1)"
        ).fetchone()
        assert alike is not None
        assert alike[0] > 25
        ids = sql.execute("SELECT count(*) - count(DISTINCT id) FROM crimes").fetchone()
        assert ids == (0,)

    def test_case_numbers_repeat_only_in_copies(self, sql: duckdb.DuckDBPyConnection) -> None:
        repeated = sql.execute(
            "SELECT count(*) FROM (SELECT case_number FROM crimes GROUP BY 1 "
            "HAVING count(*) > 2 OR count(DISTINCT (happened, block, iucr, updated_on)) > 1)"
        ).fetchone()
        assert repeated == (0,)

    def test_early_years_have_no_ward(self) -> None:
        early = city(rows=10_000, origin=date(2002, 12, 20), today=date(2002, 12, 27))
        table = read_history(early, date(2002, 12, 20))
        assert table["ward"].null_count > 0.8 * table.num_rows
        assert table["community_area"].null_count > 0.8 * table.num_rows
        assert table["beat"].null_count == 0

    def test_what_cannot_be_typed_keeps_its_stamp(self, sql: duckdb.DuckDBPyConnection) -> None:
        stamps = sql.execute(
            f"SELECT updated_on FROM crimes WHERE \"date\" = '{UNTYPABLE}' OR latitude = '{UNTYPABLE}'"
        ).fetchall()
        assert stamps
        assert all(datetime.fromisoformat(stamp).year in (2024, 2025) for (stamp,) in stamps)
