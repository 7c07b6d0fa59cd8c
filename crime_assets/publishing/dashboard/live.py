"""The page of live alerts: a list and a map that grow as alerts are raised, and who has acknowledged what.

A page is whole without scripts. With them it takes what comes as server-sent events, and after a broken connection
goes on where it was. Who may look, and what is noted of it, is a `Door`'s.
"""

from __future__ import annotations

import logging
import math
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import anyio
import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from crime_assets.core.errors import CrimeAssetsError, LandingError, UsageError
from crime_assets.profiles import Profile
from crime_assets.publishing.dashboard.alerts import RULES, Alert, local_time, shown
from crime_assets.publishing.dashboard.answers import check_own_page, html
from crime_assets.publishing.dashboard.following import Acknowledged, Feed, News, Seen
from crime_assets.publishing.dashboard.stations import draw

MOST_STREAMS = 200
"""Connections that are kept open at once."""

_LOG = logging.getLogger(__name__)
_OF_ONE = 6
"""Connections of one browser, which has no more for one address by itself."""
_EVENTS = "text/event-stream"
_END = b"event: end\ndata: {}\n\n"
_FIRST = 50
"""Alerts on a page when it is loaded."""
_MOST = 200
"""Alerts that a browser shows at most, and is sent at once."""
_CHECK_SECONDS = 5.0
_BEAT_SECONDS = 10.0
_LARGEST = 1024
_LONGEST_NAME = 80
_MARK = re.compile(r"([A-Za-z0-9-]{1,60})\.([A-Za-z0-9_-]{0,100})\.([0-9]{1,9})")
_CONNECTION = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@dataclass(frozen=True)
class Viewer:
    """Who looks: the districts whose alerts they see (None is all), as whom they acknowledge, and what the page says.

    Without a name, the page asks for one.
    """

    districts: frozenset[str] | None = None
    who: str = ""
    said: str = ""
    browser: str = ""
    """Which browser it is, where that is known: one has a few connections only."""

    def sees(self, district: str) -> bool:
        """Whether what is of a district is theirs."""
        return self.districts is None or district in self.districts


class Door(Protocol):
    """Who may look at alerts."""

    flush_seconds: float
    """Seconds between two messages to one browser, at least."""

    async def enter(self, request: Request, *, is_use: bool) -> Viewer | Response:
        """Who asks, or what they get instead; `is_use` if a person did something."""

    async def is_open(self, request: Request, viewer: Viewer) -> bool:
        """Whether they may still see what they saw."""

    async def note(self, request: Request, viewer: Viewer, event: str, alerts: Sequence[Alert]) -> None:
        """Note what leaves, before it does. CrimeAssetsError if that is not possible."""


class Open:
    """A door that is open: whoever reaches the page sees all, and nothing is noted."""

    flush_seconds = 0.0

    async def enter(self, request: Request, *, is_use: bool) -> Viewer:
        """Anybody."""
        return Viewer()

    async def is_open(self, request: Request, viewer: Viewer) -> bool:
        """It is."""
        return True

    async def note(self, request: Request, viewer: Viewer, event: str, alerts: Sequence[Alert]) -> None:
        """Nothing."""


