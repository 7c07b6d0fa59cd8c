"""The service that owns the lake: answers the accounts of this machine on a Unix socket, each by the policy.

The kernel says which account asks, so there is no password and no token to lose. The lake must be closed to all others:
who can read its files needs no service.
"""

from __future__ import annotations

import json
import os
import pwd
import resource
import socket
import stat
import struct
from asyncio import Transport
from collections.abc import Callable, Iterator
from contextlib import suppress
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
from uvicorn.protocols.http.h11_impl import H11Protocol

from crime_assets.core.errors import CrimeAssetsError, UsageError
from crime_assets.engines.answers import Answer
from crime_assets.governance.access import Access, Question
from crime_assets.governance.principals import Who

FORMS = {"table": "text/plain", "csv": "text/csv", "json": "application/json"}
LARGEST_QUESTION = 1 << 20

_CREDENTIALS = struct.Struct("3i")
_IN_MEMORY = 16 << 20
_PIECE = 1 << 16
_LAST_SECONDS = 5

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


def check_closed(home: Path) -> None:
    """UsageError if others than its owner, or another account than this one, can read a lake."""
    for place in (home, *(path for path in home.iterdir() if path.is_dir())):
        state = place.stat()
        if state.st_uid != os.geteuid():
            raise UsageError(f"{place} belongs to another account: start the service as the one that owns the lake.")
    if home.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UsageError(f"Others may read the lake {home}, whatever the policy says: run `chmod 700 {home}`.")


def app(access: Access, write: Write, scratch: Path) -> Starlette:
    """The application. Answers that are too large for memory lie in `scratch` until they have been sent."""

    async def query(request: Request) -> Response:
        client = request.client
        if client is None:
            return _refused("Nobody knows who asks.", 403)
        try:
            asked = await _asked(request)
            question = Question(Who("peer", _account(int(client.host)), f"pid {client.port}"), *asked[1:])
            answer = await run_in_threadpool(_written, access, question, write, asked[0], scratch)
        except CrimeAssetsError as error:
            return _refused(str(error), 400, error.exit_code)
        return StreamingResponse(_pieces(answer), media_type=FORMS[asked[0]])

    async def failed(_: Request, error: Exception) -> Response:
        # Its text may hold values of somebody else; the log of the service has it.
        return _refused("The service failed: its log says why.", 500)

    routes = [Route("/query", query, methods=["POST"])]
    return Starlette(routes=routes, exception_handlers={Exception: failed})


def serve(access: Access, write: Write, home: Path, place: Path, *, as_root: bool = False) -> None:
    """Serve until interrupted. UsageError where that would protect nothing."""
    if os.geteuid() == 0 and not as_root:
        raise UsageError("Start the service as an account of its own: root's programs can be made to do anything.")
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    check_closed(home)
    access.policy()
    scratch = home / "cache" / "answers"
    scratch.mkdir(parents=True, exist_ok=True)
    with _listening(place) as listening:
        settings: dict[str, Any] = {"http": _PeerProtocol, "proxy_headers": False, "server_header": False}
        config = uvicorn.Config(
            app(access, write, scratch), log_level="warning", timeout_graceful_shutdown=_LAST_SECONDS, **settings
        )
        with suppress(KeyboardInterrupt):
            print(f"Answering on {place} until you press Ctrl-C.", flush=True)
            uvicorn.Server(config).run(sockets=[listening])
    place.unlink(missing_ok=True)
    access.close()


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
    if not all(isinstance(text, str) for text in texts) or form not in FORMS or not sql.strip():
        raise UsageError(f"sql, format ({', '.join(FORMS)}), as_of and purpose must be texts, and sql not empty.")
    return form, sql, as_of, purpose


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


def _refused(sentence: str, status: int, exit_code: int = 1) -> Response:
    return JSONResponse({"error": sentence, "exit_code": exit_code}, status)
