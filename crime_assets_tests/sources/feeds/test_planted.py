"""What is planted in the sample city is there as its module says, and nothing else is any different."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from functools import lru_cache
from math import hypot
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from crime_assets.analysis.statistics import finished
from crime_assets.core.insights import all_insights
from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.writing.history import load_history
from crime_assets.profiles import Profile, Settings
from crime_assets.sources.feeds import Record
from crime_assets.sources.feeds.sample import SampleFeed, planted
from crime_assets.sources.feeds.sample.places import places
from crime_assets_tests.build import CHICAGO, clock_at
from crime_assets_tests.sources.feeds.histories import read_history

ORIGIN = date(2025, 11, 14)
TODAY = ORIGIN + timedelta(days=7)
HOT_SPOT, CHAIN, RISE, EMERGING, FADING, QUIET_DAY = PLANTED = planted.around(ORIGIN)
ROWS = 66_000
"""Rows of more than ninety days, so of all that is planted."""
FINDERS = ("hotspots", "repeat_blocks", "near_repeat", "early_warning", "reporting_delay")
Patterns = tuple[planted.Planted, ...]


def city(patterns: Patterns = PLANTED, *, origin: date = ORIGIN, today: date = TODAY, rows: int = ROWS) -> SampleFeed:
    return SampleFeed(CHICAGO, origin=origin, today=today, rows=rows, seed=7, planted=patterns)


@lru_cache
def shown(patterns: Patterns) -> pa.Table:
    """All that the city shows, sorted by id."""
    return read_history(city(patterns), TODAY).sort_by("id")


def only(table: pa.Table, of: pa.Table) -> pa.Table:
    """The rows whose ids the other table has too."""
    return table.filter(pc.is_in(table["id"], of["id"].combine_chunks()))


def without(table: pa.Table, other: pa.Table) -> pa.Table:
    """The rows whose ids the other table has not."""
    return table.filter(pc.invert(pc.is_in(table["id"], other["id"].combine_chunks())))


def added(*patterns: planted.Planted) -> list[Record]:
    """What these patterns bring, of which the day can be read."""
    new = without(shown(patterns), shown(()))
    return [record for record in new.to_pylist() if record["date"] != "#VALUE!"]


def days_before(record: Record) -> int:
    """On which day it occurred, in days before the origin."""
    return (ORIGIN - date.fromisoformat(str(record["date"])[:10])).days


def placed(records: list[Record], pattern: planted.Surge) -> list[Record]:
    """Those on the pattern's blocks: others wait for their place to be corrected or have no coordinates."""
    x, y = (places().columns[name].to_pylist() for name in ("x_coordinate", "y_coordinate"))
    points = {(x[block], y[block]) for spot in pattern.spots for block in spot}
    return [record for record in records if (record["x_coordinate"], record["y_coordinate"]) in points]


def meters(here: Record, there: Record) -> float:
    (x, y), (u, v) = ((float(str(r["x_coordinate"])), float(str(r["y_coordinate"]))) for r in (here, there))
    return hypot(x - u, y - v) * 0.3048


