"""The service that owns the lake: answers accounts of this machine on a Unix socket, and others by TLS, by the policy.

On the socket the kernel says which account asks, so there is no password and no token to lose. The lake must be closed
to all others: who can read its files needs no service.
"""

from __future__ import annotations

import json
import os
import pwd
import resource
import signal
import socket
import ssl
import struct
import threading
from asyncio import Transport
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from io import TextIOWrapper
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, TextIO, cast

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from crime_assets.core.errors import CrimeAssetsError, UsageError
from crime_assets.engines.answers import Answer
from crime_assets.governance.access import Access, Question
from crime_assets.governance.closed import check_closed
from crime_assets.governance.principals import Who
from crime_assets.governance.turns import Turns

FORMS = {"table": "text/plain", "csv": "text/csv", "json": "application/json"}
LARGEST_QUESTION = 1 << 20

_CREDENTIALS = struct.Struct("3i")
_IN_MEMORY = 16 << 20
_PIECE = 1 << 16
_OF_ONE = 2
"""Questions of one account that are answered at once."""
_SETTINGS: dict[str, Any] = {
    "log_level": "warning",
    "timeout_graceful_shutdown": 5,
    # What a header says of who asks is a claim of who asks.
    "proxy_headers": False,
    "server_header": False,
    "ws": "none",
}

Write = Callable[[Answer, str, TextIO], None]
"""Writes an answer in one of the FORMS."""


