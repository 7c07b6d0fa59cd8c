"""The lake's catalog for Spark: an Iceberg REST catalog on loopback, in front of `lake.catalog`.

Whatever the lake's catalog is, Spark needs no driver and no credentials for it. This process makes every commit of
Spark's, only on the state it was planned for, and with properties that SQL cannot set. Nothing else can be changed
through this catalog.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from crime_assets.lakehouse.iceberg.tables import PROPERTY_PREFIX, TABLE_MARKS, StalePlan, beside
from crime_assets.lakehouse.place.lake import Lake

if TYPE_CHECKING:
    from pyiceberg.table import Table

_Identifier = tuple[str, str]

_LENGTH = re.compile("[0-9]{1,15}")
_MOST_BYTES = 64 << 20
"""Largest request; a commit names its files only by their manifests, which takes kilobytes."""


@dataclass
class _Expected:
    """The one commit that is let through, and its outcome."""

    table: _Identifier
    base: int | None
    properties: Mapping[str, str]
    snapshot_id: int | None = None
    is_stale: bool = False


class _Refused(Exception):
    """A refused request: HTTP status, Iceberg's name of the error, and a sentence."""

    def __init__(self, status: HTTPStatus, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


class CatalogServer:
    """Serves one lake's catalog to clients that have the token, until it is closed."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._expected: _Expected | None = None
        self.token = secrets.token_urlsafe(32)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        Thread(target=self._server.serve_forever, name="catalog for Spark", daemon=True).start()

    @property
    def uri(self) -> str:
        """The address that it is served at."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    @contextmanager
    def committing(self, table: Table, properties: Mapping[str, str]) -> Iterator[_Expected]:
        """Let one commit of Spark's to the table through, if the table has not changed since `table` was loaded.

        The snapshot gets `properties` (without our prefix); the table gets those of TABLE_MARKS in the same commit.
        Whatever error Spark raises, a commit that came too late ends in StalePlan.
        """
        namespace, name = table.name()
        expected = _Expected((namespace, name), table.metadata.current_snapshot_id, properties)
        self._expected = expected
        try:
            yield expected
        except Exception as error:
            if expected.is_stale:
                raise StalePlan from error
            raise
        finally:
            self._expected = None

    def answer(self, method: str, path: str, body: bytes) -> dict[str, Any]:
        """The answer to a request, as in Iceberg's REST specification; _Refused if there is none."""
        from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

        match method, [unquote(part) for part in urlsplit(path).path.strip("/").split("/")]:
            case "GET", ["v1", "config"]:
                return {"defaults": {}, "overrides": {}}
            case "GET", ["v1", "namespaces", namespace]:
                return {"namespace": [namespace], "properties": {}}
            case "GET" | "POST", ["v1", "namespaces", namespace, "tables", name]:
                try:
                    table = self._lake.catalog.load_table((namespace, name))
                except (NoSuchTableError, NoSuchNamespaceError) as error:
                    raise _Refused(HTTPStatus.NOT_FOUND, "NoSuchTableException", f"{path} is not there") from error
                if method == "POST":
                    self._commit(table, json.loads(body))
                    table = self._lake.catalog.load_table((namespace, name))
                return {
                    "metadata-location": table.metadata_location,
                    "metadata": json.loads(table.metadata.model_dump_json()),
                    "config": {},
                }
            case _:
                raise _Refused(HTTPStatus.NOT_FOUND, "NoSuchViewException", f"{method} {path} is not served")

    def _commit(self, table: Table, wanted: Mapping[str, Any]) -> None:
        from pyiceberg.exceptions import CommitFailedException
        from pyiceberg.table import CommitTableRequest

        expected = self._expected
        if expected is None or expected.table != table.name():
            raise _Refused(HTTPStatus.FORBIDDEN, "ForbiddenException", "Only the lake's writer changes its tables")
        bases = [one.get("snapshot-id") for one in wanted["requirements"] if one["type"] == "assert-ref-snapshot-id"]
        updates = list(wanted["updates"])
        marks = {PROPERTY_PREFIX + name: value for name, value in expected.properties.items()}
        for update in updates:
            if update["action"] == "add-snapshot":
                update["snapshot"]["summary"].update(marks)
                expected.snapshot_id = update["snapshot"]["snapshot-id"]
        lasting = {
            PROPERTY_PREFIX + name: expected.properties[name] for name in TABLE_MARKS & expected.properties.keys()
        } | beside(table)
        if lasting:
            updates.append({"action": "set-properties", "updates": lasting})
        try:
            if bases != [expected.base]:
                raise CommitFailedException("planned for another state of the table")
            identifier = {"namespace": [table.name()[0]], "name": table.name()[1]}
            request = CommitTableRequest.model_validate({**wanted, "identifier": identifier, "updates": updates})
            self._lake.catalog.commit_table(table, request.requirements, request.updates)
        except CommitFailedException as error:
            expected.is_stale = True
            raise _Refused(HTTPStatus.CONFLICT, "CommitFailedException", str(error)) from error


def _handler(catalog: CatalogServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            try:
                self._send(HTTPStatus.OK, catalog.answer(self.command, self.path, self._body()))
            except _Refused as refused:
                self._send(refused.status, _error(refused.status, refused.kind, str(refused)))
            except Exception as error:
                status = HTTPStatus.INTERNAL_SERVER_ERROR
                self._send(status, _error(status, type(error).__name__, str(error)))

        def _body(self) -> bytes:
            """The body. If _Refused says why not, none of it is read, and the connection ends."""
            given, length = self.headers.get("Authorization", ""), self.headers.get("Content-Length", "0")
            if not secrets.compare_digest(given.encode(), f"Bearer {catalog.token}".encode()):
                refused = _Refused(HTTPStatus.UNAUTHORIZED, "NotAuthorizedException", "The token is missing or wrong")
            elif not _LENGTH.fullmatch(length):
                refused = _Refused(HTTPStatus.BAD_REQUEST, "BadRequestException", "Content-Length is no number")
            elif int(length) > _MOST_BYTES:
                message = f"The request has more than {_MOST_BYTES:,} bytes"
                refused = _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "BadRequestException", message)
            else:
                return self.rfile.read(int(length))
            self.close_connection = True
            raise refused

        do_GET = do_POST = do_HEAD = do_DELETE = _answer  # noqa: N815 - the names are http.server's

        def _send(self, status: HTTPStatus, document: Mapping[str, Any]) -> None:
            content = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing: Spark reports what went wrong."""

    return Handler


def _error(status: HTTPStatus, kind: str, message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "code": int(status)}}
