"""What every page has in common: templates, headers, and a sentence where something fails that nobody foresaw."""

from __future__ import annotations

import logging
from typing import Any, Protocol

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crime_assets.core.errors import UsageError
from crime_assets.publishing import glossary
from crime_assets.publishing.dashboard.map import KEPT, LIBRARY
from crime_assets.publishing.reading import Extract

SHOWN = "crime_assets.shown"
"""Where the scope of a request says what was shown: `as_of`, `state` of the extract, `rows`, and whether `of_city`."""

_LOG = logging.getLogger(__name__)
_HEADERS = {
    # Pages hold texts of a feed: even if markup got through, a browser would not run it.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_UNFORESEEN = (
    "An unexpected error happened: the terminal where the dashboard was started shows it. Choose another day, "
    "or materialize dashboard_extract for this one again."
)
_PAGES = Environment(
    loader=PackageLoader("crime_assets.publishing.dashboard"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_PAGES.globals["library"] = LIBRARY
_PAGES.filters["pairs"] = lambda values: [(value, value) for value in values]
_PAGES.globals["word_of"] = glossary.word
_PAGES.filters["drawn"] = Markup  # Pictures are our own SVG; their texts are escaped where they are drawn.


class Part(Protocol):
    """What a scope sees of a city. No number of it is too small to be shown."""

    def briefings(self, extract: Extract) -> frozenset[str]:
        """The file types of the briefing that can be made of an extract."""

    def briefing(self, extract: Extract, kind: str) -> bytes:
        """The briefing of an extract."""


def html(template: str, status: int = 200, *, viewer: str = "", **values: Any) -> HTMLResponse:
    """A page of a template; `viewer` says what is seen by who is logged in."""
    return HTMLResponse(_PAGES.get_template(template).render(values, viewer=viewer), status)


def file_answer(content: bytes, media: str, name: str) -> Response:
    """A file to download."""
    return Response(content, media_type=media, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def check_own_page(request: Request, address: str) -> None:
    """UsageError if a page of another site leads or sends something here; `address` is ours."""
    site = request.headers.get("sec-fetch-site")
    if site != "same-origin" and not (site is None and request.headers.get("origin", "").lower() == address.lower()):
        raise UsageError("Use the buttons and links of the page itself.")


class WithHeaders:
    """Gives every answer our headers, and an unexpected error an answer: a sentence."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def send_with_headers(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                if message["status"] == 200 and scope["path"].startswith(LIBRARY):
                    headers["Cache-Control"] = KEPT
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:
            if begun:
                raise
            # The outermost handler: nothing is swallowed, the log has the traceback, and the browser gets a page with
            # our headers. Starlette's own handler is outside of this one, and its answers lack them.
            _LOG.exception("%r could not be answered.", scope["path"])
            await html("refused.html", 500, sentence=_UNFORESEEN, others=[])(scope, receive, send_with_headers)