class LivePages:
    """The page, its events and its form; `address` is ours, where it is not the one that was asked."""

    def __init__(self, profile: Profile, door: Door | None = None, address: str = "") -> None:
        self._door = door or Open()
        self._address = address
        self._clock = profile.clock
        self._of_browsers: Counter[str] = Counter()
        self.feed = Feed(profile.landing, profile.settings.stream_name, profile.clock)

    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            Route("/live", self._page),
            Route("/live/alerts", self._alerts),
            Route("/live/acknowledge", self._acknowledge, methods=["POST"]),
        ]

    async def _page(self, request: Request) -> Response:
        viewer = await self._door.enter(request, is_use=True)
        if isinstance(viewer, Response):
            return viewer
        await self._look()
        news = self.feed.since(None)
        seen = [alert for alert in news.alerts if viewer.sees(alert.district)]
        rule, district = (request.query_params.get(name, "") for name in ("rule", "district"))
        chosen = [one for one in seen if rule in ("", one.rule) and district in ("", one.district)][-_FIRST:][::-1]
        stations = [one for one in self.feed.stations() if viewer.sees(one.district)]
        districts = {one.district for one in seen} | {one.district for one in stations}
        values: dict[str, Any] = {
            "alerts": [self._shown(alert) for alert in chosen],
            "mark": _mark(news.seen, seen),
            "rules": RULES | {one.rule: one.rule for one in seen if one.rule not in RULES},
            "districts": sorted(districts - {""}),
            "chosen": {"rule": rule, "district": district},
            "state": self.feed.state(),
            "zone": self.feed.zone,
            "who": viewer.who,
            "picture": draw(stations, chosen),
        }
        await self._door.note(request, viewer, "alerts", chosen)
        return await run_in_threadpool(lambda: html("live.html", viewer=viewer.said, **values))

    async def _look(self) -> None:
        """Read what is new. CrimeAssetsError if that is not possible."""
        try:
            await self.feed.look()
        except OSError as error:
            raise LandingError(f"The stream's alerts cannot be read ({error.strerror}): mend that.") from error

    async def _alerts(self, request: Request) -> Response:
        viewer = await self._door.enter(request, is_use=False)
        if isinstance(viewer, Response):
            # A script cannot follow to where the person is to go; the page can.
            return Response(_END, media_type=_EVENTS, headers=_CONNECTION)
        if viewer.browser and self._of_browsers[viewer.browser] >= _OF_ONE:
            raise UsageError("Too many pages of live alerts are open: close some.")
        if self.feed.followers >= MOST_STREAMS or self.feed.is_stopped:
            return Response(status_code=503, headers={"Retry-After": "5"})
        await self._look()
        mark = request.headers.get("last-event-id") or request.query_params.get("after", "")
        events = self._events(request, viewer, self._seen(mark, viewer))
        return StreamingResponse(events, media_type=_EVENTS, headers=_CONNECTION)

    def _seen(self, mark: str, viewer: Viewer) -> Seen | None:
        """What somebody has seen who says so by a mark; nothing if it is none that they were given."""
        found = _MARK.fullmatch(mark)
        alert = self.feed.alert(found[2]) if found else None
        # An alert's id can be computed: whether one of others is there must not be told by what is taken for a mark.
        if found is None or alert is None or not viewer.sees(alert.district):
            return None
        return self.feed.seen_by(found[1], found[2], int(found[3]))

    async def _events(self, request: Request, viewer: Viewer, seen: Seen | None) -> AsyncIterator[bytes]:
        """What comes, until the server ends or somebody may not see it any more."""
        yield b"retry: 1000\n\n"
        with self.feed.followed(), self._counted(viewer):
            try:
                async for message in self._messages(request, viewer, seen):
                    yield message
            except CrimeAssetsError as error:
                # Nothing leaves that could not be noted; the browser will ask again.
                _LOG.warning("%s", error)

    async def _messages(self, request: Request, viewer: Viewer, seen: Seen | None) -> AsyncIterator[bytes]:
        state, checked, beat = None, -math.inf, time.monotonic()
        while not self.feed.is_stopped:
            news = self.feed.since(seen)
            seen, alerts = news.seen, [one for one in news.alerts if viewer.sees(one.district)][-_MOST:]
            message = self._message(news, alerts, viewer)
            if message or time.monotonic() - checked >= _CHECK_SECONDS:
                if not await self._door.is_open(request, viewer):
                    yield _END
                    return
                checked = time.monotonic()
            if alerts:
                await self._door.note(request, viewer, "alerts", alerts)
            if message:
                yield message
            if self.feed.state() != state:
                state = self.feed.state()
                yield _event("state", {"said": state.said, "is_wrong": state.is_wrong})
            if time.monotonic() - beat >= _BEAT_SECONDS:
                beat = time.monotonic()
                yield b": still here\n\n"
            if alerts:
                await anyio.sleep(self._door.flush_seconds)
            await self.feed.wait(seen, max(0.0, checked + _CHECK_SECONDS - time.monotonic()))

    @contextmanager
    def _counted(self, viewer: Viewer) -> Iterator[None]:
        self._of_browsers[viewer.browser] += 1
        try:
            yield
        finally:
            self._of_browsers[viewer.browser] -= 1
            # Browsers come and go.
            self._of_browsers += Counter()

    def _message(self, news: News, alerts: Sequence[Alert], viewer: Viewer) -> bytes:
        """An event with what came that is theirs; nothing if that is nothing."""
        told = [self._told(one) for one in news.acknowledged if self._is_of(one, viewer)]
        if not (alerts or told or news.is_anew):
            return b""
        said = {"alerts": [self._shown(one) for one in alerts], "acknowledged": told}
        # Numbers of objects would tell how much happens elsewhere: what was seen last is said by its own name.
        mark = f"id: {_mark(news.seen, alerts)}\n".encode() if alerts or news.is_anew else b""
        return mark + _event("reset" if news.is_anew else "alerts", said)

    def _is_of(self, told: Acknowledged, viewer: Viewer) -> bool:
        alert = self.feed.alert(told.alert)
        return alert is not None and viewer.sees(alert.district)

    def _shown(self, alert: Alert) -> dict[str, Any]:
        told = self.feed.acknowledged(alert)
        return {**shown(alert, self.feed.zone), "acknowledged": self._told(told) if told else None}

    def _told(self, told: Acknowledged) -> dict[str, Any]:
        return {
            "alert": told.alert,
            "revision": told.revision,
            "who": told.who,
            "at": local_time(told.at, self.feed.zone),
        }

    async def _acknowledge(self, request: Request) -> Response:
        viewer = await self._door.enter(request, is_use=True)
        if isinstance(viewer, Response):
            return viewer
        try:
            check_own_page(request, self._address or f"{request.url.scheme}://{request.headers.get('host', '')}")
            asked = _asked(await _body(request))
            return JSONResponse(self._told(await self._acknowledged(request, viewer, asked)))
        except UsageError as error:
            return JSONResponse({"sentence": str(error)}, 400)
        except (CrimeAssetsError, OSError):
            return JSONResponse({"sentence": "That could not be noted: try again."}, 503)

    async def _acknowledged(self, request: Request, viewer: Viewer, asked: dict[str, Any]) -> Acknowledged:
        """Who acknowledged an alert first, which may be who asks. UsageError for an alert that they do not see."""
        await self.feed.look()
        alert, revision = self.feed.alert(str(asked.get("alert"))), asked.get("revision")
        if alert is None or not viewer.sees(alert.district):
            raise UsageError("That alert is not here any more: load the page again.")
        if type(revision) is not int or not 1 <= revision <= alert.revision:
            raise UsageError("There is no such revision: load the page again.")
        who = viewer.who or _name(asked.get("who"))
        if first := self.feed.first(alert.id, revision):
            return first
        await self._door.note(request, viewer, "acknowledge", [alert])
        at = self._clock().isoformat(timespec="seconds")
        return await self.feed.acknowledge(Acknowledged(alert.id, revision, who, at))


def _mark(seen: Seen, alerts: Sequence[Alert]) -> str:
    """What was seen last, of what somebody may see."""
    return f"{seen.epoch}.{alerts[-1].id}.{alerts[-1].revision}" if alerts else f"{seen.epoch}..0"


def _event(name: str, told: dict[str, Any]) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + orjson.dumps(told) + b"\n\n"


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _LARGEST:
            raise UsageError("That is no acknowledgement.")
    return bytes(body)


def _asked(body: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise UsageError("That is no acknowledgement.") from error
    if not isinstance(found, dict):
        raise UsageError("That is no acknowledgement.")
    return found


def _name(told: object) -> str:
    """Who says that they acknowledge."""
    name = " ".join(told.split()) if isinstance(told, str) else ""
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise UsageError(f"Say who you are first, in up to {_LONGEST_NAME} characters.")
    return name
