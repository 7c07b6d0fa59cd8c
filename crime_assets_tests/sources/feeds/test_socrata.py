"""The live portal's feed: the real sodapy client, real HTTP, and a server that misbehaves as portals do."""

from __future__ import annotations

import dataclasses
import gzip
import json
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from crime_assets.core.errors import FeedError, FeedUnavailable, SourceMoved, UsageError
from crime_assets.sources.cities.chicago import CITY
from crime_assets.sources.feeds import Feed, Record
from crime_assets.sources.feeds.retries import FIRST_WAIT, LONGEST_WAIT
from crime_assets.sources.feeds.socrata import PAGE_LIMIT, SocrataFeed
from crime_assets_tests.sources.feeds.histories import read_history
from crime_assets_tests.sources.feeds.recordings import Recording, recordings
from crime_assets_tests.sources.feeds.soda_server import (
    Answer,
    Behaviour,
    SodaServer,
    before,
    cut_body,
    cut_chunk,
    hang_up,
    normal,
    reply,
    silence,
    stall,
    tampered,
)

TOKEN = "s3cret-t0ken"
DAY = date(2022, 4, 2)
NEXT_DAY = date(2022, 4, 3)


def record(number: int, **fields: object) -> Record:
    """One record as the API gives it, changed on DAY."""
    published: Record = {
        "id": str(number),
        "case_number": f"JF{number:06d}",
        "date": "2022-03-26T23:48:00.000",
        "primary_type": "THEFT",
        "arrest": number % 3 == 0,
        "domestic": False,
        "updated_on": "2022-04-02T16:49:26.000",
        "location": {"longitude": "-87.6", "latitude": "41.8"},
    }
    return {name: value for name, value in {**published, **fields}.items() if value is not None}


def by_id(records: list[Record]) -> list[Record]:
    return sorted(records, key=lambda one: str(one["id"]))


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def waits() -> list[float]:
    """The pauses that the feed asked for; nothing sleeps."""
    return []


@pytest.fixture
def serve() -> Iterator[Callable[..., SodaServer]]:
    started: list[SodaServer] = []

    def start(records: list[Record], **options: Any) -> SodaServer:
        started.append(SodaServer(records, **options).__enter__())
        return started[-1]

    yield start
    for server in started:
        server.__exit__()


@pytest.fixture
def connect(waits: list[float]) -> Callable[..., SocrataFeed]:
    def make(server: SodaServer, **options: Any) -> SocrataFeed:
        # 10 s is never waited for: only tests of silence reach a timeout, and set their own.
        return SocrataFeed(server.city(CITY), scheme="http", **{"sleep": waits.append, "timeout": 10, **options})

    return make


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


def html() -> Behaviour:
    return reply(200, b"<html><body>Maintenance</body></html>", "text/html; charset=utf-8")


