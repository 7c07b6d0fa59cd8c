"""Logging in and out: by a token, or by an account of the policy's OpenID provider."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qs, quote, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Scope

from crime_assets.core.errors import UsageError
from crime_assets.governance.access import Access
from crime_assets.governance.oidc import Provider
from crime_assets.governance.policy import Login, Policy, Principal
from crime_assets.governance.principals import Who
from crime_assets.governance.sessions import Sessions
from crime_assets.governance.tokens import digest_of
from crime_assets.publishing.dashboard.answers import check_own_page, html

COOKIE = "__Host-session"
"""A browser takes a cookie of such a name only by TLS, and only from this very host."""
SEE_OTHER = 303

_LOGIN_COOKIE = "__Host-login"
_LOGIN_SECONDS = 600
_LARGEST_FORM = 4096


class Logins:
    """The pages to log in and out of a service known to people as `address`; `secret` is ours at the provider."""

    def __init__(self, access: Access, sessions: Sessions, address: str, secret: str) -> None:
        self._access = access
        self._sessions = sessions
        self._address = address
        self._secret = secret
        self._lock = threading.Lock()
        self._provider: tuple[Login, Provider] | None = None

    def routes(self) -> Sequence[Route]:
        """Where they are."""
        return [
            Route("/login", self._login),
            Route("/login/token", self._with_token, methods=["POST"]),
            Route("/login/go", self._to_provider),
            Route("/login/back", self._from_provider),
            Route("/logout", self._logout, methods=["POST"]),
        ]

    def proven(self, who: Who) -> tuple[Policy, Principal]:
        """Who somebody is by the policy. UsageError if nobody, which counts as a failed login."""
        policy = self._access.policy_in_force()
        try:
            return policy, self._access.principal(policy, who)
        except UsageError as error:
            self._sessions.check_not_locked(who)
            self._sessions.failed(who, str(error))
            raise

    async def _login(self, request: Request) -> Response:
        return await run_in_threadpool(self._page, request)

    def _page(self, request: Request, said: str = "") -> Response:
        login = self._access.policy_in_force().login
        after = urlencode({"next": _after_login(request)})
        known: dict[str, Any] = {"notice": login.notice, "has_provider": bool(login.issuer)}
        return html("login.html", 401 if said else 200, refused=said, next=after, **known)

    async def _with_token(self, request: Request) -> Response:
        check_own_page(request, self._address)
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > _LARGEST_FORM:
                raise UsageError("That is no token.")
        text = parse_qs(body.decode("utf-8", "replace")).get("token", [""])[0].strip()
        who = Who("token", digest_of(text), address_of(request))
        return await self._logged_in(request, who, _after_login(request))

    async def _to_provider(self, request: Request) -> Response:
        # Only from the page with the notice.
        check_own_page(request, self._address)
        login, provider = await run_in_threadpool(self._known_provider)
        request.session["after"], request.session["issuer"] = _after_login(request), login.issuer
        return await provider.begin(request, f"{self._address}/login/back")

    async def _from_provider(self, request: Request) -> Response:
        login, provider = await run_in_threadpool(self._known_provider)
        after, issuer = str(request.session.get("after", "/")), request.session.pop("issuer", None)
        if issuer != login.issuer:
            # Nobody began it here, or with another provider: that says nothing of who comes.
            return await run_in_threadpool(self._page, request, "The login has failed: try again.")
        who = Who("oidc", "", address_of(request))
        try:
            who = Who("oidc", await provider.subject(request), who.source)
        except UsageError as error:
            await run_in_threadpool(self._sessions.failed, who, str(error))
            return await run_in_threadpool(self._page, request, str(error))
        return await self._logged_in(request, who, after)

    def _known_provider(self) -> tuple[Login, Provider]:
        """The provider of the policy as it is now. UsageError if it has none."""
        login = self._access.policy_in_force().login
        if not login.issuer:
            raise UsageError("There is no provider to log in with: use a token.")
        with self._lock:
            if self._provider is None or self._provider[0] != login:
                self._provider = (login, Provider(login, self._secret))
            return self._provider

    async def _logged_in(self, request: Request, who: Who, after: str) -> Response:
        """To the page that was asked for, with a session; or the login again."""
        try:
            text = await run_in_threadpool(self._begun, who, request.cookies.get(COOKIE, ""))
        except UsageError as error:
            return await run_in_threadpool(self._page, request, str(error))
        response = RedirectResponse(after, SEE_OTHER)
        response.set_cookie(COOKIE, text, path="/", secure=True, httponly=True, samesite="lax")
        return response

    def _begun(self, who: Who, before: str) -> str:
        """What the browser keeps of a new session; an earlier one ends. UsageError if there is none for who asks."""
        self._sessions.check_not_locked(who)
        policy, principal = self.proven(who)
        self._sessions.end(before, "session_ended", "logged in again")
        return self._sessions.begin(who, principal, policy.digest)

    async def _logout(self, request: Request) -> Response:
        check_own_page(request, self._address)
        await run_in_threadpool(self._sessions.end, request.cookies.get(COOKIE, ""), "logout", "asked for")
        response = RedirectResponse("/login", SEE_OTHER)
        response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")
        return response


def to_login(scope: Scope) -> Response:
    """Leads to the login, and from there to what was asked for."""
    asked = scope["path"] + (f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else "")
    return RedirectResponse(f"/login?next={quote(asked)}", SEE_OTHER)


def remembering() -> list[Middleware]:
    """What remembers for authlib while a browser is at the provider: signed, for ten minutes, by this process."""
    try:
        from starlette.middleware.sessions import SessionMiddleware
    except ImportError:
        # Without the extra login nobody is sent to a provider.
        return []
    kept: dict[str, Any] = {
        "session_cookie": _LOGIN_COOKIE,
        "max_age": _LOGIN_SECONDS,
        "same_site": "lax",
        "https_only": True,
    }
    return [Middleware(SessionMiddleware, secret_key=token_urlsafe(32), **kept)]


def address_of(request: Request) -> str:
    """From where a request comes."""
    return request.client.host if request.client is not None else ""


def _after_login(request: Request) -> str:
    """Where to go after the login: a page of ours, whatever an address says."""
    asked = request.query_params.get("next", "/")
    is_ours = asked.startswith("/") and not asked.startswith("//") and "\\" not in asked and asked.isprintable()
    return asked if is_ours else "/"