class TestWhatIsThere:
    def test_a_hot_spot(self) -> None:
        records = added(HOT_SPOT)
        days = Counter(map(days_before, records))
        assert (max(days), min(days)) == (60, 2)
        assert len(records) == pytest.approx(4 * 59, rel=0.05)
        types = Counter(record["primary_type"] for record in records)
        assert types["THEFT"] > 0.75 * len(records)
        assert types["ROBBERY"] > 10
        here = placed(records, HOT_SPOT)
        assert len(here) > 0.9 * len(records)
        assert {record["beat"] for record in here} == {planted.HOT_SPOT_BEAT}
        assert len({record["latitude"] for record in here}) == 5
        assert min(max(meters(record, other) for other in here) for record in here) <= 150

    def test_a_near_repeat_burglary_chain(self) -> None:
        records = added(CHAIN)
        days = Counter(map(days_before, records))
        assert (max(days), min(days)) == (85, 2)
        assert max(days.values()) == 1
        assert len(records) > 0.95 * 84
        chain = sorted(placed(records, CHAIN), key=days_before, reverse=True)
        assert len(chain) > 0.9 * len(records)
        assert {record["beat"] for record in chain} == {planted.CHAIN_BEAT}
        assert Counter(record["primary_type"] for record in chain)["BURGLARY"] > 0.9 * len(chain)
        steps = []
        for number, record in enumerate(chain[1:], start=1):
            week = [one for one in chain[:number] if days_before(one) - days_before(record) <= 7]
            steps.append(min(meters(one, record) for one in week))
        # One that waits for its place to be corrected may wait on another block of the chain.
        assert sum(step > 200 for step in steps) <= 1
        assert meters(chain[0], chain[-1]) > 300
        assert len({record["latitude"] for record in chain}) > 10

    def test_a_sudden_rise_in_one_beat(self) -> None:
        records = added(RISE)
        days = Counter(map(days_before, records))
        assert (max(days), min(days)) == (31, 2)
        here = placed(records, RISE)
        assert {record["beat"] for record in here} == {planted.RISING_BEAT}
        assert max(Counter(record["latitude"] for record in here).values()) <= 6
        assert len({record["primary_type"] for record in here}) > 8
        beats = [shown(patterns)["beat"].to_pylist() for patterns in ((), (RISE,))]
        ordinary, risen = (beat.count(planted.RISING_BEAT) for beat in beats)
        days_of_city = pc.count_distinct(pc.utf8_slice_codeunits(shown(())["date"], 0, 10)).as_py()
        assert (risen - ordinary) / 30 == pytest.approx(1.5 * ordinary / days_of_city, rel=0.15)

    def test_an_emerging_hot_spot(self) -> None:
        records = added(EMERGING)
        days = Counter(map(days_before, records))
        assert (max(days), min(days), max(days.values())) == (45, 2, 1)
        assert len(records) > 0.9 * 44
        here = placed(records, EMERGING)
        assert len(here) > 0.9 * len(records)
        assert {(record["beat"], record["primary_type"]) for record in here} == {
            (planted.EMERGING_BEAT, "MOTOR VEHICLE THEFT")
        }
        assert len({record["latitude"] for record in here}) == 3

    def test_a_fading_hot_spot(self) -> None:
        """The rows that are read begin in the middle of it."""
        records = added(FADING)
        days = Counter(map(days_before, records))
        assert (min(days), max(days.values())) == (75, 1)
        assert len(records) > 0.95 * (max(days) - 75)
        here = placed(records, FADING)
        assert len(here) > 0.8 * len(records) > 10
        assert {(record["beat"], record["primary_type"]) for record in here} == {(planted.FADING_BEAT, "BURGLARY")}
        assert (ORIGIN - FADING.first_day).days == 330

    def test_no_two_are_near_each_other(self) -> None:
        x, y = (places().columns[name].cast("double").to_numpy() for name in ("x_coordinate", "y_coordinate"))
        points = [[(x[one], y[one]) for spot in surge.spots for one in spot] for surge in PLANTED[:-1]]
        for number, here in enumerate(points):
            for there in points[:number]:
                assert min(hypot(a - c, b - d) for a, b in here for c, d in there) * 0.3048 > 3_000

    def test_a_quiet_day(self) -> None:
        ordinary, quiet = shown(()), shown((QUIET_DAY,))
        gone = without(ordinary, quiet)
        day = str(ORIGIN - timedelta(days=5))
        assert set(pc.utf8_slice_codeunits(gone["date"], 0, 10).to_pylist()) <= {day, "#VALUE!"}
        there = pc.sum(pc.starts_with(ordinary["date"], day)).as_py()
        assert there - gone.num_rows == pytest.approx(0.4 * there, rel=0.1)
        later = read_history(city((QUIET_DAY,), today=TODAY + timedelta(days=90)), date.max)
        assert only(later, gone).num_rows == 0

    def test_the_first_days_of_a_lake_show_them(self) -> None:
        first = read_history(city(today=ORIGIN + timedelta(days=1)), TODAY)
        new = without(first, shown(()))
        assert new.num_rows > 0.7 * len(added(HOT_SPOT, CHAIN, RISE))

    def test_they_move_with_the_origin(self) -> None:
        *surges, quiet = planted.around(ORIGIN + timedelta(days=100))
        for surge, here in zip(surges, PLANTED[:-1], strict=True):
            assert (surge.name, surge.spots, surge.a_day) == (here.name, here.spots, here.a_day)
            assert surge.first_day - here.first_day == surge.last_day - here.last_day == timedelta(days=100)
        assert quiet.day == ORIGIN + timedelta(days=95)


