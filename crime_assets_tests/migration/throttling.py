"""A server that is as busy as DynamoDB can be, and as strict about batches: no stand-in for it is either.

It does BatchWriteItem itself, on a dict, or in front of another server, to which everything else is passed on.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_JSON = "application/x-amz-json-1.0"
_MOST = 16 << 20
Name = tuple[str, str]


class Throttling:
    """What it does is seeded: 30 % of the items unprocessed, 5 % exceptions, 1 % of the answers cut after applying."""

    def __init__(self, seed: int, behind: str = "", busy: float = 1.0) -> None:
        self.items: dict[Name, Any] = {}
        self.violations: list[str] = []
        """What a real table would have refused."""
        self.poisoned: set[Name] = set()
        """Items that do not fit."""
        self.did = {"left": 0, "throttled": 0, "cut": 0, "requests": 0}
        self._behind = behind
        self._busy = busy
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Its address."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def answer(self, headers: dict[str, str], body: bytes) -> tuple[int, bytes, bool]:
        """Status, body, and whether the answer is cut."""
        if not headers.get("X-Amz-Target", "").endswith(".BatchWriteItem"):
            return (*self._passed_on(headers, body), False)
        with self._lock:
            self.did["requests"] += 1
            ((table, requests),) = json.loads(body)["RequestItems"].items()
            names = [_name(request) for request in requests]
            self._look(body, names)
            if bad := self.poisoned & {_name(request) for request in requests if "PutRequest" in request}:
                return *_error(
                    "ValidationException", f"One or more parameter values of {min(bad)[0]} are invalid"
                ), False
            if self._random.random() < 0.05 * self._busy:
                self.did["throttled"] += 1
                code = self._random.choice(["ProvisionedThroughputExceededException", "ThrottlingException"])
                return *_error(code, "too busy"), False
            left = [request for request in requests if self._random.random() < 0.3 * self._busy]
            cut = self._random.random() < 0.01 * self._busy
            self.did["left"] += len(left)
            self.did["cut"] += cut
        done = [request for request in requests if request not in left] if left else requests
        if done:
            self._apply(headers, table, done)
        return 200, json.dumps({"UnprocessedItems": {table: left} if left else {}}).encode(), cut

    def _look(self, body: bytes, names: list[Name]) -> None:
        if len(names) > 25:
            self.violations.append(f"{len(names)} items")
        if len(body) > _MOST:
            self.violations.append(f"{len(body)} bytes")
        if len({*names}) < len(names):
            self.violations.append("twins")

    def _apply(self, headers: dict[str, str], table: str, requests: list[dict[str, Any]]) -> None:
        if self._behind:
            status, body = self._passed_on(headers, json.dumps({"RequestItems": {table: requests}}).encode())
            assert (status, json.loads(body)["UnprocessedItems"]) == (200, {}), body
            return
        with self._lock:
            for request in requests:
                if "PutRequest" in request:
                    self.items[_name(request)] = request["PutRequest"]["Item"]
                else:
                    self.items.pop(_name(request), None)

    def _passed_on(self, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        there = http.client.HTTPConnection(urlsplit(self._behind).netloc, timeout=20)
        try:
            kept = {name: headers[name] for name in ("X-Amz-Target", "Authorization", "X-Amz-Date") if name in headers}
            there.request("POST", "/", body, {**kept, "Content-Type": _JSON})
            answer = there.getresponse()
            return answer.status, answer.read()
        finally:
            there.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        throttling = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, answer, cut = throttling.answer(dict(self.headers.items()), body)
                self.send_response(status)
                self.send_header("Content-Type", _JSON)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer[: len(answer) // 2] if cut else answer)
                self.close_connection = self.close_connection or cut

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def _name(request: dict[str, Any]) -> Name:
    held = request["PutRequest"]["Item"] if "PutRequest" in request else request["DeleteRequest"]["Key"]
    return held["id"]["S"], held["part"]["S"]


def _error(code: str, message: str) -> tuple[int, bytes]:
    return 400, json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message}).encode()
