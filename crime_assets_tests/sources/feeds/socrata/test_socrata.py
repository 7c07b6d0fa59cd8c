"""The live portal's feed, page by page: the real sodapy client, real HTTP."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from crime_assets.core.errors import FeedError, SourceMoved
from crime_assets.sources.cities.chicago import CITY
from crime_assets.sources.feeds import Feed
from crime_assets.sources.feeds.socrata import PAGE_LIMIT, SocrataFeed
from crime_assets_tests.sources.feeds.histories import read_history
from crime_assets_tests.sources.feeds.recordings import Recording, recordings
from crime_assets_tests.sources.feeds.socrata.portal import DAY, NEXT_DAY, by_id, record
from crime_assets_tests.sources.feeds.soda_server import Answer, Behaviour, before, normal, reply


class TestPaging:
    @pytest.mark.parametrize("page_size", [7, 100, 1_000, PAGE_LIMIT])
    def test_real_rows_come_once_each(self, shared_data: Path, serve, connect, page_size: int) -> None:
        rows = json.loads(gzip.decompress((shared_data / "soda/ijzp_rebuilt_page_1000_2022-03.json.gz").read_bytes()))
        server = serve(rows)
        assert by_id(list(connect(server, page_size=page_size).changes(DAY, NEXT_DAY))) == by_id(rows)
        pages = [request for request in server.requests if "$order" in request.params]
        assert len(pages) == 1_000 // page_size + 1

    @pytest.mark.parametrize("page_size", [1, 7, 100, 250, 251])
    def test_one_stamp_shared_by_all_rows(self, serve, connect, page_size: int) -> None:
        rows = [record(number) for number in range(250)]
        feed = connect(serve(rows), page_size=page_size)
        assert by_id(list(feed.changes(DAY, DAY))) == by_id(rows)

    def test_the_questions(self, serve, connect) -> None:
        server = serve([record(number) for number in range(3)])
        list(connect(server, page_size=2).changes(DAY, NEXT_DAY))
        window = "updated_on >= '2022-04-02T00:00:00' AND updated_on < '2022-04-04T00:00:00'"
        page = {"$select": ":*, *", "$order": ":id", "$limit": "2"}
        second = server.rows[1][":id"]
        assert [request.params for request in server.requests] == [
            {**page, "$where": f"({window})"},
            {**page, "$where": f"({window}) AND :id > '{second}'"},
            {"$select": "count(*) AS n", "$where": window},
        ]

    def test_it_asks_for_the_largest_page(self, serve, connect) -> None:
        server = serve([record(1)])
        list(connect(server).changes(DAY, DAY))
        assert server.requests[0].params["$limit"] == "50000"

    def test_only_the_days_asked_for(self, serve, connect) -> None:
        stamps = {
            1: "2022-04-01T23:59:59.999",
            2: "2022-04-02T00:00:00.000",
            3: "2022-04-03T23:59:59.999",
            4: "2022-04-04T00:00:00.000",
            5: None,
        }
        feed = connect(serve([record(number, updated_on=stamp) for number, stamp in stamps.items()]))
        assert {one["id"] for one in feed.changes(DAY, NEXT_DAY)} == {"2", "3"}
        assert feed.count(DAY, NEXT_DAY) == 2
        assert {one["id"] for one in feed.changes(DAY, DAY)} == {"2"}
        assert feed.count(date(2022, 5, 1), date(2022, 5, 2)) == 0
        assert list(feed.changes(date(2022, 5, 1), date(2022, 5, 2))) == []

    def test_nothing_of_the_portals_own(self, serve, connect) -> None:
        rows = [record(1), record(2, location=None)]
        assert by_id(list(connect(serve(rows)).changes(DAY, DAY))) == rows

    def test_a_quote_in_a_row_id_stays_inside_the_literal(self, serve, connect) -> None:
        server = serve([record(number) for number in range(3)])
        server.rename_row("0", "row-x'.OR.'1'='1")
        records = list(connect(server, page_size=1).changes(DAY, DAY))
        assert {one["id"] for one in records} == {"0", "1", "2"}
        assert server.requests[1].params["$where"].endswith(":id > 'row-x''.OR.''1''=''1'")

    @pytest.mark.parametrize("row_id", [None, 7, "", "row 1", "row-\n", "row-é", "x" * 129, "row-\\"])
    def test_a_row_id_out_of_shape_is_an_error(self, serve, connect, row_id: object) -> None:
        server = serve([])
        server.queue(reply(200, json.dumps([{":id": row_id, **record(1)}]).encode()))
        with pytest.raises(FeedError, match="row id"):
            list(connect(server).changes(DAY, DAY))
        assert len(server.requests) == 1

    def test_a_page_longer_than_asked_is_an_error(self, serve, connect) -> None:
        server = serve([])
        page = [{":id": f"row-{number}", **record(number)} for number in range(3)]
        server.queue(reply(200, json.dumps(page).encode()))
        with pytest.raises(FeedError, match="does not page"):
            list(connect(server, page_size=2).changes(DAY, DAY))

    def test_a_row_twice_on_a_page_is_an_error(self, serve, connect) -> None:
        server = serve([record(1), record(2)])
        server.queue(reply(200, json.dumps([{":id": "row-1", **record(1)}] * 2).encode()))
        with pytest.raises(FeedError, match="does not page"):
            list(connect(server).changes(DAY, DAY))

    def test_a_portal_that_turns_in_circles_is_an_error(self, serve, connect) -> None:
        server = serve([])
        pages = [[{":id": f"row-{n}", **record(n)} for n in numbers] for numbers in ([1, 2], [3, 4], [5, 2])]
        server.queue(*(reply(200, json.dumps(page).encode()) for page in pages))
        with pytest.raises(FeedError, match="does not page"):
            list(connect(server, page_size=2).changes(DAY, DAY))
        assert len(server.requests) == 3

    @pytest.mark.parametrize("page_size", [0, PAGE_LIMIT + 1])
    def test_page_sizes_that_no_portal_serves(self, page_size: int) -> None:
        with pytest.raises(ValueError, match="page_size"):
            SocrataFeed(CITY, page_size=page_size)


class TestCompleteness:
    def test_a_row_that_comes_behind_the_page_is_found(self, serve, connect) -> None:
        server = serve([record(1, updated_on="2022-01-01T00:00:00.000"), record(2), record(3)])
        late = before(lambda: server.edit("1", updated_on="2022-04-02T18:00:00.000"))
        server.queue(normal, late)
        records = list(connect(server, page_size=1).changes(DAY, DAY))
        assert {one["id"] for one in records} == {"1", "2", "3"}
        assert Counter(one["id"] for one in records)["2"] == 2

    def test_a_row_that_leaves_costs_a_second_pull(self, serve, connect) -> None:
        server = serve([record(1), record(2), record(3)])
        server.queue(normal, before(lambda: server.remove("1")))
        records = list(connect(server, page_size=1).changes(DAY, DAY))
        assert [one["id"] for one in records] == ["1", "2", "3", "2", "3"]

    def test_a_row_that_comes_ahead_is_pulled_once(self, serve, connect) -> None:
        server = serve([record(1), record(2)])
        server.queue(normal, before(lambda: server.add(record(3))))
        records = list(connect(server, page_size=1).changes(DAY, DAY))
        assert [one["id"] for one in records] == ["1", "2", "3"]

    def test_a_source_that_never_rests(self, serve, connect) -> None:
        server = serve([record(1), record(2)])
        come = iter(range(10, 20))
        # Pages of 1,000: each pull is a page, then the count.
        moved = before(lambda: server.add(record(next(come))))
        server.queue(normal, moved, normal, moved)
        with pytest.raises(FeedError, match=r"counts 4 records of ijzp-q8t2 but gave 3, twice.*incomplete"):
            list(connect(server, page_size=1_000).changes(DAY, DAY))
        assert len(server.requests) == 4

    def test_a_portal_that_withholds_rows(self, serve, connect) -> None:
        server = serve([record(number) for number in range(5)])
        short = reply(200, json.dumps([{":id": "row-1", **record(1)}]).encode())
        server.queue(short, normal, short, normal)
        with pytest.raises(FeedError, match="counts 5 records of ijzp-q8t2 but gave 1"):
            list(connect(server).changes(DAY, DAY))

    def test_history_is_counted_too(self, serve, connect) -> None:
        server = serve([record(number) for number in range(5)])
        short = reply(200, json.dumps([{":id": "row-1", **record(1)}]).encode())
        server.queue(normal, normal, normal, short, normal, short, normal)
        with pytest.raises(FeedError, match="counts 5 records of ijzp-q8t2 but gave 1"):
            read_history(connect(server), NEXT_DAY)

    @pytest.mark.parametrize("count", [b"[]", b'[{"n":"many"}]', b'[{"n":-1}]', b'[{"n":true}]', b'[{"n":"\xc2\xb2"}]'])
    def test_a_count_that_is_none(self, serve, connect, waits, count: bytes) -> None:
        server = serve([record(1)])
        server.queue(reply(200, count))
        assert connect(server).count(DAY, DAY) == 1
        assert len(waits) == 1


class TestColumns:
    def test_they_are_those_of_the_metadata(self, serve, connect) -> None:
        server = serve([record(1)])
        server.drop_column("primary_type")
        server.add_column("precinct", "12")
        assert connect(server).columns() == (record(1).keys() - {"primary_type"}) | {"precinct"}
        assert server.requests[0].path == "/api/views/ijzp-q8t2.json"

    @pytest.mark.parametrize("name", [None, 3, "", "drop table", 'x"y', "é"])
    def test_a_name_out_of_shape_is_an_error(self, serve, connect, waits, name: object) -> None:
        server = serve([])
        server.queue(reply(200, json.dumps({"columns": [{"fieldName": "id"}, {"fieldName": name}]}).encode()))
        with pytest.raises(FeedError, match="name a column"):
            connect(server).columns()
        assert waits == []


class TestLatestDay:
    @pytest.mark.parametrize(
        ("now", "day"),
        [
            (datetime(2022, 4, 3, 4, 59, tzinfo=UTC), date(2022, 4, 1)),  # 23:59 on the 2nd in Chicago
            (datetime(2022, 4, 3, 5, 0, tzinfo=UTC), date(2022, 4, 2)),
            (datetime(2022, 1, 3, 5, 59, tzinfo=UTC), date(2022, 1, 1)),  # winter: an hour later
            (datetime(2022, 1, 3, 6, 0, tzinfo=UTC), date(2022, 1, 2)),
        ],
    )
    def test_yesterday_by_the_citys_clock(self, now: datetime, day: date) -> None:
        assert SocrataFeed(CITY, now=lambda: now).latest_day() == day

    def test_the_real_clock_is_the_default(self) -> None:
        assert date(2024, 1, 1) < SocrataFeed(CITY).latest_day() < datetime.now(UTC).date()


def replayed(recorded: Recording, body: str) -> Behaviour:
    """That recorded status and its headers, with `body`; the server compresses and chunks as the portal did."""
    framing = {"Content-Encoding", "Transfer-Encoding", "Connection", "Content-Type"}
    headers = {name: value for name, value in recorded.headers.items() if name not in framing}
    answer = Answer(recorded.status, body.encode(), recorded.headers["Content-Type"], headers)
    return lambda exchange: exchange.send(answer)


class TestRecordedPortal:
    def test_its_pages_are_read(self, shared_data: Path, serve, connect) -> None:
        pages = recordings(shared_data, "test_get_all")
        expected = [row for page in pages for row in json.loads(page.body)]
        numbers = iter(range(len(expected)))
        server = serve([])
        for page in pages:
            # What was recorded was asked without system fields: the row id is put back, all else is verbatim.
            lines = [line.replace("{", f'{{":id":"row-{next(numbers)}",', 1) for line in page.body.splitlines()]
            server.queue(replayed(page, "\n".join(lines) + "\n"))
        server.queue(reply(200, b"[]\n"), reply(200, b'[{"n":"2000"}]\n'))
        assert list(connect(server, page_size=1_000).changes(DAY, DAY)) == expected
        assert len(expected) == 2_000

    def test_its_missing_dataset(self, shared_data: Path, serve, connect, waits) -> None:
        [recorded] = recordings(shared_data, "test_get_missing")
        for question in (
            lambda feed: list(feed.changes(DAY, DAY)),
            lambda feed: feed.count(DAY, DAY),
            lambda feed: feed.columns(),
            lambda feed: read_history(feed, DAY),
        ):
            server = serve([])
            server.queue(replayed(recorded, recorded.body))
            with pytest.raises(SourceMoved, match=r"404 dataset\.missing Not found"):
                question(connect(server))
            assert (len(server.requests), waits) == (1, [])


def test_it_is_a_feed() -> None:
    feed: Feed = SocrataFeed(CITY)
    assert feed.name == "socrata"
