"""A portal that misbehaves as portals do: what is asked again, what is refused, and no token in any message."""

from __future__ import annotations

import dataclasses
import json
import logging
import random

import pytest

from crime_assets.core.errors import FeedError, FeedUnavailable, UsageError
from crime_assets.sources.cities import Source
from crime_assets.sources.cities.chicago import CITY
from crime_assets.sources.feeds.retries import FIRST_WAIT, LONGEST_WAIT
from crime_assets.sources.feeds.socrata import SocrataFeed
from crime_assets_tests.sources.feeds.socrata.portal import DAY, TOKEN, by_id, record
from crime_assets_tests.sources.feeds.soda_server import (
    Behaviour,
    SodaServer,
    cut_body,
    cut_chunk,
    hang_up,
    normal,
    reply,
    silence,
    stall,
    tampered,
)


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
        said = self.ask(server, dataclasses.replace(feed, source=Source("gone-gone", frozenset())), waits)
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
