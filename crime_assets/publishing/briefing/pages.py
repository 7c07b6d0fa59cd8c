"""A briefing as one page of HTML and as PDF, from the same contents. Each is self-contained: no script, no network."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import asdict
from datetime import UTC, date, datetime, time
from hashlib import sha256
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from crime_assets.publishing import typeset
from crime_assets.publishing.briefing.contents import Contents

_TEMPLATES = files("crime_assets.publishing.briefing") / "templates"
_PAGES = Environment(
    loader=PackageLoader("crime_assets.publishing.briefing"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_PAGES.filters["drawn"] = Markup  # Pictures are our own SVG; their texts are escaped where they are drawn.


def html(contents: Contents) -> bytes:
    """The page. A browser runs no script and fetches nothing for it, whatever texts the feed has."""
    style = (_TEMPLATES / "briefing.css").read_text(encoding="utf-8")
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    page = _PAGES.get_template("briefing.html")
    return page.render(contents=contents, style=Markup(style), policy=policy).encode()  # noqa: S704 - our own file


def pdf(contents: Contents) -> bytes:
    """The same on A4, tagged for screen readers."""
    template = (_TEMPLATES / "briefing.typ").read_bytes()
    made_on = datetime.combine(date.fromisoformat(contents.day), time(), UTC)
    return typeset.pdf(template, asdict(contents), made_on)
