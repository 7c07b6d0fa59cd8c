"""The dashboard as a web application: addresses, files, errors, and what a browser may do with its pages."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from crime_assets.core import keys
from crime_assets.core.errors import CrimeAssetsError, UsageError
from crime_assets.lakehouse.writing import city_months
from crime_assets.profiles import Profile
from crime_assets.publishing import glossary, quality
from crime_assets.publishing.dashboard.across import FEWEST_CITIES, Across
from crime_assets.publishing.dashboard.answers import SHOWN, Part, WithHeaders, file_answer, html
from crime_assets.publishing.dashboard.choice import ALL, Choice, Choices, read_choice
from crime_assets.publishing.dashboard.figures import OF_CITY, TABLES, Figures
from crime_assets.publishing.dashboard.files import WRITERS
from crime_assets.publishing.dashboard.forecast import ForecastRoutes
from crime_assets.publishing.dashboard.map import KEPT, MapData
from crime_assets.publishing.dashboard.page import Beside, page_of
from crime_assets.publishing.dashboard.pictures import Pictures
from crime_assets.publishing.dashboard.printing import Turns, pdf_of
from crime_assets.publishing.dashboard.two_days import compared, file_of
from crime_assets.publishing.published import published_by
from crime_assets.publishing.reading import Extract, Shelf, lately
from crime_assets.publishing.typeset import png
from crime_assets.sources import cities
from crime_assets.streams.inventory import merged_days

if TYPE_CHECKING:
    from crime_assets.publishing.dashboard.live import LivePages

_LOG = logging.getLogger(__name__)
_AT_ONCE = 4
"""Answers that are made at once: Python computes one at a time, and each holds memory until it is done."""
_OF_AREAS = ("areas", "both-areas", "map")
"""Tables and pictures that follow the choice of the map."""
_HOSTS = ["127.0.0.1", "localhost"]
# A briefing contains its style, and its own policy allows only that one.
_BRIEFING_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


class Dashboard:
    """Serves extracts as pages: those of the whole city, small numbers hidden, or those of a `part`.

    `viewer` says what that is, to who is logged in; if it `has_live`, live alerts are served beside it.
    """

    def __init__(
        self, profile: Profile, extracts: Shelf, viewer: str = "", part: Part | None = None, *, has_live: bool = False
    ) -> None:
        self._landing = profile.landing
        self._city = profile.city
        self._extracts = extracts
        self._viewer = viewer
        self._part = part
        self._threshold = profile.settings.small_numbers if part is None else 0
        self._clock = profile.clock
        self._exports = Turns()
        self._newest_merged = lately(self._look_for_merged)
        self._lake = profile.lake
        # A policy is about one city: it says nothing of who may see others.
        self._has_cities = part is None and profile.settings.policy is None and profile.settings.aws is None
        self._across = lately(self._look_across)
        # With a policy, who sees alerts is not who sees figures: they are served beside these pages.
        self._live = _live_of(profile) if profile.settings.policy is None else None
        self._has_live = has_live or self._live is not None
        # A forecast is of the whole city: it would tell a part about the others.
        self._forecasts = ForecastRoutes(profile, viewer) if part is None else None

    def app(self, hosts: Sequence[str] = _HOSTS) -> Starlette:
        """The application; `hosts` are the names by which it may be asked."""
        found = Starlette(
            routes=[
                Route("/", self._page),
                Route("/tables", self._tables),
                Route("/words", self._words),
                Route("/cities", self._cities),
                Route("/cities/{name}.{kind}", self._cities_table),
                Route("/view.pdf", self._view),
                Route("/table/{name}.{kind}", self._table),
                Route("/picture/{name}.{kind}", self._picture),
                Route("/map/figures.json", self._map_figures),
                Route("/map/hotspots.json", self._map_hot_spots),
                Route("/map/blocks.json", self._map_blocks),
                Route("/map/shapes/{level}-{digest}.json", self._map_shapes),
                Route("/briefing/{city}/{day}.{kind}", self._briefing),
                *(self._live.routes() if self._live is not None else []),
                *(self._forecasts.routes() if self._forecasts is not None else []),
                Mount("/static", StaticFiles(packages=[("crime_assets.publishing.dashboard", "static")])),
            ],
            middleware=[
                Middleware(WithHeaders),
                # Otherwise a page of another site could make its own name point here and read these pages.
                Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts)),
            ],
            exception_handlers={CrimeAssetsError: self._refused},
            lifespan=_few_at_once,
        )
        if self._live is not None:
            found.state.stop = self._live.feed.stop
        return found

    def _page(self, request: Request) -> Response:
        if not self._extracts.cities():
            return self._html("empty.html", city=self._city.title)
        choice, choices, extract = self._chosen(request)
        return self._html("page.html", **self._values(choice, choices, extract))

    def _chosen(self, request: Request) -> tuple[Choice, Choices, Extract]:
        """What an address asks for; the scope of the request says of what it is."""
        choice, choices, extract = read_choice(request.query_params, self._extracts, self._city.name)
        request.scope[SHOWN] = {"as_of": str(choice.day), "state": extract.about.insights_seen}
        return choice, choices, extract

    async def _view(self, request: Request) -> Response:
        async with self._exports.mine():
            return await run_in_threadpool(self._exported, request)

    def _exported(self, request: Request) -> Response:
        choice, choices, extract = self._chosen(request)
        address = f"{request.base_url}?{choice.query}"
        content = pdf_of(self._values(choice, choices, extract), address)
        return file_answer(content, "application/pdf", f"{choice.file('', of_areas=True)}.pdf")

    def _values(self, choice: Choice, choices: Choices, extract: Extract) -> dict[str, Any]:
        """The values of a choice's page."""
        figures, pictures = self._of(choice, extract)
        beside = Beside(
            # Results of checks count the records of the whole city.
            quality.latest(self._landing, choice.city) if self._part is None else [],
            self._newest_merged().get(choice.city),
            cities.get(choice.city).today(self._clock()),
            self._briefings(choice) if self._part is None else self._part.briefings(extract),
        )
        values = page_of(choice, choices, figures, pictures, beside, self._then(choice))
        return {
            **values,
            "has_cities": self._across() is not None,
            "has_forecasts": self._has_forecasts_of(choice.city),
        }

    def _has_forecasts_of(self, city: str) -> bool:
        """Whether there is a page of forecasts of a city to link to."""
        return self._forecasts is not None and self._forecasts.city == city and self._forecasts.are_there()

    def _then(self, choice: Choice) -> Figures | None:
        """The figures of the day to compare with, if one is chosen."""
        other = choice.other
        return None if other is None else Figures(self._extracts.of(other.city, other.day), other, self._threshold)

    def _tables(self, request: Request) -> Response:
        choice, _, extract = self._chosen(request)
        figures, _ = self._of(choice, extract)
        own = {name: figures.shown(name) for name in TABLES if figures.has(name)}
        listed = {"": figures.names(), OF_CITY: figures.names(OF_CITY)}
        published = figures.published
        return self._html(
            "tables.html", choice=choice, about=extract.about, own=own, insights=listed, published=published
        )

    def _table(self, request: Request) -> Response:
        name, kind = request.path_params["name"], request.path_params["kind"]
        if kind not in WRITERS:
            raise UsageError(f"Tables are available as {' and '.join(WRITERS)}, not as {kind[:20]!r}.")
        choice, _, extract = self._chosen(request)
        figures, _ = self._of(choice, extract)
        media, write = WRITERS[kind]
        then = self._then(choice)
        both = compared(figures, then) if then else {}
        found = file_of(both[name], figures, then) if then and name in both else figures.dated(name)
        request.scope[SHOWN] |= {"rows": found.num_rows, "of_city": name.startswith(OF_CITY)}
        return file_answer(write(found), media, f"{_file_name(choice, name)}.{kind}")

    def _picture(self, request: Request) -> Response:
        name, kind = request.path_params["name"], request.path_params["kind"]
        choice, _, extract = self._chosen(request)
        _, pictures = self._of(choice, extract)
        file = f"{_file_name(choice, name)}.{kind}"
        match kind:
            case "svg":
                return file_answer(pictures.framed(name).encode(), "image/svg+xml", file)
            case "png":
                return file_answer(png(pictures.framed(name)), "image/png", file)
        raise UsageError(f"Pictures are available as svg and png, not as {kind[:20]!r}.")

    def _map_figures(self, request: Request) -> Response:
        return _json(self._map(request).figures())

    def _map_hot_spots(self, request: Request) -> Response:
        return _json(self._map(request).hot_spots())

    def _map_blocks(self, request: Request) -> Response:
        found = self._map(request).blocks()
        request.scope[SHOWN]["rows"] = len(found["blocks"])
        return _json(found)

    def _map_shapes(self, request: Request) -> Response:
        content = self._map(request).shapes(request.path_params["level"], request.path_params["digest"])
        # Without boundaries, shapes are the cells of a part's own crimes.
        kept = {"Cache-Control": KEPT} if self._part is None else {}
        return Response(content, media_type="application/geo+json", headers=kept)

    def _map(self, request: Request) -> MapData:
        choice, _, extract = self._chosen(request)
        return MapData(extract, choice, self._threshold, self._landing)

    def _briefing(self, request: Request) -> Response:
        city, kind = request.path_params["city"], request.path_params["kind"]
        if city not in self._extracts.cities() or kind not in ("html", "pdf"):
            raise UsageError("There is no such briefing: use the links on the dashboard.")
        try:
            day = date.fromisoformat(request.path_params["day"])
        except ValueError as error:
            raise UsageError("There is no such day: write it as YYYY-MM-DD.") from error
        content = self._briefing_of(city, day, kind)
        if content is None:
            raise UsageError(f"There is no briefing for {day}: materialize daily_briefing for that day.")
        media = {"html": "text/html; charset=utf-8", "pdf": "application/pdf"}[kind]
        return Response(content, media_type=media, headers={"Content-Security-Policy": _BRIEFING_POLICY})

    def _briefing_of(self, city: str, day: date, kind: str) -> bytes | None:
        if self._part is None:
            return self._landing.read(keys.briefing(city, day, kind))
        extract = self._extracts.of(city, day)
        return self._part.briefing(extract, kind) if kind in self._part.briefings(extract) else None

    def _cities(self, request: Request) -> Response:
        return self._html("cities.html", **self._compared().page())

    def _cities_table(self, request: Request) -> Response:
        name, kind = request.path_params["name"], request.path_params["kind"]
        tables = self._compared().tables()
        if kind not in WRITERS or name not in tables:
            raise UsageError("There is no such table: use the links on the page of cities.")
        media, write = WRITERS[kind]
        return file_answer(write(tables[name]), media, f"cities-{name}.{kind}")

    def _compared(self) -> Across:
        found = self._across()
        if found is None:
            raise UsageError("Nothing is compared here: that takes two cities in one lake, and no policy.")
        return found

    def _look_across(self) -> Across | None:
        """What may be compared across cities; None if there are not two of them."""
        if not self._has_cities or len(self._lake.cities) < FEWEST_CITIES:
            return None
        found = Across(
            city_months.months(self._lake), {name: cities.get(name) for name in cities.names()}, self._threshold
        )
        return found if len(found.cities) >= FEWEST_CITIES else None

    def _words(self, request: Request) -> Response:
        return self._html("words.html", words=sorted(glossary.WORDS, key=lambda word: word.name.lower()))

    def _html(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        return html(template, status, viewer=self._viewer, has_live=self._has_live, **values)

    def _refused(self, request: Request, error: Exception) -> Response:
        """A sentence that says what to do; if a day's extract is at fault, the other days can still be seen."""
        if isinstance(error, UsageError):
            return self._html("refused.html", 404, sentence=str(error), others=[])
        _LOG.warning("%s%s", error, f" ({error.__cause__})" if error.__cause__ else "")
        city = request.query_params.get("city", self._city.name)
        days = self._extracts.days(city) if city in self._extracts.cities() else []
        wanted = request.query_params.get("day", days[0].isoformat() if days else "")
        others = [Choice(city, day) for day in days if day.isoformat() != wanted]
        return self._html("refused.html", 503, sentence=str(error), others=others)

    def _look_for_merged(self) -> dict[str, date]:
        """City → the newest change day that the lake has merged."""
        merged = {city: merged_days(self._landing, city) for city in self._extracts.cities()}
        return {city: max(days) for city, days in merged.items() if days}

    def _briefings(self, choice: Choice) -> frozenset[str]:
        """The file types that exist for the day's briefing."""
        found = self._landing.list(keys.briefing(choice.city, choice.day, ""))
        return frozenset(item.key.rpartition(".")[2] for item in found)

    def _of(self, choice: Choice, extract: Extract) -> tuple[Figures, Pictures]:
        figures = Figures(extract, choice, self._threshold)
        return figures, Pictures(figures, extract, self._landing)


def _live_of(profile: Profile) -> LivePages | None:
    """The pages of live alerts; None where there is no stream, and nothing of it is loaded."""
    if not profile.settings.stream:
        return None
    from crime_assets.publishing.dashboard.live import LivePages

    return LivePages(profile)


@asynccontextmanager
async def _few_at_once(_: Starlette) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = _AT_ONCE
    yield


def _json(values: dict[str, object]) -> Response:
    return Response(orjson.dumps(values), media_type="application/json")


def _file_name(choice: Choice, name: str) -> str:
    """That of a table or picture; tables of the lake are whole, whatever was chosen."""
    if name.removeprefix(OF_CITY) in published_by(choice.city).insights:
        return Choice(choice.city, choice.day).file(name)
    if name == "changes":
        choice = choice.but(period="28d", beat=ALL)
    return (choice if name.startswith("both-") else choice.alone).file(name, of_areas=name in _OF_AREAS)
