"""A SODA 2 portal on the loopback: real HTTP, one dataset, faults on demand.

What belongs here: how a portal behaves, as its documentation and recorded answers show it. No expectation of any test.

    with SodaServer(records) as server:
        server.queue(reply(429), cut_body, normal, before(lambda: server.remove("7")))
        feed = SocrataFeed(server.city(CITY), scheme="http", sleep=waits.append)
"""

from __future__ import annotations

import dataclasses
import gzip
import json
import random
import re
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from crime_assets.sources.cities import City
from crime_assets_tests.sources.feeds.soda_query import STAMPS, RefusedError, Row, Where, syntax_error

DATASET = "ijzp-q8t2"
COMPUTED_REGION = ":@computed_region_awaf_s7ux"
DEFAULT_LIMIT, LARGEST_LIMIT = 1_000, 50_000
_JSON = "application/json;charset=utf-8"
_COUNT_BY_MONTH = re.compile(
    r"(date_trunc_ym\((\w+)\))(?: as (\w+))?,count\(\*\)(?: as (\w+))?((?:,sum\(\w+\(\w+\)\) as \w+)*)", re.IGNORECASE
)
_SUM_OF_PART = re.compile(r",sum\((\w+)\((\w+)\)\) as (\w+)", re.IGNORECASE)
_PARTS = {
    "date_extract_y": "year",
    "date_extract_m": "month",
    "date_extract_d": "day",
    "date_extract_hh": "hour",
    "date_extract_mm": "minute",
    "date_extract_ss": "second",
}
"""Functions of SODA 2.1 and later that take a floating_timestamp and give a number."""


@dataclass(frozen=True)
class Request:
    """A request as it came; `number` counts from 1."""

    number: int
    path: str
    params: dict[str, str]
    headers: dict[str, str]


@dataclass(frozen=True)
class Answer:
    """An answer before it is put on the wire; only JSON is compressed."""

    status: int = 200
    body: bytes = b""
    content_type: str = _JSON
    headers: Mapping[str, str] = field(default_factory=dict)


