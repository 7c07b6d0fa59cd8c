"""The simulated city as a feed: whole, typed, and as the real records look."""

from __future__ import annotations

import dataclasses
import gzip
import json
from collections import Counter
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from crime_assets.core.errors import UsageError
from crime_assets.sources.feeds import DAMAGE, RAW, Feed
from crime_assets.sources.feeds.sample import SampleFeed
from crime_assets_tests.sources.feeds.histories import read_history
from crime_assets_tests.sources.feeds.sample_city import (
    CHICAGO,
    ORIGIN,
    TODAY,
    as_record,
    by_id,
    change_day,
    city,
    occurred,
)


class TestTheInterface:
    def test_it_is_a_feed(self) -> None:
        feed: Feed = city()
        assert feed.name == "sample"
        assert feed.columns() == frozenset(CHICAGO.source_columns)
        assert feed.latest_day() == TODAY - timedelta(days=1)

    def test_history_and_changes_are_the_whole_city_once(self) -> None:
        feed = city()
        before = [as_record(row) for row in read_history(feed, ORIGIN).to_pylist()]
        since = list(feed.changes(ORIGIN, feed.latest_day()))
        whole = Counter(record["id"] for record in before + since)
        assert set(whole.values()) == {1}
        assert whole.keys() == by_id(feed).keys()
        assert all(change_day(record) < ORIGIN for record in before)
        assert all(ORIGIN <= change_day(record) < TODAY for record in since)

    def test_batches_and_records_agree(self) -> None:
        feed = city()
        through_history = {row["id"]: as_record(row) for row in read_history(feed, TODAY).to_pylist()}
        assert through_history == by_id(feed)

    def test_days_add_up_and_count_agrees(self) -> None:
        feed = city()
        days = [ORIGIN + timedelta(days=number) for number in range(7)]
        alone = {day: list(feed.changes(day, day)) for day in days}
        assert all(change_day(record) == day for day, found in alone.items() for record in found)
        assert [feed.count(day, day) for day in days] == [len(found) for found in alone.values()]
        together = {record["id"]: record for record in feed.changes(days[0], days[-1])}
        assert together == {record["id"]: record for found in alone.values() for record in found}
        assert feed.count(days[0], days[-1]) == len(together)

    def test_nothing_is_shown_of_today_or_later(self) -> None:
        feed = city()
        assert feed.count(TODAY, TODAY + timedelta(days=9)) == 0
        later = read_history(feed, TODAY + timedelta(days=9))
        assert pc.max(later["updated_on"]).as_py() < TODAY.isoformat()

    def test_history_is_typed_as_the_interface_says(self) -> None:
        with city(rows=60_000).history(ORIGIN) as history:
            parts = [history.read(part) for part in history.parts]
        table = pa.concat_tables(parts)
        assert set(table.schema.names) == {*CHICAGO.source_columns, DAMAGE, RAW}
        kinds = {"text": pa.string(), "flag": pa.bool_(), "object": pa.string()}
        assert all(table.schema.field(name).type == kinds[kind] for name, kind in CHICAGO.source_columns.items())
        assert table.schema.field("location").metadata == {b"json": b"true"}
        assert max(part.num_rows for part in parts) < 30_000
        assert all(table[name].null_count == table.num_rows for name in (DAMAGE, RAW))
        location = next(text for text in table["location"].to_pylist() if text)
        assert location == json.dumps(json.loads(location), sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    def test_a_part_of_the_history_is_a_month_of_occurrence(self) -> None:
        with city(rows=60_000).history(ORIGIN) as history:
            months = {
                part: {str(day)[:7] for day in map(occurred, history.read(part).to_pylist()) if day}
                for part in history.parts
            }
        assert len(months) > 3
        assert months == {part: {part} for part in months}

    def test_another_city_has_another_history(self) -> None:
        def source(feed: SampleFeed, before: date = ORIGIN) -> str:
            with feed.history(before) as history:
                return history.source

        others = [city(seed=8), city(rows=20_000)]
        assert source(city()) == source(city(today=TODAY + timedelta(days=1)))
        assert len({source(city()), source(city(), TODAY), *map(source, others)}) == 4

    def test_records_look_like_the_real_ones(self, shared_data) -> None:
        real = json.loads(gzip.decompress((shared_data / "soda/ijzp_rebuilt_page_1000_2022-03.json.gz").read_bytes()))
        feed = city()
        whole = max(feed.changes(ORIGIN, ORIGIN), key=len)
        pattern = max(real, key=len)
        assert whole.keys() == pattern.keys()
        assert {name: type(value) for name, value in whole.items()} == {n: type(value) for n, value in pattern.items()}
        assert whole["location"].keys() == pattern["location"].keys()
        assert {len(record["id"]) for record in feed.changes(ORIGIN, ORIGIN)} == {len(pattern["id"])}
        assert len(whole["date"]) == len(pattern["date"])
        assert len(whole["case_number"]) == len(pattern["case_number"])

    def test_another_citys_fields_are_refused(self) -> None:
        fields = {**CHICAGO.source_columns, "cmplnt_num": "text"}
        other = dataclasses.replace(CHICAGO, title="Gotham", source_columns=fields)
        with pytest.raises(UsageError, match=r"can simulate Chicago and New York, but not Gotham: set CRIME_CITY"):
            SampleFeed(other, origin=ORIGIN, today=TODAY)

    @pytest.mark.parametrize("rows", [0, -5, 100_000_000])
    def test_impossible_sizes_are_refused(self, rows: int) -> None:
        with pytest.raises(UsageError, match="ask for 1 to"):
            city(rows=rows)
