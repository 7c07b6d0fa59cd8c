"""Channels hear of every alert at least once, in order, whatever answers; nothing that identifies anybody is told."""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from crime_assets.cloud.aws.clients import Clients
from crime_assets.core.errors import CrimeAssetsError, UsageError
from crime_assets.incidents.chain import ALERTS, Chain
from crime_assets.incidents.telling import Teller, TopicChannel, WebhookChannel
from crime_assets.streams.directory import DirectoryStore
from crime_assets_tests.cloud.notices import Listener, listen

REF = "K1a2b3c-0123456789abcdef"
SECRET = "a secret"


def alert(number: int, revision: int = 1) -> dict[str, Any]:
    return {
        "alert_id": f"a{number}",
        "revision": revision,
        "rule": "04_watch_list",
        "title": "Wanted vehicle",
        "subject": REF,
        "district": "101",
        "window": "day",
        "window_start": "2026-03-02T00:00:00+05:30",
        "event_ids": ["e1"],
        "raised_at": "2026-03-02T04:46:00+00:00",
    }


class Address:
    """A web server that keeps what it is sent, and answers with these statuses first, then with 204."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, Any], str]] = []
        self.statuses: list[int] = []
        address = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = address.statuses.pop(0) if address.statuses else 204
                if status == 204:
                    signature = hmac.new(SECRET.encode(), body, sha256).hexdigest()
                    assert self.headers["X-Crime-Assets-Signature"] == f"sha256={signature}"
                    address.heard.append((json.loads(body), body.decode()))
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/alerts"
        Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def address() -> Iterator[Address]:
    address = Address()
    yield address
    address.server.shutdown()
    address.server.server_close()


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return Chain(DirectoryStore(tmp_path), "fir", "E1", ALERTS)


def publish(chain: Chain, number: int, *alerts: dict[str, Any]) -> None:
    chain.write(number, b"".join(json.dumps(one).encode() + b"\n" for one in alerts))


def until(teller: Teller, last: int) -> None:
    deadline = time.monotonic() + 30
    while teller.last < last and time.monotonic() < deadline:
        time.sleep(0.01)
    assert teller.last == last


def test_an_address_hears_all_alerts_in_order_in_spite_of_refusals(address: Address, chain: Chain) -> None:
    address.statuses += [500, 302]
    warned: list[str] = []
    publish(chain, 1, alert(1), alert(2))
    teller = Teller(chain, WebhookChannel(address.url, SECRET), 0, warned.append, pause=0.01)
    teller.start()
    publish(chain, 2, alert(1, revision=2))

    until(teller, 2)
    teller.stop()

    told = [(one["alert_id"], one["revision"]) for heard, _ in address.heard for one in heard["alerts"]]
    assert told == [("a1", 1), ("a2", 1), ("a1", 2)]
    assert warned == [f"CRIME_ALERTS_WEBHOOK answered {status}: the alert is sent again." for status in (500, 302)]
    assert all(REF not in body for _, body in address.heard)


def test_what_was_told_of_is_not_told_again(address: Address, chain: Chain) -> None:
    publish(chain, 1, alert(1))
    publish(chain, 2, alert(2))
    teller = Teller(chain, WebhookChannel(address.url, SECRET), 1, pytest.fail, pause=0.01)
    teller.start()

    until(teller, 2)
    teller.stop()

    assert [heard["alerts"][0]["alert_id"] for heard, _ in address.heard] == ["a2"]


def test_who_was_not_told_for_long_goes_on_after_what_was_removed(
    address: Address, chain: Chain, tmp_path: Path
) -> None:
    for number in range(1, 6):
        publish(chain, number, alert(number))
    chain.begin_at(4)
    for number in (1, 2, 3):
        DirectoryStore(tmp_path).delete(chain.key(number))
    teller = Teller(chain, WebhookChannel(address.url, SECRET), 1, pytest.fail, pause=0.01)
    teller.start()

    until(teller, 5)
    teller.stop()

    assert [heard["alerts"][0]["alert_id"] for heard, _ in address.heard] == ["a4", "a5"]


@pytest.mark.parametrize("fault", ["unreadable", "damaged"])
def test_what_cannot_be_read_is_said_and_told_of_when_it_can(
    address: Address, chain: Chain, tmp_path: Path, fault: str
) -> None:
    warned: list[str] = []
    store = DirectoryStore(tmp_path)
    if fault == "unreadable":
        (tmp_path / chain.key(1)).mkdir(parents=True)
    else:
        store.write(chain.key(1), b'{"alert_id":"K1a2b3c')
    teller = Teller(chain, WebhookChannel(address.url, SECRET), 0, warned.append, pause=0.01)
    teller.start()
    deadline = time.monotonic() + 10
    while not warned and time.monotonic() < deadline:
        time.sleep(0.01)
    if fault == "unreadable":
        (tmp_path / chain.key(1)).rmdir()
    store.write(chain.key(1), json.dumps(alert(1)).encode() + b"\n")

    until(teller, 1)
    teller.stop()

    assert warned
    assert "K1a2b3c" not in warned[0]


def test_an_address_that_is_not_there_is_said_without_its_secrets(chain: Chain) -> None:
    channel = WebhookChannel("http://127.0.0.1:9/token-in-path", SECRET)

    with pytest.raises(CrimeAssetsError) as error:
        channel.tell([alert(1)])

    assert "did not answer" in str(error.value)
    assert "token-in-path" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "secret"),
    [("http://crime.example/x", SECRET), ("https://a:b@crime.example/x", SECRET), ("https://crime.example/x", "")],
)
def test_addresses_that_are_refused(url: str, secret: str) -> None:
    with pytest.raises(UsageError, match="CRIME_ALERTS_"):
        WebhookChannel(url, secret)


@pytest.fixture
def listener(moto: str) -> Listener:
    return listen(Clients())


def test_a_topic_hears_each_alert_with_what_identifies_it(listener: Listener) -> None:
    TopicChannel(listener.clients, listener.topic).tell([alert(number) for number in range(12)])

    heard = listener.heard()
    assert {one["MessageAttributes"]["alert_id"]["Value"] for one in heard} == {f"a{number}" for number in range(12)}
    assert {one["Subject"] for one in heard} == {"Wanted vehicle in district 101"}
    assert all(REF not in json.dumps(one) for one in heard)


def test_of_many_alerts_at_once_a_topic_hears_one_message(listener: Listener) -> None:
    TopicChannel(listener.clients, listener.topic).tell([alert(number) for number in range(21)])

    (heard,) = listener.heard()
    assert heard["Subject"] == "21 alerts at once"
    assert [one["alert_id"] for one in json.loads(heard["Message"])["alerts"]] == [f"a{n}" for n in range(21)]


def test_a_topic_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="CRIME_ALERTS_TOPIC"):
        TopicChannel(Clients(), "arn:aws:sqs:eu-west-1:123456789012:queue")