TRANSIENT = {
    "429 without a body": reply(429),
    "500": reply(500, b"Internal Server Error", "text/plain"),
    "503 HTML": reply(503, b"<html>", "text/html"),
    "202, still working": reply(202, b'{"status":"processing"}'),
    "408": reply(408),
    "Content-Length cut": cut_body,
    "chunked gzip cut": cut_chunk,
    "no answer": hang_up,
    "JSON cut inside": tampered(lambda body: body[: len(body) // 2]),
    "not UTF-8": tampered(lambda body: body.replace(b"THEFT", b"TH\xe9FT").replace(b'"n"', b'"\xe9"')),
    "HTML": html(),
    "no content type": reply(200, b"[]", ""),
    "empty": reply(200),
    "an object": reply(200, b'{"error":false}'),
    "a list of numbers": reply(200, b"[1,2]"),
}


class TestRetries:
    @pytest.mark.parametrize("fault", TRANSIENT.values(), ids=TRANSIENT.keys())
    @pytest.mark.parametrize("where", [0, 1, 2], ids=["first page", "second page", "count"])
    def test_one_fault_costs_one_more_request(self, serve, connect, waits, fault: Behaviour, where: int) -> None:
        rows = [record(number) for number in range(3)]
        server = serve(rows)
        server.queue(*[normal] * where, fault)
        assert by_id(list(connect(server, page_size=2).changes(DAY, DAY))) == rows
        assert len(server.requests) == 4
        assert server.requests[where].params == server.requests[where + 1].params
        assert len(waits) == 1

    @pytest.mark.parametrize("fault", [silence, stall])
    def test_silence_ends_at_the_timeout(self, serve, connect, waits, fault: Behaviour) -> None:
        server = serve([record(1)])
        server.queue(fault)
        assert list(connect(server, timeout=0.2).changes(DAY, DAY)) == [record(1)]
        assert len(server.requests) == 3
        assert len(waits) == 1

    def test_metadata_are_asked_for_again_too(self, serve, connect, waits) -> None:
        server = serve([record(1)])
        server.queue(reply(500), cut_chunk, html(), reply(200, b"[]"))
        assert connect(server).columns() == record(1).keys()
        assert len(waits) == 4

    @pytest.mark.parametrize("fault", TRANSIENT.values(), ids=TRANSIENT.keys())
    def test_it_gives_up_after_all_attempts(self, serve, connect, waits, fault: Behaviour) -> None:
        server = serve([record(1)])
        server.queue(*[fault] * 10)
        with pytest.raises(FeedUnavailable, match=r"in 4 attempts .* it is safe"):
            connect(server, attempts=4).count(DAY, DAY)
        assert len(server.requests) == 4
        assert len(waits) == 3

    def test_a_good_answer_resets_the_patience(self, serve, connect, waits) -> None:
        server = serve([record(1), record(2)])
        server.queue(reply(429), reply(429), normal, reply(500), reply(500), normal, hang_up, hang_up)
        assert len(list(connect(server, page_size=1, attempts=3).changes(DAY, DAY))) == 2
        assert len(waits) == 6

    def test_nobody_listens(self, serve, connect, waits) -> None:
        server = serve([])
        feed = connect(server, attempts=3)
        server.__exit__()
        with pytest.raises(FeedUnavailable, match="the connection failed"):
            feed.count(DAY, DAY)
        assert len(waits) == 2

    def test_waits_double_up_to_a_ceiling_with_full_jitter(self, serve, connect, waits) -> None:
        random.seed(2)
        server = serve([])
        server.queue(*[reply(503)] * 200)
        feed = connect(server, attempts=10)
        for _ in range(20):
            with pytest.raises(FeedUnavailable):
                feed.count(DAY, DAY)
        ceilings = [min(LONGEST_WAIT, FIRST_WAIT * 2**n) for n in range(9)]
        for n, ceiling in enumerate(ceilings):
            drawn = waits[n::9]
            assert all(0 <= wait <= ceiling for wait in drawn)
            assert min(drawn) < ceiling / 2 < max(drawn)

    @pytest.mark.parametrize(
        ("header", "bounds"),
        [
            ("7", (7.0, 7.0)),
            (" 30 ", (30.0, 30.0)),
            ("0", (0.0, FIRST_WAIT)),
            ("99999999999", (LONGEST_WAIT, LONGEST_WAIT)),
            ("-5", (0.0, FIRST_WAIT)),
            ("soon", (0.0, FIRST_WAIT)),
            ("7.5e300", (0.0, FIRST_WAIT)),
            ("Wed, 21 Oct 2065 07:28:00 GMT", (0.0, FIRST_WAIT)),
        ],
    )
    def test_retry_after(self, serve, connect, waits, header: str, bounds: tuple[float, float]) -> None:
        server = serve([record(1)])
        server.queue(reply(429, headers={"Retry-After": header}))
        assert connect(server).count(DAY, DAY) == 1
        assert len(waits) == 1
        assert bounds[0] <= waits[0] <= bounds[1]

    def test_each_new_attempt_is_logged(self, serve, connect, caplog: pytest.LogCaptureFixture) -> None:
        server = serve([record(1)])
        server.queue(reply(503), reply(503))
        with caplog.at_level(logging.WARNING):
            connect(server).count(DAY, DAY)
        assert [f"attempt {n} of 6" in line for n, line in enumerate(caplog.messages, start=2)] == [True, True]


class TestRefusals:
    def ask(self, server: SodaServer, feed: SocrataFeed, waits: list[float]) -> str:
        with pytest.raises(FeedError) as caught:
            list(feed.changes(DAY, DAY))
        assert not isinstance(caught.value, FeedUnavailable)
        assert (len(server.requests), waits) == (1, [])
        return f"{type(caught.value).__name__}: {caught.value}"

    def test_a_dropped_column(self, serve, connect, waits) -> None:
        server = serve([record(1)])
        server.drop_column("updated_on")
        said = self.ask(server, connect(server), waits)
        assert said.startswith("SourceMoved: The columns of ijzp-q8t2")
        assert "No such column: updated_on" in said

    def test_a_column_of_another_type(self, serve, connect, waits) -> None:
        server = serve([record(1)])
        server.queue(reply(400, b'{"errorCode":"query.soql.type-mismatch","error":true,"message":"is number"}'))
        assert self.ask(server, connect(server), waits).startswith("SourceMoved: The columns")

    def test_code_is_not_error_code(self, serve, connect, waits) -> None:
        server = serve([record(1)])
        server.queue(reply(400, b'{"code":"query.soql.no-such-column","message":"?"}'))
        assert self.ask(server, connect(server), waits).startswith("FeedError: ")

    @pytest.mark.parametrize("status", [400, 410, 418])
    def test_other_refusals(self, serve, connect, waits, status: int) -> None:
        server = serve([record(1)])
        server.queue(reply(status, b'{"errorCode":"query.soql.bad-parse","message":"no"}'))
        said = self.ask(server, connect(server), waits)
        assert said.startswith("FeedError: ")
        assert f"{status} query.soql.bad-parse no" in said

    def test_a_missing_dataset(self, serve, connect, waits) -> None:
        server = serve([record(1)])
        feed = connect(server)
        said = self.ask(
            server, dataclasses.replace(feed, city=dataclasses.replace(feed.city, dataset="gone-gone")), waits
        )
        assert said.startswith("SourceMoved: ")
        assert "has no dataset gone-gone (404 dataset.missing Not found): find its new id" in said

    def test_a_redirect_is_not_followed(self, serve, connect, waits) -> None:
        server, elsewhere = serve([record(1)]), serve([record(1)])
        target = f"http://{elsewhere.domain}/resource/ijzp-q8t2.json"
        server.queue(reply(302, headers={"Location": target}))
        said = self.ask(server, connect(server, app_token=TOKEN), waits)
        assert said.startswith(f"SourceMoved: {server.domain} points to {target}")
        assert elsewhere.requests == []

    @pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"x"', b"\xff", b"[" * 100_000, b'{"message":{"a":1}}'])
    def test_a_refusal_with_any_body(self, serve, connect, waits, body: bytes) -> None:
        server = serve([record(1)])
        server.queue(reply(404, body))
        assert self.ask(server, connect(server), waits).startswith("SourceMoved: ")

    def test_a_message_is_one_short_printable_line(self, serve, connect, waits) -> None:
        server = serve([record(1)])
        message = "first\nWARNING forged\x1b[31m" + "x" * 5_000
        server.queue(reply(400, json.dumps({"errorCode": "e", "message": message}).encode()))
        said = self.ask(server, connect(server), waits)
        assert said.isprintable()
        assert len(said) < 400

    def test_json_too_deep_to_read(self, serve, connect, waits) -> None:
        server = serve([record(1)])
        server.queue(reply(200, b"[" * 100_000))
        assert self.ask(server, connect(server), waits).startswith("FeedError: ")


class TestToken:
    def test_it_is_sent(self, serve, connect) -> None:
        server = serve([record(1)], app_token=TOKEN)
        feed = connect(server, app_token=TOKEN)
        assert feed.count(DAY, DAY) == 1
        assert feed.columns() == record(1).keys()
        assert {request.headers["x-app-token"] for request in server.requests} == {TOKEN}

    @pytest.mark.parametrize(("token", "advice"), [("wrong", "check"), (None, "set"), ("", "set")])
    def test_a_portal_that_demands_another(self, serve, connect, waits, token: str | None, advice: str) -> None:
        server = serve([record(1)], app_token=TOKEN)
        with pytest.raises(FeedError, match=f"Invalid app_token specified.*: {advice} SOCRATA_APP_TOKEN"):
            connect(server, app_token=token).count(DAY, DAY)
        assert (len(server.requests), waits) == (1, [])

    def test_without_one_no_header_and_no_noise(self, serve, connect, caplog: pytest.LogCaptureFixture) -> None:
        server = serve([record(1)])
        root_handlers = list(logging.getLogger().handlers)
        with caplog.at_level(logging.WARNING):
            assert connect(server).count(DAY, DAY) == 1
        assert caplog.messages == []
        assert logging.getLogger().handlers == root_handlers
        assert "x-app-token" not in server.requests[0].headers

    def test_a_throttled_stranger_learns_of_tokens(self, serve, connect) -> None:
        server = serve([record(1)])
        server.queue(*[reply(429)] * 4)
        with pytest.raises(FeedUnavailable, match="429 without SOCRATA_APP_TOKEN"):
            connect(server, attempts=2).count(DAY, DAY)
        with pytest.raises(FeedUnavailable) as caught:
            connect(server, attempts=2, app_token=TOKEN).count(DAY, DAY)
        assert "SOCRATA_APP_TOKEN" not in str(caught.value)

    def test_it_is_in_no_message_and_no_log(self, serve, connect, caplog: pytest.LogCaptureFixture) -> None:
        server = serve([record(1)])
        body = json.dumps({"code": TOKEN, "message": f"{'x' * 150} bad token {TOKEN}"}).encode()
        server.queue(reply(503, body), reply(200, b"", f"text/{TOKEN}"), reply(403, body))
        feed = connect(server, app_token=TOKEN)
        with caplog.at_level(logging.DEBUG), pytest.raises(FeedError) as caught:
            feed.count(DAY, DAY)
        assert "403 ***" in str(caught.value)
        assert "503" in caplog.text
        for text in (str(caught.value), caplog.text, repr(feed)):
            assert TOKEN[:6] not in text

    @pytest.mark.parametrize("token", ["two words", "line\n", "ünicode"])
    def test_one_that_no_header_can_carry(self, token: str) -> None:
        with pytest.raises(UsageError, match="SOCRATA_APP_TOKEN") as caught:
            SocrataFeed(CITY, app_token=token)
        assert token not in str(caught.value)


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
