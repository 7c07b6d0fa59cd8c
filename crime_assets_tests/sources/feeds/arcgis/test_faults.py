"""A service that misbehaves: what is asked again, what is refused, and that each error says what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from crime_assets.core.errors import FeedError, FeedUnavailable, SourceMoved
from crime_assets.sources.feeds import arcgis
from crime_assets.sources.feeds.arcgis import ArcgisFeed
from crime_assets_tests.sources.feeds.arcgis_server import ArcgisServer, ServedLayer, incident
from crime_assets_tests.sources.feeds.soda_server import (
    Behaviour,
    before,
    cut_body,
    cut_chunk,
    hang_up,
    normal,
    reply,
    stall,
    tampered,
)

Connect = Callable[..., ArcgisFeed]


def said(code: object, message: str = "Unable to complete operation.") -> Behaviour:
    """An error as ArcGIS gives it: with status 200."""
    return reply(200, json.dumps({"error": {"code": code, "message": message, "details": []}}).encode())


def changed(change: Callable[[dict[str, Any]], object]) -> Behaviour:
    """The proper answer, after something was done to it."""

    def changing(body: bytes) -> bytes:
        answer = json.loads(body)
        change(answer)
        return json.dumps(answer).encode()

    return tampered(changing)


TRANSIENT = {
    "429": reply(429, headers={"Retry-After": "3"}),
    "500": reply(500, b"Internal Server Error", "text/plain"),
    "503 HTML": reply(503, b"<html>", "text/html"),
    "Content-Length cut": cut_body,
    "chunked gzip cut": cut_chunk,
    "no answer": hang_up,
    "JSON cut inside": tampered(lambda body: body[: len(body) // 2]),
    "not UTF-8": tampered(lambda body: body.replace(b'"', b"\xe9", 1)),
    "HTML with status 200": reply(200, b"<html><body>Maintenance</body></html>", "text/html"),
    "empty": reply(200),
    "a list": reply(200, b"[1, 2]"),
    "deep": reply(200, b"[" * 100_000),
    "another object": reply(200, b'{"features": 7, "layers": {}, "fields": [], "count": "many"}'),
    "a number too long": reply(200, b'{"count": ' + b"9" * 5_000 + b"}"),
    "an error with status 200": said(500),
    "its database is away": said(400, "Failed to execute query."),
    "an error without a code": reply(200, b'{"error": null}'),
}


@pytest.mark.parametrize(
    ("fault", "where"),
    [
        *((TRANSIENT[name], 7) for name in TRANSIENT),
        *((TRANSIENT["another object"], where) for where in (0, 1, 4, 8)),
    ],
    ids=[*TRANSIENT, "layers", "layer", "statistics", "count"],
)
def test_one_fault_costs_one_more_request(
    service: ArcgisServer, connect: Connect, waits: list[float], fault: Behaviour, where: int
) -> None:
    service.queue(*[normal] * where, fault)
    rows = [row for table in connect().publication().tables() for row in table.to_pylist()]
    assert len(rows) == 9
    assert len(waits) == 1


def test_silence_is_a_fault(service: ArcgisServer, connect: Connect, waits: list[float]) -> None:
    service.queue(stall)
    assert connect(timeout=0.2).columns()
    assert len(waits) == 1


def test_attempts_are_counted(service: ArcgisServer, connect: Connect, waits: list[float]) -> None:
    service.queue(*[said(500, "Out of\nmemory")] * 3)
    with pytest.raises(FeedUnavailable, match=r"in 3 attempts \(the last: 500 Out of memory\): run again later"):
        connect(attempts=3).columns()
    assert len(waits) == 2


@pytest.mark.parametrize(
    ("answer", "error", "sentence"),
    [
        (said(499, "Token Required"), FeedError, r"refuses access \(499 Token Required\): see whether the city still"),
        (reply(403), FeedError, r"refuses access \(status 403\)"),
        (said(404, "Service not found"), SourceMoved, r"is not there \(404 Service not found\).*washington\.py"),
        (
            reply(301, headers={"Location": "https://x.example/"}),
            SourceMoved,
            r"points to https://x\.example/: put its",
        ),
    ],
)
def test_what_no_time_will_change_is_not_asked_again(
    service: ArcgisServer,
    connect: Connect,
    waits: list[float],
    answer: Behaviour,
    error: type[Exception],
    sentence: str,
) -> None:
    service.queue(answer)
    with pytest.raises(error, match=sentence):
        connect().publication()
    assert waits == []


def test_an_answer_that_is_too_long_is_not_read_on(
    service: ArcgisServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arcgis, "LONGEST_ANSWER", 1 << 20)
    service.queue(*[reply(200, b" " * (3 << 20))] * 2)
    with pytest.raises(FeedUnavailable, match="its answer was longer than 1 MB"):
        connect(attempts=2).columns()


def repeated(answer: dict[str, Any]) -> None:
    answer["features"] = [answer["features"][0], answer["features"][0]]


PAGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "a row twice": repeated,
    "another order": lambda answer: answer["features"].reverse(),
    "no number": lambda answer: answer["features"][0]["attributes"].pop("OBJECTID"),
    "a number that is none": lambda answer: answer["features"][0]["attributes"].update(OBJECTID="1"),
    "a flag": lambda answer: answer["features"][0]["attributes"].update(OBJECTID=True),
    "a page too long": lambda answer: answer.update(features=answer["features"] * 2),
}


@pytest.mark.parametrize("change", PAGES.values(), ids=PAGES.keys())
def test_a_page_that_is_not_as_asked_is_refused(
    service: ArcgisServer, connect: Connect, change: Callable[[dict[str, Any]], object]
) -> None:
    publication = connect(page_size=2).publication()
    service.queue(changed(change))
    with pytest.raises(FeedError, match=r"does not page as asked .*: nothing read so far"):
        list(publication.tables())


def test_rows_that_came_before_are_refused(service: ArcgisServer, connect: Connect) -> None:
    publication = connect(page_size=2).publication()
    first = json.dumps(service.layers[3].asked(_page(-1, 2))).encode()
    service.queue(normal, reply(200, first))
    with pytest.raises(FeedError, match="rows that came before"):
        list(publication.tables())


def test_too_many_records_are_refused(service: ArcgisServer, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arcgis, "MOST_RECORDS", 2)
    with pytest.raises(FeedError, match="does not page as asked"):
        list(connect().publication().tables())


def test_a_skipped_row_is_noticed_by_the_count(service: ArcgisServer, connect: Connect) -> None:
    def skip(answer: dict[str, Any]) -> None:
        del answer["features"][1]

    publication = connect().publication()
    # Once: the layer is read again.
    service.queue(changed(skip))
    assert sum(len(table) for table in publication.tables()) == 9
    service.queue(changed(skip), normal, changed(skip))
    with pytest.raises(FeedError, match=r"counts 3 records but gave 2, twice: the pull is incomplete; run again later"):
        list(publication.tables())


def test_what_comes_in_meanwhile_is_read_once(service: ArcgisServer, connect: Connect) -> None:
    publication = connect().publication()
    layer = service.layers[3]
    service.queue(normal, before(lambda: layer.rows.update({99: incident(24000009, "2024-12-31T23:00:00")})))
    found = [row["ccn"] for table in publication.tables() for row in table.to_pylist()]
    assert len(found) == len({*found}) == 10


@pytest.mark.parametrize(
    "fields", [["CCN", "ccn"], ["CCN", "_damage"], ["CCN", "x y"], ["CCN", "a" * 65], ["CCN", "drop\ntable"]]
)
def test_fields_that_cannot_be_read_are_refused(service: ArcgisServer, connect: Connect, fields: list[str]) -> None:
    service.layers[41].fields = fields
    with pytest.raises(FeedError, match="describes its fields in a way that cannot be read"):
        connect().columns()


def test_a_field_that_is_not_described_is_refused_and_a_new_one_is_read(
    service: ArcgisServer, connect: Connect
) -> None:
    service.layers[41].build([incident(1, SURPRISE="x")])
    with pytest.raises(FeedError, match="gives a field 'SURPRISE' that it does not describe: run again"):
        list(connect().publication().tables())
    service.layers[41].fields.append("SURPRISE")
    assert "surprise" in connect().columns()
    rows = [row for table in connect().publication().tables() for row in table.to_pylist()]
    assert [row["surprise"] for row in rows if "surprise" in row] == ["x"]


def test_odd_texts_and_names_do_no_harm(service: ArcgisServer, connect: Connect) -> None:
    service.layers[41].build([incident(1, BLOCK="x\ud800y")])
    service.layers[77] = ServedLayer("Crime Incidents \n in 2023", {})
    rows = [row for table in connect().publication().tables() for row in table.to_pylist()]
    assert {row["block"] for row in rows if row["ccn"] == "1"} == {"x?y"}


def _page(after: int, size: int) -> dict[str, str]:
    return {
        "where": f"OBJECTID>{after}",
        "outFields": "*",
        "orderByFields": "OBJECTID",
        "returnGeometry": "false",
        "resultRecordCount": str(size),
    }