class Exchange:
    """One request and the means to answer it, handed to whatever is queued for it."""

    def __init__(self, server: SodaServer, request: Request, handler: BaseHTTPRequestHandler) -> None:
        self.server, self.request, self.handler = server, request, handler

    def proper(self) -> Answer:
        """What the portal would answer now."""
        return self.server.answer(self.request)

    def send(self, answer: Answer, lost: int = 0) -> None:
        """Chunked and compressed as the portal does it; the connection breaks `lost` bytes before the end."""
        compress = "gzip" in self.request.headers.get("accept-encoding", "") and answer.content_type == _JSON
        body = gzip.compress(answer.body, 1) if compress else answer.body
        self._start(answer, {"Content-Encoding": "gzip"} if compress else {}, {"Transfer-Encoding": "chunked"})
        if body:
            self.handler.wfile.write(b"%x\r\n" % len(body) + body[: len(body) - lost])
        if lost:
            self.handler.close_connection = True
        else:
            self.handler.wfile.write(b"\r\n0\r\n\r\n" if body else b"0\r\n\r\n")

    def send_short(self, answer: Answer) -> None:
        """Plain, with a Content-Length that is longer than what comes."""
        self._start(answer, {}, {"Content-Length": str(len(answer.body))})
        self.handler.wfile.write(answer.body[: len(answer.body) // 2])
        self.handler.close_connection = True

    def _start(self, answer: Answer, *more: Mapping[str, str]) -> None:
        self.handler.send_response(answer.status)
        for headers in ({"Content-Type": answer.content_type}, answer.headers, *more):
            for name, value in headers.items():
                self.handler.send_header(name, value)
        self.handler.end_headers()


Behaviour = Callable[[Exchange], None]


def normal(exchange: Exchange) -> None:
    """The proper answer."""
    exchange.send(exchange.proper())


def cut_body(exchange: Exchange) -> None:
    """Half of a plain body."""
    exchange.send_short(exchange.proper())


def cut_chunk(exchange: Exchange) -> None:
    """A compressed, chunked body without its end."""
    exchange.send(exchange.proper(), lost=5)


def hang_up(exchange: Exchange) -> None:
    """The connection closes without an answer."""
    exchange.handler.close_connection = True


def silence(exchange: Exchange) -> None:
    """No answer before the server closes: slower than any client's timeout."""
    exchange.server.closing.wait(60)
    exchange.handler.close_connection = True


def stall(exchange: Exchange) -> None:
    """Half of a body, then nothing more before the server closes."""
    exchange.send_short(exchange.proper())
    exchange.handler.wfile.flush()
    silence(exchange)


def reply(
    status: int, body: bytes = b"", content_type: str = _JSON, headers: Mapping[str, str] | None = None
) -> Behaviour:
    """This answer instead of the proper one."""
    return lambda exchange: exchange.send(Answer(status, body, content_type, headers or {}))


def tampered(change: Callable[[bytes], bytes]) -> Behaviour:
    """The proper answer with another body."""

    def behave(exchange: Exchange) -> None:
        answer = exchange.proper()
        exchange.send(dataclasses.replace(answer, body=change(answer.body)))

    return behave


def before(action: Callable[[], object]) -> Behaviour:
    """Something happens to the dataset, then the proper answer."""

    def behave(exchange: Exchange) -> None:
        action()
        normal(exchange)

    return behave


class SodaServer:
    """One dataset of a portal at `domain`; a context manager.

    `records` are rows as the API returns them, empty fields absent. Rows get row ids in the order they come in;
    that order, not the text of the ids, is what `:id >` and `$order=:id` mean. `app_token`: demanded of everyone.
    """

    def __init__(
        self,
        records: Iterable[Mapping[str, Any]],
        dataset: str = DATASET,
        *,
        app_token: str | None = None,
        seed: int = 0,
    ) -> None:
        self.dataset, self.app_token = dataset, app_token
        self.beside: dict[str, SodaServer] = {}
        """Other datasets of the portal, each of a server that is not started."""
        self.rows_updated_at = 1_700_000_000
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self.rows: list[Row] = []
        self.columns: list[str] = []
        self._random = random.Random(seed)
        self._numbers: dict[str, int] = {}
        self._queue: deque[Behaviour] = deque()
        self._lock = threading.RLock()
        self.add(*records)
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def domain(self) -> str:
        return f"127.0.0.1:{self._http.server_address[1]}"

    def city(self, like: City) -> City:
        """That city, published here."""
        sources = (dataclasses.replace(like.sources[-1], dataset=self.dataset),) if not self.beside else like.sources
        return dataclasses.replace(like, domain=self.domain, sources=sources)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    # What happens to the dataset.

    def add(self, *records: Mapping[str, Any]) -> None:
        with self._lock:
            for record in records:
                row_id = self._new_row_id()
                self._numbers[row_id] = len(self._numbers)
                system = {
                    ":id": row_id,
                    ":created_at": "2022-04-04T10:00:00.000Z",
                    ":updated_at": "2022-04-04T10:00:00.000Z",
                    ":version": f"rv-{row_id[4:]}",
                }
                self.rows.append({**system, **record, COMPUTED_REGION: str(self._random.randint(1, 60))})
                self.columns += [name for name in record if name not in self.columns]

    def edit(self, key: str, **fields: object) -> None:
        with self._lock:
            self._row(key).update(fields)

    def remove(self, key: str) -> None:
        with self._lock:
            self.rows.remove(self._row(key))

    def rename_row(self, key: str, row_id: str) -> None:
        """Another row id, in the same place of the order."""
        with self._lock:
            row = self._row(key)
            self._numbers[row_id] = self._numbers[row[":id"]]
            row[":id"] = row_id

    def drop_column(self, name: str) -> None:
        with self._lock:
            self.columns.remove(name)
            for row in self.rows:
                row.pop(name, None)

    def add_column(self, name: str, value: object) -> None:
        with self._lock:
            self.columns.append(name)
            for row in self.rows:
                row[name] = value

    def _row(self, key: str) -> Row:
        return next(row for row in self.rows if row.get("id") == key)

    def _new_row_id(self) -> str:
        letters = "23456789abcdefghijkmnpqrstuvwxyz"
        return "row-" + "".join(self._random.choice("._~-" if i in (4, 9) else letters) for i in range(14))

    # How it answers.

    def queue(self, *behaviours: Behaviour) -> None:
        """How the next requests are answered, one each; after them all is normal."""
        self._queue.extend(behaviours)

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        url = urlsplit(handler.path)
        with self._lock:
            headers = {name.lower(): value for name, value in handler.headers.items()}
            params = dict(parse_qsl(url.query, keep_blank_values=True))
            request = Request(len(self.requests) + 1, url.path, params, headers)
            self.requests.append(request)
            behaviour = self._queue.popleft() if self._queue else normal
        behaviour(Exchange(self, request, handler))

    def answer(self, request: Request) -> Answer:
        try:
            with self._lock:
                return self._answer(request)
        except RefusedError as refused:
            # The recorded 404 is laid out like this.
            body = json.dumps(refused.body, indent=2, separators=(",", " : ")) + "\n"
            return Answer(refused.status, body.encode(), "application/json; charset=utf-8")

    def _answer(self, request: Request) -> Answer:
        if self.app_token and request.headers.get("x-app-token") != self.app_token:
            raise RefusedError(403, "code", "permission_denied", "Invalid app_token specified")
        for other in self.beside.values():
            if other.dataset in request.path:
                return other._answer(request)
        if request.path == f"/api/views/{self.dataset}.json":
            return Answer(body=json.dumps(self._metadata()).encode())
        resource = re.fullmatch(r"/resource/(.+)\.json", request.path)
        if resource is None or resource[1] != self.dataset:
            name = resource[1] if resource else request.path
            raise RefusedError(404, "code", "dataset.missing", "Not found", {"id": name})
        names, rows = self._query(dict(request.params))
        lines = "\n,".join(json.dumps(row, separators=(",", ":"), ensure_ascii=False) for row in rows)
        headers = {
            "X-SODA2-Data-Out-Of-Date": "false",
            "X-SODA2-Fields": json.dumps(names),
            "X-SODA2-Types": json.dumps([self._type(name) for name in names]),
        }
        return Answer(body=f"[{lines}]\n".encode("utf-8", "surrogatepass"), headers=headers)

    def _metadata(self) -> Row:
        columns = [
            {"id": number, "name": name.replace("_", " ").title(), "fieldName": name, "dataTypeName": self._type(name)}
            for number, name in enumerate([*self.columns, COMPUTED_REGION], start=1)
        ]
        return {"id": self.dataset, "name": "Crimes", "rowsUpdatedAt": self.rows_updated_at, "columns": columns}

    def _type(self, name: str) -> str:
        return "floating_timestamp" if name in STAMPS else "text"

    def _query(self, params: dict[str, str]) -> tuple[list[str], list[Row]]:
        select = re.sub(r"\s*,\s*", ",", params.pop("$select", "*").strip())
        where, order, group = (params.pop(name, None) for name in ("$where", "$order", "$group"))
        limit, offset = int(params.pop("$limit", DEFAULT_LIMIT)), int(params.pop("$offset", 0))
        if params:
            raise RefusedError(
                400, "errorCode", "query.soql.unknown-parameter", f"Unrecognized arguments {sorted(params)}"
            )
        if limit > LARGEST_LIMIT:
            raise RefusedError(400, "errorCode", "req.row-limit-exceeded", f"The limit is {LARGEST_LIMIT}")
        rows = [*filter(Where(where, self._number, self._known).holds, self.rows)] if where else list(self.rows)
        counting = re.fullmatch(r"count\(\*\)(?: as (\w+))?", select, re.IGNORECASE)
        if counting:
            name = counting[1] or "count"
            return [name], [{name: str(len(rows))}]
        names, rows = self._grouped(rows, select, group) if group else (self._selected(select), rows)
        self._sort(rows, order)
        page = rows[offset : offset + limit]
        return names, [{name: row[name] for name in names if row.get(name) is not None} for row in page]

    def _grouped(self, rows: list[Row], select: str, group: str) -> tuple[list[str], list[Row]]:
        """How many rows each month has, and sums of parts of their times; the group of the rows without a time has no
        month.
        """
        match = _COUNT_BY_MONTH.fullmatch(select)
        if match is None or match[1] != group:
            raise syntax_error(f"{select} GROUP BY {group}")
        column, month, n = self._known(match[2]), match[3] or f"date_trunc_ym_{match[2]}", match[4] or "count"
        if column not in STAMPS:
            raise RefusedError(400, "errorCode", "query.soql.type-mismatch", f"Type mismatch for {match[1]}, is text")
        groups: dict[str | None, list[Row]] = defaultdict(list)
        for row in rows:
            groups[row[column][:7] if row.get(column) is not None else None].append(row)
        sums = _SUM_OF_PART.findall(match[5])
        found = []
        for text, members in groups.items():
            group_row: Row = {month: text and f"{text}-01T00:00:00.000", n: str(len(members))}
            found.append({**group_row, **{name: self._sum(members, *of) for *of, name in sums}})
        return [month, n, *(name for *_, name in sums)], found

    def _sum(self, rows: list[Row], function: str, name: str) -> str | None:
        """The sum over rows that have a time, as the portal's database writes it: seconds have decimals."""
        part, column = _PARTS.get(function.lower()), self._known(name)
        if part is None or column not in STAMPS:
            said = f"No such function '{function}'" if part is None else f"Type mismatch for {function}, is text"
            code = "no-such-function" if part is None else "type-mismatch"
            raise RefusedError(400, "errorCode", f"query.soql.{code}", said)
        times = [datetime.fromisoformat(row[column]) for row in rows if row.get(column) is not None]
        total = sum(getattr(time, part) for time in times)
        return None if not times else f"{total}.000000" if part == "second" else str(total)

    def _sort(self, rows: list[Row], order: str | None) -> None:
        if order is None:
            self._random.shuffle(rows)
            return
        match = re.fullmatch(r"(:?\w+)(?: (asc|desc))?", order, re.IGNORECASE)
        if match is None:
            raise syntax_error(order)
        name = self._known(match[1])
        rows.sort(
            key=lambda row: self._numbers[row[":id"]] if name == ":id" else str(row.get(name, "")),
            reverse=(match[2] or "").lower() == "desc",
        )

    def _selected(self, select: str) -> list[str]:
        everything = {"*": [*self.columns, COMPUTED_REGION], ":*": [":id", ":created_at", ":updated_at", ":version"]}
        return [n for part in select.split(",") for n in everything.get(part) or [self._known(part)]]

    def _known(self, name: str) -> str:
        if name not in (*self.columns, ":id"):
            raise RefusedError(
                400,
                "errorCode",
                "query.soql.no-such-column",
                f"No such column: {name}",
                {"column": name, "position": {}},
            )
        return name

    def _number(self, row_id: str) -> int:
        if row_id not in self._numbers:
            raise RefusedError(400, "errorCode", "query.soql.type-mismatch", f"Cannot read row id {row_id}")
        return self._numbers[row_id]


def _handler(server: SodaServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            server.serve(self)

        def log_message(self, *_: object) -> None:
            """Requests are kept, not printed."""

    return Handler