class TestNothingElse:
    def test_all_other_records_are_the_same(self) -> None:
        ordinary, found = shown(()), shown(PLANTED)
        quiet = shown((QUIET_DAY,))
        assert quiet.equals(only(ordinary, quiet))
        assert only(found, ordinary).equals(quiet)
        assert 460 < without(found, ordinary).num_rows < 500

    @pytest.mark.slow
    def test_planted_records_live_like_others(self) -> None:
        later = read_history(city(today=TODAY + timedelta(days=90)), date.max)
        then = {record["id"]: record for record in later.to_pylist()}
        edited = [(record, then[record["id"]]) for record in added(*PLANTED) if record["id"] in then]
        changed = Counter(name for before, after in edited for name in before if before[name] != after[name])
        assert 0.03 < changed["updated_on"] / len(edited) < 0.10
        assert {"arrest", "iucr", "block", "latitude"} <= changed.keys()

    def test_ids_have_room_on_the_busiest_day(self) -> None:
        new_year = date(2010, 1, 1)
        origin = new_year + timedelta(days=20)
        feed = city(planted.around(origin), origin=origin, today=origin + timedelta(days=40), rows=20_000)
        ids = [int(id) for id in read_history(feed, date.max)["id"].to_pylist()]
        assert len({*ids}) == len(ids)
        assert 1_000 < max(id % 1_200 for id in ids if id // 1_200 == (new_year - date(1970, 1, 1)).days) < 1_190

    def test_a_history_tells_what_is_planted(self) -> None:
        """A load that was broken off must not go on with the records of another city."""

        def source(*patterns: planted.Planted) -> str:
            with city(patterns).history(ORIGIN) as history:
                return history.source

        assert len({source(), source(*PLANTED), source(HOT_SPOT), source(RISE)}) == 4
        assert source(*PLANTED) == source(*planted.around(ORIGIN))


class TestWhateverIsAsked:
    def test_history_and_days_hold_each_record_once(self) -> None:
        feed = city()
        days = [ORIGIN + timedelta(days=number) for number in range(-4, 7)]
        of_days = [[str(record["id"]) for record in feed.changes(day, day)] for day in days]
        assert [feed.count(day, day) for day in days] == [len(found) for found in of_days]
        before = read_history(feed, days[0])["id"].to_pylist()
        assert sorted(before + [id for found in of_days for id in found]) == shown(PLANTED)["id"].to_pylist()

    def test_a_reconciliation_agrees(self) -> None:
        feed, until = city(), TODAY - timedelta(days=1)
        counts = feed.month_stamps(until)
        records = [str(record["id"]) for record in feed.month_records([*counts], until)]
        assert len(records) == sum(stamps.records for stamps in counts.values())
        assert sorted(records) == shown(PLANTED)["id"].to_pylist()
        assert counts[date(2025, 11, 1)] != city(()).month_stamps(until)[date(2025, 11, 1)]
        everyone = {int(id) for patterns in ((), PLANTED) for id in shown(patterns)["id"].to_pylist()}
        assert feed.present(everyone) == {int(id) for id in records} != everyone


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[list[Record]]]:
    """Insight → its rows with what is planted and without, at the end of a lake's first week."""
    found: dict[str, list[list[Record]]] = {name: [] for name in FINDERS}
    for patterns in (PLANTED, ()):
        lake = Lake(tmp_path_factory.mktemp("lake") / "lake")
        load_history(lake, CHICAGO, city(patterns, rows=110_000), TODAY, "run")
        engine = DuckDBEngine(lake, CHICAGO)
        for insight in all_insights():
            if insight.name in FINDERS:
                rows = finished(insight, engine.insight(insight, TODAY - timedelta(days=1)))
                found[insight.name].append(rows.to_pylist())
    return found


@pytest.mark.slow
class TestTheyAreFound:
    """By the insights; and where nothing is planted, nothing is found."""

    def test_the_hot_spot(self, answers: dict[str, list[list[Record]]]) -> None:
        def hottest(rows: list[Record]) -> Record:
            thefts = [row for row in rows if (row["period"], row["offense_class"]) == ("28d", "property")]
            return max(thefts, key=lambda row: row["z_score"])

        with_it, without_it = map(hottest, answers["hotspots"])
        place = places().columns
        latitude, longitude = (float(place[name][HOT_SPOT.spots[0][0]].as_py()) for name in ("latitude", "longitude"))
        assert with_it["is_hot"] == 1
        assert with_it["latitude"] == pytest.approx(latitude, abs=0.004)
        assert with_it["longitude"] == pytest.approx(longitude, abs=0.005)
        assert without_it["latitude"] != pytest.approx(latitude, abs=0.01)
        first, *_ = answers["repeat_blocks"][0]
        blocks = {place["block"][block].as_py() for block in HOT_SPOT.spots[0]}
        assert (first["primary_type"], first["block"] in blocks) == ("THEFT", True)

    def test_the_near_repeats(self, answers: dict[str, list[list[Record]]]) -> None:
        with_it, without_it = (
            {
                (row["distance_from_m"], row["days_from"]): row["is_repeat"]
                for row in rows
                if row["offense"] == "BURGLARY"
            }
            for rows in answers["near_repeat"]
        )
        assert with_it[0, 0] == with_it[100, 0] == 1
        assert not any(without_it.values())

    def test_the_rise(self, answers: dict[str, list[list[Record]]]) -> None:
        with_it, without_it = (
            {row["unit"]: row["z_expected"] for row in rows if row["unit_kind"] == "beat" and row["alarm"] == 1}
            for rows in answers["early_warning"]
        )
        # A new hot spot is a rise of its beat as well.
        assert with_it.keys() - without_it.keys() == {planted.RISING_BEAT, planted.HOT_SPOT_BEAT}
        assert max(with_it, key=lambda beat: with_it[beat]) == planted.RISING_BEAT
        stated = answers["early_warning"][1][0]["false_alarms"]
        assert len(without_it) <= stated + 3

    def test_the_quiet_day(self, answers: dict[str, list[list[Record]]]) -> None:
        with_it, without_it = (
            min((row for row in rows if row["days_since"] > 8), key=lambda row: row["crimes"])["occurred_on"]
            for rows in answers["reporting_delay"]
        )
        assert with_it == QUIET_DAY.day != without_it


def test_the_city_of_a_new_lake_has_them(tmp_path: Path) -> None:
    profile = Profile(Settings(home=tmp_path, sample_rows=3_000), clock_at("2025-11-21T18:00:00"))
    assert profile.first_change_day == ORIGIN
    with profile.feed.history(ORIGIN) as found, city(rows=3_000).history(ORIGIN) as expected:
        assert found.source == expected.source
