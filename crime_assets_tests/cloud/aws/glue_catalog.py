"""Glue's catalog as it is where several write: moto, behind a server that counts versions, which moto does not.

It also loses an answer on its way, when it is told to.
"""

from __future__ import annotations

import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class GlueCatalog:
    """The running server. A version of a table can be updated once; later updates of it are refused."""

    def __init__(self, moto: str) -> None:
        self.loses_an_answer_about: str | None = None
        """The table whose next update is made without an answer."""
        self._updated: set[tuple[str, str, str]] = set()
        self._lock = threading.Lock()
        self._moto = urlsplit(moto).netloc
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, headers: dict[str, str], body: bytes) -> tuple[int, bytes] | None:
        """Status and content, or None where the answer gets lost."""
        asked = json.loads(body)
        if not headers.get("X-Amz-Target", "").endswith(".UpdateTable"):
            return self._forward(headers, body)
        table = asked["TableInput"]["Name"]
        with self._lock:
            version = (asked["DatabaseName"], table, asked.get("VersionId", ""))
            if version in self._updated:
                refusal = {"__type": "ConcurrentModificationException", "Message": "Update table failed."}
                return 400, json.dumps(refusal).encode()
            self._updated.add(version)
            answer = self._forward(headers, body)
            if self.loses_an_answer_about == table:
                self.loses_an_answer_about = None
                return None
            return answer

    def _forward(self, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self._moto)
        try:
            connection.request("POST", "/", body, {k: v for k, v in headers.items() if k.lower() != "host"})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


def _handler(catalog: GlueCatalog) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = catalog.answer(dict(self.headers), body)
            if answer is None:
                self.close_connection = True
                return
            status, content = answer
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    return Handler
