"""The application behind a login: who asks, the pages of what they may see, and a line on the trail for each.

A page, a picture or a file leaves when its line is on disk, and who asked may still see it. Programs ask with a token,
people log in.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Message, Receive, Scope, Send

from crime_assets.core.errors import CrimeAssetsError, UsageError
from crime_assets.governance.access import Access
from crime_assets.governance.history import THE_LAKE
from crime_assets.governance.policy import Policy, Principal
from crime_assets.governance.principals import Who
from crime_assets.governance.reads import EVERYTHING
from crime_assets.governance.service import Queries, refused
from crime_assets.governance.sessions import Sessions
from crime_assets.governance.tokens import digest_of
from crime_assets.governance.turns import Turns
from crime_assets.profiles import Profile
from crime_assets.publishing.dashboard.answers import SHOWN, WithHeaders, html
from crime_assets.publishing.governed.login import COOKIE, Logins, address_of, remembering, to_login
from crime_assets.publishing.governed.parts import Parts

if TYPE_CHECKING:
    from crime_assets.publishing.dashboard.live import LivePages

_LOG = logging.getLogger(__name__)
_ERRORS = 400
_THREADS = 24
_OF_ONE = 2
"""Threads, and how many requests of one scope, account or browser are answered at once: others wait without one."""
_SWEEP_SECONDS = 30
_FILES = ("/table/", "/picture/", "/briefing/", "/view.pdf", "/map/", "/forecast/")


class LoggedIn(NamedTuple):
    """Who looks at pages: what the browser has, who that is by which policy, and the name of the scope."""

    who: Who
    principal: Principal
    policy: Policy
    scope: str


class GovernedPages:
    """The application of a service that is known to people as `address`."""

    def __init__(self, profile: Profile, access: Access, queries: Queries, address: str) -> None:
        self._access = access
        self._queries = queries
        self._sessions = Sessions(access.trail, profile.clock)
        self._logins = Logins(access, self._sessions, address, profile.settings.oidc_secret)
        self._hosts = sorted({urlsplit(address).hostname or "", "localhost", "127.0.0.1"})
        self._parts = Parts(profile, access, self._hosts)
        self._turns = Turns(_OF_ONE)
        self._live = self._live_pages(profile, address) if profile.settings.stream else None

    def app(self) -> Starlette:
        """The application."""
        found = Starlette(
            routes=[
                *self._logins.routes(),
                Route("/query", self._query, methods=["POST"]),
                Route("/me", self._me),
                # Beside the pages of a scope: an answer that never ends would hold a turn of it for good.
                *(self._live.routes() if self._live is not None else []),
                Mount("/static", StaticFiles(packages=[("crime_assets.publishing.dashboard", "static")])),
                Mount("/", self._pages),
            ],
            middleware=[
                Middleware(WithHeaders),
                Middleware(TrustedHostMiddleware, allowed_hosts=self._hosts),
                *remembering(),
            ],
            exception_handlers={CrimeAssetsError: _refused},
            lifespan=self._sweeping,
        )
        if self._live is not None:
            found.state.stop = self._live.feed.stop
        return found

    def _live_pages(self, profile: Profile, address: str) -> LivePages:
        from crime_assets.publishing.dashboard.live import LivePages
        from crime_assets.publishing.governed.live import ByPolicy

        return LivePages(profile, ByPolicy(self._viewer, self._access.trail, self._turns), address)

    @asynccontextmanager
    async def _sweeping(self, _: Starlette) -> AsyncIterator[None]:
        """End idle sessions also when nobody comes."""
        anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS

        async def sweep() -> None:
            while True:
                await anyio.sleep(_SWEEP_SECONDS)
                try:
                    await run_in_threadpool(self._sessions.sweep)
                except CrimeAssetsError as error:
                    _LOG.warning("%s", error)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sweep)
            try:
                yield
            finally:
                tasks.cancel_scope.cancel()
                self._sessions.close()

    async def _query(self, request: Request) -> Response:
        return await self._by_program(request, self._queries.query)

    async def _me(self, request: Request) -> Response:
        return await self._by_program(request, lambda _, who: self._queries.me(who))

    async def _by_program(self, request: Request, answer: Any) -> Response:
        """The answer to who has a good token."""
        try:
            who = await run_in_threadpool(self._program, request)
        except UsageError as error:
            return refused(str(error), 401, error.exit_code)
        try:
            async with self._turns.turn(f"program {who.name}"):
                response: Response = await answer(request, who)
                return response
        except UsageError as error:
            return refused(str(error), 429, error.exit_code)

    def _program(self, request: Request) -> Who:
        """Whose token a request has. UsageError if it has none that is good."""
        kind, _, text = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not text:
            raise UsageError("Send a token in the header Authorization: Bearer TOKEN.")
        who = Who("program", digest_of(text.strip()), address_of(request))
        self._logins.proven(who)
        return who

    async def _pages(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application of who asks; without a session, the login."""
        text = Request(scope).cookies.get(COOKIE, "")
        async with self._turns.turn(f"browser {text or scope.get('client')}"):
            found = await run_in_threadpool(self._viewer, text)
        if found is None:
            await to_login(scope)(scope, receive, send)
            return
        async with self._turns.turn(f"scope {found.scope}"):
            await self._recorded(found, text, scope, receive, send)

    def _viewer(self, text: str, *, is_use: bool = True) -> LoggedIn | None:
        """Who a browser's session is of; None if there is none, or it ends because that may see nothing any more."""
        session = self._sessions.of(text, is_use=is_use) if text else None
        if session is None:
            return None
        policy = self._access.policy_in_force()
        try:
            principal = self._access.principal(policy, session.who)
        except UsageError:
            self._sessions.end(text, "session_ended", "revoked")
            return None
        if policy.digest != session.policy:
            self._sessions.end(text, "session_ended", "the policy has changed")
            return None
        part = self._access.scope(policy, principal)
        return LoggedIn(session.who, principal, policy, part.digest if part is not None else THE_LAKE)

    async def _recorded(self, viewer: LoggedIn, text: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; nothing of the answer leaves before its line is on disk."""
        instead: list[Response] = []

        async def after_its_line(message: Message) -> None:
            if message["type"] == "http.response.start" and not instead:
                instead.extend(await run_in_threadpool(self._record, viewer, text, scope, message))
            if not instead:
                await send(message)

        part = await run_in_threadpool(self._parts.of, viewer.policy, viewer.principal)
        await part.app(scope, receive, after_its_line)
        for response in instead:
            await response(scope, receive, send)

    def _record(self, viewer: LoggedIn, text: str, scope: Scope, message: Message) -> list[Response]:
        """Write the line of an answer; what is to be sent instead of it, if it may not leave."""
        try:
            # It may have taken a while.
            is_allowed = self._viewer(text) == viewer
            event = _event(scope, message, is_allowed=is_allowed)
            self._access.trail.append(event, **self._told(viewer, scope, message))
        except CrimeAssetsError as error:
            _LOG.warning("%s%s", error, f" ({error.__cause__})" if error.__cause__ else "")
            return [html("refused.html", 503, sentence=str(error), others=[])]
        return [] if is_allowed else [to_login(scope)]

    def _told(self, viewer: LoggedIn, scope: Scope, message: Message) -> dict[str, Any]:
        """The fields of a line."""
        principal, headers = viewer.principal, {name.lower(): value for name, value in message["headers"]}
        shown = scope.get(SHOWN, {})
        is_part = viewer.scope != THE_LAKE and not shown.get("of_city", False)
        tables = ["crimes"] if is_part else EVERYTHING if viewer.scope == THE_LAKE else ["city_insights"]
        columns = self._parts.of(viewer.policy, principal).columns if is_part else EVERYTHING
        return {
            "principal": principal.name,
            "role": principal.role,
            "districts": list(principal.districts) if is_part else [],
            "scope": viewer.scope,
            "policy": viewer.policy.digest,
            "page": scope["path"][:500],
            "address": scope["query_string"].decode("latin-1")[:2000],
            "as_of": shown.get("as_of"),
            "gate": shown.get("state"),
            "tables": tables,
            "columns_read": columns,
            "ids_exact": False,
            "rows": shown.get("rows", 0),
            "bytes": 0 if scope["method"] == "HEAD" else int(headers.get(b"content-length", b"0")),
            **viewer.who.told,
        }


def _event(scope: Scope, message: Message, *, is_allowed: bool) -> str:
    if message["status"] >= _ERRORS or not is_allowed:
        return "refuse"
    return "download" if scope["path"].startswith(_FILES) else "page"


async def _refused(_: Request, error: Exception) -> Response:
    is_usage = isinstance(error, UsageError)
    if not is_usage:
        _LOG.warning("%s%s", error, f" ({error.__cause__})" if error.__cause__ else "")
    return html("refused.html", 404 if is_usage else 503, sentence=str(error), others=[])