class _PeerProtocol(H11Protocol):
    """HTTP in which the client's address is the account and the process at the other end, as the kernel knows them."""

    # uvicorn names the one kind of transport that it expects; asyncio hands over any.
    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        end = transport.get_extra_info("socket")
        pid, uid, _ = _CREDENTIALS.unpack(end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        self.client = (str(uid), pid)


class Queries:
    """Answers queries that came by HTTP, whoever sent them. `scratch` holds answers that are too large for memory."""

    def __init__(self, access: Access, write: Write, scratch: Path) -> None:
        self._access = access
        self._write = write
        self._scratch = scratch

    async def query(self, request: Request, who: Who) -> Response:
        """The answer to a request with a JSON object: sql, and maybe format, as_of and purpose."""
        try:
            form, sql, as_of, purpose = await _asked(request)
            question = Question(who, sql, as_of, purpose)
            answer = await run_in_threadpool(_written, self._access, question, self._write, form, self._scratch)
        except CrimeAssetsError as error:
            return refused(str(error), 400, error.exit_code)
        return StreamingResponse(_pieces(answer), media_type=FORMS[form])

    async def me(self, who: Who) -> Response:
        """Who somebody is by the policy, and what of the tables that lets them see."""
        try:
            return JSONResponse(await run_in_threadpool(self._access.described, who))
        except CrimeAssetsError as error:
            return refused(str(error), 400, error.exit_code)


def app(queries: Queries) -> Starlette:
    """The application on a Unix socket: the kernel says who asks."""
    turns = Turns(_OF_ONE)

    async def query(request: Request) -> Response:
        try:
            who = _peer(request)
            async with turns.turn(who.name):
                return await queries.query(request, who)
        except UsageError as error:
            return refused(str(error), 403, error.exit_code)

    async def me(request: Request) -> Response:
        try:
            return await queries.me(_peer(request))
        except UsageError as error:
            return refused(str(error), 403, error.exit_code)

    async def failed(request: Request, error: Exception) -> Response:
        # Its text may hold values of somebody else; the log of the service has it.
        return refused("The service failed: its log says why.", 500)

    routes = [Route("/query", query, methods=["POST"]), Route("/me", me)]
    return Starlette(routes=routes, exception_handlers={Exception: failed})


def _peer(request: Request) -> Who:
    """The account at the other end. UsageError if it is nobody's."""
    if request.client is None:
        raise UsageError("Nobody knows who asks.")
    return Who("peer", _account(int(request.client.host)), f"pid {request.client.port}")


def prepare(access: Access, home: Path, *, as_root: bool = False) -> Path:
    """Make this process one that may serve; returns a directory for large answers.

    UsageError where serving would protect nothing.
    """
    if os.geteuid() == 0 and not as_root:
        raise UsageError("Start the service as an account of its own: root's programs can be made to do anything.")
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    check_closed(home)
    access.policy()
    scratch = home / "cache" / "answers"
    scratch.mkdir(parents=True, exist_ok=True)
    return scratch


Serving = tuple[uvicorn.Server, socket.socket]
"""A server, and the socket on which it listens."""


def serve(queries: Queries, place: Path | None, pages: Serving | None, address: str) -> None:
    """Serve on a Unix socket, by TLS, or both, until interrupted. `address` is that of the pages."""
    servers = [pages] if pages is not None else []
    with ExitStack() as held:
        if place is not None:
            listening = held.enter_context(_listening(place))
            held.callback(place.unlink, missing_ok=True)
            config = uvicorn.Config(app(queries), http=_PeerProtocol, **_SETTINGS)
            servers.append((uvicorn.Server(config), listening))
        *others, (last, own) = servers
        for server, listening in others:
            # Signals are for the main thread; the last of the servers has them, and ends the others.
            thread = threading.Thread(target=_run_beside, args=[server, listening, last], daemon=True)
            thread.start()
            held.callback(thread.join)
            held.callback(setattr, server, "should_exit", True)
        said = " and ".join([*([str(place)] if place is not None else []), *([address] if pages is not None else [])])
        # What ends services elsewhere ends this one as Ctrl-C does.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with suppress(KeyboardInterrupt):
            print(f"Answering on {said} until you press Ctrl-C.", flush=True)
            last.run(sockets=[own])


def _run_beside(server: uvicorn.Server, listening: socket.socket, last: uvicorn.Server) -> None:
    """Serve; when that ends, whyever, the last server ends as well: half a service is noticed by nobody."""
    try:
        server.run(sockets=[listening])
    finally:
        last.should_exit = True


def by_tls(
    pages: ASGIApp,
    bind: tuple[str, int],
    certificate: Path,
    key: Path,
    server: Callable[[uvicorn.Config], uvicorn.Server] = uvicorn.Server,
) -> Serving:
    """A server of an application for browsers. UsageError if the certificate or the port cannot be used."""
    files: dict[str, Any] = {"ssl_certfile": str(certificate), "ssl_keyfile": str(key)}
    config = uvicorn.Config(pages, **files, **_SETTINGS)
    try:
        config.load()
    except OSError as error:
        raise UsageError(
            f"The certificate {certificate} with the key {key} cannot be used ({error.strerror or error})."
        ) from error
    assert config.ssl is not None  # noqa: S101 - there is a certificate
    config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    found = socket.socket(socket.AF_INET6 if ":" in bind[0] else socket.AF_INET)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind(bind)
    except OSError as error:
        found.close()
        raise UsageError(
            f"Port {bind[1]} of {bind[0]} cannot be used ({error.strerror}): give another --port or --bind."
        ) from error
    return server(config), found


def _listening(place: Path) -> socket.socket:
    """A socket at a path, to which every account may connect. UsageError if somebody answers there already."""
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
            if other.connect_ex(str(place)) == 0:
                raise UsageError(f"A service answers on {place} already: stop it, or give another place.")
        if place.is_socket():
            place.unlink()  # of a service that was killed
        found.bind(str(place))
        place.chmod(0o666)
        found.listen()
    except OSError as error:
        found.close()
        raise UsageError(f"{place} cannot be used as a socket ({error.strerror}): give another place.") from error
    except UsageError:
        found.close()
        raise
    return found


def _account(uid: int) -> str:
    """The name of an account. UsageError for root, who is not a person."""
    if uid == 0:
        raise UsageError("root is not a person: ask as yourself.")
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


async def _asked(request: Request) -> tuple[str, str, str | None, str]:
    """The form, the query, the state and the purpose that were asked for; UsageError if it is none of that."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST_QUESTION:
            raise UsageError("The question is longer than 1 MiB: ask a shorter one.")
    try:
        told = json.loads(body)
        form, sql, purpose = told.get("format", "table"), told["sql"], told.get("purpose", "")
        as_of = told.get("as_of")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError('The question must be a JSON object such as {"sql": "SELECT 1"}.') from error
    texts = (form, sql, purpose, "" if as_of is None else as_of)
    if not all(map(_is_text, texts)) or form not in FORMS or not sql.strip():
        raise UsageError(f"sql, format ({', '.join(FORMS)}), as_of and purpose must be texts, and sql not empty.")
    return form, sql, as_of, purpose


def _is_text(value: object) -> bool:
    """Whether it is a text that can be written: JSON can say halves of characters."""
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)


def _written(access: Access, question: Question, write: Write, form: str, scratch: Path) -> BinaryIO:
    """The whole answer in its form: what has begun to leave can no longer be refused."""
    file = SpooledTemporaryFile(_IN_MEMORY, dir=str(scratch))  # noqa: SIM115 - who sends it closes it
    try:
        text = TextIOWrapper(cast("BinaryIO", file), "utf-8", "replace", newline="", write_through=True)
        with access.answer(question) as answer:
            write(answer, form, text)
        text.detach()
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return cast("BinaryIO", file)


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE):
            yield piece


def refused(sentence: str, status: int, exit_code: int = 1) -> Response:
    """A sentence instead of an answer, for programs."""
    return JSONResponse({"error": sentence, "exit_code": exit_code}, status)
