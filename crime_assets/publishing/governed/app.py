"""The application behind a login: who asks, the pages of what they may see, and a line on the trail for each.

A page, a picture or a file leaves when its line is on disk. Programs ask with a token, people log in.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Message, Receive, Scope, Send

from crime_assets.core.errors import CrimeAssetsError, LakeError, UsageError
from crime_assets.governance.access import Access
from crime_assets.governance.oidc import Provider
from crime_assets.governance.policy import Policy, Principal
from crime_assets.governance.principals import Who
from crime_assets.governance.service import Queries, refused
from crime_assets.governance.sessions import Sessions
from crime_assets.governance.tokens import digest_of
from crime_assets.profiles import Profile
from crime_assets.publishing.dashboard.answers import WithHeaders, html
from crime_assets.publishing.dashboard.app import ROWS
from crime_assets.publishing.governed.parts import Part, Parts

_COOKIE = "__Host-session"
"""A browser takes a cookie of such a name only by TLS, and only from this very host."""
_LOGIN_COOKIE = "__Host-login"
_LOGIN_SECONDS = 600
_SEE_OTHER = 303
_ERRORS = 400
_THREADS = 16
_OF_ONE = 4
"""Threads, and how many requests of one scope are answered at once: the others wait without a thread."""
_SWEEP_SECONDS = 30
_FILES = ("/table/", "/picture/", "/briefing/", "/view.pdf")
_LARGEST_FORM = 4096


class _Viewer(NamedTuple):
    """Who looks at pages: what the browser has, who that is by which policy, and their application."""

    who: Who
    principal: Principal
    policy: Policy
    scope: str
    part: Part


class GovernedPages:
    """The application of a service that is known to people as `address`."""

    def __init__(self, profile: Profile, access: Access, queries: Queries, address: str) -> None:
        """UsageError if the policy's way to log in cannot be had here."""
        self._access = access
        self._queries = queries
        self._address = address.rstrip("/")
        self._sessions = Sessions(access.trail, profile.clock)
        self._hosts = sorted({urlsplit(address).hostname or "", "localhost", "127.0.0.1"})
        self._parts = Parts(profile, access, self._hosts)
        self._turns: dict[str, anyio.Semaphore] = {}
        login = access.policy().login
        self._provider = Provider(login, profile.settings.oidc_secret) if login.issuer else None

    def app(self) -> Starlette:
        """The application."""
        middleware = [Middleware(WithHeaders), Middleware(TrustedHostMiddleware, allowed_hosts=self._hosts)]
        if self._provider is not None:
            middleware.append(_remembering_logins())
        return Starlette(
            routes=[
                Route("/login", self._login),
                Route("/login/token", self._with_token, methods=["POST"]),
                Route("/login/go", self._to_provider),
                Route("/login/back", self._from_provider),
                Route("/logout", self._logout, methods=["POST"]),
                Route("/query", self._query, methods=["POST"]),
                Route("/me", self._me),
                Mount("/static", StaticFiles(packages=[("crime_assets.publishing.dashboard", "static")])),
                Mount("/", self._pages),
            ],
            middleware=middleware,
            exception_handlers={CrimeAssetsError: _refused},
            lifespan=self._sweeping,
        )

    @asynccontextmanager
    async def _sweeping(self, _: Starlette) -> AsyncIterator[None]:
        """End idle sessions also when nobody comes."""
        anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS

        async def sweep() -> None:
            while True:
                await anyio.sleep(_SWEEP_SECONDS)
                await run_in_threadpool(self._sessions.sweep)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sweep)
            yield
            tasks.cancel_scope.cancel()
        self._sessions.close()

    async def _login(self, request: Request) -> Response:
        return await run_in_threadpool(self._login_page, request)

    def _login_page(self, request: Request, said: str = "") -> Response:
        after = urlencode({"next": _after(request)})
        notice = self._access.policy().login.notice
        status = 401 if said else 200
        return html("login.html", status, notice=notice, refused=said, has_provider=bool(self._provider), next=after)

    async def _with_token(self, request: Request) -> Response:
        _check_own_page(request, self._address)
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > _LARGEST_FORM:
                raise UsageError("That is no token.")
        text = parse_qs(body.decode("utf-8", "replace")).get("token", [""])[0].strip()
        return await self._logged_in(request, Who("token", digest_of(text), _address_of(request)))

    async def _to_provider(self, request: Request) -> Response:
        back = f"{self._address}/login/back"
        request.session["after"] = _after(request)
        return await self._known_provider().begin(request, back)

    async def _from_provider(self, request: Request) -> Response:
        try:
            subject = await self._known_provider().subject(request)
        except UsageError as error:
            who = Who("oidc", "", _address_of(request))
            await run_in_threadpool(self._sessions.failed, who, str(error))
            return await run_in_threadpool(self._login_page, request, str(error))
        return await self._logged_in(request, Who("oidc", subject, _address_of(request)))

    def _known_provider(self) -> Provider:
        if self._provider is None:
            raise UsageError("There is no provider to log in with: use a token.")
        return self._provider

    async def _logged_in(self, request: Request, who: Who) -> Response:
        """To the page that was asked for, with a session; or the login again."""
        try:
            text = await run_in_threadpool(self._begun, who)
        except UsageError as error:
            return await run_in_threadpool(self._login_page, request, str(error))
        after = str(request.session.pop("after", "/")) if who.how == "oidc" else _after(request)
        response = RedirectResponse(after, _SEE_OTHER)
        response.set_cookie(_COOKIE, text, path="/", secure=True, httponly=True, samesite="lax")
        return response

    def _begun(self, who: Who) -> str:
        """What the browser keeps of a new session; UsageError if there is none for who asks."""
        policy, principal = self._proven(who)
        return self._sessions.begin(who, principal, policy.digest)

    def _proven(self, who: Who) -> tuple[Policy, Principal]:
        """Who somebody is by the policy. UsageError if nobody, which counts as a failed login."""
        self._sessions.check_not_locked(who.source)
        policy = self._access.policy_in_force()
        try:
            return policy, self._access.principal(policy, who)
        except UsageError as error:
            self._sessions.failed(who, str(error))
            raise

    async def _logout(self, request: Request) -> Response:
        _check_own_page(request, self._address)
        text = request.cookies.get(_COOKIE, "")
        await run_in_threadpool(self._sessions.end, text, "logout", "asked for")
        response = RedirectResponse("/login", _SEE_OTHER)
        response.delete_cookie(_COOKIE, path="/", secure=True, httponly=True, samesite="lax")
        return response

    async def _query(self, request: Request) -> Response:
        try:
            who = await run_in_threadpool(self._program, request)
        except UsageError as error:
            return refused(str(error), 401, error.exit_code)
        return await self._queries.query(request, who)

    async def _me(self, request: Request) -> Response:
        try:
            who = await run_in_threadpool(self._program, request)
        except UsageError as error:
            return refused(str(error), 401, error.exit_code)
        return await self._queries.me(who)

    def _program(self, request: Request) -> Who:
        """Whose token a request has. UsageError if it has none that is good."""
        kind, _, text = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not text:
            raise UsageError("Send a token in the header Authorization: Bearer TOKEN.")
        who = Who("token", digest_of(text.strip()), _address_of(request))
        self._proven(who)
        return who

    async def _pages(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application of who asks; without a session, the login."""
        request = Request(scope)
        found = await run_in_threadpool(self._viewer, request.cookies.get(_COOKIE, ""))
        if found is None:
            asked = scope["path"] + (f"?{request.url.query}" if request.url.query else "")
            response = RedirectResponse(f"/login?next={quote(asked)}", _SEE_OTHER)
            await response(scope, receive, send)
            return
        turn = self._turns.setdefault(found.scope, anyio.Semaphore(_OF_ONE))
        async with turn:
            await self._recorded(found, scope, receive, send)

    def _viewer(self, text: str) -> _Viewer | None:
        """Who a browser's session is of; None if there is none, or it ends because that may see nothing any more.

        UsageError if pages are not for them.
        """
        session = self._sessions.of(text) if text else None
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
        if policy.roles[principal.role].purpose_required:
            raise UsageError(
                f"The role {principal.role} must say what for, and pages do not ask: use `crime-assets query "
                "--purpose`."
            )
        part = self._access.scope(policy, principal)
        name = part.digest if part is not None else "the lake itself"
        return _Viewer(session.who, principal, policy, name, self._parts.of(principal, part))

    async def _recorded(self, viewer: _Viewer, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; nothing of the answer leaves before its line is on disk."""

        unwritten: list[LakeError] = []

        async def after_its_line(message: Message) -> None:
            if message["type"] == "http.response.start":
                try:
                    await run_in_threadpool(self._record, viewer, scope, message)
                except LakeError as error:
                    unwritten.append(error)
            if not unwritten:
                await send(message)

        await viewer.part.app(scope, receive, after_its_line)
        if unwritten:
            await html("refused.html", 503, sentence=str(unwritten[0]), others=[])(scope, receive, send)

    def _record(self, viewer: _Viewer, scope: Scope, message: Message) -> None:
        path, principal = scope["path"], viewer.principal
        is_answered = message["status"] < _ERRORS
        event = "refuse" if not is_answered else "download" if path.startswith(_FILES) else "page"
        headers = {name.lower(): value for name, value in message["headers"]}
        self._access.trail.append(
            event,
            principal=principal.name,
            role=principal.role,
            districts=list(principal.districts),
            scope=viewer.scope,
            policy=viewer.policy.digest,
            page=path[:500],
            address=scope["query_string"].decode("latin-1")[:2000],
            tables=["crimes"],
            columns_read=viewer.part.columns,
            ids_exact=False,
            rows=scope.get(ROWS, 0),
            bytes=int(headers.get(b"content-length", b"0")),
            **viewer.who.told,
        )


def _remembering_logins() -> Middleware:
    """What authlib has to remember while a browser is at the provider: signed, for ten minutes, by this process."""
    from secrets import token_urlsafe

    from starlette.middleware.sessions import SessionMiddleware

    return Middleware(
        SessionMiddleware,
        secret_key=token_urlsafe(32),
        session_cookie=_LOGIN_COOKIE,
        max_age=_LOGIN_SECONDS,
        same_site="lax",
        https_only=True,
    )


def _address_of(request: Request) -> str:
    return request.client.host if request.client is not None else ""


def _after(request: Request) -> str:
    """Where to go after the login: a page of ours, whatever an address says."""
    asked = request.query_params.get("next", "/")
    is_ours = asked.startswith("/") and not asked.startswith("//") and "\\" not in asked and asked.isprintable()
    return asked if is_ours else "/"


def _check_own_page(request: Request, address: str) -> None:
    """UsageError if a page of another site has sent a form here."""
    site = request.headers.get("sec-fetch-site")
    if site != "same-origin" and not (site is None and request.headers.get("origin") == address):
        raise UsageError("Log in on the page itself.")


async def _refused(_: Request, error: Exception) -> Response:
    status = 404 if isinstance(error, UsageError) else 503
    return html("refused.html", status, sentence=str(error), others=[])
