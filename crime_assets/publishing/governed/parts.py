"""The dashboard of each scope: an application of its own, so that no cache holds the figures of two."""

from __future__ import annotations

import threading
from typing import NamedTuple

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as ASGIScope

from crime_assets.governance.access import Access
from crime_assets.governance.policy import ALERTS, Policy, Principal, Role
from crime_assets.governance.scopes import Scope
from crime_assets.profiles import Profile
from crime_assets.publishing.briefing import pages
from crime_assets.publishing.briefing.tables import needed_for
from crime_assets.publishing.briefing.writing import briefing_of
from crime_assets.publishing.dashboard.answers import html
from crime_assets.publishing.dashboard.app import Dashboard
from crime_assets.publishing.governed.extracts import ScopedExtracts, columns_shown, lacking_for_pages
from crime_assets.publishing.governed.login import SEE_OTHER
from crime_assets.publishing.reading import Extract, Extracts
from crime_assets.streams import LandingStore

_MOST = 64
"""Applications that are kept."""


class Briefings:
    """Briefings of a scope, made when they are asked for."""

    def __init__(self, landing: LandingStore) -> None:
        self._landing = landing

    def briefings(self, extract: Extract) -> frozenset[str]:
        """None, where one of the insights is lacking that it tells of."""
        return frozenset({"html", "pdf"}) if extract.tables() >= needed_for(extract.about.city) else frozenset()

    def briefing(self, extract: Extract, kind: str) -> bytes:
        """The briefing of an extract."""
        contents = briefing_of(extract, self._landing, (), 0)
        return pages.html(contents) if kind == "html" else pages.pdf(contents)


class Part(NamedTuple):
    """The application of a scope, and the columns of crimes from which it shows something."""

    app: ASGIApp
    columns: list[str]


class Parts:
    """The applications by scope. Safe for threads."""

    def __init__(self, profile: Profile, access: Access, hosts: list[str]) -> None:
        self._profile = profile
        self._access = access
        self._hosts = hosts
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], Part] = {}

    def of(self, policy: Policy, principal: Principal) -> Part:
        """The application of a principal; of the whole city, for who sees the lake itself."""
        scope, role = self._access.scope(policy, principal), policy.roles[principal.role]
        key = (str(role), scope.digest if scope is not None else "")
        with self._lock:
            # The one asked for last is at the end.
            found = self._kept.pop(key, None) or self._made(principal, role, scope)
            self._kept[key] = found
            if len(self._kept) > _MOST:
                del self._kept[next(iter(self._kept))]
        return found

    def _made(self, principal: Principal, role: Role, scope: Scope | None) -> Part:
        profile = self._profile
        if role.purpose_required:
            return Part(_Refusing(role), [])
        if scope is None:
            whole = Extracts(profile.landing, profile.settings.home / "cache" / "extracts")
            dashboard = Dashboard(profile, whole, "the whole city", has_live=bool(profile.settings.stream))
            return Part(dashboard.app(self._hosts), columns_shown(profile.city, None))
        districts = ", ".join(scope.districts)
        of = f" of district{'s'[: len(scope.districts) > 1]} {districts}" if districts else ""
        extracts = ScopedExtracts(profile, self._access.gates, scope, as_of=role.as_of)
        viewer = f"what the role {principal.role} may see{of}"
        has_live = bool(profile.settings.stream) and ALERTS in role.tables
        dashboard = Dashboard(profile, extracts, viewer, Briefings(profile.landing), has_live=has_live)
        app: ASGIApp = dashboard.app(self._hosts)
        if has_live and lacking_for_pages(profile.city, scope):
            app = _ToLive(app)
        return Part(app, columns_shown(profile.city, scope))


class _ToLive:
    """The application of a role that sees too little for pages, but has alerts: the first page leads there."""

    def __init__(self, pages: ASGIApp) -> None:
        self._pages = pages

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        app = RedirectResponse("/live", SEE_OTHER) if scope["path"] == "/" else self._pages
        await app(scope, receive, send)


class _Refusing:
    """The application of a role that must say what for: pages do not ask."""

    def __init__(self, role: Role) -> None:
        self._sentence = (
            f"The role {role.name} must say what for, and pages do not ask: use `crime-assets query --purpose`."
        )

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        await html("refused.html", 404, sentence=self._sentence, others=[])(scope, receive, send)
