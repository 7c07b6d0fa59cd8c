"""The history from the live portal: by month, counted, and broken by nothing that the portal does."""

from __future__ import annotations

import json
from datetime import date
from itertools import pairwise

import pyarrow as pa
import pytest

from crime_assets.core.errors import FeedError, SourceMoved
from crime_assets.sources.cities.chicago import CITY
from crime_assets.sources.feeds import Feed
from crime_assets_tests.sources.feeds.histories import read_history
from crime_assets_tests.sources.feeds.socrata.portal import DAY, NEXT_DAY, record
from crime_assets_tests.sources.feeds.soda_server import SodaServer, before, normal, reply


class TestHistory:
    def table(self, feed: Feed, day: date = NEXT_DAY) -> pa.Table:
        return read_history(feed, day)

    def test_columns_by_kind(self, serve, connect) -> None:
        table = self.table(connect(serve([record(3), record(4, location=None, domestic=None)])))
        assert table.column_names == [*CITY.source_columns, "_damage", "_raw"]
        for name, kind in {**CITY.source_columns, "_damage": "text", "_raw": "text"}.items():
            field = table.schema.field(name)
            assert field.type == pa.string()
            assert field.metadata == (None if kind == "text" else {b"json": b"true"})
        first, second = table.sort_by("id").to_pylist()
        assert {name: value for name, value in first.items() if value is not None} == {
            **{name: json.dumps(value) if value in (True, False) else value for name, value in record(3).items()},
            "location": '{"latitude":"41.8","longitude":"-87.6"}',
        }
        assert (second["location"], second["domestic"], second["arrest"]) == (None, None, "false")

    def test_before_the_day_and_without_a_stamp(self, serve, connect) -> None:
        stamps = {1: "2001-01-01T00:00:00.000", 2: "2022-04-01T23:59:59.999", 3: "2022-04-02T00:00:00.000", 4: None}
        feed = connect(serve([record(number, updated_on=stamp) for number, stamp in stamps.items()]), page_size=1)
        assert sorted(self.table(feed, DAY)["id"].to_pylist()) == ["1", "2", "4"]

    def test_a_part_a_month(self, serve, connect) -> None:
        occurred = ["2021-12-31T23:59:59.999", "2022-01-01T00:00:00.000", "2022-03-31T23:59:59.999", None]
        server = serve([record(number, date=occurred[number % 4]) for number in range(26)])
        found, asked = {}, []
        with connect(server, page_size=3).history(NEXT_DAY) as history:
            asked.append(len(server.requests))
            for part in history.parts:
                found[part] = sorted(map(int, history.read(part)["id"].to_pylist()))
                asked.append(len(server.requests))
        # No February, and what has no day is not lost.
        assert found == {
            "2021-12-01": [*range(0, 26, 4)],
            "2022-01-01": [*range(1, 26, 4)],
            "2022-03-01": [*range(2, 26, 4)],
            "None": [*range(3, 26, 4)],
        }
        # Metadata, months and their total; then the pages of a part and their count, only when it is read.
        pages = {part: len(ids) // 3 + 1 for part, ids in found.items()}
        assert asked[0] == 3
        assert [later - earlier for earlier, later in pairwise(asked)] == [pages[part] + 1 for part in found]

    def test_the_questions(self, serve, connect) -> None:
        server = serve([record(1), record(2, date="2021-12-05T00:00:00.000", updated_on=None)])
        with connect(server).history(DAY) as history:
            history.read("2021-12-01")
        old = "(updated_on < '2022-04-02T00:00:00' OR updated_on IS NULL)"
        december = f"{old} AND date >= '2021-12-01T00:00:00' AND date < '2022-01-01T00:00:00'"
        month = "date_trunc_ym(date)"
        assert [request.params for request in server.requests[1:]] == [
            {"$select": f"{month} AS month, count(*) AS n", "$where": old, "$group": month, "$limit": "50000"},
            {"$select": "count(*) AS n", "$where": old},
            {"$select": ":*, *", "$where": f"({december})", "$order": ":id", "$limit": "50000"},
            {"$select": "count(*) AS n", "$where": december},
        ]

    def test_the_first_and_the_last_month_there_can_be(self, serve, connect) -> None:
        ends = ["0001-01-01T00:00:00.000", "9999-12-31T23:59:59.999"]
        feed = connect(serve([record(number, date=text) for number, text in enumerate(ends)]))
        with feed.history(NEXT_DAY) as history:
            assert {part: history.read(part)["date"].to_pylist() for part in history.parts} == {
                "0001-01-01": [ends[0]],
                "9999-12-01": [ends[1]],
            }

    def test_a_part_that_moves_under_the_pull_comes_again(self, serve, connect) -> None:
        server = serve([record(1), record(2), record(9, date="2021-12-05T00:00:00.000")])
        with connect(server).history(NEXT_DAY) as history:
            server.queue(normal, before(lambda: server.remove("1")))
            assert history.read("2022-03-01")["id"].to_pylist() == ["1", "2", "2"]
            assert history.read("2021-12-01")["id"].to_pylist() == ["9"]

    def test_a_part_that_stays_incomplete(self, serve, connect) -> None:
        server = serve([record(1), record(2), record(9, date="2021-12-05T00:00:00.000")])
        with connect(server).history(NEXT_DAY) as history:
            server.queue(reply(200, b"[]"), normal, reply(200, b"[]"), normal)
            with pytest.raises(FeedError, match="counts 2 records of ijzp-q8t2 but gave 0, twice"):
                history.read("2022-03-01")
            assert history.read("2021-12-01").num_rows == 1

    def test_a_month_that_is_withheld(self, serve, connect) -> None:
        server = serve([record(1), record(2), record(9, date="2021-12-05T00:00:00.000")])
        for months, counted in (([], 0), ([{"month": "2022-03-01T00:00:00.000", "n": "2"}], 2)):
            server.queue(normal, reply(200, json.dumps(months).encode()))
            message = f"counts 3 records of ijzp-q8t2 but {counted} by month"
            with pytest.raises(FeedError, match=message), connect(server).history(NEXT_DAY):
                pass

    def test_a_record_that_is_edited_after_the_months_were_asked_for(self, serve, connect) -> None:
        server = serve([record(1), record(2)])
        server.queue(normal, normal, before(lambda: server.edit("1", updated_on="2022-04-03T10:00:00.000")))
        assert self.table(connect(server))["id"].to_pylist() == ["2"]

    @pytest.mark.parametrize(
        "months",
        [
            "many",
            [{"month": "2022-03-02T00:00:00.000", "n": "1"}],
            [{"month": "March", "n": "1"}],
            [{"month": "2022-03-01T00:00:00.000"}],
            [{"month": "2022-03-01T00:00:00.000", "n": "1"}] * 2,
            [{"n": "1"}, {"n": "1"}],
        ],
    )
    def test_months_that_are_none(self, serve, connect, waits, months: object) -> None:
        server = serve([record(1)])
        server.queue(normal, reply(200, json.dumps(months).encode()))
        assert self.table(connect(server))["id"].to_pylist() == ["1"]
        assert len(waits) == 1

    def test_a_source_without_records_has_no_part(self, serve, connect) -> None:
        with connect(serve([record(1)])).history(DAY) as history:
            assert history.parts == []

    def test_another_day_or_dataset_is_another_source(self, serve, connect) -> None:
        def source(server: SodaServer, day: date) -> str:
            with connect(server).history(day) as history:
                return history.source

        first, second = serve([record(1)]), serve([record(1)])
        assert source(first, DAY) == source(first, DAY)
        assert len({source(first, DAY), source(first, NEXT_DAY), source(second, DAY)}) == 3

    def test_a_column_the_city_does_not_know_is_text(self, serve, connect) -> None:
        server = serve([record(number) for number in range(5)])
        server.add_column("premise", None)
        values = ["plain", 12, 1.5, True, {"b": [None, "é"], "a": 1}]
        for number, value in enumerate(values):
            server.edit(str(number), premise=value)
        table = self.table(connect(server)).sort_by("id")
        assert table.schema.field("premise").type == pa.string()
        assert table["premise"].to_pylist() == ["plain", "12", "1.5", "true", '{"a":1,"b":[null,"é"]}']

    def test_a_number_in_a_text_column_becomes_text(self, serve, connect) -> None:
        assert self.table(connect(serve([record(1, ward=27)])))["ward"].to_pylist() == ["27"]

    def test_half_a_surrogate_pair(self, serve, connect) -> None:
        server = serve([])
        rows = [{":id": "row-1", **record(1, block="X\ud800Y", location={"human_address": "\udfff"})}]
        one = reply(200, b'[{"n":"1"}]')
        months = reply(200, b'[{"month":"2022-03-01T00:00:00.000","n":"1"}]')
        server.queue(normal, months, one, reply(200, json.dumps(rows).encode()), one)
        row = self.table(connect(server)).to_pylist()[0]
        assert (row["block"], row["location"]) == ("X?Y", '{"human_address":"?"}')

    @pytest.mark.parametrize(("flag", "text"), [("true", "true"), (1, "1"), ("Y", "Y"), ({}, "{}")])
    def test_a_value_of_another_kind_comes_as_text_and_with_the_whole_record(
        self, serve, connect, flag: object, text: str
    ) -> None:
        other = record(2, arrest=flag)
        rows = self.table(connect(serve([record(1), other, record(3)]))).to_pylist()
        assert [(row["id"], row["arrest"], row["_damage"]) for row in rows] == [
            ("1", "false", None),
            ("2", text, None),
            ("3", "true", None),
        ]
        assert [row["_raw"] and json.loads(row["_raw"]) for row in rows] == [None, other, None]

    def test_a_column_that_comes_after_the_metadata_is_not_lost(self, serve, connect) -> None:
        server = serve([record(1)])
        server.queue(normal, before(lambda: server.add_column("precinct", "12")))
        with pytest.raises(FeedError, match="'precinct', which its metadata do not list"):
            self.table(connect(server))

    def test_a_column_with_a_reserved_name(self, serve, connect) -> None:
        with pytest.raises(FeedError, match="publishes _raw, which is reserved"):
            self.table(connect(serve([record(1, _raw="x")])))

    def test_errors_keep_their_type(self, serve, connect) -> None:
        server = serve([record(1), record(2)])
        server.queue(normal, normal, normal, normal, reply(404))
        with pytest.raises(SourceMoved, match="has no dataset"):
            self.table(connect(server, page_size=1))
